"""Brings a database to the schema this version needs. Safe to call often and from several processes at once."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from connector_pipelines.database.connection import Connection, connect

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0019"
"""The newest revision; a test holds it to what Alembic finds."""

SCHEMA = Path(__file__).with_name("schema.sql")
"""All revisions in one, as Alembic writes them down when `make schema` tells it to: for a database that has none, which
so need not wait for Alembic and SQLAlchemy. They take half a second to import.
"""

_LOCK = 7_205_759_403


def migrate(url: str) -> None:
    """Apply what is missing. Costs one query when nothing is.

    Raises:
        ConfigurationError: nothing answers at the URL.
    """
    with connect(url) as connection:
        if _revision(connection) == HEAD:
            return
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        found = _revision(connection)
        if found is None:
            _create(connection)
        elif found != HEAD:
            _upgrade(url)


def written_down() -> str:
    """All revisions as SQL, as Alembic would run them one after the other."""
    from alembic import command

    config, text = _config(), StringIO()
    config.output_buffer = text
    command.upgrade(config, "head", sql=True)
    return text.getvalue()


def _revision(connection: Connection) -> str | None:
    """The revision of the database; empty after a downgrade to nothing, None where there never was one."""
    try:
        row = connection.execute("SELECT version_num FROM connector.alembic_version").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return "" if row is None else str(row[0])


def _create(connection: Connection) -> None:
    with connection.transaction():
        connection.execute("CREATE SCHEMA IF NOT EXISTS connector")
        connection.execute(SCHEMA.read_bytes())


def _upgrade(url: str) -> None:
    from alembic import command

    config = _config()
    config.attributes["url"] = url
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


if __name__ == "__main__":
    print(written_down(), end="")  # noqa: T201 -- for `make schema`
