"""Lets contestants play: a page server, a fresh PostgreSQL for each, every scenario, and a look at what they did."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import fasteners
import postgres
import requests
import scratch
from contest import SCENARIOS, Contestant, Scenario
from measure import Failed, Measured, measure
from rich.console import Console

from connector_pipelines.orchestration import dev

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BENCH = Path(__file__).parent
LOCAL = BENCH.parent / ".local" / "bench"
console = Console(width=120)


class PageServer:
    """A process that serves rendered pages, and what it is told."""

    def __init__(self, url: str) -> None:
        self.url = url

    def serve(self, version: int, **caps: int) -> None:
        """Have it serve this version, and of some collections only so many rows."""
        requests.post(f"{self.url}/control", params={"version": version, **caps}, timeout=10).raise_for_status()


@contextmanager
def page_server(pages: Path, *, script: str = "server.py", delay_ms: float = 0) -> Iterator[PageServer]:
    """The pages of a folder, served by a process of their own."""
    port = dev.free_port()
    command = [sys.executable, str(BENCH / script), "--pages", str(pages), "--port", str(port)]
    more = ["--delay-ms", str(delay_ms)] if delay_ms else []
    with subprocess.Popen([*command, *more]) as process:
        try:
            served = PageServer(f"http://127.0.0.1:{port}")
            _await(process, served)
            yield served
        finally:
            process.terminate()


def _await(process: subprocess.Popen[bytes], served: PageServer) -> None:
    for _ in range(200):
        try:
            served.serve(1)
        except requests.ConnectionError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise Failed("the page server did not start")


def environment(name: str = "venv", lock: Path = BENCH / "requirements.lock") -> Path:
    """The commands of a virtual environment, made from its lock file where it is missing or outdated."""
    folder, stamp = LOCAL / name, LOCAL / name / "made-from.lock"
    uv, python = str(Path(sys.executable).with_name("uv")), str(folder / "bin" / "python")
    LOCAL.mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(LOCAL / f"{name}.lock"):
        if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
            console.print(f"installing {lock.name} …", style="dim")
            sync = ["sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", python, str(lock)]
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
            subprocess.run([uv, "pip", *sync], check=True)
            shutil.copyfile(lock, stamp)
    return folder / "bin"


def start(contestant: Contestant, url: str, database: str, folder: Path, *more: str) -> Measured:
    """Start a contestant on a page server and a database, and measure it."""
    python = sys.executable if contestant.own_environment else str(environment() / "python")
    script = [python, str(BENCH / contestant.script)]
    settings = {name: value.format(folder=folder) for name, value in contestant.settings.items()}
    return measure([*script, "--url", url, "--database", database, "--folder", str(folder), *more], database, settings)


def contest(
    server: PageServer,
    contestants: Sequence[Contestant],
    rounds: int,
    wanted: Callable[[Scenario], dict[str, int]],
    folder: Path,
) -> dict[tuple[str, str], list[Measured]]:
    """Every contestant through every scenario, as often as asked for; what they must find then is verified."""
    found: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for number in range(rounds):
        turn = number % len(contestants)
        for contestant in [*contestants[turn:], *contestants[:turn]]:
            for scenario, measured in one_round(server, contestant, wanted, folder):
                found[contestant.name, scenario].append(measured)
                told = f"round {number + 1}  {contestant.title:22} {scenario:8} {measured.whole_seconds:7.2f} s"
                console.print(told, style="dim")
    return found


def one_round(
    server: PageServer, contestant: Contestant, wanted: Callable[[Scenario], dict[str, int]], folder: Path
) -> Iterator[tuple[str, Measured]]:
    """One contestant through every scenario, on a database of its own."""
    with scratch.folder(folder / "work") as work, postgres.server(folder / "postgres") as database:
        for scenario in SCENARIOS:
            server.serve(scenario.version)
            measured = start(contestant, server.url, database, work)
            verify(contestant, database, wanted(scenario))
            yield scenario.name, measured


def verify(contestant: Contestant, database: str, wanted: dict[str, int]) -> None:
    """Look whether a contestant did its work.

    Raises:
        Failed: a counting query finds anything but what is wanted.
    """
    found = postgres.counts(database, dict(contestant.counts))
    wrong = [f"{name}: {n:,}, not {wanted[name]:,}" for name, n in found.items() if n != wanted[name]]
    if wrong:
        raise Failed(f"{contestant.title} did not do its work: {'; '.join(wrong)}")
