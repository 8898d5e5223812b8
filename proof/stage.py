"""One run that is repeated again and again from the same beginning, killed at one boundary after the other."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from connector_pipelines.database.connection import connect
from proof import held
from proof.databases import Databases, alone
from proof.wire import Proxy, Strike, Struck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proof.work import Ended, Job, Worker

Held = dict[str, list[Any]]


class Destination(Struck, Protocol):
    """Where an export goes: it strikes at its own calls."""

    @property
    def calls(self) -> list[str]:
        """Those at which it could have struck since the beginning, in order."""

    def held(self) -> Held:
        """What stands there, each change that led there, and what was done twice."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment after which something outlives the process.

    Attributes:
        kind: "database"; "file" (the process dies just before it touches one) or "torn file" (half of it is there);
            "request" (dies before it leaves), "effect" (dies when the other system has done it, and has not answered)
            or "answer" (dies when it has read it).
        number: which of its kind, from 1; of files, requests and answers which event.
        what: the statement, the file, or the function that is called.
    """

    kind: str
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number} ({self.what})"


@dataclass(slots=True)
class Stage:
    """Everything for one run, a sync or an export.

    Attributes:
        begin: URL of the database in the state in which every run begins; nobody is connected to it.
        job: the run.
        reset: puts all that is not in the database as it was at the beginning.
        destination: where an export goes.
        expected: what the uninterrupted run leaves, and what it leaves when it is repeated: a run that is resumed late
            is both, and rows that waited in vain through two complete reads wait no more. Empty until it is known.
    """

    databases: Databases
    worker: Worker
    folder: Path
    begin: str
    job: Job
    reset: Callable[[], None]
    destination: Destination | None = None
    expected: list[Held] = field(default_factory=list)

    def find(self) -> list[Boundary]:
        """Run once to the end; the boundaries in order, by kind."""
        with self.databases.fresh(self.begin) as url:
            with Proxy(url, self.folder) as proxy:
                ended = self._run(replace(self.job, url=proxy.url))
            must(ended, "the uninterrupted run")
            self.expected = [self._held(url)]
            calls = list(self.destination.calls) if self.destination else []
            must(self.worker.run(replace(self.job, url=url)), "the uninterrupted run, repeated")
            self.expected.append(self._held(url))
        found = [Boundary("database", number, what) for number, what in enumerate(proxy.durable, 1)]
        for number, what in enumerate(ended.events, 1):
            kind, _, name = what.partition(" ")
            if kind in {"request", "answer"}:
                found.append(Boundary(kind, number, name))
                continue
            found.append(Boundary("file", number, what))
            if kind == "open":
                found.append(Boundary("torn file", number, what))
        return found + [Boundary("effect", number, what) for number, what in enumerate(calls, 1)]

    def check(self, boundary: Boundary) -> list[str]:
        """Kill a run at a boundary, resume it; what is not as it should be."""
        by_itself = boundary.kind not in {"database", "effect"}
        with self.databases.fresh(self.begin) as url:
            with Proxy(url, self.folder) as proxy:
                die_at = boundary.number if by_itself else 0
                job = replace(self.job, url=proxy.url, die_at=die_at, torn=boundary.kind == "torn file")
                killed = self._run(job, None if by_itself else (boundary, proxy))
            if killed.signal != signal.SIGKILL:
                return [f"was not reached: {killed}"]
            alone(url)
            with connect(url) as connection:
                wrong = [f"after the kill: {breach}" for breach in held.breaches(connection)]
                resumed = self.worker.run(replace(self.job, url=url))
                wrong += [] if resumed.well else [f"the next run: {resumed}"]
                wrong += held.breaches(connection)
            return wrong + _differing(self.expected, self._held(url))

    def _run(self, job: Job, at: tuple[Boundary, Proxy] | None = None) -> Ended:
        self.reset()
        process = self.worker.start(job)
        if at:
            boundary, proxy = at
            where = self.destination if boundary.kind == "effect" else None
            Strike("kill", boundary.number, where).arm(proxy, process)
        self.worker.go()
        return self.worker.wait()

    def _held(self, url: str) -> Held:
        return held.held(url) | (self.destination.held() if self.destination else {})


def must(ended: Ended, what: str) -> None:
    """See that a run went well on which others are built.

    Raises:
        RuntimeError: it did not.
    """
    if not ended.well:
        raise RuntimeError(f"{what}: {ended}")


def _differing(expected: list[Held], found: Held) -> list[str]:
    wrong = []
    for name, rows in found.items():
        if rows not in [one[name] for one in expected]:
            missing = [row for row in expected[0][name] if row not in rows]
            new = [row for row in rows if row not in expected[0][name]]
            wrong.append(f"{name}: missing {missing[:2]}, new {new[:2]}")
    return wrong
