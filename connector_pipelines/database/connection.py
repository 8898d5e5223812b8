"""Connections: one way to open them, with the settings every statement of ours relies on."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import sql

from connector_pipelines.database import embedded
from connector_pipelines.errors import ConfigurationError, DatabaseUnavailable
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Connection = psycopg.Connection[tuple[object, ...]]

_NUMBERS = count(1)

# Hashes of what is sent outward are taken over a row's text form, so what shapes that text is pinned for every
# connection. With the default of 4 MB, the sorts and joins of a plan of 100,000 rows go through files. What we ANALYZE
# ourselves are tables of one plan: how many rows, and how many of them alike, 3,000 of them tell as well as 30,000.
_OPTIONS = (
    "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601 -c extra_float_digits=1 -c jit=off -c work_mem=64MB"
    " -c default_statistics_target=10"
)


def database_url() -> str:
    """The URL of the core database: the environment's, else the embedded server's, started if need be."""
    return settings().database_url or embedded.start(settings().local_dir / "postgres")


@contextmanager
def connect(url: str | None = None, *, application: str = "connector_pipelines") -> Iterator[Connection]:
    """A connection in autocommit mode; write inside `with connection.transaction()`.

    Raises:
        ConfigurationError: nothing answers at the URL.
        DatabaseUnavailable: the connection broke while it was used.
    """
    address = url or database_url()
    try:
        connection = psycopg.connect(address, autocommit=True, application_name=application, options=_OPTIONS)
    except psycopg.OperationalError as error:
        raise ConfigurationError(
            f"the database cannot be reached: {str(error).strip().splitlines()[-1]}.",
            remedy="Check CONNECTOR_PIPELINES_DATABASE_URL, and that the server runs.",
        ) from error
    try:
        with connection:
            yield connection
    except psycopg.OperationalError as error:
        if not connection.broken:
            raise
        raise DatabaseUnavailable(
            "the database connection broke; the open chunk was rolled back.", remedy="Launch the run again; it resumes."
        ) from error


def query(text: LiteralString, **parts: sql.Composable | str) -> sql.Composed:
    """A statement with names put in safely: strings become identifiers, composables are taken as they are."""
    named = {key: sql.Identifier(part) if isinstance(part, str) else part for key, part in parts.items()}
    return sql.SQL(text).format(**named)


def comma(parts: Iterable[sql.Composable]) -> sql.Composed:
    """Parts with commas between."""
    return sql.SQL(", ").join(parts)


def scalar(connection: Connection, statement: sql.Composed | LiteralString, *values: object) -> object:
    """The first column of the first row, or None where there is no row."""
    row = connection.execute(statement, values or None).fetchone()
    return None if row is None else row[0]


def in_batches(
    connection: Connection, statement: sql.Composed | LiteralString, *values: object, size: int
) -> Iterator[list[tuple[object, ...]]]:
    """The rows of a query as they are now, so many at a time, in its order: the database keeps them until then.

    What is written meanwhile makes no difference, in this connection either.
    """
    with connection.cursor(f"batches_{next(_NUMBERS)}", withhold=True) as cursor:
        cursor.execute(statement, values or None)
        while rows := cursor.fetchmany(size):
            yield rows
