from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from connector_pipelines.database.connection import connect, query, scalar
from connector_pipelines.errors import Category, ConfigurationError, DatabaseUnavailable

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


def test_unreachable_database_names_the_variable() -> None:
    """A URL where nothing answers is a configuration error that says which variable to look at."""
    with (
        pytest.raises(ConfigurationError, match="CONNECTOR_PIPELINES_DATABASE_URL") as refused,
        connect("postgresql://nobody@127.0.0.1:1/none"),
    ):
        pass
    assert "cannot be reached" in refused.value.problem


def test_broken_connection_can_be_tried_again(database: str) -> None:
    """A connection that the server ends is `DatabaseUnavailable`: launch again, it resumes."""

    def use() -> None:
        with connect(database) as victim, connect(database) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])
            victim.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable) as broken:
        use()
    assert broken.value.category is Category.DATABASE_ERROR


def test_operational_error_of_a_working_connection_stays(connection: Connection, database: str) -> None:
    """An error that leaves the connection usable is not taken for a broken one."""

    def use() -> None:
        with connect(database) as other, connection.transaction():
            connection.execute("LOCK core.students")
            other.execute("BEGIN; LOCK core.students NOWAIT")

    with pytest.raises(psycopg.errors.LockNotAvailable):
        use()


def test_text_form_of_values_is_pinned(database: str, admin: Connection) -> None:
    """Row hashes do not depend on how the server or database is set up."""
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    for setting in ("timezone TO 'Asia/Tokyo'", "datestyle TO 'German'", "extra_float_digits TO -5"):
        admin.execute(f"ALTER DATABASE {name} SET {setting}".encode())
    with connect(database) as connection:
        text = scalar(
            connection, "SELECT ROW('2026-03-29 01:30+00'::timestamptz, '2026-03-29'::date, 0.1::float8)::text"
        )
    assert text == '("2026-03-29 01:30:00+00",2026-03-29,0.1)'


def test_names_are_put_in_safely(connection: Connection) -> None:
    """A hostile name in a statement is a name and nothing more."""
    name = 'x"; DROP SCHEMA core; --'
    connection.execute(query("CREATE TEMP TABLE {t} (a int)", t=name))
    assert scalar(connection, "SELECT count(*) FROM pg_class WHERE relname = %s", name) == 1


def test_scalar_of_nothing(connection: Connection) -> None:
    """No row gives None."""
    assert scalar(connection, "SELECT 1 WHERE false") is None
