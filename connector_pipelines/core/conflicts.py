"""Keeps the books of edits and conflicts while a plan is applied, in the transaction that writes the rows.

`connector.core_edits` and `connector.conflicts` are settled by what a plan does, never ahead of it: a plan that is
held, outdated or cut off leaves them as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Plan


def mark_applying(connection: Connection) -> None:
    """Say for the rest of the transaction that a plan writes, not a person: core's triggers note no edit."""
    connection.execute("SELECT set_config('connector_pipelines.applying', 'on', true)")


def settle(connection: Connection, plan: Plan, parts: Mapping[str, sql.Composable], first: int, last: int) -> None:
    """After the rows from `first` to `last` were written: settle edits, close conflicts, keep new ones.

    Args:
        connection: in the transaction that wrote them.
        plan: the plan they belong to.
        parts: the names that the statements of an apply are put together from.
        first: their first sequence number.
        last: their last one.
    """
    named = dict(parts) | {"plan_id": sql.Literal(plan.id), "run_id": sql.Literal(plan.read_id)}
    for statement in (_SETTLE_EDITS, _CLOSE, _KEEP_OPEN, *((_LOOK_AGAIN,) if plan.counts.conflicts else ())):
        connection.execute(sql.SQL(statement).format(**named), [first, last])


# A row with a hash stands for a record of the source: what it leaves alone, both sides say alike. A correction has
# none, and speaks of what it writes alone.
#
# Each row looks its edits up by the index, and nothing else (OFFSET 0 keeps the planner from turning it round): edits
# come between two samples of the table, and a plan that expected one and met 50,000 took seven minutes for a chunk.
_SETTLE_EDITS = """
    UPDATE connector.core_edits e SET settled_by = {plan_id}
    FROM {plan} p CROSS JOIN LATERAL (
        SELECT o.id FROM connector.core_edits o
        WHERE o.entity = {entity} AND o.internal_id = p.internal_id AND o.settled_by IS NULL
            AND (p.changes ? o.field OR p.row_hash IS NOT NULL AND p.contested -> o.field IS NULL)
        OFFSET 0
    ) found
    WHERE p.seq BETWEEN %s AND %s AND p.action <> 'create' AND e.id = found.id
"""

_CLOSE = """
    UPDATE connector.conflicts c SET state = 'resolved', decided_by = 'sync', decided_at = now(), updated_at = now(),
        settled_by = {plan_id},
        decision = CASE WHEN p.changes ? c.field OR p.contested ? c.field THEN 'rule' ELSE 'agreed' END
    FROM {plan} p CROSS JOIN LATERAL (
        SELECT o.id FROM connector.conflicts o
        WHERE o.source = {source} AND o.entity = {entity} AND o.internal_id = p.internal_id AND o.state = 'open'
            AND p.contested #>> ARRAY[o.field, 'winner'] IS DISTINCT FROM 'person'
        OFFSET 0
    ) found
    WHERE p.seq BETWEEN %s AND %s AND p.action <> 'create' AND p.row_hash IS NOT NULL AND c.id = found.id
"""

_KEEP_OPEN = """
    INSERT INTO connector.conflicts AS o (source, entity, external_id, internal_id, field, core_value, source_value,
        edited_at, edited_by, modified_at, reason, plan_id, run_id)
    SELECT {source}, {entity}, p.external_id, p.internal_id, f.key, f.value -> 'core', f.value -> 'source',
        (f.value ->> 'edited_at')::timestamptz, f.value ->> 'edited_by', (f.value ->> 'modified_at')::timestamptz,
        f.value ->> 'reason', {plan_id}, {run_id}
    FROM {plan} p CROSS JOIN jsonb_each(p.contested) f
    WHERE p.contested IS NOT NULL AND p.seq BETWEEN %s AND %s AND f.value ->> 'winner' = 'person'
    ORDER BY p.external_id, f.key  -- their numbers, which people read, are in the order of the list
    ON CONFLICT (source, entity, internal_id, field) WHERE state = 'open' DO UPDATE SET
        external_id = excluded.external_id, core_value = excluded.core_value, source_value = excluded.source_value,
        edited_at = excluded.edited_at, edited_by = excluded.edited_by, modified_at = excluded.modified_at,
        reason = excluded.reason, plan_id = excluded.plan_id, run_id = excluded.run_id, updated_at = now(),
        version = o.version
            + ((o.core_value, o.source_value) IS DISTINCT FROM (excluded.core_value, excluded.source_value))::int
    WHERE (o.core_value, o.source_value, o.edited_at, o.modified_at, o.reason)
        IS DISTINCT FROM (excluded.core_value, excluded.source_value, excluded.edited_at, excluded.modified_at,
            excluded.reason)
"""

# A record in conflict is looked at by every read, and counts as one until it is decided.
_LOOK_AGAIN = """
    UPDATE {mappings} m SET row_hash = NULL, fingerprint = NULL
    FROM {plan} p
    WHERE p.action = 'conflict' AND p.seq BETWEEN %s AND %s AND m.external_id = p.external_id
        AND m.entity_type = {entity}
"""
