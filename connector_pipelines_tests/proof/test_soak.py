"""A short one of `make soak`, and what decides whether one was good."""

from __future__ import annotations

import random
import re
import signal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proof.aftermath import is_in_order
from proof.memory import SHORTEST_SECONDS, Memory
from proof.soak import KILLS, Storm, forecast, main

pytestmark = pytest.mark.long

FAULTS = {"east": ("reset", "500"), "west": ("429", "gzip")}

QUICKLY = {"run_monitoring": {"poll_interval_seconds": 2, "start_timeout_seconds": 60}}
"""A dead run is noticed sooner than in operation."""


# What Dagster's libraries warn of concerns the project's processes, which are not this one.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_everything_catches_up_by_itself_after_a_storm(capsys: pytest.CaptureFixture[str]) -> None:
    """With faults, a killed daemon, a stopped PostgreSQL and a killed run nothing is lost, and nothing comes twice."""
    told = signal.getsignal(signal.SIGTERM)
    try:
        ended = main(["--minutes", "0.2", "--seed", "1"], instance=QUICKLY)
    finally:
        signal.signal(signal.SIGTERM, told)
    said = capsys.readouterr().out
    assert ended == 0, said
    assert said.startswith("seed 1, 0.2 minutes, in ")
    assert "nothing lost, nothing twice, everything caught up" in said
    counts = {what: int(count) for count, what in re.findall(r"^ *(\d+) (\D+)$", said, re.MULTILINE)}
    assert [counts[storm] for storm in (Storm.FAULTS, *KILLS)] == [1] * (1 + len(KILLS))
    assert counts["changes"] > 0


@given(seed=st.integers(), seconds=st.floats(5, 3600))
def test_a_seed_always_brings_the_same_storms(seed: int, seconds: float) -> None:
    """Storms follow from the seed alone, come in order and in time, and each process is struck."""
    storms = forecast(random.Random(seed), seconds, FAULTS)
    assert storms == forecast(random.Random(seed), seconds, FAULTS)
    assert all(before.at <= after.at for before, after in pairwise(storms))
    assert all(0 <= storm.at <= seconds for storm in storms)
    assert {storm.what for storm in storms} == set(Storm)
    kinds = [storm.what for storm in storms]
    assert kinds.count(Storm.FAULTS) == kinds.count(Storm.CALM) == max(1, round(seconds / 60))


@pytest.mark.parametrize(
    ("written", "well"),
    [(["a", "c"], True), ([], True), (["a", "a"], False), (["c", "a"], False), (["d"], False)],
    ids=["some left out", "none", "twice", "back", "another"],
)
def test_a_history_is_some_of_what_was_told_in_order(written: list[str], *, well: bool) -> None:
    """Changes may be taken together; none may come twice, go back, or be made up."""
    assert is_in_order(written, ["a", "b", "c"]) == well


@pytest.mark.parametrize(("end", "grew"), [(104, False), (150, True)])
def test_a_process_that_grows_after_its_warm_up_is_found(end: float, *, grew: bool) -> None:
    """What a process takes at first does not count; what it takes more at the end than after its warm-up does."""
    times = [SHORTEST_SECONDS * number / 100 for number in range(101)]
    sizes = [50.0] * 30 + [100.0] * 40 + [float(end)] * 31
    memory = Memory({("daemon", 1): list(zip(times, sizes, strict=True))})
    assert bool(memory.findings()) == grew


def test_a_process_that_did_not_live_long_is_not_judged() -> None:
    """It is still warming up."""
    memory = Memory({("daemon", 1): [(0.0, 50.0), (SHORTEST_SECONDS / 2, 500.0)]})
    assert memory.findings() == []
