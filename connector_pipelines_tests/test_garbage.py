"""How often Python looks for garbage, in processes of their own: what is set there counts for all that runs in one."""

from __future__ import annotations

import json
import subprocess
import sys

_ASKED = """
import gc, json
usual = gc.get_threshold()
from connector_pipelines import garbage
{}
print(json.dumps([usual[0], gc.get_threshold()[0], gc.get_freeze_count()]))
"""


def told(*lines: str) -> tuple[int, int, int]:
    """Of a process that runs these lines: new objects between two looks, usually and now; objects never looked at."""
    done = subprocess.run(
        [sys.executable, "-c", _ASKED.format("\n".join(lines))], capture_output=True, text=True, check=True
    )
    usual, now, frozen = json.loads(done.stdout)
    return usual, now, frozen


def test_a_process_that_soon_ends_looks_seldom() -> None:
    """After `seldom` a thousand times as many objects come between two looks."""
    usual, now, frozen = told("garbage.seldom()")
    assert (now > 1_000 * usual, frozen) == (True, 0)


def test_a_process_that_serves_looks_as_usual() -> None:
    """After `settle` it is as if nobody had said anything, but for what was there before."""
    usual, now, frozen = told("garbage.seldom()", "garbage.settle()")
    assert (now, frozen > 1_000) == (usual, True)


def test_decoding_looks_seldom_for_as_long_as_it_takes() -> None:
    """Within `few_collections` it looks seldom, and afterwards as before, also where something goes wrong."""
    within = told("meanwhile = garbage.few_collections()", "meanwhile.__enter__()")
    after = told("try:", " with garbage.few_collections(): 1 / 0", "except ZeroDivisionError: pass")
    assert (within[1] > 1_000 * within[0], after[1]) == (True, after[0])
