"""Kills a sync and two exports at every durable boundary, resumes them, and compares what they left with whole runs.

    python -m proof.crashes             all boundaries
    python -m proof.crashes --every 10  each tenth
    python -m proof.crashes --of export those of the export to Moodle alone

The boundaries are found by running once: what PostgreSQL reports as durable (`wire`); what is written to the landing
folder, each file whole and torn; and each call of the system that is exported to: before it leaves, when it has taken
effect, when its answer is read (`work`, `campus`, `gradebook`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from proof.databases import Databases, server
from proof.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from proof.stage import Boundary


def sweep(
    databases: Databases,
    of: str,
    *,
    every: int = 1,
    tell: Callable[[str], None] = lambda _: None,
    progress: Callable[[Sequence[Boundary]], Iterable[Boundary]] = iter,
) -> tuple[list[Boundary], list[str]]:
    """Check each n-th boundary of one of the stages; which there are, and what was wrong, told at once as well."""
    wrong: list[str] = []
    with STAGES[of](databases) as made:
        boundaries = made.find()
        for boundary in progress(boundaries[::every]):
            found = [f"{of} killed at {boundary}: {finding}" for finding in made.check(boundary)]
            wrong += found
            for finding in found:
                tell(finding)
    return boundaries, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="check each n-th boundary only")
    parser.add_argument("--of", choices=STAGES, action="append", help="only of these runs")
    parser.add_argument("--list", action="store_true", help="print the boundaries and stop")
    given = parser.parse_args(arguments)
    bad = 0
    with server() as databases:
        for of in given.of or STAGES:
            started = time.monotonic()
            if given.list:
                with STAGES[of](databases) as made:
                    found, wrong = made.find(), list[str]()
                print(*(f"{of}: {boundary}" for boundary in found), sep="\n")
            else:
                progress = partial(track, description=of, console=Console(stderr=True))
                found, wrong = sweep(
                    databases, of, every=given.every, tell=partial(print, flush=True), progress=progress
                )
            bad += len(wrong)
            kills = 0 if given.list else -(-len(found) // given.every)
            kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.kind for one in found).items())
            print(f"{of}: {len(found)} durable boundaries ({kinds}), {kills} kills, {len(wrong)} findings, ", end="")
            print(f"{time.monotonic() - started:.0f} seconds", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
