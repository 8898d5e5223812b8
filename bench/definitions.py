"""How long the definitions take to load, in a process of its own each time: with few sources, and with many.

    python bench/definitions.py [ROUNDS]

Seconds, of the clock and of processor time, from the start of Python to definitions that are resolved: what a code
server needs before it answers (F51).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCES = (2, 20)
"""As many as are shipped, and a district's worth."""

_SOURCE = "type: connector_pipelines.orchestration.components.MockSource\nattributes: {}\n"
_LOAD = """
import sys
from pathlib import Path
from connector_pipelines.orchestration import build
found = build.definitions(Path(sys.argv[1])).get_repository_def()
assert len(list(found.asset_graph.get_all_asset_keys())) > int(sys.argv[2])
"""


def taken(sources: int) -> tuple[float, float]:
    """Seconds of one load: of the clock, and of the processor."""
    with tempfile.TemporaryDirectory() as place:
        for number in range(sources):
            folder = Path(place) / f"school_{number}"
            folder.mkdir()
            (folder / "defs.yaml").write_text(_SOURCE)
        started, before = time.monotonic(), spent()
        subprocess.run([sys.executable, "-W", "ignore", "-c", _LOAD, place, str(16 * sources)], check=True)
        return time.monotonic() - started, spent() - before


def spent() -> float:
    """Processor seconds of all processes that we started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if sys.argv[1:] else 3
    print(json.dumps({sources: [taken(sources) for _ in range(rounds)] for sources in SOURCES}))
