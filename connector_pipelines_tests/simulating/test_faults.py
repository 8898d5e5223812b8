from __future__ import annotations

import pytest

from connector_pipelines.simulating.faults import COUNT, Faults, Kind, Switchboard, Times, one_of

KNOWN = Faults(
    {
        "plain": Kind("always"),
        "clamp": Kind("at most N", "500", COUNT),
        "shift": Kind("between two pages", "remove", one_of("remove", "insert"), Times.SECOND),
        "first": Kind("the first N", "3", COUNT, Times.FIRST),
        "every": Kind("every N-th", "3", COUNT, Times.EVERY),
        "down": Kind("everything, tokens too"),
    },
    apart={"token": frozenset({"down"})},
    targets=frozenset({"item", "vendor", "token"}),
)


@pytest.mark.parametrize(
    ("text", "name", "value", "at", "targets"),
    [
        ("plain", "plain", "", None, set()),
        ("clamp", "clamp", "500", None, set()),
        ("clamp=7@3:item,vendor", "clamp", "7", 3, {"item", "vendor"}),
        ("shift", "shift", "remove", 2, set()),
        ("shift=insert@5", "shift", "insert", 5, set()),
    ],
)
def test_faults_are_written_so(text: str, name: str, value: str, at: int | None, targets: set[str]) -> None:
    """A name, and where it differs from the usual: a value, a request, targets."""
    fault = KNOWN.parse(text)
    assert (fault.name, fault.value, fault.at, {*fault.targets}) == (name, value, at, targets)


@pytest.mark.parametrize("text", ["", "palin", "clamp=0", "clamp=x", "shift=turn", "plain@x", "plain:customer"])
def test_mistakes_are_refused_and_change_nothing(text: str) -> None:
    """What is misspelled says what there is, and leaves the switches as they were."""
    board = Switchboard(KNOWN)
    board.set(["plain"])
    with pytest.raises(ValueError, match="fault"):
        board.set(["clamp", text])
    assert [fault.name for fault in board.faults] == ["plain"]


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("plain", [1, 2, 3, 4, 5, 6]),
        ("plain@4", [4]),
        ("shift", [2]),
        ("first=2", [1, 2]),
        ("first@3", [3]),
        ("every=2", [2, 4, 6]),
    ],
)
def test_faults_strike_when_they_were_told(text: str, struck: list[int]) -> None:
    """Always, at one request, at the first ones or at every N-th, counted from the switching on."""
    board = Switchboard(KNOWN)
    board.set([text])
    assert [n for n in range(1, 7) if board.strike({"item"})] == struck


def test_a_fault_counts_only_what_concerns_it() -> None:
    """Other targets neither strike nor count; a target apart is struck by those that name it, or are meant for it."""
    board = Switchboard(KNOWN)
    board.set(["clamp=9@2:item", "plain", "down"])
    assert [*board.strike({"vendor"})] == ["plain", "down"]
    assert [*board.strike({"item"})] == ["plain", "down"]
    assert board.strike({"item", "query"}).number("clamp") == 9
    assert [*board.strike({"token"})] == ["down"]
    assert (board.value("clamp"), board.value("shift")) == ("9", None)
