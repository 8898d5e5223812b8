"""The benchmark: this project and dlt side by side on the same pages, in one run.

    make bench                                  everything, three rounds
    python bench/run.py --rounds 1 --rows 2000  a quick look that everything works
    python bench/run.py --memory --latency      these parts alone
    python bench/run.py --gate                  limits, breaker and cache: what they cost a request
    python bench/run.py --finale                120,000 products, each collection in one answer
    python bench/run.py --webhooks              from a webhook to core, and where the time goes
    python bench/run.py --moodle                10,000 users, 500 courses and 50,000 enrolments into Moodle

Every contestant gets a fresh PostgreSQL of its own in every round and syncs three times: into nothing, with nothing
changed, with 1 % changed. Contestants take turns, so that a slow minute of the machine does not hit one alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finale
import postgres
import psutil
import requests
from contest import CONTESTANTS, SCENARIOS, TARGETS, Contestant, Results, Scenario, expected, median
from measure import Failed, Measured, measure
from pages import Size, render
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

BENCH = Path(__file__).parent
LOCAL = BENCH.parent / ".local" / "bench"
PORT = 8_197
URL = f"http://127.0.0.1:{PORT}"
console = Console(width=120)


def page_server(size: Size, *, delay_ms: float = 0) -> AbstractContextManager[None]:
    """The pages of a size, served by a process of their own."""
    return _server("server.py", render(LOCAL / "pages", size), "--delay-ms", str(delay_ms))


@contextmanager
def _server(script: str, pages: Path, *more: str) -> Iterator[None]:
    command = [sys.executable, str(BENCH / script), "--pages", str(pages), "--port", str(PORT), *more]
    with subprocess.Popen(command) as process:
        try:
            _await_server(process)
            yield
        finally:
            process.terminate()


def _await_server(process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            serve(1)
        except requests.ConnectionError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    message = f"the page server did not start; is port {PORT} taken?"
    raise SystemExit(message)


def serve(version: int, **caps: int) -> None:
    """Have the server serve this version, and of some collections only so many rows."""
    requests.post(f"{URL}/control", params={"version": version, **caps}, timeout=10).raise_for_status()


def environment() -> Path:
    """The Python of dlt's own virtual environment, made from the lock file where it is missing or outdated."""
    lock, folder = BENCH / "requirements.lock", LOCAL / "venv"
    stamp = folder / "made-from.lock"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        console.print("installing dlt …", style="dim")
        uv = Path(sys.executable).with_name("uv")
        python = folder / "bin" / "python"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run(
            [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", python, lock],
            check=True,
        )
        shutil.copyfile(lock, stamp)
    return folder / "bin" / "python"


def start(contestant: Contestant, database: str, folder: Path, *more: str) -> Measured:
    """Start a contestant on a database, and measure it."""
    python = sys.executable if contestant.own_environment else str(environment())
    script = [python, str(BENCH / contestant.script)]
    settings = {name: value.format(folder=folder) for name, value in contestant.settings.items()}
    return measure([*script, "--url", URL, "--database", database, "--folder", str(folder), *more], database, settings)


def contest(
    contestants: Sequence[Contestant], rounds: int, wanted: Callable[[Scenario], dict[str, int]]
) -> dict[tuple[str, str], list[Measured]]:
    """Every contestant through every scenario, as often as asked for; what they must find then is verified."""
    found: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for number in range(rounds):
        turn = number % len(contestants)
        for contestant in [*contestants[turn:], *contestants[:turn]]:
            for scenario, measured in _one_round(contestant, wanted):
                found[contestant.name, scenario].append(measured)
                console.print(
                    f"round {number + 1}  {contestant.title:22} {scenario:8} {measured.whole_seconds:7.2f} s",
                    style="dim",
                )
    return found


def _one_round(contestant: Contestant, wanted: Callable[[Scenario], dict[str, int]]) -> Iterator[tuple[str, Measured]]:
    folder = LOCAL / "work" / contestant.name
    shutil.rmtree(folder, ignore_errors=True)
    with postgres.server(LOCAL / "postgres") as database:
        for scenario in SCENARIOS:
            serve(scenario.version)
            measured = start(contestant, database, folder)
            _verify(contestant, database, wanted(scenario))
            yield scenario.name, measured
    shutil.rmtree(folder, ignore_errors=True)


def _verify(contestant: Contestant, database: str, wanted: dict[str, int]) -> None:
    found = postgres.counts(database, dict(contestant.counts))
    wrong = [f"{name}: {n:,}, not {wanted[name]:,}" for name, n in found.items() if n != wanted[name]]
    if wrong:
        raise Failed(f"{contestant.title} did not do its work: {'; '.join(wrong)}")


def memory() -> dict[int, float]:
    """Peak memory of a first sync with 100,000 and with 1,000,000 enrollments, in MB."""
    size = Size.of(100_000, enrollments=1_000_000)
    ours = CONTESTANTS[0]
    found = {}
    with page_server(size):
        for enrollments in (100_000, 1_000_000):
            folder = LOCAL / "work" / "memory"
            with postgres.server(LOCAL / "postgres") as database:
                serve(1, enrollments=enrollments)
                found[enrollments] = start(ours, database, folder).peak_mb
                wanted = expected(Size.of(100_000, enrollments), SCENARIOS[0])
                _verify(ours, database, wanted)
            shutil.rmtree(folder, ignore_errors=True)
    return found


def inventory(products: int, rounds: int) -> tuple[dict[tuple[str, str], list[Measured]], dict[int, float]]:
    """A Finale account: both contestants through every scenario, and our peak memory with a quarter of it and all."""
    accounts = [finale.render(LOCAL / "finale", n) for n in (products // 4, products)]
    ours, default = finale.contestants(*CONTESTANTS[:2])
    with _server("finale_server.py", accounts[0].folder):
        [(_, quarter), *_] = _one_round(ours, lambda scenario: accounts[0].wanted[scenario.version])
    with _server("finale_server.py", accounts[1].folder):
        rounds_of = contest((ours, default), rounds, lambda scenario: accounts[1].wanted[scenario.version])
    whole = max(one.peak_mb for one in rounds_of["ours", SCENARIOS[0].name])
    return rounds_of, {products // 4: quarter.peak_mb, products: whole}


def gate() -> dict[str, float]:
    """What limits, breaker and cache cost a request, in milliseconds; see gate.py."""
    done = subprocess.run([sys.executable, str(BENCH / "gate.py")], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def webhooks() -> dict[str, Any]:
    """From a webhook to core, in seconds; see webhooks.py."""
    done = subprocess.run([sys.executable, str(BENCH / "webhooks.py")], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def provisioning() -> dict[str, Any]:
    """What provisioning a Moodle site takes; see moodle.py."""
    done = subprocess.run([sys.executable, str(BENCH / "moodle.py")], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def latency(size: Size) -> dict[int, float]:
    """Seconds to read all students with 100 ms added per page, one page at a time and eight."""
    found = {}
    with page_server(size, delay_ms=100):
        for in_flight in (1, 8):
            more = ("--read-only", "--in-flight", str(in_flight))
            found[in_flight] = start(CONTESTANTS[0], "", LOCAL / "work" / "latency", *more).engine_seconds
    return found


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(psutil.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def show(results: Results) -> None:
    """The figures, one line per contestant and scenario."""
    table = Table(
        "", "", "whole process", "engine alone", "peak memory", "WAL", "CPU", "CPU of PostgreSQL", title="medians"
    )
    for scenario in SCENARIOS:
        for contestant in CONTESTANTS:
            if measured := results.get((contestant.name, scenario.name)):
                figures = f"{measured.whole_seconds:.2f} s", f"{measured.engine_seconds:.2f} s"
                sizes = f"{measured.peak_mb:.0f} MB", f"{measured.wal_mb:.2f} MB"
                cpu = f"{measured.cpu_seconds:.2f} s", f"{measured.server_cpu_seconds:.2f} s"
                table.add_row(scenario.title, contestant.title, *figures, *sizes, *cpu)
        table.add_section()
    console.print(table)


def judge(lines: list[tuple[str, str, str]]) -> None:
    """The promises, and what became of them."""
    table = Table("promise", "reached", "")
    for promise, reached, verdict in lines:
        table.add_row(promise, reached, f"[{'green' if verdict == 'ok' else 'red'}]{verdict}")
    console.print(table)


def _flat(found: dict[int, float]) -> tuple[str, str, str]:
    few, many = found[100_000], found[1_000_000]
    verdict = "ok" if many <= min(1.1 * few, 400) else "missed"
    return "peak memory, from 100,000 to 1,000,000 enrollments", f"{few:.0f} MB, {many:.0f} MB", verdict


def _overlapped(found: dict[int, float]) -> tuple[str, str, str]:
    times = found[1] / found[8]
    reached = f"{found[1]:.1f} s, {found[8]:.1f} s: {times:.1f} times as fast"
    return "reading with 100 ms a page, eight pages in flight", reached, "ok" if times >= 4 else "missed"  # noqa: PLR2004 -- the promise


def _cheap(found: dict[str, float]) -> tuple[str, str, str]:
    cost = found["what they cost a request"]
    return "limits, pause and breaker, for each request", f"{cost:.2f} ms", "ok" if cost < 1 else "missed"


def _quick(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    lines = []
    for kind, measured in found.items():
        if isinstance(measured, dict) and "p95" in measured:
            answered = kind.endswith("answered")
            mean, p95 = (0.1, 0.2) if answered else (10.0, 15.0)
            reached = f"mean {measured['mean']:.3g} s, p95 {measured['p95']:.3g} s"
            verdict = "ok" if measured["mean"] < mean and measured["p95"] < p95 else "missed"
            lines.append((f"webhooks, {kind}", reached, verdict))
    return lines


def _provisioned(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    first, demanded = found["first"], found["demanded"]
    cost = f"{first['seconds']:.1f} s, {first['peak_mb']:.0f} MB, {sum(first['calls'].values())} calls in all"
    met = first["verified"] and first["writes"] <= demanded
    lines = [
        ("Moodle, provisioned", f"{first['writes']} of {demanded} writing calls, {cost}", "ok" if met else "missed")
    ]
    for again in ("nothing changed", "compared"):
        run = found[again]
        cost = f"{run['seconds']:.1f} s, {run['peak_mb']:.0f} MB, {sum(run['calls'].values())} calls in all"
        met = run["verified"] and run["writes"] == 0
        lines.append((f"Moodle, {again}", f"{run['writes']} writing calls, {cost}", "ok" if met else "missed"))
    return lines


def _asked() -> argparse.Namespace:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--rows", type=int, default=100_000, help="users; the other collections in proportion")
    arguments.add_argument("--only", nargs="+", choices=[c.name for c in CONTESTANTS], help="these contestants alone")
    arguments.add_argument("--memory", action="store_true", help="this part alone: 1,000,000 enrollments")
    arguments.add_argument("--latency", action="store_true", help="this part alone: 100 ms per page")
    arguments.add_argument("--gate", action="store_true", help="this part alone: what limits cost a request")
    arguments.add_argument("--finale", action="store_true", help="this part alone: a Finale account")
    arguments.add_argument(
        "--products",
        type=int,
        default=119_800,
        help="of the Finale account; changing 1 % adds some, and 120,000 are the cap",
    )
    arguments.add_argument("--webhooks", action="store_true", help="this part alone: from a webhook to core")
    arguments.add_argument("--moodle", action="store_true", help="this part alone: a district into Moodle")
    return arguments.parse_args()


def main() -> None:
    """Run what was asked for, print it, and keep it in .local/bench/results.json."""
    given = _asked()
    parts = (given.memory, given.latency, given.gate, given.finale, given.webhooks, given.moodle)
    everything = not any(parts)
    size = Size.of(given.rows)
    kept: dict[str, Any] = {"machine": machine(), "size": asdict(size), "rounds": given.rounds}
    lines: list[tuple[str, str, str]] = []
    if everything:
        contestants = [c for c in CONTESTANTS if not given.only or c.name in given.only]
        with page_server(size):
            rounds = contest(contestants, given.rounds, partial(expected, size))
        results = {key: median(found) for key, found in rounds.items()}
        kept["figures"] = {f"{who}, {what}": [asdict(m) for m in found] for (who, what), found in rounds.items()}
        kept["medians"] = {f"{who}, {what}": asdict(found) for (who, what), found in results.items()}
        show(results)
        lines += [(t.promise, *verdict) for t in TARGETS if (verdict := t.verdict(results))]
    if given.latency or (everything and not given.only):
        kept["latency_seconds"] = found = latency(size)
        lines.append(_overlapped(found))
    if given.memory or (everything and not given.only):
        kept["memory_mb"] = found = memory()
        lines.append(_flat(found))
    if given.gate or (everything and not given.only):
        kept["gate_milliseconds"] = found_here = gate()
        lines.append(_cheap(found_here))
    if given.finale or (everything and not given.only):
        found_rounds, peaks = inventory(given.products, given.rounds)
        of_both = {key: median(found) for key, found in found_rounds.items()}
        kept["finale"] = {f"{who}, {what}": [asdict(m) for m in found] for (who, what), found in found_rounds.items()}
        kept["finale_memory_mb"] = peaks
        show(of_both)
        lines += finale.verdicts(of_both, peaks)
    if given.webhooks or (everything and not given.only):
        kept["webhook_seconds"] = told = webhooks()
        lines += _quick(told)
    if given.moodle or (everything and not given.only):
        kept["moodle"] = written = provisioning()
        lines += _provisioned(written)
    kept["verdicts"] = lines
    judge(lines)
    (LOCAL / "results.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
