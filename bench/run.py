"""The benchmark: this project and dlt side by side on the same pages, in one run.

    make bench                                      everything, three rounds
    python bench/run.py --rounds 1 --rows 2000      a quick look that everything works
    python bench/run.py contest --only ours         one part, and some contestants
    python bench/run.py memory latency              two parts

Every contestant gets a fresh PostgreSQL of its own in every round and syncs three times: into nothing, with nothing
changed, with 1 % changed. Contestants take turns, so that a slow minute of the machine does not hit one alone.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import scratch
from contest import CONTESTANTS
from parts import PARTS, ROWS, Asked, Line
from play import LOCAL, console
from rich.table import Table


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


def judge(lines: list[Line]) -> None:
    """The promises, and what became of them."""
    table = Table("promise", "reached", "")
    for promise, reached, verdict in lines:
        table.add_row(promise, reached, f"[{'green' if verdict == 'ok' else 'red'}]{verdict}")
    console.print(table)


def _given() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    about = "; ".join(f"{part.name}: {part.about}" for part in PARTS)
    names = [part.name for part in PARTS]
    arguments.add_argument("parts", nargs="*", metavar="part", help=f"these alone, else all. {about}")
    arguments.add_argument("--rounds", type=int, default=3, help="how often contestants play")
    arguments.add_argument(
        "--rows", type=int, default=ROWS, help="users; everything else, in every part, in proportion"
    )
    arguments.add_argument("--only", nargs="+", choices=[c.name for c in CONTESTANTS], help="who takes part")
    arguments.add_argument("--folder", type=Path, default=LOCAL, help="for pages, databases and results.json")
    given = arguments.parse_args()
    if unknown := [name for name in given.parts if name not in names]:
        arguments.error(f"no such part: {', '.join(unknown)}; there are {', '.join(names)}")
    return given


def main() -> None:
    """Run what was asked for, print it, and keep it in results.json."""
    given = _given()
    playing = tuple(c for c in CONTESTANTS if not given.only or c.name in given.only)
    asked = Asked(given.rounds, given.rows, playing, given.folder)
    kept: dict[str, Any] = {"machine": machine(), "rows": given.rows, "rounds": given.rounds}
    lines: list[Line] = []
    asked.folder.mkdir(parents=True, exist_ok=True)
    try:
        for part in PARTS:
            if not given.parts or part.name in given.parts:
                found = part.run(asked)
                kept[part.name] = found.kept
                lines += found.lines
                (asked.folder / "results.json").write_text(json.dumps(kept | {"verdicts": lines}, indent=1) + "\n")
    finally:
        scratch.sweep(asked.folder / "work", asked.folder / "postgres")
    judge(lines)


if __name__ == "__main__":
    main()
