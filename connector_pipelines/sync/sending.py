"""Sends an accepted plan to another system, batch by batch, and proves it with a receipt.

mark    the rows as being sent, durable before the call
send    one batch of one action; a batch that is refused is halved until the row stands alone that is
read    back what stands there now
book    what became of each row, with the number of the batch, in one transaction
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from connector_pipelines.database import dead_letters, ledger, staging
from connector_pipelines.database.connection import query
from connector_pipelines.database.ledger import Entry
from connector_pipelines.database.tables import plan_table, read_tables
from connector_pipelines.errors import PlanOutdated, RefusedBySource, SyncError
from connector_pipelines.mapping.recognizing import differing, own
from connector_pipelines.model import PlanState, Progress, Receipt
from connector_pipelines.outward import Action, Done, NotDone
from connector_pipelines.sync import records
from connector_pipelines.sync.figures import note_sent
from connector_pipelines.sync.receipts import write_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_pipelines.model import Counts, Plan, Read
    from connector_pipelines.outward import Export, Order, Record
    from connector_pipelines.sync.context import Context

TAKEN, GONE, KEPT, SILENT = "id is taken", "not there afterwards", "kept otherwise", "no answer"
"""Rules of what went wrong without the system saying so."""


@dataclass(slots=True)
class _Batch:
    """What is known of the orders of one call."""

    action: Action
    orders: Sequence[Order]
    answers: dict[str, Done | NotDone] = field(default_factory=dict)
    stands: dict[str, Record | None] = field(default_factory=dict)
    stopped: SyncError | None = None


def send(context: Context, export: Export, client: Any, plan: Plan) -> Receipt:
    """Send an accepted plan; one that was begun goes on with what has no outcome yet.

    Rows that were marked as being sent by somebody else must be settled before.

    Raises:
        PlanOutdated: its rows were lost, or somebody took it back; nothing more was sent.
        SyncError: what stopped it, after what is known was booked.
    """
    started = time.monotonic()
    connection = context.connection
    read = records.load_read(connection, plan.read_id)
    if plan.chunks and not staging.holds_rows(connection, plan_table(plan.id)):
        raise PlanOutdated("the plan's rows were lost with the database server's memory.", remedy="Export again.")
    if staging.exists(connection, plan_table(plan.id)):
        ledger.adopt(connection, plan, export.entity)
    most = _most(context, export, plan)
    while plan.applied_chunks < plan.chunks:
        plan = _send_chunk(context, export, client, plan, read, most=most)
        context.report(Progress(plan.source, plan.entity, "send", plan.applied_chunks, plan.chunks, "batches"))
    return _finish(context, export, plan, read, started)


def _most(context: Context, export: Export, plan: Plan) -> int:
    """How many rows are sent in one call: half as many each time that nobody answered for one that is left (M121).

    What arrived counts as never lost, so that the next export sends full batches again.
    """
    return max(1, export.batch >> ledger.lost(context.connection, plan.source, export.entity))


def _send_chunk(context: Context, export: Export, client: Any, plan: Plan, read: Read, *, most: int) -> Plan:
    size, chunk = records.chunk_rows_of(context.connection, plan), plan.applied_chunks + 1
    waiting = ledger.orders(context.connection, plan, export.entity, first=(chunk - 1) * size + 1, last=chunk * size)
    for action, orders in waiting.items():
        for at in range(0, len(orders), most):
            plan = _send_part(context, export, client, plan, read, batch=_Batch(action, orders[at : at + most]))
    if chunk.bit_count() == 1:
        ledger.analyze(context.connection)
    plan = replace(plan, applied_chunks=chunk)
    context.connection.execute("UPDATE connector.sync_plans SET applied_chunks = %s WHERE id = %s", [chunk, plan.id])
    return plan


def _send_part(context: Context, export: Export, client: Any, plan: Plan, read: Read, *, batch: _Batch) -> Plan:
    if not ledger.mark(context.connection, plan, export.entity, batch.action, [order.key for order in batch.orders]):
        raise PlanOutdated(f"plan {plan.hash[:12]} is not accepted any more.", remedy="Export again.")
    _call(export, client, batch)
    plan = _book(context, export, plan, read, batch)
    if batch.stopped:
        raise batch.stopped
    return plan


def _call(export: Export, client: Any, batch: _Batch) -> None:
    """Send, and read back. What stops it is kept, so that what is known already is not lost."""
    try:
        for answer in _answers(export, client, batch.action, batch.orders):
            batch.answers[answer.key] = answer
        ids = [answer.external_id for answer in batch.answers.values() if isinstance(answer, Done)]
        if ids and batch.action is not Action.WITHDRAW:
            batch.stands = dict(export.read_back(client, ids))
    except SyncError as error:
        batch.stopped = error


def _answers(export: Export, client: Any, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
    answered: set[str] = set()
    try:
        for answer in export.send(client, action, orders):
            answered.add(answer.key)
            yield answer
    except RefusedBySource as refused:
        left = [order for order in orders if order.key not in answered]
        if len(left) == 1:
            yield NotDone(left[0].key, "refused", refused.problem)
            return
        middle = len(left) // 2
        yield from _answers(export, client, action, left[:middle])
        yield from _answers(export, client, action, left[middle:])


def _book(context: Context, export: Export, plan: Plan, read: Read, batch: _Batch) -> Plan:
    """What became of the batch, in one transaction; the plan with its counts corrected by what was not done."""
    connection = context.connection
    ids = {one.key: one.external_id for one in batch.answers.values() if isinstance(one, Done)}
    for key in ledger.taken(connection, plan.source, export.entity, ids):
        there = f"the system answers with the id {ids[key]}, which is that of another row of core"
        batch.answers[key] = NotDone(key, TAKEN, there)
    orders = {order.key: order for order in batch.orders}
    entries = [_entry(batch, orders[key], answer) for key, answer in batch.answers.items() if key in orders]
    failed = [entry.key for entry in entries if entry.state == "failed"]
    silent = [] if batch.stopped else [key for key in orders if key not in batch.answers]
    letters = [
        (entry.key, entry.rule, entry.error, dict(orders[entry.key].record)) for entry in entries if entry.error
    ] + [(key, SILENT, "the system said nothing of it", dict(orders[key].record)) for key in silent]
    with connection.transaction():
        ledger.book(connection, plan.source, export.entity, entries, plan=plan)
        _keep_changes(context, plan, [entry.key for entry in entries if entry.state != "failed"])
        _write_letters(context, read, letters)
        note_sent(
            connection,
            plan.source,
            export.entity,
            sent=len(entries) + len(silent),
            failed=len(failed) + len(silent),
        )
        counts = _corrected(context, plan, failed + silent)
        connection.execute(
            "UPDATE connector.sync_plans SET counts = %s WHERE id = %s", [json.dumps(asdict(counts)), plan.id]
        )
    return replace(plan, counts=counts)


def _entry(batch: _Batch, order: Order, answer: Done | NotDone) -> Entry:
    """The ledger's entry for one answer. Pure."""
    if isinstance(answer, NotDone):
        refused = "withdraw" if batch.action is Action.WITHDRAW else dict(order.record)
        return Entry(order.key, "failed", refused=refused, rule=answer.rule, error=answer.reason, again=answer.again)
    if batch.action is Action.WITHDRAW:
        return Entry(order.key, "withdrawn", answer.external_id)
    if answer.external_id not in batch.stands:
        return Entry(order.key, "sent", answer.external_id, dict(order.record))
    stands = batch.stands[answer.external_id]
    if stands is None:
        return Entry(
            order.key,
            "failed",
            refused=dict(order.record),
            rule=GONE,
            gone=True,
            again=True,
            settled=False,
            error="the system said that it was done, and has no such record",
        )
    differs = differing(order.record, stands)
    if not differs:
        return Entry(order.key, "verified", answer.external_id, dict(order.record))
    return Entry(
        order.key,
        "sent",
        answer.external_id,
        dict(order.record),
        stands=own(order.record, stands),
        rule=KEPT,
        error=f"the system took it, and keeps another value of {', '.join(differs)}",
    )


def _keep_changes(context: Context, plan: Plan, keys: Sequence[str]) -> None:
    context.connection.execute(
        query(
            "INSERT INTO connector.sync_changes (plan_id, internal_id, external_id, changes, action)"
            " SELECT %s, l.id, p.external_id, coalesce(p.changes, '{{}}'), p.action FROM {plan} p"
            # by the ledger's index, row by row: it grows while we send, and a join planned for few took 5 s a batch
            " CROSS JOIN LATERAL (SELECT o.id FROM connector.exports o"
            " WHERE o.source = %s AND o.entity = %s AND o.key = p.external_id OFFSET 0) l"
            " WHERE p.external_id = ANY(%s) ON CONFLICT DO NOTHING",
            plan=plan_table(plan.id),
        ),
        [plan.id, plan.source, plan.entity.partition("/")[2], list(keys)],
    )


def _write_letters(
    context: Context, read: Read, letters: Sequence[tuple[str, str | None, str | None, Mapping[str, Any]]]
) -> None:
    if letters:
        told = json.dumps([{"key": k, "rule": rule, "reason": why, "record": what} for k, rule, why, what in letters])
        rows = query(
            "SELECT key, rule, reason, record, NULL::jsonb, 0, 0"
            " FROM jsonb_to_recordset({told}::jsonb) AS r(key text, rule text, reason text, record jsonb)",
            told=sql.Literal(told.replace("%", "%%")),  # the statement takes parameters
        )
        dead_letters.write_staged(context.connection, read, rows, state="open")


def _corrected(context: Context, plan: Plan, failed: Sequence[str]) -> Counts:
    """The counts without rows that were not done, which are dead letters now."""
    counts = plan.counts
    if not failed:
        return counts
    rows = context.connection.execute(
        query(
            "SELECT sends, row_hash IS NOT NULL, count(*) FROM {plan} WHERE external_id = ANY(%s) GROUP BY 1, 2",
            plan=plan_table(plan.id),
        ),
        [list(failed)],
    ).fetchall()
    for sends, in_core, count in cast("list[tuple[str, bool, int]]", rows):
        moved = _COUNTED[Action(sends), in_core]
        counts = replace(counts, **{name: getattr(counts, name) + by * count for name, by in moved.items()})
    return counts


# What a row that was not done no longer counts as, by action and whether core still has the row.
_COUNTED: dict[tuple[Action, bool], dict[str, int]] = {
    (Action.CREATE, True): {"created": -1, "dead_lettered": 1},
    (Action.UPDATE, True): {"updated": -1, "dead_lettered": 1},
    (Action.RESTORE, True): {"updated": -1, "dead_lettered": 1},
    (Action.WITHDRAW, True): {"skipped": -1, "dropped": -1, "dead_lettered": 1},
    (Action.WITHDRAW, False): {"dropped": -1},
}


def _finish(context: Context, export: Export, plan: Plan, read: Read, started: float) -> Receipt:
    """In one transaction: the receipt, the plan's last state, what was unchanged, and letters that are answered."""
    connection = context.connection
    planned, there, differences = _read_back(context, export, plan)
    receipt = Receipt(
        plan_id=plan.id,
        source=plan.source,
        entity=plan.entity,
        counts=plan.counts,
        planned_checksum=planned,
        core_checksum=there,
        differences=differences,
        seconds=time.monotonic() - started,
    )
    with connection.transaction():
        if staging.exists(connection, plan_table(plan.id)):
            connection.execute(query(_TOUCH, plan=plan_table(plan.id)), [plan.source, export.entity])
        receipt = write_receipt(connection, receipt)
        records.move_plan(connection, plan, PlanState.APPLIED, by=context.launched_by)
        connection.execute(
            "UPDATE connector.dead_letters SET state = 'resolved', updated_at = now()"
            " WHERE source = %s AND entity = %s AND state <> 'resolved' AND last_run_id < %s",
            [plan.source, plan.entity, read.id],
        )
        staging.drop(connection, plan_table(plan.id), *read_tables(read.id))
    return receipt


_TOUCH = """
    UPDATE connector.exports l SET row_hash = p.row_hash, record = CASE WHEN p.stands IS NULL THEN l.record
        ELSE p.record END
    FROM {plan} p
    WHERE p.action = 'touch' AND l.source = %s AND l.entity = %s AND l.key = p.external_id
"""


def _read_back(context: Context, export: Export, plan: Plan) -> tuple[int, int, tuple[str, ...]]:
    """Checksums of what was sent, as wanted and as it stands there, and the keys that differ."""
    if not plan.chunks:
        return 0, 0, ()
    row = context.connection.execute(
        query(
            """
            SELECT coalesce(sum(hashtextextended(l.key || l.record::text, 0)), 0),
                coalesce(sum(hashtextextended(l.key || coalesce(l.stands, l.record)::text, 0)), 0),
                array_agg(l.key ORDER BY l.key) FILTER (WHERE l.stands IS NOT NULL OR l.record <> p.record)
            FROM {plan} p CROSS JOIN LATERAL (SELECT o.* FROM connector.exports o
                WHERE o.source = %s AND o.entity = %s AND o.key = p.external_id OFFSET 0) l  -- as in _keep_changes
            WHERE p.sends IN ('create', 'update', 'restore') AND l.state IN ('sent', 'verified')
            """,
            plan=plan_table(plan.id),
        ),
        [plan.source, export.entity],
    ).fetchone()
    planned, there, differing_keys = cast("tuple[int, int, list[str] | None]", row)
    return int(planned), int(there), tuple(differing_keys or ())
