"""Compares what a source said, staged, with what core holds: every difference by name, and told apart. Writes nothing.

differs            a value that nothing explains: an alarm
missing            a record without a row in core, that nothing explains: an alarm
extra              a row in core that the source never called absent, and that it does not send: an alarm
edited in core     a person changed it since, and no plan wrote it again
owned by core      the source's policy leaves the field to core
open conflict      both changed it, and nobody decided yet
corrected          an undo or a decision wrote it last
another source     the row is fed by another source, too
dead letter        the record was refused, or waits
absent             a complete read did not hold the record any more
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database import staging
from connector_pipelines.database.connection import Connection, comma, query
from connector_pipelines.database.tables import mappings_table, rows_table
from connector_pipelines.mapping import references

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Entity

ALARMS = ("differs", "missing", "extra")
"""What nothing explains."""

Row = tuple[str, str, str, object, object]
"""External id, field (empty: the whole record), kind, core's value, the source's."""


def compare(connection: Connection, entity: Entity, source: str, reads: Sequence[int], *, owned: Sequence[str]) -> None:
    """Fill `differences`, a temporary table, in the caller's transaction.

    Args:
        connection: in a transaction.
        entity: what is compared.
        source: whose mappings name the rows.
        reads: staged reads, the oldest first: a complete one, and those since, whose records count more.
        owned: fields that are left to core.
    """
    references.gather_parents(connection, entity, source, states=())
    _say(connection, entity, reads)
    fed = [(c.name, query("s.{n}", n=c.name)) for c in entity.columns]
    fed += [(r.column, references.found(r)) for r in entity.references]
    said = [(name, staging.said(value, query("c.{n}", n=name))) for name, value in fed]
    pairs = [query("({k}, to_jsonb(c.{n}), to_jsonb({new}))", k=sql.Literal(n), n=n, new=new) for n, new in said]
    connection.execute(
        query(
            _DIFFERENCES,
            mappings=mappings_table(source),
            core=sql.Identifier("core", entity.table),
            joins=references.joins(entity, source),
            pairs=comma(pairs),
            source=sql.Literal(source),
            entity=sql.Literal(entity.name),
            owned=sql.Literal(list(owned)),
        )
    )


def counted(connection: Connection) -> dict[str, int]:
    """How many differences there are of each kind."""
    rows = connection.execute("SELECT kind, count(*) FROM differences GROUP BY kind ORDER BY kind").fetchall()
    return dict(cast("list[tuple[str, int]]", rows))


def first(connection: Connection, limit: int | None) -> list[Row]:
    """The first differences, or all, alarms before all others, by external id and field."""
    rows = connection.execute(
        "SELECT external_id, field, kind, core, said FROM differences"
        ' ORDER BY kind <> ALL(%s), external_id COLLATE "C", field LIMIT %s',
        [list(ALARMS), limit],
    ).fetchall()
    return cast("list[Row]", rows)


def _say(connection: Connection, entity: Entity, reads: Sequence[int]) -> None:
    """Fill `said`: for each external id the newest version that the reads hold, as a plan would choose it."""
    names = comma([sql.Identifier(name) for name in staging.columns(entity)])
    all_reads = sql.SQL(" UNION ALL ").join(
        query("SELECT {run} AS run, {names} FROM {rows}", run=sql.Literal(read), names=names, rows=rows_table(read))
        for read in reads
    )
    connection.execute(
        query(
            "CREATE TEMP TABLE said ON COMMIT DROP AS SELECT DISTINCT ON (external_id) * FROM ({all}) q"
            " ORDER BY external_id, run DESC, modified_at DESC NULLS LAST, page, row",
            all=all_reads,
        )
    )
    connection.execute("CREATE UNIQUE INDEX ON said (external_id)")
    connection.execute("ANALYZE said")


_DIFFERENCES = """
    CREATE TEMP TABLE differences ON COMMIT DROP AS
    WITH found AS (
        SELECT s.external_id, m.internal_id, v.field, v.core, v.said
        FROM said s
        JOIN {mappings} m ON m.entity_type = {entity} AND m.external_id = s.external_id
        JOIN {core} c ON c.id = m.internal_id
        {joins}
        CROSS JOIN LATERAL (VALUES {pairs}) v (field, core, said)
        WHERE v.core IS DISTINCT FROM v.said
        UNION ALL
        SELECT s.external_id, NULL, '', NULL, NULL
        FROM said s LEFT JOIN {mappings} m ON m.entity_type = {entity} AND m.external_id = s.external_id
        WHERE (m.internal_id IS NULL AND NOT s.deleted)
            OR (m.internal_id IS NOT NULL AND NOT EXISTS (SELECT FROM {core} c WHERE c.id = m.internal_id))
        UNION ALL
        SELECT m.external_id, m.internal_id, '', NULL, NULL
        FROM {mappings} m WHERE m.entity_type = {entity} AND m.internal_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM said s WHERE s.external_id = m.external_id)
    )
    SELECT f.external_id, f.field, f.core, f.said, CASE
        WHEN EXISTS (SELECT FROM connector.dead_letters d WHERE d.source = {source} AND d.entity = {entity}
            AND coalesce(d.external_id, '') = f.external_id  -- as the index has it
            AND d.state <> 'resolved') THEN 'dead letter'
        WHEN f.field = '' AND EXISTS (SELECT FROM said s WHERE s.external_id = f.external_id) THEN 'missing'
        WHEN f.field = '' AND EXISTS (SELECT FROM {mappings} m WHERE m.entity_type = {entity}
            AND m.external_id = f.external_id AND m.absent_since IS NOT NULL) THEN 'absent'
        WHEN f.field = '' THEN 'extra'
        WHEN f.field = ANY({owned}::text[]) THEN 'owned by core'
        WHEN EXISTS (SELECT FROM connector.conflicts x WHERE x.source = {source} AND x.entity = {entity}
            AND x.internal_id = f.internal_id AND x.field = f.field AND x.state = 'open') THEN 'open conflict'
        WHEN EXISTS (SELECT FROM connector.core_edits e WHERE e.entity = {entity} AND e.internal_id = f.internal_id
            AND e.field = f.field AND e.settled_by IS NULL) THEN 'edited in core'
        WHEN (SELECT r.kind FROM connector.sync_changes h
            JOIN connector.sync_plans p ON p.id = h.plan_id AND p.entity = {entity}
            JOIN connector.sync_runs r ON r.id = p.run_id
            WHERE h.internal_id = f.internal_id AND h.changes ? f.field
            ORDER BY p.id DESC LIMIT 1) IN ('undo', 'resolution') THEN 'corrected'
        WHEN EXISTS (SELECT FROM connector.external_system_mappings o WHERE o.connector_id <> {source}
            AND o.entity_type = {entity} AND o.internal_id = f.internal_id) THEN 'another source'
        ELSE 'differs' END AS kind
    FROM found f
"""
