"""Makes the plan of an export: what another system should hold, against the ledger of what it does. Sends nothing.

What should stand there was staged, shaped and looked up before (`extracting`). Here it becomes: create, link, update,
restore, withdraw, unchanged; refused, doubtful and waiting rows become dead letters.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC
from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database import dead_letters
from connector_pipelines.database.connection import Connection, query, scalar
from connector_pipelines.database.tables import plan_table, rows_table, shaped_table
from connector_pipelines.mapping import give_way, guard
from connector_pipelines.mapping.extracting import REFUSED, SETTLED
from connector_pipelines.model import Counts, Plan, PlanState
from connector_pipelines.outward import PREFIX

if TYPE_CHECKING:
    from connector_pipelines.model import Read
    from connector_pipelines.outward import Export
    from connector_pipelines.policy import SyncPolicy


def make(connection: Connection, read: Read, export: Export, *, policy: SyncPolicy) -> Plan:
    """Plan what was staged, shaped and looked up, in one transaction.

    An older plan of the same export that waits for a person gives way.

    Returns:
        the plan, accepted or held; of a run that only looks, planned.
    """
    with connection.transaction():
        plan_id = cast("int", scalar(connection, _NEW_PLAN, read.id, read.source, export.name, export.batch))
        table = plan_table(plan_id)
        parts: dict[str, sql.Composable] = {
            "plan": table,
            "rows": rows_table(read.id),
            "shaped": shaped_table(read.id),
            "source": sql.Literal(read.source),
            "entity": sql.Literal(export.entity),
            "settled": SETTLED,
            "refused": REFUSED,
            "drops": sql.Literal(export.name in policy.drops),
            "together": sql.Literal(export.together),
            "batch": sql.Literal(export.batch),
        }
        for statement in (_DOUBLE, _PLAN, _ORDER):
            connection.execute(sql.SQL(statement).format(**parts))
        counts = _counted(connection, table, read)
        _write_letters(connection, read, table)
        connection.execute(sql.SQL(_KEEP).format(**parts))
        if not read.trial:
            connection.execute(sql.SQL(_FORGET).format(**parts))
        verdict = _judged(connection, read, counts, policy)
        state = PlanState.PLANNED if read.trial else verdict.state
        plan = Plan(plan_id, read.source, read.entity, read.id, state, "", counts, 0, reasons=verdict.reasons)
        return _finish(connection, read, plan, batch=export.batch)


_NEW_PLAN = (
    "INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks)"
    " VALUES (%s, %s, %s, 'planned', '', '{}', %s, 0) RETURNING id"
)

# One record there is never taken by two rows of core.
_DOUBLE = """
    UPDATE {shaped} s SET verdict = 'doubtful', rule = 'doubtful match',
        reason = 'several rows of core look like the record ' || s.external_id || ' there'
    WHERE s.external_id IS NOT NULL AND (
        EXISTS (SELECT FROM {shaped} o WHERE o.external_id = s.external_id AND o.key <> s.key)
        OR EXISTS (SELECT FROM connector.exports l WHERE l.source = {source} AND l.entity = {entity}
            AND l.external_id = s.external_id AND l.key <> s.key))
"""

# One row for each row of the extract, and for each record that stands there without one.
#
#   fate     what it counts as; a row that is known and settled is not worth a row here
#   sends    the call it takes: create, update, withdraw or restore
#   changes  the fields that differ, each with what was there and what is wanted
_PLAN = """
    CREATE UNLOGGED TABLE {plan} AS
    SELECT NULL::bigint AS seq, NULL::bigint AS internal_id, q.*,
        CASE fate WHEN 'drop' THEN 'withdraw' ELSE fate END AS action,
        CASE WHEN fate IN ('create', 'update', 'restore', 'withdraw') THEN fate WHEN fate = 'drop' THEN 'withdraw'
            WHEN fate = 'link' AND changes IS NOT NULL THEN 'update' END AS sends
    FROM (
        SELECT coalesce(r.key, l.key) AS external_id, coalesce(s.record,
                CASE WHEN jsonb_typeof(l.refused) = 'object' THEN l.refused ELSE l.record END) AS record,
            coalesce(l.external_id, s.external_id) AS there,
            CASE WHEN l.external_id IS NULL THEN s.matched_by END AS matched_by, s.stands,
            r._hash AS row_hash, f.changes, coalesce(s.rule, l.rule) AS rule,
            coalesce(s.reason, r._waits, l.error) AS reason,
            CASE
                WHEN r.key IS NULL THEN CASE WHEN l.state = 'withdrawn' OR l.external_id IS NULL THEN 'none'
                    WHEN l.state = 'failed' AND NOT l.again AND l.refused = '"withdraw"' THEN 'none'
                    WHEN {drops} THEN 'drop' ELSE 'absent' END
                WHEN coalesce({settled}, false) THEN CASE l.state WHEN 'failed' THEN 'failed'
                    WHEN 'withdrawn' THEN 'skipped' ELSE CASE WHEN l.stands IS NULL THEN 'same' ELSE 'kept' END END
                WHEN r._waits IS NOT NULL AND s.key IS NULL THEN 'waiting'
                WHEN s.verdict IN ('refused', 'doubtful', 'contested') THEN s.verdict
                WHEN s.verdict = 'skipped' THEN 'skipped'
                WHEN coalesce({refused}, false) THEN 'failed'
                WHEN s.verdict = 'unwanted' THEN CASE WHEN l.external_id IS NULL OR l.state = 'withdrawn'
                    THEN 'skipped' ELSE 'withdraw' END
                WHEN l.state = 'withdrawn' THEN 'restore'
                WHEN l.external_id IS NULL THEN CASE WHEN s.external_id IS NULL THEN 'create' ELSE 'link' END
                WHEN f.changes IS NOT NULL THEN 'update'
                WHEN l.stands IS NOT NULL THEN 'kept'
                ELSE 'touch'
            END AS fate
        FROM {rows} r
        FULL JOIN (SELECT * FROM connector.exports WHERE source = {source} AND entity = {entity}) l ON l.key = r.key
        LEFT JOIN {shaped} s ON s.key = r.key
        LEFT JOIN LATERAL (
            SELECT jsonb_object_agg(w.key, jsonb_build_array(coalesce(was -> w.key, 'null'), w.value)) AS changes
            FROM (SELECT coalesce(s.stands, l.record) AS was) b
            CROSS JOIN jsonb_each(s.record) w
            WHERE coalesce(was -> w.key, 'null') <> w.value
        ) f ON s.verdict = 'wanted' AND coalesce(l.external_id, s.external_id) IS NOT NULL
    ) q
    WHERE fate NOT IN ('same', 'none')
"""

# Each call begins a batch of its own, so that none is made that a batch could have held.
_ORDER = """
    WITH starts AS (
        SELECT sends, (sum(batches) OVER (ORDER BY sends) - batches)::bigint * {batch} AS start
        FROM (SELECT sends, (count(*) + {batch} - 1) / {batch} AS batches FROM {plan} GROUP BY sends) sizes
        WHERE sends IS NOT NULL
    ), placed AS (
        SELECT p.external_id, s.start + row_number() OVER (
            PARTITION BY p.sends ORDER BY p.record -> {together}, p.external_id COLLATE "C") AS seq
        FROM {plan} p JOIN starts s USING (sends)
    )
    UPDATE {plan} p SET seq = o.seq FROM placed o WHERE o.external_id = p.external_id
"""

# What is only counted has no place in the plan.
_KEEP = """
    DELETE FROM {plan} WHERE sends IS NULL AND action NOT IN ('link', 'touch', 'absent');
    CREATE INDEX ON {plan} (seq);
    CREATE UNIQUE INDEX ON {plan} (external_id);
    ANALYZE {plan}
"""

# A create that was cut off, was not found there, and is wanted no more.
_FORGET = """
    DELETE FROM connector.exports l
    WHERE l.source = {source} AND l.entity = {entity} AND l.state = 'wanted' AND l.external_id IS NULL
        AND NOT EXISTS (SELECT FROM {plan} p WHERE p.external_id = l.key)
"""


def _counted(connection: Connection, table: sql.Identifier, read: Read) -> Counts:
    grouped = connection.execute(
        query("SELECT fate, changes IS NOT NULL, count(*) FROM {table} GROUP BY 1, 2", table=table)
    ).fetchall()
    by: dict[str, int] = {}
    linked_and_changed = 0
    for fate, changes, count in cast("list[tuple[str, bool, int]]", grouped):
        by[fate] = by.get(fate, 0) + count
        linked_and_changed += count if fate == "link" and changes else 0

    def of(*fates: str) -> int:
        return sum(by.get(fate, 0) for fate in fates)

    counts = Counts(
        fetched=read.rows,
        created=of("create"),
        updated=of("update", "restore") + linked_and_changed,
        skipped=of("skipped", "withdraw"),
        conflicts=of("contested"),
        dead_lettered=of("refused", "doubtful", "failed", "waiting"),
        waiting=of("waiting"),
        linked=of("link"),
        dropped=of("withdraw", "drop"),
        absent=of("absent"),
    )
    counted = counts.created + counts.updated + counts.skipped + counts.conflicts + counts.dead_lettered
    return replace(counts, unchanged=read.rows - counted)


def _write_letters(connection: Connection, read: Read, table: sql.Identifier) -> None:
    """What will not stand there as wanted, each with its reason; what waits does so without its record."""
    for fates, state in ((("refused", "doubtful", "contested", "failed", "kept"), "open"), (("waiting",), "waiting")):
        rows = query(
            "SELECT external_id, CASE fate WHEN 'waiting' THEN 'waits' ELSE coalesce(rule, fate) END,"
            " CASE fate WHEN 'waiting' THEN 'waits for ' || reason ELSE coalesce(reason, '') END, record, NULL::jsonb,"
            " 0, 0 FROM {table} WHERE fate = ANY({fates})",
            table=table,
            fates=sql.Literal(list(fates)),
        )
        dead_letters.write_staged(connection, read, rows, state=state)


def _judged(connection: Connection, read: Read, counts: Counts, policy: SyncPolicy) -> guard.Verdict:
    there = (
        "SELECT count(*) FROM connector.exports"
        " WHERE source = %s AND entity = %s AND external_id IS NOT NULL AND state <> 'withdrawn'"
    )
    before = cast("int", scalar(connection, there, read.source, read.entity.removeprefix(PREFIX)))
    limits, seasons = policy.guard.limits_for(read.entity, read.started_at.astimezone(UTC).date())
    verdict = guard.judge(counts, before=before, snapshot=True, limits=limits)
    told = tuple(f"season: {name}" for name in seasons) if verdict.reasons else ()
    return replace(verdict, reasons=verdict.reasons + told)


def _finish(connection: Connection, read: Read, plan: Plan, *, batch: int) -> Plan:
    statement = query(_HASH, table=plan_table(plan.id))
    digest, last = connection.execute(statement, [f"{plan.source}/{plan.entity}"]).fetchone() or ("", 0)
    plan = replace(plan, hash=str(digest), chunks=-(-cast("int", last) // batch))
    connection.execute(
        "UPDATE connector.sync_plans SET state = %s, hash = %s, counts = %s, reasons = %s, chunks = %s WHERE id = %s",
        [plan.state, plan.hash, json.dumps(asdict(plan.counts)), json.dumps(plan.reasons), plan.chunks, plan.id],
    )
    give_way.to_plan(connection, plan.id, read.source, read.entity)
    if not read.trial:
        give_way.to_read(connection, read)
    return plan


_HASH = """
    SELECT encode(sha256(convert_to(%s || coalesce(string_agg(
            md5(concat_ws('|', external_id, action, there, record, changes)), '' ORDER BY external_id COLLATE "C"
        ) FILTER (WHERE sends IS NOT NULL OR action = 'link'), ''), 'UTF8')), 'hex'),
        coalesce(max(seq), 0)
    FROM {table}
"""
