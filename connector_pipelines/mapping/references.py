"""Resolves references to ids of core, set-based, and lets rows wait whose parents are not there yet.

A source names a row of core as it knows it: by the id of a record it sent us, or of one that we keep up there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql

from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, query, scalar
from connector_pipelines.database.tables import mappings_table, plan_table, rows_table
from connector_pipelines.model import PlanState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Entity, Read, Reference


def gather_parents(connection: Connection, entity: Entity, source: str, *, states: Sequence[PlanState]) -> None:
    """Fill `parents`: rows of core that the source may name although its mappings do not know them.

    Those that open plans of this source will create come first, with the ids they will have: so a child can be planned
    before its parents are applied, and a backfill reads and plans all its days in one run. When such a parent does not
    come after all, applying the child finds no row to point to, and it is planned anew. Then those that we keep up at
    the source.

    Args:
        connection: in the planning transaction.
        entity: the child.
        source: whose parents.
        states: which plans to count on; none counts on no plan.
    """
    # Joined by its hash: an index would be half its price.
    connection.execute("CREATE TEMP TABLE parents (entity text, external_id text, internal_id bigint) ON COMMIT DROP")
    told: set[int] = set()
    while plans := _open_plans(connection, entity, source, states, told):
        told.update(plan_id for plan_id, _ in plans)
        for plan_id, parent in plans:
            # Gone where the server's memory was lost; or applied just now, and then its mappings are there to be seen;
            # or made anew by another run, and then the next look finds the new one.
            with suppress(psycopg.errors.UndefinedTable), connection.transaction():
                coming = query(
                    "SELECT external_id, internal_id FROM {plan} WHERE action IN ('create', 'link')",
                    plan=plan_table(plan_id),
                )
                _add(connection, parent, coming)
    for parent in dict.fromkeys(reference.entity for reference in entity.references):
        _add(connection, parent, _kept_up(source, parent))
    connection.execute("ANALYZE parents")


def _add(connection: Connection, parent: str, rows: sql.Composed) -> None:
    """Add rows to `parents` that are not there yet."""
    connection.execute(
        query(
            "INSERT INTO parents SELECT {parent}, external_id, internal_id FROM ({rows}) r WHERE NOT EXISTS ("
            "SELECT FROM parents p WHERE p.entity = {parent} AND p.external_id = r.external_id)",
            rows=rows,
            parent=sql.Literal(parent),
        )
    )


def _open_plans(
    connection: Connection, entity: Entity, source: str, states: Sequence[PlanState], told: set[int]
) -> list[tuple[int, str]]:
    """The open plans of parents that were not looked at yet, oldest first."""
    rows = connection.execute(
        "SELECT id, entity FROM connector.sync_plans WHERE source = %s AND entity = ANY(%s) AND state = ANY(%s)"
        " AND id <> ALL(%s) ORDER BY id",
        [source, list(entity.parents), list(states), list(told)],
    ).fetchall()
    return cast("list[tuple[int, str]]", rows)


def joins(entity: Entity, source: str) -> sql.Composed:
    """The joins that find each reference's mapping, or the parent among `parents`. `found` is the id they give."""
    return sql.SQL(" ").join(
        query(
            "LEFT JOIN {mappings} {known} ON {known}.entity_type = {entity} AND {known}.external_id = s.{name}"
            " LEFT JOIN parents {other} ON {other}.entity = {entity} AND {other}.external_id = s.{name}",
            mappings=mappings_table(source),
            known=f"known_{reference.name}",
            other=f"other_{reference.name}",
            entity=sql.Literal(reference.entity),
            name=reference.name,
        )
        for reference in entity.references
    )


def found(reference: Reference) -> sql.Composed:
    """The id of a reference's target, in a query with `joins`; null where core has none and none is coming."""
    known, other = f"known_{reference.name}", f"other_{reference.name}"
    return query("coalesce({known}.internal_id, {other}.internal_id)", known=known, other=other)


def _kept_up(source: str, entity: str) -> sql.Composed:
    """Records that we keep up at a source, and the rows of core they are of.

    A course that is held in several terms is several records there: "courses/3@terms/5".
    """
    return query(
        "SELECT external_id, min(substring(key FROM {form})::bigint) AS internal_id FROM connector.exports"
        " WHERE source = {source} AND external_id IS NOT NULL AND key ~ {form} GROUP BY external_id",
        form=sql.Literal(f"^{entity}/([0-9]+)(?:@terms/[0-9]+)?$"),
        source=sql.Literal(source),
    )


def missing(connection: Connection, entity: Entity, reference: Reference, read: Read, *, most: int) -> list[str]:
    """Parents that staged rows name, and that neither core nor an accepted plan of the source knows; at most so many.

    Rows that a read recognized are not staged, and their parents are known.
    """
    gather_parents(connection, entity, read.source, states=(PlanState.ACCEPTED,))
    names = query(
        "SELECT DISTINCT s.{name} FROM {rows} s {joins} WHERE s.{name} IS NOT NULL AND {found} IS NULL"
        " ORDER BY 1 LIMIT {most}",
        name=reference.name,
        rows=rows_table(read.id),
        joins=joins(entity, read.source),
        found=found(reference),
        most=sql.Literal(most),
    )
    rows = connection.execute(names).fetchall()
    connection.execute("DROP TABLE parents")
    return [cast("str", name) for (name,) in rows]


def revive(connection: Connection, entity: Entity, read: Read) -> int:
    """Stage again the rows that waited and whose parents have come, as page 0; one that the read holds is left alone.

    A parent of the same entity counts as come when this very read holds it. A record that was refused since it began
    to wait stays where it is: what waits is older. A complete full read holds everything itself, so nothing is added:
    what it does not hold is gone at the source.

    Returns:
        how many were taken up.
    """
    if not entity.references or read.snapshot:
        return 0
    connection.execute(query("DELETE FROM {rows} WHERE page = 0", rows=rows_table(read.id)))  # of a plan made before
    connection.execute(_WAITS, [read.source, entity.name])
    if connection.execute("SELECT 1 FROM waits LIMIT 1").fetchone() is None:
        return 0
    connection.execute("ANALYZE waits (external_id, entity, parent)")  # a guess of one row made this quadratic
    revived = 0
    while count := connection.execute(_taken_up(entity, read)).rowcount:
        revived += count  # once more: children of what was just taken up, where an entity points to itself
    return revived


# Every parent that a record waits for, of the record's newest letter; none for one that a person let pass.
_WAITS = """
    CREATE TEMP TABLE waits ON COMMIT DROP AS
    SELECT w.external_id, w.staged, p ->> 0 AS entity, p ->> 1 AS parent
    FROM (
        SELECT DISTINCT ON (external_id) external_id, state, staged, waits_for FROM connector.dead_letters
        WHERE source = %s AND entity = %s AND state <> 'resolved' AND external_id IS NOT NULL
        ORDER BY external_id, last_run_id DESC, id DESC
    ) w LEFT JOIN jsonb_array_elements(w.waits_for) p ON true
    WHERE w.waits_for IS NOT NULL  -- also one that was given up, should its parent come after all
"""


def _taken_up(entity: Entity, read: Read) -> sql.Composed:
    columns = [sql.Identifier(name) for name in staging.columns(entity)]
    return query(
        """
        INSERT INTO {rows} ({columns})
        SELECT {columns} FROM (
            SELECT (jsonb_populate_record(NULL::{rows}, min(w.staged::text)::jsonb || '{{"page": 0, "row": 0}}')).*
            FROM waits w
            LEFT JOIN {mappings} m ON m.entity_type = w.entity AND m.external_id = w.parent
            LEFT JOIN parents p ON p.entity = w.entity AND p.external_id = w.parent
            LEFT JOIN (SELECT DISTINCT external_id FROM {rows}) s ON w.entity = {entity} AND s.external_id = w.parent
            LEFT JOIN (SELECT DISTINCT external_id FROM {rows}) sent ON sent.external_id = w.external_id
            GROUP BY w.external_id
            HAVING bool_and(
                (w.parent IS NULL OR m.internal_id IS NOT NULL OR p.internal_id IS NOT NULL
                    OR s.external_id IS NOT NULL)
                AND sent.external_id IS NULL)
        ) revived
        """,
        rows=rows_table(read.id),
        columns=sql.SQL(", ").join(columns),
        entity=sql.Literal(entity.name),
        mappings=mappings_table(read.source),
    )


def order_by_depth(connection: Connection, entity: Entity, plan: sql.Identifier) -> None:
    """For an entity that points to itself: fill ids of parents that come in the same plan, and put parents first.

    A row of core that gets such a parent changes, and its change is noted. A row that no chain of known parents
    reaches keeps a null id, and so waits (also a cycle).
    """
    for reference in (r for r in entity.references if r.entity == entity.name):
        parts: dict[str, sql.Composable] = {
            "plan": plan,
            "core": sql.Identifier("core", entity.table),
            "id": sql.Identifier(reference.column),
            "key": sql.Literal(reference.column),
            "name": sql.Identifier(reference.name),
        }
        connection.execute(
            query(
                """
                WITH RECURSIVE reached AS (
                    SELECT external_id, internal_id, {id} AS parent_id, 0 AS depth FROM {plan}
                    WHERE {name} IS NULL OR {id} IS NOT NULL
                    UNION ALL
                    SELECT child.external_id, child.internal_id, reached.internal_id, depth + 1
                    FROM {plan} child JOIN reached ON child.{name} = reached.external_id AND child.{id} IS NULL
                ), ordered AS (
                    SELECT *, row_number() OVER (ORDER BY depth, external_id COLLATE "C") AS seq FROM reached
                )
                UPDATE {plan} p SET {id} = o.parent_id, seq = o.seq,
                    action = CASE WHEN o.depth > 0 AND p.action = 'touch' THEN 'update' ELSE p.action END,
                    changes = CASE WHEN o.depth > 0 AND c.id IS NOT NULL
                        THEN coalesce(p.changes, '{{}}')
                            || jsonb_build_object({key}, jsonb_build_array(c.{id}, o.parent_id))
                        ELSE p.changes END
                FROM ordered o LEFT JOIN {core} c ON c.id = o.internal_id
                WHERE o.external_id = p.external_id
                """,
                **parts,
            )
        )


def let_wait(connection: Connection, entity: Entity, read: Read, plan: sql.Identifier) -> int:
    """Move rows out of the plan that name a parent core does not have yet; count them."""
    if not entity.references:
        return 0
    unresolved = _any([query("(p.{n} IS NOT NULL AND p.{c} IS NULL)", n=r.name, c=r.column) for r in entity.references])
    if not _any_row(connection, plan, unresolved):
        return 0
    missing = [
        query(
            "CASE WHEN p.{n} IS NOT NULL AND p.{c} IS NULL THEN jsonb_build_array({e}, p.{n}) END",
            n=r.name,
            c=r.column,
            e=sql.Literal(r.entity),
        )
        for r in entity.references
    ]
    waiting = query(
        """
        SELECT external_id, 'waiting', 'waits for ' || (
                SELECT string_agg((w ->> 0) || ' ' || (w ->> 1), ', ') FROM jsonb_array_elements(waits_for) w),
            staged, waits_for, page, row
        FROM (
            SELECT p.external_id, {staged} AS staged, p.page, p.row,
                to_jsonb(array_remove(ARRAY[{missing}], NULL)) AS waits_for
            FROM {plan} p JOIN {rows} s USING (external_id, page, row) WHERE {unresolved}
        ) q
        """,
        unresolved=unresolved,
        staged=staging.CONTENT,
        missing=sql.SQL(", ").join(missing),
        plan=plan,
        rows=rows_table(read.id),
    )
    dead_letters.write_staged(connection, read, waiting, state="waiting")
    return connection.execute(query("DELETE FROM {plan} p WHERE {which}", plan=plan, which=unresolved)).rowcount


def refuse_unplaced(connection: Connection, entity: Entity, read: Read, plan: sql.Identifier) -> int:
    """Refuse rows without a reference that core requires, and rows whose core row is gone; count them.

    A mapping whose core row vanished is never re-pointed to a new one: a person decides (DESIGN, Database).
    """
    required = [query("p.{n} IS NULL AND p.{c} IS NULL", n=r.name, c=r.column) for r in entity.references if r.required]
    gone = query("p.action = 'update' AND p.core_version IS NULL")
    rules = [(gone, "core row missing", "core no longer has the row this record was mapped to")]
    rules += [
        (condition, f"{r.name} is required", f"names no {r.name}, without which it has no place in core")
        for condition, r in zip(required, (r for r in entity.references if r.required), strict=True)
    ]
    if not _any_row(connection, plan, _any([gone, *required])):
        return 0
    refused = 0
    for condition, rule, reason in rules:
        rows = query(
            "SELECT p.external_id, {rule}, {reason}, {staged}, NULL::jsonb, p.page, p.row"
            " FROM {plan} p JOIN {rows} s USING (external_id, page, row) WHERE {condition}",
            rule=sql.Literal(rule),
            reason=sql.Literal(reason),
            staged=staging.CONTENT,
            plan=plan,
            rows=rows_table(read.id),
            condition=condition,
        )
        dead_letters.write_staged(connection, read, rows, state="open")
        refused += connection.execute(query("DELETE FROM {p} p WHERE {c}", p=plan, c=condition)).rowcount
    return refused


def _any_row(connection: Connection, plan: sql.Identifier, condition: sql.Composable) -> bool:
    """Whether a condition holds for any row of the plan: mostly for none, and looking costs less than joining."""
    return scalar(connection, query("SELECT 1 FROM {p} p WHERE {w} LIMIT 1", p=plan, w=condition)) is not None


def _any(conditions: list[sql.Composed]) -> sql.Composed:
    return sql.SQL(" OR ").join(conditions)
