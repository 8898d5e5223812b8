"""Rows of core as records of Moodle."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.moodle import lines, shapes
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.outward import Skipped, Unwanted
from connector_pipelines.pages import BadRow

pytestmark = pytest.mark.phase1

OFFERING: dict[str, Any] = {
    "key": "courses/1@terms/2",
    "term": "7",
    "title": "Physics",
    "course_code": "PHY",
    "status": "active",
    "term_title": "Fall",
    "start_date": date(2026, 8, 15),
    "end_date": date(2026, 12, 20),
    "ended": False,
    "sections": 2,
}
PERSON: dict[str, Any] = {
    "key": "students/1",
    "kind": "student",
    "given_name": " Ada ",
    "family_name": "Lovelace",
    "username": "ADA",
    "email": "Ada@X.example",
    "number": "S1",
    "enabled": None,
    "status": "active",
    "phone": None,
}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"term": None}, Skipped),
        ({"sections": 0}, Unwanted),
        ({"status": "inactive"}, Unwanted),
        ({"ended": True}, Unwanted),
        ({}, dict),
    ],
)
def test_courses_stand_there_while_their_term_lasts(changes: dict[str, Any], kind: type) -> None:
    """A course stands there once its term is known and it has a section, until the term ends (M43, M46)."""
    row = OFFERING | changes
    assert isinstance(shapes.choose_course(row) or shapes.offering(row), kind)


@pytest.mark.parametrize(
    ("changes", "username"),
    [
        ({}, "ada"),
        ({"username": None}, "ada@x.example"),
        ({"username": " "}, "ada@x.example"),
        ({"email": None}, ""),
        ({"email": "none"}, ""),
        ({"username": "Søren Ø"}, ""),
    ],
)
def test_people_need_a_name_and_an_address(changes: dict[str, Any], username: str) -> None:
    """A user name is in lower case, else the address is it; what Moodle would not take is a dead letter."""
    shape = shapes.user(MoodleConfig())
    if username:
        assert shape(PERSON | changes)["username"] == username  # type: ignore[index]
    else:
        with pytest.raises(BadRow):
            shape(PERSON | changes)


@pytest.mark.parametrize("changes", [{"status": "inactive"}, {"enabled": False}])
def test_who_may_not_log_in_is_unwanted(changes: dict[str, Any]) -> None:
    """Who is inactive or shut out in core is suspended there."""
    assert isinstance(shapes.user(MoodleConfig())(PERSON | changes), Unwanted)


def test_records_hold_nothing_but_what_is_sent() -> None:
    """Of a person these fields go out and no other: telephone, notes and grades stay in core."""
    record = shapes.user(MoodleConfig())(PERSON)
    assert isinstance(record, dict)
    assert set(record) == {"username", "firstname", "lastname", "email", "idnumber", "auth", "suspended"}


@given(st.decimals(0, 1_000, places=3), st.integers(0, 3))
def test_points_have_one_spelling(points: Any, zeros: int) -> None:
    """However many zeros a grade has at its end, it is one grade, and the same number."""
    plain = lines.plain(points)
    assert lines.plain(f"{points}{'0' * zeros}") == plain
    assert float(plain) == float(points)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_days_are_whole(day: date) -> None:
    """A day lasts from its first second to the first of the next."""
    assert shapes.ends(day) - shapes.begins(day) == 86_400
    assert shapes.begins(None) == shapes.ends(None) == 0


def test_a_day_that_never_comes_is_no_end() -> None:
    """The last day a calendar has stands for no end, as systems write it that must name one; it ends no export."""
    assert shapes.ends(date.max) == 0
