"""The inverse of applied plans, as an amendment: what they changed goes back, what they created goes inactive.

    update, drop   every field they changed gets the value it had before the first of them
    create         the row becomes inactive: nothing is ever deleted
    link           stays: the mapping would be made again by the next read

A row is left, with the reason, where a later plan or a person wrote one of these fields since; of a created row, where
either wrote any field. A plan has been at work since it was made: while its last chunks are written, people edit rows
of its first ones, and what they edited is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import mappings_table
from connector_pipelines.mapping.amend import Amendment, amend
from connector_pipelines.model import RunKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Entity
    from connector_pipelines.policy import GuardPolicy


def plan(
    connection: Connection,
    entity: Entity,
    source: str,
    plans: Sequence[int],
    *,
    limits: GuardPolicy,
    launched_by: str,
    chunk_rows: int,
    run_id: int | None = None,
) -> Amendment:
    """Plan the undo of applied plans: `planned`, or `held` where it changes more than the guard's limits.

    Args:
        connection: in autocommit mode, or in a transaction.
        entity: what the plans wrote.
        source: whose plans they are.
        plans: plans of this source and entity that were applied, or begun.
        limits: the guard's, as for any plan of the source.
        launched_by: who or what asked for it.
        chunk_rows: rows per transaction when the plan is applied.
        run_id: of an undo that is planned anew, because core moved; None begins one.
    """
    return amend(
        connection,
        entity,
        source,
        _inverse(entity, source, plans),
        kind=RunKind.UNDO,
        launched_by=launched_by,
        chunk_rows=chunk_rows,
        undoes=plans,
        limits=limits,
        run_id=run_id,
    )


def _inverse(entity: Entity, source: str, plans: Sequence[int]) -> sql.Composed:
    """The query for `amend`: external_id, internal_id, changes, reason."""
    return query(
        _INVERSE,
        plans=sql.Literal(list(plans)),
        name=sql.Literal(entity.name),
        core=sql.Identifier("core", entity.table),
        mappings=mappings_table(source),
        inactive=sql.Literal(entity.inactive),
    )


_INVERSE = """
    WITH undone AS (
        SELECT id, created_at, coalesce(applied_at, decided_at, created_at) AS at
        FROM connector.sync_plans WHERE id = ANY({plans}::bigint[])
    ), since AS (
        SELECT min(id) AS first_plan, min(created_at) AS made, min(at) AS applied FROM undone
    ), created AS (
        SELECT m.external_id, m.internal_id,
            jsonb_build_object('status', jsonb_build_array(c.status, {inactive})) AS changes
        FROM {mappings} m JOIN {core} c ON c.id = m.internal_id
        WHERE m.entity_type = {name} AND m.created_by = ANY({plans}::bigint[])
            AND NOT EXISTS (SELECT FROM connector.sync_changes s
                WHERE s.plan_id = m.created_by AND s.internal_id = m.internal_id AND s.action = 'link')
    ), fields AS (
        SELECT s.external_id, s.internal_id, f.key,
            (array_agg(f.value -> 0 ORDER BY u.at, u.id))[1] AS before,
            (array_agg(f.value -> 1 ORDER BY u.at DESC, u.id DESC))[1] AS after
        FROM connector.sync_changes s JOIN undone u ON u.id = s.plan_id CROSS JOIN jsonb_each(s.changes) f
        WHERE NOT EXISTS (SELECT FROM created c WHERE c.internal_id = s.internal_id)
        GROUP BY s.external_id, s.internal_id, f.key
    ), wanted AS (
        SELECT external_id, internal_id, changes, NULL::text[] AS touched, false AS linked FROM created
        UNION ALL
        SELECT external_id, internal_id, jsonb_object_agg(key, jsonb_build_array(after, before)), array_agg(key), false
        FROM fields GROUP BY external_id, internal_id
        UNION ALL
        SELECT s.external_id, s.internal_id, '{{}}', '{{}}', true
        FROM connector.sync_changes s JOIN undone u ON u.id = s.plan_id
        WHERE s.action = 'link' AND s.changes = '{{}}'
    ), later AS (
        SELECT w.internal_id, max(p.id) AS plan_id
        FROM wanted w
        JOIN connector.sync_changes s ON s.internal_id = w.internal_id AND s.plan_id <> ALL({plans}::bigint[])
        JOIN connector.sync_plans p ON p.id = s.plan_id AND p.entity = {name}
        WHERE w.touched IS NULL  -- nobody can have written the row before it was created
            OR s.changes ?| w.touched
                AND coalesce(p.applied_at, p.decided_at, p.created_at) > (SELECT applied FROM since)
        GROUP BY w.internal_id
    ), edited AS (
        SELECT w.internal_id, string_agg(DISTINCT e.field, ', ') AS fields, max(e.edited_by) AS who
        FROM since, wanted w JOIN connector.core_edits e ON e.entity = {name} AND e.internal_id = w.internal_id
        WHERE w.touched IS NULL
            OR e.field = ANY(w.touched) AND e.edited_at > since.made AND e.settled_by IS DISTINCT FROM since.first_plan
        GROUP BY w.internal_id
    )
    SELECT w.external_id, w.internal_id, w.changes, CASE
        WHEN w.linked THEN 'linked to a row that core had: the link stays'
        WHEN e.internal_id IS NOT NULL THEN 'edited since by ' || e.who || ': ' || e.fields
        WHEN l.internal_id IS NOT NULL THEN 'written again since by plan ' || l.plan_id
        END AS reason
    FROM wanted w LEFT JOIN later l USING (internal_id) LEFT JOIN edited e USING (internal_id)
"""
