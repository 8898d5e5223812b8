"""Records that are gone at the source: noted, and where the policy says so, dropped.

A complete full read proves it of all that it does not hold; a read of changes, of what is missing among its siblings.

A drop makes a row inactive; nothing is ever deleted. It needs the source's policy, of a full read the proof that it was
stable, and the guard (requirements G47, K7). It happens once for each absence: a row that a person made active again
stays so. A row that another source, or another id of the same source, still stands for is not dropped.

The temporary table ends with the planning transaction:

    gone  what core has of this source and the read does not hold; `newly` for what was there at the last full read
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, comma, query
from connector_pipelines.database.tables import DROPPED_BY, mappings_table, parents_table, rows_table
from connector_pipelines.mapping import fingerprints
from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from connector_pipelines.model import Entity, Read, Reference
    from connector_pipelines.policy import SyncPolicy


def gather(connection: Connection, entity: Entity, read: Read) -> None:
    """Fill `gone`: of a full read that is complete, what it does not hold; of a read of changes, what a parent came
    without that comes with all that belongs to it. It stays empty for a read that proves nothing.

    A row that was refused or waits was still sent: it is not absent.
    """
    connection.execute(
        "CREATE TEMP TABLE gone (external_id text PRIMARY KEY, internal_id bigint, newly boolean) ON COMMIT DROP"
    )
    missing: sql.Composable
    if read.snapshot:
        missing = _unseen(entity, read) if read.baseline else sql.SQL("true")
    elif staging.exists(connection, parents_table(read.id)):
        missing = sql.SQL(" OR ").join(_without(entity, reference, read) for reference in entity.references)
    else:
        return
    connection.execute(
        query(
            "CREATE TEMP TABLE refused ON COMMIT DROP AS SELECT DISTINCT external_id FROM {letters}"
            " WHERE source = %s AND entity = %s AND last_run_id = %s AND external_id IS NOT NULL",
            letters=dead_letters.table(read),
        ),
        [read.source, read.entity, read.id],
    )
    connection.execute("ANALYZE refused")
    connection.execute(
        query(
            """
            INSERT INTO gone SELECT m.external_id, m.internal_id, m.absent_since IS NULL
            FROM {mappings} m
            WHERE m.entity_type = {entity} AND m.internal_id IS NOT NULL AND NOT m.sync_metadata ? {dropped}
                AND ({missing})
                AND NOT EXISTS (SELECT FROM {rows} s WHERE s.external_id = m.external_id)
                AND NOT EXISTS (SELECT FROM refused r WHERE r.external_id = m.external_id)
            """,
            mappings=mappings_table(read.source),
            rows=rows_table(read.id),
            entity=sql.Literal(entity.name),
            dropped=sql.Literal(DROPPED_BY),
            missing=missing,
        )
    )
    connection.execute("ANALYZE gone")


def _unseen(entity: Entity, read: Read) -> sql.Composed:
    """A condition: the mapping's record was not recognized, and may not have come."""
    return query("NOT {h} OR {u}", h=fingerprints.held(entity.name), u=fingerprints.unseen_of(read))


def _without(entity: Entity, reference: Reference, read: Read) -> sql.Composed:
    """A condition: the mapping's row belongs to a parent that came with all that belongs to it."""
    return query(
        """
        m.internal_id IN (SELECT c.id FROM {parents} f
            JOIN {mappings} p ON p.entity_type = {parent} AND p.external_id = f.external_id
            JOIN {core} c ON c.{column} = p.internal_id
            WHERE f.reference = {reference})
        """,
        parents=parents_table(read.id),
        mappings=mappings_table(read.source),
        parent=sql.Literal(reference.entity),
        core=sql.Identifier("core", entity.table),
        column=reference.column,
        reference=sql.Literal(reference.name),
    )


def plan_rows(connection: Connection, entity: Entity, read: Read, table: sql.Identifier, policy: SyncPolicy) -> None:
    """Put what is gone into the plan, behind all else: dropped where that is allowed, else noted."""
    allowed = entity.name in policy.drops and (read.proven or not read.snapshot)  # a parent's own record is proof
    names = [column.name for column in entity.columns] + [reference.column for reference in entity.references]
    connection.execute(
        query(
            """
            WITH judged AS (
                SELECT g.*, coalesce({allowed} AND c.status <> {inactive}
                    AND NOT EXISTS (SELECT FROM connector.external_system_mappings o
                        WHERE o.entity_type = {entity} AND o.internal_id = g.internal_id AND o.absent_since IS NULL
                            AND NOT (o.connector_id = {source} AND EXISTS (
                                SELECT FROM gone also WHERE also.external_id = o.external_id)))
                    AND NOT EXISTS (SELECT FROM {table} p WHERE p.internal_id = g.internal_id)
                    AND g.external_id = min(g.external_id) OVER (PARTITION BY g.internal_id), false) AS dropped
                FROM gone g LEFT JOIN {core} c ON c.id = g.internal_id
            )
            INSERT INTO {table} (seq, internal_id, action, external_id, core_version, changes, {names})
            SELECT (SELECT coalesce(max(seq), 0) FROM {table})
                    + row_number() OVER (ORDER BY g.external_id COLLATE "C"),
                g.internal_id, CASE WHEN g.dropped THEN 'drop' ELSE 'absent' END, g.external_id, c.xmin::text::bigint,
                CASE WHEN g.dropped
                    THEN jsonb_build_object('status', jsonb_build_array(c.status, {inactive})) END,
                {kept}
            FROM judged g LEFT JOIN {core} c ON c.id = g.internal_id
            WHERE g.newly OR g.dropped
            """,
            table=table,
            core=sql.Identifier("core", entity.table),
            entity=sql.Literal(entity.name),
            source=sql.Literal(read.source),
            allowed=sql.Literal(allowed),
            inactive=sql.Literal(entity.inactive),
            names=comma([sql.Identifier(name) for name in names]),
            kept=comma([sql.Literal(entity.inactive) if n == "status" else query("c.{n}", n=n) for n in names]),
        )
    )


def why_not_dropped(read: Read, policy: SyncPolicy) -> tuple[str, ...]:
    """Why a read that was to prove absence drops nothing; empty where it may drop, or nobody asked. Pure."""
    if read.entity not in policy.drops or not read.complete or read.window.mode is not Mode.FULL or read.proven:
        return ()
    doubt = "not watched for rows that move while it goes on" if read.snapshot else "not of all that the source has"
    return (f"nothing is dropped: the read is {read.stability or doubt}",)
