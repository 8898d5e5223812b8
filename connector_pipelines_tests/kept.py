"""One open connection to each test database, for what tests look up and change by hand.

Opening one costs more than nearly all such statements, in PostgreSQL above all: a process of its own, which learns the
schema anew. Runs open theirs, as in operation.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from connector_pipelines.database.connection import Connection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

_open: dict[str, tuple[Connection, ExitStack]] = {}


@contextmanager
def kept(url: str) -> Iterator[Connection]:
    """The connection to a database; what was set in it is gone afterwards."""
    connection = _open[url][0] if url in _open else None
    if connection is None or connection.closed:
        stack = ExitStack()
        connection = stack.enter_context(connect(url))
        _open[url] = connection, stack
    try:
        yield connection
    finally:
        if not connection.closed:
            connection.execute("RESET ALL")


def let_go(url: str) -> None:
    """Close the connection to a database, if there is one."""
    if url in _open:
        _open.pop(url)[1].close()


class Kept:
    """What tests do by hand to the database at `url`."""

    url: str

    def rows(self, statement: Any, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with kept(self.url) as connection:
            return connection.execute(statement, values or None).fetchall()

    def execute(self, *statements: Any) -> None:
        """Change the database behind the engine's back, as a person does."""
        with kept(self.url) as connection:
            for statement in statements:
                connection.execute(statement)
