"""A deployment to measure in: PostgreSQL, a declared source, Dagster's daemon and what runs beside it, each a process.

What arrives somewhere is watched from outside: a name that nobody was given before is told, and the clock stops when
it stands where it has to.
"""

from __future__ import annotations

import os
import statistics
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import yaml

from connector_pipelines.database import embedded
from connector_pipelines.external.vault import new_key
from connector_pipelines.orchestration import dev, home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

PATIENCE = 300.0

_DEFINITIONS = """
    from pathlib import Path
    import dagster as dg
    from connector_pipelines.orchestration import build

    @dg.definitions
    def defs() -> dg.Definitions:
        return build.definitions(Path({folder!r}))
"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A declared source with its database; nothing runs yet.

    Attributes:
        url: of the database.
        folder: everything of it; logs are here.
        declared: the folder of the declarations.
        environment: of its processes.
    """

    url: str
    folder: Path
    declared: Path
    environment: Mapping[str, str]

    @contextmanager
    def running(self, name: str, *command: str) -> Iterator[None]:
        """One of its processes, a command of this Python; what it prints goes to a file of its name."""
        with dev.child([sys.executable, *command], self.environment, log=self.folder / f"{name}.log"):
            yield

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Dagster's daemon, with the code server that it starts."""
        workspace = str(self.folder / "workspace.yaml")
        with self.running("daemon", "-W", "ignore", "-m", "dagster._daemon", "run", "-w", workspace):
            yield


def deploy(
    folder: Path, source: str, declaration: str, variables: Mapping[str, str], *, cold: bool = False
) -> Deployment:
    """Start a database and declare a source.

    Args:
        folder: an empty folder.
        source: its name.
        declaration: its `defs.yaml`.
        variables: of the environment, for its secrets.
        cold: runs are started by Dagster's own launcher.
    """
    declared = folder / "declared"
    (declared / source).mkdir(parents=True)
    (declared / source / "defs.yaml").write_text(textwrap.dedent(declaration))
    (folder / "defs.py").write_text(textwrap.dedent(_DEFINITIONS).format(folder=str(declared)))
    (folder / "workspace.yaml").write_text("load_from:\n  - python_file: defs.py\n")
    dagster = folder / "home"
    dagster.mkdir()
    instance = yaml.safe_load((home.ROOT / "dagster.yaml").read_text())
    if cold:
        del instance["run_launcher"]
    (dagster / "dagster.yaml").write_text(yaml.safe_dump(instance))
    url = embedded.start(folder / "postgres")
    ours = {
        "PYTHONPATH": str(home.ROOT),
        "CONNECTOR_PIPELINES_DATABASE_URL": url,
        "CONNECTOR_PIPELINES_LANDING_URL": str(folder / "landing"),
        "CONNECTOR_PIPELINES_SECRET_KEYS": new_key(),
        "DAGSTER_HOME": str(dagster),
    }
    return Deployment(url, folder, declared, {**os.environ, **ours, **variables})


class Watch:
    """Notes when each of the names that were told has arrived.

    Args:
        look: the names that have, some of them perhaps of an earlier watch.
    """

    def __init__(self, look: Callable[[], Iterable[str]]) -> None:
        self.told: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        self._find = look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            names = list(self._find())
            now = time.perf_counter()
            for name in names:
                self.seen.setdefault(name, now)

    def await_all(self) -> None:
        """Wait until every name that was told has arrived.

        Raises:
            SystemExit: some did not.
        """
        until = time.monotonic() + PATIENCE
        while self.told.keys() - self.seen.keys():
            if time.monotonic() > until:
                message = f"{len(self.told.keys() - self.seen.keys())} changes did not arrive in {PATIENCE:.0f} s"
                raise SystemExit(message)
            time.sleep(0.05)

    def latencies(self) -> list[float]:
        """Seconds from being told to having arrived, the shortest first."""
        return sorted(self.seen[name] - told for name, told in self.told.items())


def at_rate(rate: float, seconds: float) -> Iterator[int]:
    """Numbers from 0, so many a second; one that is late is given at once."""
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        pause = began + number / rate - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        yield number


def summary(latencies: list[float]) -> dict[str, float]:
    """Mean, median, 95th percentile and the slowest, in seconds."""
    return {
        "events": len(latencies),
        "mean": statistics.fmean(latencies),
        "median": statistics.median(latencies),
        "p95": statistics.quantiles(latencies, n=20, method="inclusive")[-1],
        "slowest": latencies[-1],
    }
