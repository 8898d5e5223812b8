"""Processes that sync or export and can be killed: forked from one that has everything imported and has no threads.

`python -m proof.work` reads jobs from its input, a line of JSON each, forks for each, and tells the process id and,
later, the signal that ended it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from proof.school import CREDENTIALS

ROOT = Path(__file__).parents[1]
_WRITES = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one source: a sync, or, if it has a day, an export.

    Attributes:
        url: of the database, mostly a proxy's.
        config: of the source.
        die_at: the number of the event at which the process kills itself, from 1; 0 for never. Of a sync what it does
            to files, of an export each request before it leaves, and each answer once it is read.
        torn: half of the file is written before it does.
        beside: reads on a second connection while the first one plans and applies.
        result: file that tells how it ended; missing when it was killed.
        today: of an export, the day as of which core is exported.
    """

    url: str
    landing: str
    source: str
    config: dict[str, Any]
    result: str
    mode: str = "full"
    chunk_rows: int = 20
    beside: bool = False
    die_at: int = 0
    torn: bool = False
    connector: str = "oneroster"
    policy: dict[str, Any] = field(default_factory=dict)
    today: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        signal: that ended it, 0 for none.
        error: class, category and words of what it raised.
        events: what it did in the landing folder, or asked and was answered, in order.
        held: entities whose plan waits for a person.
        output: all it printed.
    """

    signal: int
    error: tuple[str, str, str] | None = None
    events: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    output: str = ""

    @property
    def well(self) -> bool:
        """It came to its end, and everything it applied is proven."""
        return not self.signal and self.error is None and not self.unverified


@dataclass(slots=True)
class _Watch:
    """Notes what this process does to files or asks the other system, and kills it at one of these events."""

    job: Job
    seen: list[str] = field(default_factory=list)
    tearing: bool = False

    def begin(self) -> None:
        """Watch from now on: files by Python's audit events, calls around the one function that makes them."""
        if not self.job.today:
            sys.addaudithook(self._touched)
            return
        from connector_pipelines.external.transport import Transport

        exchange = Transport.exchange

        def watched(transport: Transport, request: Any, **how: Any) -> Any:
            name = _called(request)
            self._note(f"request {name}")
            response = exchange(transport, request, **how)
            self._note(f"answer {name}")
            return response

        Transport.exchange = watched  # type: ignore[method-assign, assignment]

    def _touched(self, event: str, given: tuple[Any, ...]) -> None:
        writes = event == "open" and bool(given[2] & _WRITES)
        if self.tearing or not (writes or event in {"os.mkdir", "os.remove", "os.rename"}):
            return
        path = os.fspath(given[0]) if isinstance(given[0], (str, os.PathLike)) else ""
        if path.startswith(self.job.landing):
            self._note(f"{event} {Path(path).name}", tear=path if writes else "")

    def _note(self, what: str, tear: str = "") -> None:
        self.seen.append(what)
        if len(self.seen) == self.job.die_at:
            if self.job.torn and tear:
                self.tearing = True
                Path(tear).write_bytes(b'{"half of')
            os.kill(os.getpid(), signal.SIGKILL)


def _called(request: Any) -> str:
    """A name for a call: Moodle's function, or verb and collection of a record."""
    given = parse_qs(request.body.decode()).get("wsfunction") if request.body else None
    return given[0] if given else f"{request.method} {urlsplit(request.url).path.split('/')[-2]}"


class Worker:
    """A process that runs one job at a time, each in a fork of its own. Use it as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "proof.work"],
            cwd=ROOT,
            env=os.environ | CREDENTIALS | {"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._job: Job | None = None

    def start(self, job: Job) -> int:
        """Begin a job; its process id."""
        self._job = job
        Path(job.result).unlink(missing_ok=True)
        self._send(json.dumps(asdict(job)))
        return int(self._line())

    def go(self) -> None:
        """Let the job that was started do its work: who wants to strike knows its process by now."""
        self._send("go")

    def wait(self) -> Ended:
        """How the job ended."""
        ended_by = int(self._line())
        job, self._job = self._job, None
        if job is None:
            raise RuntimeError("no job was started")
        output = Path(job.result + ".output").read_text(encoding="utf-8")
        try:
            told = json.loads(Path(job.result).read_text(encoding="utf-8"))
        except FileNotFoundError:
            told = {}
        told.pop("modules", None)
        error = tuple(told.pop("error", None) or ()) or None
        return Ended(ended_by, error, output=output, **{name: tuple(words) for name, words in told.items()})

    def run(self, job: Job) -> Ended:
        """Begin a job and wait for its end."""
        self.start(job)
        self.go()
        return self.wait()

    def _send(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the worker ended")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait()


def _work(job: Job) -> dict[str, Any]:
    from connector_pipelines.connectors import connector
    from connector_pipelines.database.connection import connect
    from connector_pipelines.errors import SyncError
    from connector_pipelines.external.landing import Landing
    from connector_pipelines.model import Mode, Source
    from connector_pipelines.policy import SyncPolicy
    from connector_pipelines.sync.context import Context
    from connector_pipelines.sync.push import push
    from connector_pipelines.sync.whole import sync

    made = connector(job.connector)
    policy = SyncPolicy.model_validate(job.policy)
    source = Source(job.source, made, made.config.model_validate(job.config), policy)
    watch = _Watch(job)
    watch.begin()
    told: dict[str, Any] = {"error": None, "held": [], "unverified": []}
    try:
        with connect(job.url) as connection:
            url = job.url if job.beside else None
            context = Context(connection, Landing(job.landing), chunk_rows=job.chunk_rows, url=url)
            day = date.fromisoformat(job.today) if job.today else None
            for outcome in push(context, source, today=day) if day else sync(context, source, mode=Mode(job.mode)):
                if outcome.receipt is None:
                    told["held"].append(outcome.entity)
                elif not outcome.verified:
                    told["unverified"].append(outcome.entity)
    except SyncError as error:
        told["error"] = (type(error).__name__, str(error.category), str(error))
    except Exception as error:  # noqa: BLE001 -- whatever it is: it is a finding, and is told as one
        told["error"] = (type(error).__name__, "none", "".join(traceback.format_exception(error)))
    return told | {"events": watch.seen, "modules": sorted(sys.modules)}


def _child(job: Job, lines: Any) -> None:
    """Do a job in a forked process, as soon as the other side says so."""
    output = os.open(job.result + ".output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    lines.readline()
    told = _work(job)
    Path(job.result + ".new").write_text(json.dumps(told), encoding="utf-8")
    Path(job.result + ".new").rename(job.result)


def _warm_up(result: Path) -> bool:
    """Import what the first whole job of a kind imported, so that no later one need to: a third of its time."""
    try:
        modules = json.loads(result.read_text(encoding="utf-8"))["modules"]
    except FileNotFoundError:
        return False
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    return True


def main() -> None:
    """Serve jobs until the input ends."""
    import stamina

    import connector_pipelines.connectors.oneroster
    import connector_pipelines.sync.push
    import connector_pipelines.sync.whole
    import connector_pipelines.validation.accept  # noqa: F401 -- the point is that the forks need not import

    stamina.set_testing(True)  # no pauses between tries
    tell = os.fdopen(os.dup(1), "w")
    warm: set[str] = set()
    with os.fdopen(os.dup(0), "rb", buffering=0) as lines:
        while line := lines.readline():
            job = Job(**json.loads(line))
            child = os.fork()
            if not child:
                try:
                    _child(job, lines)
                finally:
                    os._exit(0)
            tell.write(f"{child}\n")
            tell.flush()
            status = os.waitpid(child, 0)[1]
            if job.connector not in warm and _warm_up(Path(job.result)):
                warm.add(job.connector)
            tell.write(f"{os.WTERMSIG(status)}\n")
            tell.flush()


if __name__ == "__main__":
    main()
