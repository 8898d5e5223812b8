"""What people changed in core since a plan wrote it, for whoever must not undo their work or explains a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.database.connection import query, scalar

if TYPE_CHECKING:
    from psycopg import sql

    from connector_pipelines.database.connection import Connection


def edits(connection: Connection) -> sql.Composed:
    """A query of all edits of core: entity, internal_id, field, before, after, edited_at, edited_by, settled_by.

    Empty on a database that keeps no record of edits.
    """
    columns = "entity, internal_id, field, before, after, edited_at, edited_by, settled_by"
    if scalar(connection, "SELECT to_regclass('connector.core_edits')") is None:
        return query(
            "SELECT ''::text AS entity, 0::bigint AS internal_id, ''::text AS field, 'null'::jsonb AS before,"
            " 'null'::jsonb AS after, now() AS edited_at, ''::text AS edited_by, NULL::bigint AS settled_by WHERE false"
        )
    return query("SELECT {columns} FROM connector.core_edits", columns=_names(columns))


def _names(columns: str) -> sql.Composed:
    from psycopg import sql

    return sql.SQL(", ").join(map(sql.Identifier, columns.split(", ")))
