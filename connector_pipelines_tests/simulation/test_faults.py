"""The grammar of faults that simulators share."""

from __future__ import annotations

import pytest

from connector_pipelines.simulation.faults import COUNT, Fault, Kind, Switchboard, parse

KINDS = {"reset": Kind("breaks"), "delay": Kind("waits", "100", COUNT)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Fault("reset")),
        ("delay", Fault("delay", "100")),
        ("delay=5@2:users,courses", Fault("delay", "5", 2, frozenset({"users", "courses"}))),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    """A fault is a name, perhaps with a value, with which call it strikes and with what it is limited to."""
    assert parse(text, KINDS) == fault


@pytest.mark.parametrize("text", ["", "other", "delay=0", "delay=x", "reset@", "reset:"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    """What does not fit the grammar, or is no value of its fault, is refused."""
    with pytest.raises(ValueError, match="fault"):
        parse(text, KINDS)


def test_a_fault_counts_the_calls_that_concern_it() -> None:
    """`@2` strikes the second call of its target and no other; switching faults counts anew."""
    board = Switchboard(KINDS)
    board.set(["reset@2:users", "delay"])
    struck = [tuple(board.strike(target).faults) for target in ("users", "courses", "users", "users")]
    assert struck == [("delay",), ("delay",), ("reset", "delay"), ("delay",)]
    board.set(["reset@1"])
    assert "reset" in board.strike("courses")
    assert "reset" not in board.strike("courses")
