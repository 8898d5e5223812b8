"""Kills a run at every durable boundary, resumes it, and compares what it left with the uninterrupted run.

    python -m proof.crashes             all boundaries
    python -m proof.crashes --every 10  each tenth

The boundaries are found by running once: what PostgreSQL reports as durable (`wire`), and what is written to the
landing folder, each file whole and torn (`work`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.database.connection import connect
from proof import held, school
from proof.databases import Databases, alone, server
from proof.wire import Proxy
from proof.work import Ended, Job, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment after which something outlives the process.

    Attributes:
        kind: "database", "file" (the process dies just before it touches one) or "torn file" (half of it is there).
        number: which of its kind, from 1.
        what: the statement, or the file.
    """

    kind: str
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number} ({self.what})"


@dataclass(slots=True)
class Stage:
    """Everything for one run that is repeated again and again from the same beginning.

    Attributes:
        begin: URL of the database in the state in which every run begins; nobody is connected to it.
        expected: what the uninterrupted run leaves, and what it leaves when it is repeated: a run that is resumed late
            is both, and rows that waited in vain through two complete reads wait no more. Empty until it is known.
    """

    databases: Databases
    worker: Worker
    folder: Path
    simulator: Simulator
    begin: str
    expected: list[dict[str, list[Any]]] = field(default_factory=list)

    @property
    def job(self) -> Job:
        """The run."""
        config = school.config(self.simulator)
        return Job("", str(self.folder / "landing"), "school", config, str(self.folder / "result"))

    def find(self) -> list[Boundary]:
        """Run once to the end; the boundaries in order, by kind."""
        with self.databases.fresh(self.begin) as url:
            with Proxy(url, self.folder) as proxy:
                ended = self._run(replace(self.job, url=proxy.url), proxy)
            _must(ended.well, f"the uninterrupted run: {ended}")
            self.expected = [held.held(url)]
            again = self.worker.run(replace(self.job, url=url))
            _must(again.well, f"the uninterrupted run, repeated: {again}")
            self.expected.append(held.held(url))
        found = [Boundary("database", number, what) for number, what in enumerate(proxy.durable, 1)]
        for number, what in enumerate(ended.files, 1):
            found.append(Boundary("file", number, what))
            if what.startswith("open"):
                found.append(Boundary("torn file", number, what))
        return found

    def check(self, boundary: Boundary) -> list[str]:
        """Kill a run at a boundary, resume it; what is not as it should be."""
        at_file = 0 if boundary.kind == "database" else boundary.number
        with self.databases.fresh(self.begin) as url:
            with Proxy(url, self.folder) as proxy:
                torn = boundary.kind == "torn file"
                killed = self._run(
                    replace(self.job, url=proxy.url, die_at_file=at_file, torn=torn),
                    proxy,
                    kill_at=0 if at_file else boundary.number,
                )
            if killed.signal != signal.SIGKILL:
                return [f"was not reached: {killed}"]
            alone(url)
            with connect(url) as connection:
                wrong = [f"after the kill: {breach}" for breach in held.breaches(connection)]
                resumed = self.worker.run(replace(self.job, url=url))
                wrong += [] if resumed.well else [f"the next run: {resumed}"]
                wrong += held.breaches(connection)
            return wrong + _differing(self.expected, held.held(url))

    def _run(self, job: Job, proxy: Proxy, *, kill_at: int = 0) -> Ended:
        shutil.rmtree(job.landing, ignore_errors=True)
        process = self.worker.start(job)
        if kill_at:
            proxy.strike(kill_at, lambda: os.kill(process, signal.SIGKILL))
        self.worker.go()
        return self.worker.wait()


def _must(condition: bool, message: str) -> None:  # noqa: FBT001 -- reads as an assertion
    if not condition:
        raise RuntimeError(message)


def _differing(expected: Sequence[dict[str, list[Any]]], found: dict[str, list[Any]]) -> list[str]:
    wrong = []
    for name, rows in found.items():
        if rows not in [one[name] for one in expected]:
            missing = [row for row in expected[0][name] if row not in rows]
            new = [row for row in rows if row not in expected[0][name]]
            wrong.append(f"{name}: missing {missing[:2]}, new {new[:2]}")
    return wrong


@contextmanager
def stage(databases: Databases) -> Iterator[Stage]:
    """A school that is in core already and has changed since, with rows that wait and rows that are refused.

    The run that is interrupted has everything to do: create, update, leave alone, mark absent, refuse, let wait, take
    up again.
    """
    os.environ.update(school.CREDENTIALS)
    folder = Path(tempfile.mkdtemp(prefix="crash_"))
    try:
        with ExitStack() as stack:
            worker = stack.enter_context(Worker())
            simulator = stack.enter_context(Simulator(scenario="tiny", seed=7))
            begin = stack.enter_context(databases.fresh())
            made = Stage(databases, worker, folder, simulator, begin)
            _spoil(simulator)
            first = worker.run(replace(made.job, url=begin))
            _must(first.well, f"the first run: {first}")
            simulator.evolve(percent=25, vanish=True)
            _spoil(simulator)
            alone(begin)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _spoil(simulator: Simulator) -> None:
    """A student without a name, one who comes twice, and seats of a student who is not there (yet)."""
    users = [user for user in simulator.expected("users") if user["roles"][0]["role"] == "student"]
    seat = next(record for record in simulator.expected("enrollments") if record["role"] == "student")
    simulator.put("users", users[0] | {"givenName": None})
    simulator.append_raw("users", users[1] | {"familyName": "Other"})
    simulator.append_raw("users", users[2])
    lost = {"user": {"href": "x", "sourcedId": "nobody", "type": "user"}}
    simulator.append_raw("enrollments", seat | {"sourcedId": f"seat-{simulator.version}"} | lost)


def sweep(
    databases: Databases, *, every: int = 1, tell: Callable[[str], None] = lambda _: None
) -> tuple[list[Boundary], list[str]]:
    """Check each n-th boundary; which there are, and what was wrong, told at once as well."""
    wrong: list[str] = []
    with stage(databases) as made:
        boundaries = made.find()
        for boundary in boundaries[::every]:
            found = [f"killed at {boundary}: {finding}" for finding in made.check(boundary)]
            wrong += found
            for finding in found:
                tell(finding)
    return boundaries, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="check each n-th boundary only")
    parser.add_argument("--list", action="store_true", help="print the boundaries and stop")
    given = parser.parse_args(arguments)
    started = time.monotonic()
    with server() as databases:
        if given.list:
            with stage(databases) as made:
                print(*made.find(), sep="\n")
            return 0
        found, wrong = sweep(databases, every=given.every, tell=partial(print, flush=True))
    print(f"{len(found)} durable boundaries, {-(-len(found) // given.every)} kills, {len(wrong)} findings, ", end="")
    print(f"{time.monotonic() - started:.0f} seconds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
