"""Locks that die with their holder: PostgreSQL advisory locks on the run's own connection (G76, P17)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from connector_pipelines.database.connection import Connection, scalar
from connector_pipelines.errors import AnotherRunIsActive

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = 7_205_759


@contextmanager
def hold(connection: Connection, name: str) -> Iterator[None]:
    """Hold the lock of a source's entity or of a core table.

    Raises:
        AnotherRunIsActive: somebody else holds it. Nothing was done.
    """
    if not scalar(connection, "SELECT pg_try_advisory_lock(%s, hashtext(%s))", _SPACE, name):
        raise AnotherRunIsActive(
            f"another run is working on {name}.",
            remedy="Wait until it is done; Dagster's pools queue runs by themselves. A killed run lets go at once.",
        )
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [_SPACE, name])
