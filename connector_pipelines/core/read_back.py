"""Reads back what a plan wrote and compares it with what was planned: the proof in the receipt (S3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database.connection import Connection, comma, query
from connector_pipelines.database.tables import plan_table

if TYPE_CHECKING:
    from connector_pipelines.model import Entity, Plan


def read_back(connection: Connection, entity: Entity, plan: Plan) -> tuple[int, int, tuple[str, ...]]:
    """Checksums of the rows the plan created or changed, as planned and as they stand in core.

    The sums do not depend on the order of rows. Of a row in conflict, the plan also holds what core keeps, as it
    stood: that it stayed is proven, too. Unchanged rows are not read: their hash was compared already.

    Returns:
        planned sum, core sum, and the external ids of all rows that differ.
    """
    names = [c.name for c in entity.columns] + [r.column for r in entity.references]
    planned, core = (comma([query("{t}.{n}", t=table, n=name) for name in names]) for table in ("p", "c"))
    row = connection.execute(
        query(
            """
            SELECT coalesce(sum(hash_record_extended(ROW({planned}), 0)), 0),
                coalesce(sum(hash_record_extended(ROW({core}), 0)), 0),
                array_agg(p.external_id) FILTER (WHERE c.id IS NULL OR ROW({planned}) IS DISTINCT FROM ROW({core}))
            FROM {plan} p LEFT JOIN {table} c ON c.id = p.internal_id
            WHERE p.action = 'create' OR p.changes IS NOT NULL
            """,
            planned=planned,
            core=core,
            plan=plan_table(plan.id),
            table=sql.Identifier("core", entity.table),
        )
    ).fetchone()
    wanted, found, differing = cast("tuple[int, int, list[str] | None]", row)
    return int(wanted), int(found), tuple(sorted(differing or ()))
