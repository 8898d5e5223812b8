"""When people are told: the table of `alarms`, minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.sync.alarms import Facts, Finding, Level, Message, State, days_left, findings, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def told(rule: str, course: Iterable[tuple[int, Facts]]) -> list[tuple[int, str, Level]]:
    """What people are told of a rule, with the minute, when these are the facts at these minutes."""
    state: State | None = None
    messages = []
    for minute, facts in course:
        [finding] = [one for one in findings(facts) if one.rule == rule]
        state, message = judge(state, finding, NOON + timedelta(minutes=minute))
        messages += [(minute, message.title, message.level)] if message else []
    return messages


def test_three_failures_in_a_row_are_one_alert_more() -> None:
    """The first failure warns, the third is critical, the second and fourth are silent, and recovery is said once."""
    course = [(n, Facts("alpha", in_a_row=count)) for n, count in enumerate((0, 1, 2, 3, 4, 5, 0, 0, 0))]
    assert told("runs", course) == [
        (1, "alpha: runs", Level.WARNING),
        (3, "alpha: runs", Level.CRITICAL),
        (6, "alpha: runs is well again", Level.CRITICAL),
    ]


@pytest.mark.parametrize(
    ("failed", "number", "critical"),
    [(50, 1_000, False), (51, 1_000, True), (1, 20, False), (2, 20, True), (19, 19, False), (0, 0, False)],
)
@pytest.mark.parametrize("rule", ["records", "run rate", "exports"])
def test_five_percent_may_fail(rule: str, failed: int, number: int, critical: bool) -> None:  # noqa: FBT001 -- the verdict
    """5.0 % may fail and 5.1 % may not (M83); of fewer than twenty rows a share says nothing."""
    facts = {
        "records": Facts("alpha", rows=number, refused_rows=failed),
        "exports": Facts("alpha", sent=number, not_taken=failed),
        "run rate": Facts("alpha", runs=number * 5, failed_runs=failed * 5),
    }[rule]
    [finding] = [one for one in findings(facts) if one.rule == rule]
    expected = critical or (rule == "run rate" and failed == 19)
    assert finding.level is (Level.CRITICAL if expected else Level.NOTHING)


def test_fourteen_minutes_are_not_enough_and_fifteen_are() -> None:
    """Too many failures for 14 minutes are silent, for 15 they are told, once; a gap begins the count anew (M83)."""
    bad, good = Facts("alpha", rows=1_000, refused_rows=51), Facts("alpha", rows=1_000, refused_rows=50)
    assert told("records", [(minute, bad) for minute in range(15)]) == []
    assert told("records", [(minute, bad) for minute in range(30)]) == [(15, "alpha: records", Level.CRITICAL)]
    broken = [*((minute, bad) for minute in range(14)), (14, good), *((minute, bad) for minute in range(15, 30))]
    assert told("records", broken) == []
    assert told("records", [*broken, (30, bad)]) == [(30, "alpha: records", Level.CRITICAL)]


@pytest.mark.parametrize(("p95", "requests", "warns"), [(5.0, 500, False), (6.0, 500, True), (60.0, 19, False)])
def test_a_slow_api_warns(p95: float, requests: int, warns: bool) -> None:  # noqa: FBT001 -- the expected verdict
    """A p95 over five seconds is a warning (M84), of fewer than twenty requests it is none."""
    messages = told("latency", [(0, Facts("alpha", requests=requests, p95_seconds=p95))])
    assert messages == ([(0, "alpha: latency", Level.WARNING)] if warns else [])


@pytest.mark.parametrize(
    ("last", "left", "level"),
    [
        (None, None, Level.NOTHING),
        (date(2026, 12, 6), 15, Level.NOTHING),
        (date(2026, 12, 5), 14, Level.WARNING),
        (date(2026, 11, 21), 0, Level.WARNING),
        (date(2026, 11, 20), -1, Level.CRITICAL),
    ],
)
def test_credentials_are_said_to_end_two_weeks_before(last: date | None, left: int | None, level: Level) -> None:
    """From fourteen days before the last day of its credentials a source warns, the day after it is critical (M58)."""
    assert days_left(last, NOON) == left
    [finding] = [one for one in findings(Facts("alpha", days_left=left)) if one.rule == "token"]
    assert finding.level is level


def test_credentials_are_told_of_twice_and_once_when_they_are_new() -> None:
    """Two weeks before, the day after the end, and when they were renewed: not a message each day."""
    day = 24 * 60
    course = [(n * day, Facts("alpha", days_left=16 - n)) for n in range(20)]
    renewed = (20 * day, Facts("alpha", days_left=365))
    assert told("token", [*course, renewed]) == [
        (2 * day, "alpha: token", Level.WARNING),
        (17 * day, "alpha: token", Level.CRITICAL),
        (20 * day, "alpha: token is well again", Level.CRITICAL),
    ]


@given(st.lists(st.sampled_from(list(Level)), max_size=40))
def test_nobody_is_told_the_same_twice(levels: list[Level]) -> None:
    """Whatever is found in whatever order, between two recoveries each message is worse than the one before."""
    state: State | None = None
    worst = Level.NOTHING
    for minute, level in enumerate(levels):
        message: Message | None
        state, message = judge(state, Finding("runs", "alpha", level, ""), NOON + timedelta(minutes=minute))
        if message and "well again" in message.title:
            assert worst > Level.NOTHING
            worst = Level.NOTHING
        elif message:
            assert message.level > worst
            worst = message.level
        assert (worst > Level.NOTHING) >= (level > Level.NOTHING)
