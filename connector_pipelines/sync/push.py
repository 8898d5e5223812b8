"""The outward way, from core to another system: plan, send what is accepted, prove it. The mirror of `whole`."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from connector_pipelines.database import staging
from connector_pipelines.database.tables import plan_table, read_tables
from connector_pipelines.errors import at
from connector_pipelines.external.surroundings import opened
from connector_pipelines.model import PlanState
from connector_pipelines.sync import outbox, records
from connector_pipelines.sync.exporting import export_of, plan
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.sending import send
from connector_pipelines.sync.settling import settle, verify
from connector_pipelines.sync.sources import register
from connector_pipelines.sync.switches import refuse_off
from connector_pipelines.sync.whole import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from connector_pipelines.model import Receipt, Source
    from connector_pipelines.outward import Export
    from connector_pipelines.sync.context import Context


def push(
    context: Context,
    source: Source,
    *,
    entities: Sequence[str] | None = None,
    dry_run: bool = False,
    compare: bool = False,
    today: date | None = None,
) -> Iterator[Outcome]:
    """Bring a source's records up to what core says, export after export; each outcome as soon as it is there.

    A second push without changes in core makes no call that writes.

    Args:
        context: the run's surroundings.
        source: where to.
        entities: what, by its name there: "users"; all by default.
        dry_run: stop at the plan; nothing is written anywhere else.
        compare: ask what stands there first, so that what somebody changed or removed there is sent again.
        today: the day by which terms end; in UTC, today by default.

    Raises:
        ConfigurationError: the source is off.
        SyncError: what stopped an export, with its place. What was sent before is booked.
    """
    connection = context.connection
    exports = source.exports if entities is None else [export_of(source, entity) for entity in entities]
    refuse_off(connection, source)
    register(connection, source)
    outbox.watch(connection, source)
    for export in (one for one in source.exports if one.name in {chosen.name for chosen in exports}):
        seen = nullcontext() if dry_run else outbox.taken(connection, source.name, export.entity)
        with at(source.name, export.name), hold(connection, _lock(source, export)), opened(source) as client, seen:
            yield from _rounds(context, source, export, client, dry_run=dry_run, compare=compare, today=today)


def send_accepted(context: Context, source: Source, entity: str) -> list[Receipt]:
    """Send every accepted plan of an export, oldest first; what was being sent when a process died is asked after.

    Raises:
        AnotherRunIsActive: the export is being planned or sent just now.
        SyncError: what stopped it.
    """
    export = export_of(source, entity)
    with at(source.name, export.name), hold(context.connection, _lock(source, export)), opened(source) as client:
        settle(context, source, export, client)
        accepted = records.accepted_plans(context.connection, export.name, source.name)
        return [send(context, export, client, one) for one in accepted]


def _lock(source: Source, export: Export) -> str:
    return f"{source.name}/{export.name}"


def _rounds(
    context: Context, source: Source, export: Export, client: Any, *, dry_run: bool, compare: bool, today: date | None
) -> Iterator[Outcome]:
    """One outcome; where records refer to others of their own kind, one for each level that was created."""
    if not dry_run:
        settle(context, source, export, client)
        yield from _left_over(context, source, export, client)
        if compare:
            verify(context, source, export, client)
    again = True
    while again:
        started = time.monotonic()
        planned = plan(context, source, export, client, dry_run=dry_run, today=today)
        receipt = send(context, export, client, planned) if planned.state is PlanState.ACCEPTED else None
        now = records.load_plan(context.connection, planned.id)
        yield Outcome(export.name, now, receipt, time.monotonic() - started)
        again = bool(
            receipt and receipt.counts.waiting and receipt.counts.created and export.entity in export.refers.values()
        )


def _left_over(context: Context, source: Source, export: Export, client: Any) -> Iterator[Outcome]:
    """Plans that a run left behind: what a person approved is sent to its end, the rest is planned anew."""
    for left in records.accepted_plans(context.connection, export.name, source.name):
        started = time.monotonic()
        lost = left.chunks > 0 and not staging.holds_rows(context.connection, plan_table(left.id))
        guarded = (records.approved_by(context.connection, left) is None) or lost
        if guarded:
            records.move_plan(context.connection, left, PlanState.SUPERSEDED, by="a later export")
            staging.drop(context.connection, plan_table(left.id), *read_tables(left.read_id))
        else:
            receipt = send(context, export, client, left)
            now = records.load_plan(context.connection, left.id)
            yield Outcome(export.name, now, receipt, time.monotonic() - started)
