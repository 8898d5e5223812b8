"""Brings a database to the schema this version needs. Safe to call often and from several processes at once."""

from __future__ import annotations

from pathlib import Path

import psycopg

from connector_pipelines.database.connection import Connection, connect

HEAD = "0019"
"""The newest revision; a test holds it to what Alembic finds."""

_LOCK = 7_205_759_403


def migrate(url: str) -> None:
    """Apply what is missing. Costs one query when nothing is, without importing Alembic.

    Raises:
        ConfigurationError: nothing answers at the URL.
    """
    with connect(url) as connection:
        if _revision(connection) == HEAD:
            return
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        if _revision(connection) != HEAD:
            _upgrade(url)


def _revision(connection: Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM connector.alembic_version").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return None if row is None else str(row[0])


def _upgrade(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")
