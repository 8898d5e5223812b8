"""Seeded runs in which everything goes wrong at once; when the faults stop, core must be what the sources hold.

    python -m proof.chaos --runs 1000          seeds 0 to 999
    python -m proof.chaos --seed 4711          this one again

A run is a few steps. In each the data of two schools changes, their servers get faults, and three processes sync at
the same time: two of them the same school. Mostly a fourth one exports core to a Moodle meanwhile, and in a third of
the runs a fifth one a school's assessments to its gradebook. Some are killed or lose their database connection at some
durable boundary. After each step the invariants must hold, every error must be one of ours with a category, nothing may
have been done twice where core is exported to, and where the faults could not change what a complete read says, core
must equal the school. How processes interleave is not part of the seed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import sql
from rich.console import Console
from rich.progress import track

from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.connectors.oneroster.simulator.world import START
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import connect, query
from connector_pipelines.errors import Category
from connector_pipelines.external.landing import Landing
from proof import campus, gradebook, held, school
from proof.books import SHARE, Books
from proof.campus import Destination
from proof.databases import Databases, alone, server
from proof.exports import Exports
from proof.gradebook import Gradebook
from proof.tally import Tally
from proof.wire import Proxy, Strike
from proof.work import Ended, Job, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Source
    from connector_pipelines.sync.context import Context

# What the client must heal or live with: a read that ends well says what the school holds.
HARMLESS = (
    *("clamp=7", "no-total", "no-link", "total-estimate", "total-estimate=40", "lower-case-headers", "gzip"),
    *("trailing-slash-redirect", "warnings-in-body", "delay=5", "slow-body=1", "unknown-fields", "bool-real"),
    *("token-expiry=3", "429-every=5", "503=1", "500@2", "reset@3", "ignore-filter", "ignore-sort", "duplicate-ids"),
)
# What must end the read with an error that says so.
LOUD = (
    *("429", "500", "auth-down", "forbidden", "reset", "truncated", "html-200", "wrong-charset", "missing-envelope"),
    *("null-envelope", "repeat-page", "forbidden@4", "truncated@5", "html-200@6", "missing-envelope@7"),
)
# What makes a read say something else than the truth; it must be mended by the next good one.
LYING = (
    *("empty-list", "empty-list@5", "shift@4", "shift=insert@6", "hide-deleted", "strict-greater", "missing-field"),
    *("missing-field=givenName", "wrong-type", "big-string", "nul-byte", "year-0001", "link-other-host"),
)
COLLECTIONS = ("", "", ":students", ":classes", ":enrollments", ":orgs")
SOURCES = ("east", "east", "west")
RUNNING = (*SOURCES, campus.SOURCE, gradebook.SOURCE)
"""What runs at the same time, at most."""
# Errors that need no fault: another process was first.
CONTENTION = ("AnotherRunIsActive", "PlanOutdated")


@dataclass(slots=True)
class Run:
    """One seeded run.

    Attributes:
        findings: what was wrong, empty for a good run.
    """

    url: str
    folder: Path
    workers: Sequence[Worker]
    dice: random.Random
    simulators: dict[str, Simulator]
    exports: Sequence[Exports | Books]
    tally: Tally = field(default_factory=lambda: Tally(runs=1))
    findings: list[str] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def whole(self) -> None:
        """All steps, then the mending, then the comparison."""
        for number in range(self.dice.randint(1, 2)):
            self._step(number)
        self._mend()

    @contextmanager
    def gradebook(self, dice: random.Random) -> Iterator[None]:
        """In some runs: a school that is in core already, with assessments, and its gradebook."""
        if dice.random() >= SHARE:
            yield
            return
        with Gradebook() as there:
            books, landing, result = Books(dice, there, self.url), str(self.folder / "landing"), "result_school"
            self._run(Job(self.url, landing, books.source, school.config(there), str(self.folder / result)))
            books.begin()
            self.exports = [*self.exports, books]
            yield

    def _step(self, number: int) -> None:
        for name, simulator in self.simulators.items():
            if self.dice.random() < 0.8:
                simulator.evolve(self.dice.choice((5, 20)), vanish=self.dice.random() < 0.5)
            self.faults[name] = self._draw_faults()
            simulator.set_faults(self.faults[name])
        with connect(self.url) as connection:
            self._disturb(connection)
        jobs = [self._draw_job(place, name) for place, name in enumerate(SOURCES)]
        drawn = [(job, self._draw_strike()) for job in jobs]
        for one in self.exports:
            export = one.draw(self._export(one))
            drawn += [export] if export else []
            self.faults[one.source] = one.faults
        with ExitStack() as stack:
            ended = self._together(stack, drawn)
        alone(self.url)
        self.findings += [f"after step {number}: {breach}" for one in self.exports for breach in one.wrong()]
        with connect(self.url) as connection:
            self.findings += [f"after step {number}: {breach}" for breach in held.breaches(connection)]
            for name in self.simulators:
                whole = any(job.source == name and job.mode == "full" and e.well and not e.held for job, e in ended)
                if whole and not set(LYING) & {fault.split(":")[0] for fault in self.faults[name]}:
                    self._compare(connection, name, f"after step {number} with {self.faults[name]}")

    def _draw_faults(self) -> list[str]:
        kinds = self.dice.choices((HARMLESS, LOUD, LYING), (3, 1, 1), k=self.dice.choice((0, 1, 1, 2)))
        return [self.dice.choice(kind) + self.dice.choice(COLLECTIONS) for kind in kinds]

    def _draw_job(self, place: int, name: str) -> Job:
        die_at = self.dice.choice((0, 0, 0, 0, self.dice.randint(1, 75)))
        return replace(
            self._job(place, name),
            mode=self.dice.choice(("full", "full", "incremental")),
            chunk_rows=self.dice.choice((5, 20, 1000)),
            beside=self.dice.random() < 0.5,
            die_at=die_at,
            torn=self.dice.random() < 0.5,
        )

    def _draw_strike(self) -> Strike:
        how = self.dice.choice(("none", "none", "kill", "cut"))
        return Strike(how, self.dice.randint(1, 60) if how != "none" else 0)

    def _export(self, one: Exports | Books) -> Job:
        return one.job(str(self.folder / f"result_{one.source}"))

    def _job(self, place: int, name: str) -> Job:
        config = school.config(self.simulators[name])
        return Job(self.url, str(self.folder / "landing"), name, config, str(self.folder / f"result_{place}"))

    def _disturb(self, connection: Connection) -> None:
        """What else happens between runs: time passes, people write notes, the database server forgets."""
        if self.dice.random() < 0.5:  # as if the last reads were long ago: simulated changes have a year of their own
            connection.execute("UPDATE connector.sync_cursors SET cursor = %s", [START])
        connection.execute("UPDATE core.students SET notes = 'ours' WHERE notes IS NULL AND id % 3 = 0")
        if self.dice.random() < 0.2:  # a crash of the server empties what is unlogged
            unlogged = connection.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'"
            ).fetchall()
            for (name,) in unlogged:
                connection.execute(query("TRUNCATE {t}", t=sql.Identifier(*str(name).split("."))))

    def _together(self, stack: ExitStack, jobs: Sequence[tuple[Job, Strike]]) -> list[tuple[Job, Ended]]:
        """Run jobs at the same time, each behind a proxy of its own that may strike; judge how they ended."""
        running = []
        for place, (worker, (job, strike)) in enumerate(zip(self.workers, jobs, strict=False)):
            folder = self.folder / str(place)
            folder.mkdir(exist_ok=True)
            proxy = stack.enter_context(Proxy(self.url, folder))
            process = worker.start(replace(job, url=proxy.url))
            strike.arm(proxy, process)
            running.append((worker, job, proxy, strike))
        for worker, *_ in running:
            worker.go()
        done = []
        for worker, job, proxy, strike in running:
            ended = worker.wait()
            may_die = strike.how == "kill" or bool(job.die_at)
            self._judge(job, ended, may_die=may_die, cut=strike.how == "cut" and proxy.struck)
            done.append((job, ended))
        return done

    def _judge(self, job: Job, ended: Ended, *, may_die: bool, cut: bool) -> None:
        self.tally.syncs += not job.today
        self.tally.exports += bool(job.today)
        self.tally.killed += bool(ended.signal)
        self.tally.cut += cut
        if ended.signal and not (may_die and ended.signal == signal.SIGKILL):
            self.findings.append(f"{job.source} ended by signal {ended.signal}: {ended.output}")
        if ended.unverified:
            self.findings.append(f"{job.source}: receipts are not verified: {ended.unverified}")
        if ended.error:
            name, category, words = ended.error
            self.tally.errors[name] = self.tally.errors.get(name, 0) + 1
            if category in {"none", Category.UNKNOWN}:
                self.findings.append(f"{job.source}: an error without a category: {words}")
            elif not (self.faults[job.source] or cut or name in CONTENTION):
                self.findings.append(f"{job.source}: an error without a cause: {name}: {words}")
        for secret in school.SECRETS:
            if secret in ended.output + str(ended.error):
                self.findings.append(f"{job.source} tells a secret")

    def _mend(self) -> None:
        """The faults stop: after one good run, core is what the source holds, and a second run writes nothing."""
        for name, simulator in self.simulators.items():
            simulator.clear_faults()
            self.faults[name] = []
            self._approve(name, self._once(name))
        with connect(self.url) as connection:
            for name in self.simulators:
                self._compare(connection, name, "at the end")
            before = held.versions(connection)
            self._once("east")
            if held.versions(connection) != before:
                self.findings.append("a second run without changes wrote something")
            self.findings += [f"at the end: {breach}" for breach in held.breaches(connection)]
            if connection.execute("SELECT 1 FROM core.students WHERE notes <> 'ours'").fetchone():
                self.findings.append("a field of ours was written")
            self._look_at_landing(connection)
        self._export_all()

    def _export_all(self) -> None:
        """One good export makes each place equal to core; a second one writes nothing."""
        for one in self.exports:
            one.calm()
            self.faults[one.source] = []
        for wrong in ("unlike", "again"):
            for one in self.exports:
                one.recount()
                self._run(self._export(one))
            with connect(self.url) as connection:
                found = [what for one in self.exports for what in [*getattr(one, wrong)(connection), *one.wrong()]]
                self.findings += [f"at the end: {finding}" for finding in found]
                self.findings += [f"after exporting: {breach}" for breach in held.breaches(connection)]

    def _once(self, name: str) -> Ended:
        return self._run(self._job(0, name))

    def _run(self, job: Job) -> Ended:
        ended = self.workers[-1 if job.today else 0].run(job)
        self.tally.syncs += not job.today
        self.tally.exports += bool(job.today)
        if not ended.well:
            self.findings.append(f"{job.source} does not mend: {ended}")
        return ended

    def _approve(self, name: str, ended: Ended) -> None:
        """A person looks at what the guard held and releases it, parents first."""
        from connector_pipelines.connectors.oneroster import CONNECTOR
        from connector_pipelines.connectors.oneroster.config import OneRosterConfig
        from connector_pipelines.model import Source
        from connector_pipelines.sync.context import Context

        source = Source(name, CONNECTOR, OneRosterConfig.model_validate(school.config(self.simulators[name])))
        with connect(self.url) as connection:
            context = Context(connection, Landing(str(self.folder / "landing")))
            for _ in ENTITIES:  # children that waited for what was held may be held in their turn
                if not ended.held:
                    return
                for entity in ended.held:
                    self._release(context, source, entity)
                ended = self._once(name)
        self.findings.append(f"{name} is held again and again: {ended.held}")

    def _release(self, context: Context, source: Source, entity: str) -> None:
        """Approve what waits. Where the approval of a parent made it another plan, that one is looked at instead."""
        from connector_pipelines.errors import ApprovalRefused
        from connector_pipelines.sync.deciding import approve_and_apply, held_plans

        for last in (False, True):
            plan = next((plan for plan in held_plans(context, source.name) if plan.entity == entity), None)
            if plan is None:
                return
            try:
                approve_and_apply(context, source, plan.hash, who="chaos", why="the proof looked at it")
            except ApprovalRefused:
                if last:
                    raise
            else:
                self.tally.approved += 1
                return

    def _compare(self, connection: Connection, name: str, when: str) -> None:
        self.tally.compared += 1
        truth = school.truth(self.simulators[name])
        differences = held.differences(connection, truth, name)
        refused = {one for one in held.merging(connection, name) if held.stands_twice(one, truth)}
        excused = held.excused(differences, held.waiting(connection, name), truth, refused=refused)
        wrong = [difference for difference in differences if difference[:2] not in excused]
        if wrong:
            self.findings.append(f"{when}: core is not what {name} holds: {len(wrong)} records, {wrong[:2]}")

    def _look_at_landing(self, connection: Connection) -> None:
        """Every complete read can be read again from its landed pages, row for row."""
        landing = Landing(str(self.folder / "landing"))
        reads = connection.execute(
            "SELECT source, entity, id, rows FROM connector.sync_runs WHERE state = 'read' AND kind = 'read'"
        )
        for source, entity, run_id, rows in reads.fetchall():
            landed = sum(page.rows for page in landing.pages(str(source), str(entity), int(str(run_id))))
            if landed != rows:
                self.findings.append(f"read {run_id} had {rows} rows, and {landed} are landed")


def run(seed: int, databases: Databases, workers: Sequence[Worker]) -> Run:
    """One run from its seed, with one worker for each of `RUNNING`."""
    os.environ.update(school.CREDENTIALS)
    dice = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="chaos_"))
    try:
        with (
            databases.fresh() as url,
            Simulator(scenario="tiny", seed=dice.randint(1, 999)) as east,
            Simulator(scenario="tiny", seed=dice.randint(1, 999)) as west,
            Destination() as destination,
        ):
            exports = Exports(random.Random(f"exports of {seed}"), destination, url)
            made = Run(url, folder, workers, dice, {"east": east, "west": west}, [exports])
            with made.gradebook(random.Random(f"gradebook of {seed}")):
                made.whole()
            return made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def workers() -> Iterator[list[Worker]]:
    """As many as run at the same time."""
    with ExitStack() as stack:
        yield [stack.enter_context(Worker()) for _ in RUNNING]


_kept: list[Worker] = []


def _one(seed: int, template: str) -> tuple[int, Tally, list[str]]:
    """A run in one of the pool's processes, which keeps its workers."""
    if not _kept:
        os.environ.update(school.CREDENTIALS)
        _kept.extend(Worker() for _ in RUNNING)
    try:
        done = run(seed, Databases(template), _kept)
    except Exception as error:  # noqa: BLE001 -- a failing run must not end the others
        return seed, Tally(runs=1), [f"the run itself failed: {error!r}"]
    return seed, done.tally, done.findings


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time")
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.runs) if given.seed is None else [given.seed]
    total, bad, started = Tally(), 0, time.monotonic()
    with server() as databases, ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        runs = as_completed([pool.submit(_one, seed, databases.template) for seed in seeds])
        for done in track(runs, "runs", total=len(seeds), console=Console(stderr=True)):
            seed, tally, findings = done.result()
            total.add(tally)
            bad += bool(findings)
            if findings:
                print(f"seed {seed}; again: python -m proof.chaos --seed {seed}", *findings, sep="\n  ", flush=True)
    seconds = time.monotonic() - started
    print(total)
    print(f"{bad} of them with findings; {seconds:.0f} seconds, {seconds / max(1, total.runs):.1f} a run")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
