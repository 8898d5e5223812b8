"""Waiting for what is certain to be told, instead of looking again and again: rows that change, processes that end."""

from __future__ import annotations

import os
import select
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE_SECONDS = 120.0

_CHANNEL = "changed"
_TELL = """
    CREATE SCHEMA IF NOT EXISTS proof;
    CREATE OR REPLACE FUNCTION proof.tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NOTIFY changed; RETURN NULL; END $$
"""
_HOOK = """
    CREATE OR REPLACE TRIGGER proof_tells AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {}
    FOR EACH STATEMENT EXECUTE FUNCTION proof.tell()
"""


class Ended(AssertionError):
    """What should have gone on while something was waited for has ended."""


class Changes:
    """Told of every change of some tables.

    Args:
        connection: one of its own, that listens.
        tables: those whose changes are told, for the message of who waited in vain.
        needed: processes without which nothing would change any more.
    """

    def __init__(self, connection: psycopg.Connection, tables: Sequence[str], needed: Sequence[int] = ()) -> None:
        self._connection = connection
        self._tables = tables
        self._needed = needed

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something is so. It is looked at once now, and again after each change of the tables.

        Args:
            condition: is true at last.
            what: for the message of who waited in vain.
            seconds: at most.

        Raises:
            TimeoutError: it did not come.
            Ended: a process that was needed for it ended.
        """
        until, here = time.monotonic() + seconds, self._connection.fileno()
        with _watched(self._needed) as ends:
            while not condition():
                ready, _, _ = select.select([here, *ends], [], [], max(0.0, until - time.monotonic()))
                if not ready:
                    raise TimeoutError(f"not within {seconds:.0f} s: {what}; {', '.join(self._tables)} stand still")
                if here not in ready and not condition():
                    raise Ended(f"what it needs ended before: {what}")
                list(self._connection.notifies(timeout=0))


@contextmanager
def changes(url: str, *tables: str, needed: Sequence[int] = ()) -> Iterator[Changes]:
    """Hear of every change of these tables.

    Args:
        url: of the database.
        tables: with their schemas; they are there already.
        needed: processes without which nothing would change any more.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TELL)
        for table in tables:
            connection.execute(sql.SQL(_HOOK).format(sql.Identifier(*table.split("."))))
        connection.execute(f"LISTEN {_CHANNEL}")
        yield Changes(connection, tables, needed)


def await_ends(processes: Sequence[int], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until these processes have ended; those that nobody asked how they ended have, too.

    Raises:
        TimeoutError: one goes on.
    """
    until = time.monotonic() + seconds
    with _watched(processes) as ends:
        for end in ends:
            if not select.select([end], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}")


def runs(process: int) -> bool:
    """Whether a process is there, and not only its entry until somebody has asked how it ended."""
    with _watched([process]) as ends:
        return bool(ends) and not select.select(ends, [], [], 0)[0]


@contextmanager
def _watched(processes: Sequence[int]) -> Iterator[list[int]]:
    """What becomes readable when a process ends, for each that is there."""
    ends: list[int] = []
    try:
        for process in processes:
            with suppress(ProcessLookupError):
                ends.append(os.pidfd_open(process))
        yield ends
    finally:
        for end in ends:
            os.close(end)
