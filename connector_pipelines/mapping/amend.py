"""Plans that set named fields of core rows: an undo, the decisions on conflicts. Writes nothing to core.

Such a plan comes from no page of a source. It has a run of its own kind, never complete: it moves no cursor and proves
no absence. Its rows carry no row hash, and so applying them leaves the mappings as they are: what was corrected holds
until the source says something new. The mass-change guard judges an undo like what a source sends (S2, S5); what a
person decided value by value it does not.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database import staging
from connector_pipelines.database.connection import Connection, comma, query, scalar
from connector_pipelines.database.tables import mappings_table, plan_table, rows_table
from connector_pipelines.errors import MappingFailed
from connector_pipelines.mapping import give_way, guard
from connector_pipelines.model import Counts, Plan, PlanState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Entity
    from connector_pipelines.policy import GuardPolicy

NAMED = 1_000
"""At most so many rows that are left are named; `Amendment.left_rows` counts them all."""


@dataclass(frozen=True, slots=True)
class Left:
    """A row that is left as it is, and why."""

    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Amendment:
    """A plan in state `planned`, or `held` by the guard, and the rows it does not touch.

    Attributes:
        left: at most `NAMED` of the rows that are left, by external id.
        left_rows: how many there are.
    """

    plan: Plan
    left: tuple[Left, ...] = ()
    left_rows: int = 0


def amend(
    connection: Connection,
    entity: Entity,
    source: str,
    rows: sql.Composable,
    *,
    kind: str,
    launched_by: str,
    chunk_rows: int,
    undoes: Sequence[int] = (),
    limits: GuardPolicy | None = None,
    run_id: int | None = None,
) -> Amendment:
    """Plan to set named fields of core rows, in one transaction.

    A field that holds its new value already is no change. A row of which any other field is not what is expected now
    is left out.

    Args:
        connection: in autocommit mode, or in a transaction.
        entity: what the rows are.
        source: whose mappings name the rows.
        rows: a query for external_id, internal_id, changes (jsonb: {column: [value expected now, new value]}) and
            maybe `reason`: text where the caller knows already that the row must be left.
        kind: of the run, e.g. "undo".
        launched_by: who or what asked for it, for the record.
        chunk_rows: rows per transaction when the plan is applied.
        undoes: the plans that an undo takes back.
        limits: of the guard that judges the plan; None where nobody has to.
        run_id: of the run whose plan is made anew; None begins one.

    Raises:
        MappingFailed: a change names a column that no source feeds.
    """
    with connection.transaction():
        _judge(connection, entity, rows)
        if run_id is None:
            values = (source, entity.name, kind, launched_by, list(undoes) or None)
            run_id = cast("int", scalar(connection, _NEW_RUN, *values))
        plan_id = cast("int", scalar(connection, _NEW_PLAN, run_id, source, entity.name, chunk_rows))
        _write_rows(connection, entity, run_id, plan_id)
        what = [f"{kind} {source}/{entity.name}", entity.inactive]
        digest, count, ending = cast("tuple[str, int, int]", connection.execute(_HASH, what).fetchone())
        left = [Left(*row) for row in cast("list[tuple[str, str]]", connection.execute(_LEFT, [NAMED]).fetchall())]
        left_rows = cast("int", scalar(connection, _LEFT_ROWS))
        verdict = _verdict(connection, entity, source, changing=count - ending, ending=ending, limits=limits)
        plan = Plan(
            id=plan_id,
            source=source,
            entity=entity.name,
            read_id=run_id,
            state=verdict.state,
            hash=digest,
            counts=Counts(fetched=count, updated=count),
            chunks=-(-count // chunk_rows),
            reasons=(*verdict.reasons, *_told(ending, left_rows)),
        )
        _finish(connection, plan)
        connection.execute("DROP TABLE judged")
    return Amendment(plan, tuple(left), left_rows)


_NEW_RUN = (
    "INSERT INTO connector.sync_runs (source, entity, kind, launched_by, undoes, state, finished_at, since, until)"
    " VALUES (%s, %s, %s, %s, %s, 'read', now(), now(), now()) RETURNING id"
)
_NEW_PLAN = (
    "INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks)"
    " VALUES (%s, %s, %s, 'planned', '', '{}', %s, 0) RETURNING id"
)


def _judge(connection: Connection, entity: Entity, rows: sql.Composable) -> None:
    """Fill `judged`: each row with what is still to be done to it, or with the reason for leaving it."""
    connection.execute("DROP TABLE IF EXISTS judged")
    connection.execute(
        query(
            """
            CREATE TEMP TABLE judged ON COMMIT DROP AS
            SELECT w.external_id, w.internal_id, f.todo AS changes, CASE
                WHEN w.reason IS NOT NULL THEN w.reason
                WHEN c.id IS NULL THEN 'core no longer has the row'
                WHEN f.moved IS NOT NULL THEN 'changed since: ' || f.moved
                WHEN f.todo IS NULL THEN 'core holds this already' END AS reason
            FROM (SELECT external_id, internal_id, changes, to_jsonb(q) ->> 'reason' AS reason FROM ({rows}) q) w
            LEFT JOIN core.{core} c ON c.id = w.internal_id
            LEFT JOIN LATERAL (
                SELECT jsonb_object_agg(key, value) FILTER (WHERE now <> value -> 1) AS todo,
                    string_agg(key, ', ' ORDER BY key) FILTER (WHERE now NOT IN (value -> 0, value -> 1)) AS moved
                FROM (SELECT key, value, coalesce(to_jsonb(c) -> key, 'null') AS now FROM jsonb_each(w.changes)) v
            ) f ON c.id IS NOT NULL
            """,
            rows=rows,
            core=entity.table,
        )
    )
    fed = [c.name for c in entity.columns] + [r.column for r in entity.references]
    unknown = connection.execute(
        "SELECT DISTINCT key FROM judged, jsonb_object_keys(changes) key WHERE key <> ALL(%s) ORDER BY key", [fed]
    ).fetchall()
    if unknown:
        raise MappingFailed(
            f"no source feeds {', '.join(str(name) for (name,) in unknown)} of {entity.name}.",
            remedy=f"Name one of {', '.join(fed)}.",
        )


def _write_rows(connection: Connection, entity: Entity, run_id: int, plan_id: int) -> None:
    """The rows to be written, in the layout of every plan, and the same as staged rows, for what core may refuse."""
    fed = [c.name for c in entity.columns]
    values = [query("r.{n}", n=n) for n in fed]
    values += [query("NULL::text AS {n}", n=r.name) for r in entity.references]
    values += [query("r.{n}", n=r.column) for r in entity.references]
    connection.execute(
        query(
            """
            CREATE UNLOGGED TABLE {plan} AS
            SELECT row_number() OVER (ORDER BY j.external_id COLLATE "C") AS seq, j.internal_id,
                'update'::text AS action, j.external_id::text, 0 AS page, 0 AS row, NULL::uuid AS row_hash,
                NULL::uuid AS fingerprint, j.internal_id AS known_id, NULL::text AS matched_by,
                c.xmin::text::bigint AS core_version, {values},
                j.changes, NULL::jsonb AS contested
            FROM judged j JOIN core.{core} c ON c.id = j.internal_id
            CROSS JOIN LATERAL jsonb_populate_record(
                c, (SELECT jsonb_object_agg(key, value -> 1) FROM jsonb_each(j.changes))
            ) r
            WHERE j.reason IS NULL
            """,
            plan=plan_table(plan_id),
            core=entity.table,
            values=comma(values),
        )
    )
    connection.execute(query("CREATE INDEX ON {plan} (seq)", plan=plan_table(plan_id)))
    staging.create(connection, entity, run_id)
    connection.execute(
        query(
            "INSERT INTO {staged} (page, row, external_id, deleted, {fed})"
            " SELECT page, row, external_id, false, {fed} FROM {plan}",
            staged=rows_table(run_id),
            plan=plan_table(plan_id),
            fed=comma([sql.Identifier(name) for name in fed]),
        )
    )


def _verdict(
    connection: Connection, entity: Entity, source: str, *, changing: int, ending: int, limits: GuardPolicy | None
) -> guard.Verdict:
    """The guard's verdict by today's limits; what it lets pass still waits for whoever asked.

    Rows that become inactive count as drops, all others as updates, out of all that the source has in core.
    """
    if limits is None:
        return guard.Verdict(PlanState.PLANNED)
    before = "SELECT count(*) FROM {mappings} WHERE entity_type = %s AND internal_id IS NOT NULL"
    rows = cast("int", scalar(connection, query(before, mappings=mappings_table(source)), entity.name))
    today, seasons = limits.limits_for(entity.name, datetime.now(UTC).date())
    would = Counts(updated=changing, dropped=ending)
    verdict = guard.judge(would, before=rows, snapshot=False, limits=today)
    if verdict.state is not PlanState.HELD:
        return guard.Verdict(PlanState.PLANNED)
    return guard.Verdict(PlanState.HELD, (*verdict.reasons, *(f"season: {name}" for name in seasons)))


def _told(ending: int, left: int) -> list[str]:
    counts = {"become inactive": ending, "left as they are": left}
    return [f"{what}: {count:,} rows" for what, count in counts.items() if count]


def _finish(connection: Connection, plan: Plan) -> None:
    connection.execute(
        "UPDATE connector.sync_plans SET state = %s, hash = %s, counts = %s, reasons = %s, chunks = %s WHERE id = %s",
        [plan.state, plan.hash, json.dumps(asdict(plan.counts)), json.dumps(plan.reasons), plan.chunks, plan.id],
    )
    connection.execute(
        "UPDATE connector.sync_runs SET rows = %s, staged = %s WHERE id = %s",
        [plan.counts.fetched, plan.counts.fetched, plan.read_id],
    )
    give_way.to_plan(connection, plan.id, plan.source, plan.entity)
    give_way.to_undo(connection, plan.id)


_HASH = """
    SELECT encode(sha256(convert_to(%s || coalesce(string_agg(
            md5(concat_ws('|', external_id, changes)), '' ORDER BY external_id COLLATE "C"
        ), ''), 'UTF8')), 'hex'), count(*), count(*) FILTER (WHERE changes #>> '{status,1}' = %s)
    FROM judged WHERE reason IS NULL
"""

_LEFT = 'SELECT external_id, reason FROM judged WHERE reason IS NOT NULL ORDER BY external_id COLLATE "C" LIMIT %s'

_LEFT_ROWS = "SELECT count(*) FROM judged WHERE reason IS NOT NULL"
