"""What the measured processes share: how they are called, and how they report. Standard library only."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Task:
    """What one measured process is to do.

    Attributes:
        url: of the page server, without a path.
        database: URL of the PostgreSQL database to sync into.
        folder: for files that outlive the process: landed pages, pipeline state.
        in_flight: how many pages may be fetched at once, where the contestant can.
        read_only: read all pages of the enrollments and stop there.
    """

    url: str
    database: str
    folder: Path
    in_flight: int | None
    read_only: bool

    @property
    def rostering(self) -> str:
        """Base URL of the rostering service."""
        return f"{self.url}/ims/oneroster/rostering/v1p2"


def task(words: Sequence[str] | None = None) -> Task:
    """The command line of this process, or what is left of it."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--database", required=True)
    arguments.add_argument("--folder", required=True, type=Path)
    arguments.add_argument("--in-flight", type=int)
    arguments.add_argument("--read-only", action="store_true")
    given = arguments.parse_args(words)
    given.folder.mkdir(parents=True, exist_ok=True)
    return Task(given.url, given.database, given.folder, given.in_flight, given.read_only)


def as_installed() -> None:
    """Do without what only a developer's environment has: pandera imports hypothesis wherever it finds it."""
    sys.modules["hypothesis"] = None  # type: ignore[assignment]  # how Python is told that there is none


def ahead(*modules: str) -> None:
    """Import what a contestant would import while the clock of its engine runs: nobody's engine is to hold imports."""
    for module in modules:
        importlib.import_module(module)


def report(started: float, **more: Mapping[str, object] | float | bool) -> None:
    """Print this process's result as the last line of its output.

    Args:
        started: `time.monotonic()` after the imports and before the work.
        more: whatever else is worth keeping.
    """
    result: dict[str, object] = {"engine_seconds": time.monotonic() - started}
    result["own_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write("\n" + json.dumps(result | more) + "\n")
    sys.stdout.flush()
    gc.freeze()  # our command line ends without a last collection; here everybody does
