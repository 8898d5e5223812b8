"""Plans that set named fields of core rows: an undo, the decisions on conflicts. Writes nothing to core.

Such a plan comes from no page of a source. It has a run of its own kind, never complete: it moves no cursor and proves
no absence. Its rows carry no row hash, and so applying them leaves the mappings as they are: what was corrected holds
until the source says something new.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database import staging
from connector_pipelines.database.connection import Connection, comma, query, scalar
from connector_pipelines.database.tables import plan_table, rows_table
from connector_pipelines.errors import MappingFailed
from connector_pipelines.mapping import give_way
from connector_pipelines.model import Counts, Plan, PlanState

if TYPE_CHECKING:
    from connector_pipelines.model import Entity

NAMED = 1_000
"""At most so many rows that are left are named; `Amendment.left_rows` counts them all."""


@dataclass(frozen=True, slots=True)
class Left:
    """A row that is left as it is, and why."""

    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Amendment:
    """A plan in state `planned`, and the rows it does not touch.

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

    Raises:
        MappingFailed: a change names a column that no source feeds.
    """
    with connection.transaction():
        _judge(connection, entity, rows)
        run_id = cast("int", scalar(connection, _NEW_RUN, source, entity.name, kind, launched_by))
        plan_id = cast("int", scalar(connection, _NEW_PLAN, run_id, source, entity.name, chunk_rows))
        _write_rows(connection, entity, run_id, plan_id)
        digest, count = cast(
            "tuple[str, int]", connection.execute(_HASH, [f"{kind} {source}/{entity.name}"]).fetchone()
        )
        left = [Left(*row) for row in cast("list[tuple[str, str]]", connection.execute(_LEFT, [NAMED]).fetchall())]
        left_rows = cast("int", scalar(connection, "SELECT count(*) FROM judged WHERE reason IS NOT NULL"))
        plan = Plan(
            id=plan_id,
            source=source,
            entity=entity.name,
            read_id=run_id,
            state=PlanState.PLANNED,
            hash=digest,
            counts=Counts(fetched=count, updated=count),
            chunks=-(-count // chunk_rows),
            reasons=(f"left as they are: {left_rows:,} rows",) if left_rows else (),
        )
        _finish(connection, plan)
        connection.execute("DROP TABLE judged")
    return Amendment(plan, tuple(left), left_rows)


_NEW_RUN = (
    "INSERT INTO connector.sync_runs (source, entity, kind, launched_by, state, finished_at, since, until)"
    " VALUES (%s, %s, %s, %s, 'read', now(), now(), now()) RETURNING id"
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


def _finish(connection: Connection, plan: Plan) -> None:
    connection.execute(
        "UPDATE connector.sync_plans SET hash = %s, counts = %s, reasons = %s, chunks = %s WHERE id = %s",
        [plan.hash, json.dumps(asdict(plan.counts)), json.dumps(plan.reasons), plan.chunks, plan.id],
    )
    connection.execute(
        "UPDATE connector.sync_runs SET rows = %s, staged = %s WHERE id = %s",
        [plan.counts.fetched, plan.counts.fetched, plan.read_id],
    )
    give_way.to_plan(connection, plan.id, plan.source, plan.entity)


_HASH = """
    SELECT encode(sha256(convert_to(%s || coalesce(string_agg(
            md5(concat_ws('|', external_id, changes)), '' ORDER BY external_id COLLATE "C"
        ), ''), 'UTF8')), 'hex'), count(*)
    FROM judged WHERE reason IS NULL
"""

_LEFT = 'SELECT external_id, reason FROM judged WHERE reason IS NOT NULL ORDER BY external_id COLLATE "C" LIMIT %s'
