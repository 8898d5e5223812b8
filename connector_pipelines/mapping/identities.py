"""The mapping layer: each source's partition of `external_system_mappings` (requirements G5-G16, K3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import mappings_table

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


def activate(connection: Connection, source: str) -> bool:
    """Make the source's partition, with its unique constraint and reverse index (G13, G14).

    Safe to call often, and from two runs at once.

    Returns:
        True when the partition stands; the guide's `activate()` contract.
    """
    table = mappings_table(source)
    if connection.execute("SELECT to_regclass(%s)", [table.as_string(connection)]).fetchone() == (None,):
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('activate'))")
            connection.execute(
                query(
                    "CREATE TABLE IF NOT EXISTS {table} PARTITION OF connector.external_system_mappings"
                    " (UNIQUE (external_id, entity_type)) FOR VALUES IN ({source})",
                    table=table,
                    source=sql.Literal(source),
                )
            )
            connection.execute(
                query(
                    "CREATE INDEX IF NOT EXISTS {index} ON {table} (internal_id, entity_type)",
                    index=f"{source}_mappings_internal",
                    table=table,
                )
            )
    return True
