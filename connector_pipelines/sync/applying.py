"""Step 4: apply accepted plans to a core table, prove it with a receipt, move the cursor."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import psycopg

from connector_pipelines.core.apply import apply_chunk
from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.core.read_back import read_back
from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, connect, query
from connector_pipelines.database.tables import mappings_table, plan_table, read_tables, rows_table
from connector_pipelines.errors import AnotherRunIsActive, PlanOutdated, at
from connector_pipelines.model import PlanState, Progress, Receipt
from connector_pipelines.sync import cursors, records
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.planning import replan
from connector_pipelines.sync.receipts import write_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector_pipelines.model import Entity, Plan, Read, Source
    from connector_pipelines.sync.context import Context

_REPLANS = 3  # core that moves under three plans in a row is being written by somebody else all the time


@dataclass(frozen=True, slots=True)
class _Beside:
    """A second hand: a connection, and the thread that uses it."""

    connection: Connection
    thread: ThreadPoolExecutor


class _Write(Protocol):
    """Writes one chunk of a plan."""

    def __call__(self, connection: Connection, *, plan: Plan, number: int) -> Plan:
        """See `apply_chunk`."""


def apply(context: Context, entity: str, sources: Mapping[str, Source], *, only: str | None = None) -> list[Receipt]:
    """Apply every accepted plan for a core table, oldest first; one that was begun goes on at its next chunk.

    Args:
        context: the run's surroundings.
        entity: the core table.
        sources: the declared sources by name, to make outdated plans anew. A plan of a source that is not declared
            any more stays as it is.
        only: apply only this source's plans.

    Returns:
        a receipt per applied plan, in order.

    Raises:
        SyncError: what stopped the run, with its place; every chunk before is durable.
    """
    for parent in core_entity(entity).parents:
        _apply_imports(context, parent, sources, only)
    receipts = []
    with hold(context.connection, f"core/{entity}"):
        for plan in records.accepted_plans(context.connection, entity, only):
            if plan.source in sources:
                with at(plan.source, entity):
                    receipt = _apply_or_replan(context, plan, sources[plan.source])
                    receipts += [receipt] if receipt else []
    return receipts


def _apply_imports(context: Context, entity: str, sources: Mapping[str, Source], only: str | None) -> None:
    """Parents that were read because children name them go before these, in the same run (G43)."""
    due = [plan for plan in records.accepted_imports(context.connection, entity, only) if plan.source in sources]
    if not due:
        return
    with suppress(AnotherRunIsActive), hold(context.connection, f"core/{entity}"):  # else it applies them, or its next
        for plan in due:
            with at(plan.source, entity):
                _apply_or_replan(context, plan, sources[plan.source])


def apply_now(context: Context, plan: Plan) -> Receipt:
    """Apply one accepted plan in the caller's transaction, under the lock of its core table.

    Raises:
        PlanOutdated: core moved since it was made; nothing is planned anew.
    """
    return _apply_whole(replace(context, url=None), plan, parents_settled=True)


def _apply_or_replan(context: Context, plan: Plan, source: Source) -> Receipt | None:
    """A receipt, or None when the guard holds what the plan became."""
    for replanned in range(_REPLANS):
        if plan.state is not PlanState.ACCEPTED:
            return None
        try:
            return _apply_whole(context, plan, parents_settled=replanned > 0)
        except PlanOutdated:
            plan = replan(context, source, records.load_plan(context.connection, plan.id))
    raise PlanOutdated(
        f"core moved under the plan {_REPLANS} times in a row.", remedy="See who else writes this table meanwhile."
    )


def _apply_whole(context: Context, plan: Plan, *, parents_settled: bool) -> Receipt:
    started = time.monotonic()
    connection, entity = context.connection, core_entity(plan.entity)
    read = records.load_read(connection, plan.read_id)
    if records.overtaken(connection, plan):
        raise PlanOutdated("another plan of this source was applied since it was made.")
    staged = staging.holds_rows(connection, plan_table(plan.id)) and staging.exists(connection, rows_table(read.id))
    if plan.chunks and not staged:
        raise PlanOutdated("the plan's rows were lost with the database server's memory.")
    chunk_rows = records.chunk_rows_of(connection, plan)
    write = partial(apply_chunk, entity=entity, read=read, chunk_rows=chunk_rows, parents_settled=parents_settled)
    with _beside(context, entity, plan) as beside:
        while plan.applied_chunks < plan.chunks:
            plan = _next_chunks(connection, plan, write, beside)
            context.report(Progress(plan.source, plan.entity, "apply", plan.applied_chunks, plan.chunks, "chunks"))
    return _finish(context, plan, read, started)


@contextmanager
def _beside(context: Context, entity: Entity, plan: Plan) -> Iterator[_Beside | None]:
    """A second connection that writes every other chunk, where that is allowed and worth it.

    Rows of an entity that points to itself are written parents first, one chunk after the other.
    """
    alone = context.url is None or plan.chunks - plan.applied_chunks < 2  # noqa: PLR2004 -- there is nothing beside one
    if alone or entity.points_to_itself:
        yield None
        return
    with connect(context.url) as connection, ThreadPoolExecutor(1, thread_name_prefix="apply") as thread:
        yield _Beside(connection, thread)


def _next_chunks(connection: Connection, plan: Plan, write: _Write, beside: _Beside | None) -> Plan:
    """One chunk, or two at once.

    The second becomes durable after the first, or not at all: what goes wrong with it, it will meet again when it is
    the first.
    """
    number = plan.applied_chunks + 1
    if beside is None or number == plan.chunks:
        return write(connection, plan=plan, number=number)
    second = beside.thread.submit(write, beside.connection, plan=plan, number=number + 1)
    try:
        first = write(connection, plan=plan, number=number)
    except psycopg.errors.DeadlockDetected:  # with the second, by a constraint that core's owner added
        wait([second])
        return write(connection, plan=plan, number=number)
    finally:
        wait([second])
    return first if second.exception() else second.result()


def _finish(context: Context, plan: Plan, read: Read, started: float) -> Receipt:
    """Read back, and in one transaction: the receipt, the plan's last state, marks, letters and the cursor."""
    connection, entity = context.connection, core_entity(plan.entity)
    planned, core, differences = read_back(connection, entity, plan) if plan.chunks else (0, 0, ())
    receipt = Receipt(
        plan_id=plan.id,
        source=plan.source,
        entity=plan.entity,
        counts=plan.counts,
        planned_checksum=planned,
        core_checksum=core,
        differences=differences,
        seconds=time.monotonic() - started,
    )
    with connection.transaction():
        # First, before any row is locked: whoever plans children of these rows holds the table until they are planned.
        staging.drop(connection, plan_table(plan.id), *read_tables(plan.read_id))
        receipt = write_receipt(connection, receipt)
        records.move_plan(connection, plan, PlanState.APPLIED, by=context.launched_by)
        dead_letters.settle(connection, read)
        _mark_refused(context, read)
        cursors.advance(connection, read, plan)
    return receipt


def _mark_refused(context: Context, read: Read) -> None:
    """Records that were refused or wait get a mapping that says so; what core holds of them stays (G39)."""
    context.connection.execute(
        query(
            """
            INSERT INTO {mappings} AS m (connector_id, entity_type, external_id, sync_status, error_message)
            SELECT DISTINCT ON (external_id) source, entity, external_id,
                CASE state WHEN 'waiting' THEN 'pending' ELSE 'error' END, reason
            FROM connector.dead_letters
            WHERE source = %s AND entity = %s AND last_run_id = %s AND state <> 'resolved' AND external_id <> ''
            ORDER BY external_id, id DESC
            ON CONFLICT (external_id, entity_type)
            DO UPDATE SET sync_status = excluded.sync_status, error_message = excluded.error_message
            WHERE (m.sync_status, m.error_message) IS DISTINCT FROM (excluded.sync_status, excluded.error_message)
            """,
            mappings=mappings_table(read.source),
        ),
        [read.source, read.entity, read.id],
    )
