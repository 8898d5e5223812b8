"""What every step needs: a connection, the landed pages, and somebody to tell about progress."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_pipelines.database.connection import Connection, connect, database_url
from connector_pipelines.database.migrate import migrate
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.surroundings import share
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.model import Progress, Report


def silent(_: Progress) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Context:
    """One run's surroundings.

    Attributes:
        connection: in autocommit mode; the run's locks live and die with it.
        landing: where raw pages go.
        report: told after each page batch and each chunk.
        launched_by: who or what started the run, for the record.
        chunk_rows: rows per applied transaction, and per validated batch.
        url: of the database, for work that wants a second connection; None keeps to one.
    """

    connection: Connection
    landing: Landing
    report: Report = silent
    launched_by: str = "command line"
    chunk_rows: int = 25_000
    url: str | None = None


@contextmanager
def open_context(
    url: str | None = None, *, report: Report = silent, launched_by: str = "command line", lane: str = "sync"
) -> Iterator[Context]:
    """A context from the process's settings, on a database that is brought to the newest schema first.

    Raises:
        ConfigurationError: the database cannot be reached.
    """
    address = url or database_url()
    migrate(address)
    with share(address, lane=lane), connect(address) as connection:
        yield Context(
            connection,
            Landing(settings().landing, sealed=settings().seals_landing),
            report=report,
            launched_by=launched_by,
            chunk_rows=settings().chunk_rows,
            url=address,
        )
