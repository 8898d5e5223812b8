"""One embedded PostgreSQL for the whole session, a fresh migrated database for each test that asks for one."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from connector_pipelines.database import embedded
from connector_pipelines.database.connection import Connection, connect
from connector_pipelines.database.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count()

# A busy machine is no bug, and what an example took is no claim of a test.
hypothesis_settings.register_profile("connector_pipelines", deadline=None)
hypothesis_settings.load_profile("connector_pipelines")


_FOLDER = "CONNECTOR_PIPELINES_TEST_SERVER"
_OWNER = "CONNECTOR_PIPELINES_TEST_OWNER"  # in the names of databases; who keeps a server may have them used again


def pytest_configure(config: pytest.Config) -> None:
    """Make the server's folder, in the process that starts the workers.

    It lies outside pytest's own folder, which every other pytest of the same user closes to the server's user. Who runs
    pytest many times over may name a folder and keep its server.
    """
    if not hasattr(config, "workerinput") and _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="connector_pipelines_")
        atexit.register(shutil.rmtree, os.environ[_FOLDER], ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> str:
    """URL of a migrated database on the session's server; all xdist workers share the server, each has its template."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    url = embedded.start(Path(os.environ[_FOLDER]) / "postgres", database=f"template_{worker}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # these databases may be lost
        connection.execute("SELECT pg_reload_conf()")
    migrate(url)
    return url


@pytest.fixture
def admin(server: str) -> Iterator[Connection]:
    """A connection from which databases can be made and dropped."""
    with psycopg.connect(_beside(server, "postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def empty_database(server: str, admin: Connection) -> Iterator[str]:
    """URL of a database without any schema of ours."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield _beside(server, name)
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def spare() -> list[str]:
    """Migrated databases that a test left as clean as it found them: emptying one is much cheaper than making one."""
    return []


@pytest.fixture(scope="session")
def shape(server: str) -> object:
    """What the schema counts as when nobody changed it."""
    return _emptied(server)


@pytest.fixture
def database(server: str, admin: Connection, spare: list[str], shape: object) -> Iterator[str]:
    """URL of a migrated, empty database that is this test's own."""
    name = spare.pop() if spare else f"test_{os.environ.get(_OWNER) or os.getpid()}_{next(_numbers)}"
    made = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if not made:
        template = sql.Identifier(_name(server))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template))
    yield _beside(server, name)
    if _emptied(_beside(server, name)) == shape:
        spare.append(name)
    else:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


# Deleting few rows costs a fiftieth of truncating forty tables; of many rows it would leave too much behind.
_EMPTY = """
    SET session_replication_role = replica;  -- past the trigger that keeps the audit log
    DO $$
    DECLARE names text[];
    BEGIN
        SELECT array_agg(c.oid::regclass::text) INTO names FROM pg_class c
        WHERE c.relkind = 'r' AND (c.relispartition OR c.relnamespace = 'staging'::regnamespace);
        IF names IS NOT NULL THEN EXECUTE 'DROP TABLE ' || array_to_string(names, ', '); END IF;
        SELECT array_agg(c.oid::regclass::text) INTO names FROM pg_class c
        WHERE c.relkind = 'r' AND c.relname <> 'alembic_version'
            AND c.relnamespace IN ('core'::regnamespace, 'connector'::regnamespace);
        IF (SELECT max(pg_table_size(name::regclass)) > 500000 FROM unnest(names) AS name) THEN
            EXECUTE 'TRUNCATE ' || array_to_string(names, ', ');
        ELSE
            FOR place IN 1 .. cardinality(names) LOOP EXECUTE 'DELETE FROM ' || names[place]; END LOOP;
        END IF;
        PERFORM setval(c.oid::regclass, 1, false) FROM pg_class c
        WHERE c.relkind = 'S' AND c.relnamespace IN ('core'::regnamespace, 'connector'::regnamespace);
    END $$
"""
_SHAPE = """
    SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_constraint), (SELECT count(*) FROM pg_proc),
        (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_attribute),
        (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
            WHERE d.datname = current_database())
"""


def _emptied(url: str) -> object:
    """Remove all rows and what runs make; what is left of the schema tells whether the test changed it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_EMPTY)
        return connection.execute(_SHAPE).fetchone()


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """A connection to this test's database."""
    with connect(database) as opened:
        yield opened


def _name(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


def _beside(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return url.replace(f"/{_name(url)}", f"/{name}")
