"""Grades that both sides change: who wins, by the policy's rules (K8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.mapping.contesting import Times, contest
from connector_pipelines.model import Counts
from connector_pipelines.policy import Rule
from connector_pipelines.sync.contesting import moment

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.exports.conftest import Outward

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def graded(outward: Outward) -> Outward:
    """A grade of 80 that stands there, and that was changed to 90 at noon in core."""
    outward.students(1)
    outward.execute(
        "INSERT INTO core.grades (grade_type, status, student_id, score) VALUES ('course_total', 'active', 1, 80)"
    )
    outward.push("users", "grades")
    outward.execute(f"UPDATE core.grades SET score = 90, graded_at = '{NOON}'")
    return outward


def there(outward: Outward) -> float:
    """The grade that stands there."""
    (grade,) = outward.campus.holds["grades"].values()
    return float(grade["grade"])


def change_there(outward: Outward, *, hours: int | None) -> None:
    """Somebody sets it to 70 there, so many hours after noon."""
    (grade,) = outward.campus.holds["grades"].values()
    changed = None if hours is None else int((NOON + timedelta(hours=hours)).timestamp())
    grade.update(grade=70, changed=changed)


@pytest.mark.parametrize(
    ("rule", "hours", "stands", "conflicts"),
    [
        ("core_owns", 1, 90, 0),
        ("external_wins", -1, 70, 0),
        ("last_write_wins", -1, 90, 0),
        ("last_write_wins", 0, 70, 0),
        ("last_write_wins", 1, 70, 0),
        ("last_write_wins", None, 70, 1),
        ("manual", -1, 70, 1),
    ],
)
def test_rule_decides_who_wins(graded: Outward, rule: str, hours: int | None, stands: int, conflicts: int) -> None:
    """Core, the other system, the later of them, or a person: as the policy says."""
    graded.may(conflicts={"export/grades": {"grade": rule}})
    change_there(graded, hours=hours)
    counts = graded.push("grades")["grades"].plan.counts
    assert (there(graded), counts.conflicts) == (stands, conflicts)
    assert counts.accounted_for
    assert [rule for _, _, rule in graded.letters()] == ["contested"] * conflicts


@pytest.mark.parametrize("rule", ["external_wins", "last_write_wins", "manual"])
def test_second_push_writes_nothing_and_the_winner_stays(graded: Outward, rule: str) -> None:
    """What was decided stays so, also when the records are compared again."""
    graded.may(conflicts={"export/grades": {"*": rule}})
    change_there(graded, hours=1)
    graded.push("grades")
    writes = graded.campus.calls["/write"]
    graded.push("grades")
    graded.push("grades", compare=True)
    assert (there(graded), graded.campus.calls["/write"]) == (70, writes)


def test_later_change_in_core_is_written(graded: Outward) -> None:
    """Who lost by the time wins with a newer one."""
    graded.may(conflicts={"export/grades": {"*": "last_write_wins"}})
    change_there(graded, hours=1)
    graded.push("grades")
    graded.execute(f"UPDATE core.grades SET score = 95, graded_at = '{NOON + timedelta(hours=2)}'")
    assert graded.push("grades")["grades"].plan.counts == Counts(fetched=1, updated=1)
    assert there(graded) == 95


def test_contest_ends_when_both_sides_agree(graded: Outward) -> None:
    """A conflict is over once core says what stands there."""
    graded.may(conflicts={"export/grades": {"*": "manual"}})
    change_there(graded, hours=1)
    graded.push("grades")
    graded.execute("UPDATE core.grades SET score = 70")
    assert graded.push("grades")["grades"].plan.counts == Counts(fetched=1, unchanged=1)
    assert graded.letters() == []


def test_change_in_core_needs_no_times_where_nothing_was_changed_there(graded: Outward) -> None:
    """What stands there as we wrote it is no other write, however late we wrote it, and though core has no time."""
    graded.may(conflicts={"export/grades": {"*": "last_write_wins"}})
    (grade,) = graded.campus.holds["grades"].values()
    grade["changed"] = int((NOON + timedelta(days=9)).timestamp())
    graded.execute("UPDATE core.grades SET graded_at = NULL")
    assert graded.push("grades")["grades"].plan.counts == Counts(fetched=1, updated=1)
    assert there(graded) == 90


@pytest.mark.parametrize(("rule", "stands", "conflicts"), [("last_write_wins", 70, 0), ("manual", 70, 1)])
def test_what_stood_there_before_us_was_written_there(graded: Outward, rule: str, stands: int, conflicts: int) -> None:
    """A record that we find, and never wrote, is judged like one that was changed there."""
    graded.may(conflicts={"export/grades": {"grade": rule}})
    change_there(graded, hours=1)
    graded.execute("DELETE FROM connector.exports WHERE entity = 'grades'")
    counts = graded.push("grades")["grades"].plan.counts
    assert (there(graded), counts.conflicts, counts.accounted_for) == (stands, conflicts, True)


def test_a_capped_value_was_not_changed_there(graded: Outward) -> None:
    """What the system made of our value when we wrote it is known, and a later change of core needs no decision."""
    graded.may(conflicts={"export/grades": {"*": "manual"}})
    (grade,) = graded.campus.holds["grades"].values()
    graded.execute("UPDATE connector.exports SET stands = record || '{\"grade\": 50.0}' WHERE entity = 'grades'")
    grade["grade"] = 50.0
    assert graded.push("grades")["grades"].plan.counts == Counts(fetched=1, updated=1)
    assert there(graded) == 90


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("core", "system", "winner"),
    [
        (NOON - 2 * MINUTE, NOON - 3 * MINUTE, "core"),
        (NOON - 3 * MINUTE, NOON - 2 * MINUTE, "system"),
        (NOON - MINUTE, NOON - MINUTE, "system"),
        (NOON + 2 * MINUTE, NOON + MINUTE, "core"),  # within what clocks may be ahead
        (NOON + MINUTE, NOON + 60 * MINUTE, "core"),  # not believed: counts as noon
        (NOON - MINUTE, NOON + 60 * MINUTE, "system"),
        (NOON + 90 * MINUTE, NOON + 60 * MINUTE, "system"),  # neither is believed: equal
        (None, NOON, None),
        (NOON, None, None),
    ],
)
def test_the_later_write_wins(core: datetime | None, system: datetime | None, winner: str | None) -> None:
    """Times decide as they do for what is read: equal ones for the system, one that is ahead counts as now, and
    without both nobody can say.
    """
    found = contest(
        {"*": Rule.LAST_WRITE_WINS}, known={"a": 1}, wanted={"a": 2}, stands={"a": 3}, times=Times(core, system, NOON)
    )
    assert (found.record["a"], found.torn) == ({"core": 2, "system": 3, None: 2}[winner], () if winner else ("a",))


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (int(NOON.timestamp()), NOON),
        ("2025-03-01T12:00:00.000Z", NOON),
        ("2025-03-01T13:00:00+01:00", NOON),
        ("2025-03-01T12:00:00", NOON),
        (0, None),
        ("", None),
        ("yesterday", None),
        (10**30, None),
        (True, None),
        (None, None),
    ],
)
def test_systems_tell_times_in_their_way(told: object, read: datetime | None) -> None:
    """Seconds and ISO 8601 are times; what is none is nobody's word."""
    assert moment(told) == read


def test_fields_are_decided_one_by_one() -> None:
    """A field that the system keeps does not hold back another that core writes."""
    found = contest(
        {"*": Rule.EXTERNAL_WINS, "b": Rule.CORE_OWNS},
        known={"a": 1, "b": 1},
        wanted={"a": 2, "b": 2},
        stands={"a": 3, "b": 1},
        times=Times(None, None, NOON),
    )
    assert (found.record, found.torn) == ({"a": 3, "b": 2}, ())
