"""The parts of the benchmark: each takes what was asked for, and says what it found and what became of its promises."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import finale
import postgres
import scratch
from contest import CONTESTANTS, SCENARIOS, TARGETS, Contestant, Results, expected, median
from pages import Size, render
from play import BENCH, console, contest, one_round, page_server, start, verify
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Line = tuple[str, str, str]
"""A promise, what was reached, and "ok" or "missed"."""

ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes:
        rounds: how often contestants play.
        rows: users of the district; everything else, in every part, is in proportion.
        contestants: who takes part in the contest.
        folder: for pages, databases and what contestants keep.
    """

    rounds: int
    rows: int
    contestants: tuple[Contestant, ...]
    folder: Path

    def share(self, whole: int, *, least: int = 1) -> int:
        """As much of a number as there are users of 100,000."""
        return max(least, round(whole * self.rows / ROWS))


@dataclass(frozen=True, slots=True)
class Found:
    """What a part found: figures to keep, and its promises."""

    kept: Any
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Part:
    """One part, its name on the command line, and what it is about."""

    name: str
    about: str
    run: Callable[[Asked], Found]


def _verdict(reached: bool) -> str:  # noqa: FBT001 -- what it turns into a word
    return "ok" if reached else "missed"


def _kept(rounds: dict[tuple[str, str], list[Any]]) -> dict[str, list[dict[str, Any]]]:
    return {f"{who}, {what}": [asdict(one) for one in found] for (who, what), found in rounds.items()}


def _contest(asked: Asked) -> Found:
    size = Size.of(asked.rows)
    with page_server(render(asked.folder / "pages", size)) as server:
        rounds = contest(server, asked.contestants, asked.rounds, partial(expected, size), asked.folder)
    results = {key: median(found) for key, found in rounds.items()}
    _show(results)
    return Found(_kept(rounds), [(t.promise, *verdict) for t in TARGETS if (verdict := t.verdict(results))])


def _latency(asked: Asked) -> Found:
    seconds = {}
    with page_server(render(asked.folder / "pages", Size.of(asked.rows)), delay_ms=100) as server:
        for in_flight in (1, 8):
            more = ("--read-only", "--in-flight", str(in_flight))
            with scratch.folder(asked.folder / "work") as work:
                measured = start(CONTESTANTS[0], server.url, "", work, *more)
            seconds[in_flight] = measured.engine_seconds
    times = seconds[1] / seconds[8]
    reached = f"{seconds[1]:.1f} s, {seconds[8]:.1f} s: {times:.1f} times as fast"
    promise = "reading with 100 ms a page, eight pages in flight"
    return Found(seconds, [(promise, reached, _verdict(times >= 4))])  # noqa: PLR2004 -- the promise


def _memory(asked: Asked) -> Found:
    """A first sync with as many enrollments as users, and with ten times as many."""
    ours, few, many = CONTESTANTS[0], asked.rows, 10 * asked.rows
    peaks = {}
    with page_server(render(asked.folder / "pages", Size.of(asked.rows, enrollments=many))) as server:
        for enrollments in (few, many):
            with scratch.folder(asked.folder / "work") as work, postgres.server(asked.folder / "postgres") as database:
                server.serve(1, enrollments=enrollments)
                peaks[enrollments] = start(ours, server.url, database, work).peak_mb
                verify(ours, database, expected(Size.of(asked.rows, enrollments), SCENARIOS[0]))
    reached = f"{peaks[few]:.0f} MB, {peaks[many]:.0f} MB"
    flat = peaks[many] <= min(1.1 * peaks[few], 400)
    return Found(peaks, [(f"peak memory, from {few:,} to {many:,} enrollments", reached, _verdict(flat))])


def _finale(asked: Asked) -> Found:
    """Both contestants through every scenario, and our highest memory with a quarter of the account and all of it."""
    products = asked.share(finale.PRODUCTS, least=40)
    quarter, whole = (finale.render(asked.folder / "finale", n) for n in (products // 4, products))
    ours, default = finale.contestants(*CONTESTANTS[:2])
    with page_server(quarter.folder, script="finale_server.py") as server:
        wanted = lambda scenario: quarter.wanted[scenario.version]  # noqa: E731
        few = [next(one_round(server, ours, wanted, asked.folder))[1].peak_mb for _ in range(asked.rounds)]
    with page_server(whole.folder, script="finale_server.py") as server:
        wanted = lambda scenario: whole.wanted[scenario.version]  # noqa: E731
        rounds = contest(server, (ours, default), asked.rounds, wanted, asked.folder)
    results = {key: median(found) for key, found in rounds.items()}
    peaks = {products // 4: max(few), products: max(m.peak_mb for m in rounds["ours", SCENARIOS[0].name])}
    _show(results)
    return Found({"figures": _kept(rounds), "memory_mb": peaks}, finale.verdicts(results, peaks))


def _gate(_: Asked) -> Found:
    found = _told("gate.py")
    cost = found["what they cost a request"]
    return Found(found, [("limits, pause and breaker, for each request", f"{cost:.2f} ms", _verdict(cost < 1))])


def _webhooks(asked: Asked) -> Found:
    sizes = {"--single": 20, "--rate": 100, "--seconds": 20}
    found = _told("webhooks.py", *(word for name, n in sizes.items() for word in (name, asked.share(n, least=2))))
    lines = []
    for kind, measured in found.items():
        if isinstance(measured, dict) and "p95" in measured:
            mean, p95 = (0.1, 0.2) if kind.endswith("answered") else (10.0, 15.0)
            reached = f"mean {measured['mean']:.3g} s, p95 {measured['p95']:.3g} s"
            lines.append((f"webhooks, {kind}", reached, _verdict(measured["mean"] < mean and measured["p95"] < p95)))
    return Found(found, lines)


def _moodle(asked: Asked) -> Found:
    sizes = {"--users": 10_000, "--courses": 500, "--enrolments": 50_000}
    found = _told("moodle.py", *(word for name, whole in sizes.items() for word in (name, asked.share(whole))))
    lines = []
    for name, allowed in (("first", found["demanded"]), ("nothing changed", 0), ("compared", 0)):
        run = found[name]
        cost = f"{run['seconds']:.1f} s, {run['peak_mb']:.0f} MB, {sum(run['calls'].values())} calls in all"
        reached = f"{run['writes']} writing calls, {allowed} allowed, {cost}"
        lines.append((f"Moodle, {name}", reached, _verdict(run["verified"] and run["writes"] <= allowed)))
    return Found(found, lines)


def _arrival(asked: Asked) -> Found:
    sizes = {"--single": 20, "--rate": 2, "--seconds": 60, "--people": 400}
    found = _told("arrival.py", *(word for name, n in sizes.items() for word in (name, asked.share(n, least=2))))
    lines = []
    for kind, measured in found.items():
        if isinstance(measured, dict) and "mean" in measured:
            reached = f"mean {measured['mean']:.3g} s, slowest {measured['slowest']:.3g} s"
            lines.append((f"into Moodle, {kind}", reached, _verdict(measured["mean"] < 30)))  # noqa: PLR2004 -- the promise
    return Found(found, lines)


def _definitions(asked: Asked) -> Found:
    """What a code server needs until it has the definitions: a fresh process each time, the slowest of which counts."""
    found = _told("definitions.py", asked.rounds)
    slowest = {sources: max(taken) for sources, taken in found.items()}
    said = [f"{sources} sources {clock:.1f} s ({cpu:.1f} s CPU)" for sources, (clock, cpu) in slowest.items()]
    reached, kept = ", ".join(said), all(clock < 5 for clock, _ in slowest.values())  # noqa: PLR2004 -- the promise
    return Found(found, [("definitions load in under 5 s", reached, _verdict(kept))])


def _told(script: str, *words: str | int) -> dict[str, Any]:
    """What a script of this folder prints: JSON."""
    command = [sys.executable, str(BENCH / script), *map(str, words)]
    return dict(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def _show(results: Results) -> None:
    """The figures, one line per contestant and scenario."""
    columns = ("", "", "whole process", "engine alone", "peak memory", "WAL", "CPU", "CPU of PostgreSQL")
    table = Table(*columns, title="medians")
    for scenario in SCENARIOS:
        for contestant in CONTESTANTS:
            if measured := results.get((contestant.name, scenario.name)):
                figures = f"{measured.whole_seconds:.2f} s", f"{measured.engine_seconds:.2f} s"
                sizes = f"{measured.peak_mb:.0f} MB", f"{measured.wal_mb:.2f} MB"
                cpu = f"{measured.cpu_seconds:.2f} s", f"{measured.server_cpu_seconds:.2f} s"
                table.add_row(scenario.title, contestant.title, *figures, *sizes, *cpu)
        table.add_section()
    console.print(table)


PARTS: Sequence[Part] = (
    Part("contest", "a OneRoster district, against dlt's defaults and its best", _contest),
    Part("latency", "100 ms per page", _latency),
    Part("memory", "ten times as many enrollments", _memory),
    Part("gate", "what limits, breaker and cache cost a request", _gate),
    Part("definitions", "how long the definitions take to load", _definitions),
    Part("finale", "a Finale account, each collection in one answer, against dlt's defaults", _finale),
    Part("webhooks", "from a webhook to core, and where the time goes", _webhooks),
    Part("moodle", "a district into Moodle", _moodle),
    Part("arrival", "from a change in core to Moodle", _arrival),
)
