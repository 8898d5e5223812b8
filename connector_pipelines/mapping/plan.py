"""Makes the plan of a staged read: what would change in core, row by row and field by field. Writes nothing to core.

The order of operations in `make`:

    1. waiting rows whose parents have come are staged again       references.revive
    2. every row's hash is compared with the one core holds        diff.compare
    3. ids that came twice, and deleted ones never seen, go        diff.settle_*
    4. what a complete full read no longer holds is gathered       absence.gather
    5. new rows that core has already get their row's id           matching.link
       those that no row answers to go, where none may be created   skips.skip_new
    6. changed rows get an id, their references, a field diff      _write_rows
    7. rows that look like somebody else are refused               identity_guard.refuse
    8. rows without a place are refused, rows without parents wait references
       or go, as the policy says                                   skips.skip_orphans
    9. what is gone is noted or dropped                            absence.plan_rows
    10. fields that core keeps leave the plan                      conflicts.decide
    11. everything is counted and hashed, the guard judges         guard.judge
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC
from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, comma, query, scalar
from connector_pipelines.database.tables import COUNTED, mappings_table, plan_table, rows_table
from connector_pipelines.mapping import (
    absence,
    cases,
    conflicts,
    diff,
    give_way,
    guard,
    identity_guard,
    matching,
    references,
)
from connector_pipelines.mapping.skips import Skip, skip_new, skip_orphans
from connector_pipelines.model import Counts, Plan, PlanState

if TYPE_CHECKING:
    from connector_pipelines.model import Entity, Read
    from connector_pipelines.policy import SyncPolicy


def make(
    connection: Connection,
    entity: Entity,
    read: Read,
    *,
    chunk_rows: int,
    policy: SyncPolicy,
    replaces: Plan | None = None,
) -> Plan:
    """Plan a staged read, in one transaction.

    An older plan of the same source and entity that was held gives way when this read asked for all that it did.

    Args:
        connection: in autocommit mode.
        entity: what the rows are.
        read: a complete read whose rows are staged.
        chunk_rows: rows per transaction when the plan is applied.
        policy: what the source may do to core.
        replaces: the plan of the same read that is made anew; what it created already does not count as there before,
            and parents that are only planned do not count as there.

    Returns:
        the plan, accepted or held; of a read that only looks, planned.
    """
    with connection.transaction():
        plan_id = cast("int", scalar(connection, _NEW_PLAN, read.id, read.source, entity.name, chunk_rows))
        table = plan_table(plan_id)
        references.gather_parents(connection, entity, read.source, states=_counted_on(read, replaces))
        counts = _sent(read, retried=references.revive(connection, entity, read))
        diff.compare(connection, entity, read, refresh=read.snapshot and _other_salt(connection, read))
        repeated, contradicting = diff.settle_repeated(connection, read)
        skipped = [Skip(repeated, "repeated"), Skip(diff.settle_never_seen(connection), _NEVER_SEEN)]
        absence.gather(connection, entity, read)
        cases.gather_accepted(connection, read)
        columns = policy.matching.get(entity.name, ())
        refused = contradicting + matching.link(connection, entity, read, columns)
        skipped.append(skip_new(connection, entity, policy))
        _write_rows(connection, entity, read, table)
        refused += identity_guard.refuse(connection, entity, read, table, matching=columns)
        refused += references.refuse_unplaced(connection, entity, read, table)
        references.order_by_depth(connection, entity, table)
        skipped.append(skip_orphans(connection, entity, table, policy))
        waiting = references.let_wait(connection, entity, read, table)
        given_up = 0 if read.trial else dead_letters.give_up(connection, read.source, run_id=read.id)
        absence.plan_rows(connection, entity, read, table, policy)
        conflicts.decide(connection, entity, read, policy.conflicts, table)
        connection.execute(query("CREATE INDEX ON {table} (seq)", table=table))
        connection.execute(query("ANALYZE {table} (internal_id, seq)", table=table))  # a few are looked up, not joined
        counts = replace(
            _counted(connection, table, counts),
            skipped=counts.skipped + sum(one.count for one in skipped),
            dead_lettered=counts.dead_lettered + refused + waiting,
            waiting=waiting - given_up,
        )
        verdict = _judged(connection, read, counts, replaces, policy)
        reasons = (*verdict.reasons, *absence.why_not_dropped(read, policy), *filter(None, map(str, skipped)))
        state = PlanState.PLANNED if read.trial else verdict.state
        plan = Plan(plan_id, read.source, read.entity, read.id, state, "", counts, 0, reasons=reasons)
        return _finish(connection, entity, read, plan, chunk_rows=chunk_rows)


def _sent(read: Read, *, retried: int) -> Counts:
    """What became of the rows before they were planned."""
    return Counts(
        fetched=read.rows,
        retried=retried,
        skipped=read.rows - read.staged - read.known - read.rejected,
        unchanged=read.known,
        dead_lettered=read.rejected,
    )


def _counted_on(read: Read, replaces: Plan | None) -> tuple[PlanState, ...]:
    """The states in which plans of parents are counted on: who only looks, looks at parents that are only planned."""
    if read.trial:
        return (PlanState.ACCEPTED, PlanState.PLANNED)
    return () if replaces else (PlanState.ACCEPTED,)


_NEVER_SEEN = "deleted at the source before they came to core"

_NEW_PLAN = (
    "INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks)"
    " VALUES (%s, %s, %s, 'planned', '', '{}', %s, 0) RETURNING id"
)


def _write_rows(connection: Connection, entity: Entity, read: Read, table: sql.Identifier) -> None:
    """The changed rows, wide: all values, resolved references, and what differs from core field by field.

    A row that is new gets its id here, so that rows of the same plan can point to it. Staged rows are found by their
    place, of which the planner knows that it is unique: joined by id, page and row, it expects one row and loops over
    indexes for each of 100,000. OFFSET 0 keeps the differences from being worked out once for each use.
    """
    fed = [(c.name, query("s.{n}", n=c.name)) for c in entity.columns]
    fed += [(r.column, references.found(r)) for r in entity.references]
    said = [(name, staging.said(value, query("c.{n}", n=name))) for name, value in fed]
    before_after = [query("({k}, to_jsonb(c.{n}), to_jsonb({new}))", k=sql.Literal(n), n=n, new=new) for n, new in said]
    connection.execute(
        query(
            """
            CREATE UNLOGGED TABLE {table} AS
            SELECT row_number() OVER (ORDER BY q.external_id COLLATE "C") AS seq,
                coalesce(known_id, nextval({sequence})) AS internal_id,
                CASE WHEN known_id IS NULL THEN 'create' WHEN matched_by <> '' THEN 'link'
                    WHEN changes IS NULL AND core_version IS NOT NULL THEN 'touch' ELSE 'update' END AS action,
                q.*
            FROM (
                SELECT d.external_id, d.page, d.row, d.row_hash, s.fingerprint, d.internal_id AS known_id, d.matched_by,
                    c.xmin::text::bigint AS core_version, {values}, NULL::jsonb AS contested,
                    CASE WHEN c.id IS NOT NULL THEN (
                        SELECT jsonb_object_agg(v.name, jsonb_build_array(v.before, v.after))
                        FROM (VALUES {before_after}) v (name, before, after) WHERE v.before IS DISTINCT FROM v.after
                    ) END AS changes
                FROM diff d
                JOIN {rows} s ON s.ctid = d.place
                {joins}
                LEFT JOIN core.{core} c ON c.id = d.internal_id
                WHERE NOT d.same
                OFFSET 0
            ) q
            """,
            table=table,
            sequence=sql.Literal(f"core.{entity.table}_id_seq"),
            values=comma(
                [query("{new} AS {n}", new=new, n=name) for name, new in said]
                + [query("s.{n}", n=r.name) for r in entity.references]
            ),
            rows=rows_table(read.id),
            joins=references.joins(entity, read.source),
            core=entity.table,
            before_after=comma(before_after),
        )
    )


def _other_salt(connection: Connection, read: Read) -> bool:
    """Whether the fingerprints that core knows are another code's or configuration's, and should be written anew."""
    newest = (
        "SELECT r.salt FROM connector.sync_runs r JOIN connector.sync_plans p ON p.run_id = r.id"
        " WHERE r.source = %s AND r.entity = %s AND r.snapshot AND p.state = 'applied' ORDER BY r.id DESC LIMIT 1"
    )
    return scalar(connection, newest, read.source, read.entity) != read.salt


def _counted(connection: Connection, table: sql.Identifier, counts: Counts) -> Counts:
    counted = query("SELECT action, changes IS NOT NULL, count(*) FROM {table} GROUP BY 1, 2", table=table)
    rows = cast("list[tuple[str, bool, int]]", connection.execute(counted).fetchall())
    found = Counter(unchanged=counts.unchanged + cast("int", scalar(connection, _SAME)))
    for action, changes, count in rows:
        for name in COUNTED[action, changes]:
            found[name] += count
    return replace(counts, **found)


_SAME = "SELECT count(*) FROM diff WHERE same"


def _new(counts: Counts) -> int:
    return counts.created + counts.linked


def _judged(
    connection: Connection, read: Read, counts: Counts, replaces: Plan | None, policy: SyncPolicy
) -> guard.Verdict:
    """The guard's verdict. What an outdated plan of this very read created already was not there before.

    The season is that of the read, so that a replay is judged alike.
    """
    before = cast("int", scalar(connection, query(_BEFORE, mappings=mappings_table(read.source)), read.entity))
    if replaces:
        before -= max(0, _new(replaces.counts) - _new(counts))
    limits, seasons = policy.guard.limits_for(read.entity, read.started_at.astimezone(UTC).date())
    verdict = guard.judge(counts, before=before, snapshot=read.snapshot, limits=limits)
    told = tuple(f"season: {name}" for name in seasons) if verdict.reasons else ()
    return replace(verdict, reasons=verdict.reasons + told)


def _finish(connection: Connection, entity: Entity, read: Read, plan: Plan, *, chunk_rows: int) -> Plan:
    """Hash the plan, write it down, and let older plans give way."""
    statement = query(_HASH, table=plan_table(plan.id), before=_before(entity, read.source))
    found = connection.execute(statement, [f"{plan.source}/{plan.entity}"]).fetchone()
    digest, last = cast("tuple[str, int]", found)
    plan = replace(plan, hash=digest, chunks=-(-last // chunk_rows))
    connection.execute(
        "UPDATE connector.sync_plans SET state = %s, hash = %s, counts = %s, reasons = %s, chunks = %s WHERE id = %s",
        [plan.state, plan.hash, json.dumps(asdict(plan.counts)), json.dumps(plan.reasons), plan.chunks, plan.id],
    )
    give_way.to_plan(connection, plan.id, read.source, read.entity)
    if not read.trial:
        give_way.to_read(connection, read)
    return plan


_BEFORE = "SELECT count(*) FROM {mappings} WHERE entity_type = %s AND internal_id IS NOT NULL AND absent_since IS NULL"


def _before(entity: Entity, source: str) -> sql.Composed:
    """A value before the change; of a reference the external id, because databases differ in the ids of core."""
    cases = [
        query(
            " WHEN {column} THEN (SELECT to_jsonb(min(m.external_id)) FROM {mappings} m"
            " WHERE m.entity_type = {entity} AND m.internal_id = (value ->> 0)::bigint)",
            column=sql.Literal(reference.column),
            mappings=mappings_table(source),
            entity=sql.Literal(reference.entity),
        )
        for reference in entity.references
    ]
    return query("CASE key{cases} ELSE value -> 0 END", cases=sql.SQL("").join(cases)) if cases else query("value -> 0")


# Ids of core and times are left out, so that a replay of the same pages over the same core gives the same hash: the row
# hash says what will be written, and of a change only the values before are new to it.
_HASH = """
    SELECT encode(sha256(convert_to(%s || coalesce(string_agg(line, '' ORDER BY seq), ''), 'UTF8')), 'hex'),
        coalesce(max(seq), 0)
    FROM (
        SELECT seq, CASE WHEN action <> 'touch' THEN md5(concat_ws('|', external_id, action, row_hash,
            CASE WHEN changes IS NOT NULL THEN (SELECT jsonb_object_agg(key, {before}) FROM jsonb_each(changes)) END
        )) END AS line
        FROM {table}
    ) p
"""
