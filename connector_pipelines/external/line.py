"""A process's line to what all processes share: one connection, opened when it is first needed, used by all threads."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, LiteralString

from connector_pipelines.errors import DatabaseUnavailable

if TYPE_CHECKING:
    import psycopg

_QUICK = "-c synchronous_commit=off -c TimeZone=UTC"
"""Counters may lose their last half second when the server crashes; waiting for the disk would cost more than that."""


_DURABLE = "-c TimeZone=UTC"


class Line:
    """Runs short statements. A connection that broke is replaced with the next one.

    Args:
        url: of the database.
        durable: what was written outlives a crash of the server from the moment a statement returns.
    """

    def __init__(self, url: str, *, durable: bool = False) -> None:
        self.url = url
        self._options = _DURABLE if durable else _QUICK
        self._lock = Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def row(self, statement: LiteralString, *values: object) -> tuple[Any, ...] | None:
        """The first row.

        Raises:
            DatabaseUnavailable: the connection broke, or nothing answers.
        """
        return next(iter(self.rows(statement, *values)), None)

    def rows(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """All rows; none for a statement that has none.

        Raises:
            DatabaseUnavailable: the connection broke, or nothing answers.
        """
        import psycopg

        with self._lock:
            try:
                cursor = self._open().execute(statement, values or None, prepare=True)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError as error:
                self._drop()
                raise DatabaseUnavailable(
                    "the database that processes meet in does not answer.", remedy="Try again."
                ) from error

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        import psycopg

        if self._connection is None:
            self._connection = psycopg.connect(
                self.url, autocommit=True, application_name="connector_pipelines gate", options=self._options
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Give back the connection, and with it all seats."""
        with self._lock:
            self._drop()
