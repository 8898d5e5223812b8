"""What a row of core becomes in a gradebook, and how it travels."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector_pipelines.connectors.oneroster import CONNECTOR, shapes
from connector_pipelines.connectors.oneroster.config import Gradebook, OneRosterConfig
from connector_pipelines.outward import Skipped, Unwanted
from connector_pipelines.pages import BadRow

NOON = datetime(2026, 9, 10, 12, tzinfo=UTC)
CONFIG = OneRosterConfig(base_url="https://sis.example")
GRADE: dict[str, Any] = {
    "key": "grades/1",
    "grade_type": "assignment_grade",
    "assessment": "core-assessments-17",
    "person": "usr-1",
    "section": "cls-1",
    "achievement": "Met",
    "letter_grade": None,
    "score": Decimal("18.50"),
    "graded_at": NOON,
    "due_at": None,
    "assessment_status": "active",
    "finalized": True,
    "status": "active",
}
ITEM: dict[str, Any] = {
    "key": "assessments/17",
    "title": "Essay",
    "section": "cls-1",
    "school": "org-1",
    "kind": "core-kinds-1",
    "available_at": None,
    "due_at": NOON,
    "first_graded_at": None,
    "last_graded_at": None,
    "min_score": None,
    "max_score": Decimal(20),
    "learning_outcome": "MATH.1",
    "finalized": True,
    "status": "active",
}


@pytest.mark.parametrize(
    ("outcome", "given_letter", "letter"),
    [
        ("Exceeded", None, "A"),
        ("Met", None, "B"),
        ("Partially Met", None, "C"),
        ("Not Met", None, "D"),
        ("Met", "A+", "B"),
        (None, "A+", "A+"),
        (None, None, None),
    ],
)
def test_outcomes_have_letters(outcome: str | None, given_letter: str | None, letter: str | None) -> None:
    """Every outcome has its letter, which counts before one that was given (G51, K33)."""
    assert shapes.letter_of(Gradebook(), GRADE | {"achievement": outcome, "letter_grade": given_letter}, "") == letter


@pytest.mark.parametrize("outcome", ["met", "", "Splendid"])
def test_unknown_outcome_is_a_mapping_error(outcome: str) -> None:
    """An outcome without a letter is refused, and what it belongs to is named (G51)."""
    with pytest.raises(BadRow) as refused:
        shapes.result(CONFIG)(GRADE | {"achievement": outcome})
    assert refused.value.rule.startswith("MAPPING_ERROR")
    assert "core-assessments-17" in refused.value.reason


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, None),
        ({"person": None}, Skipped),
        ({"section": None}, Skipped),
        ({"finalized": False}, Skipped),
        ({"grade_type": "course_total"}, Skipped),
        ({"achievement": None, "score": None}, Skipped),
        ({"status": "inactive"}, Unwanted),
        ({"assessment_status": "inactive"}, Unwanted),
    ],
)
def test_results_are_chosen(changes: dict[str, Any], kind: type | None) -> None:
    """Strangers, drafts, totals and empty grades are left alone; a grade that was taken back is withdrawn."""
    found = shapes.choose_results(Gradebook())(GRADE | changes)
    assert found is None if kind is None else isinstance(found, kind)


@pytest.mark.parametrize(
    ("since", "until", "chosen"),
    [
        (None, None, True),
        (date(2026, 9, 10), date(2026, 9, 10), True),
        (date(2026, 9, 11), None, False),
        (None, date(2026, 9, 9), False),
    ],
)
def test_days_begin_and_end_in_utc(since: date | None, until: date | None, *, chosen: bool) -> None:
    """Both days of a range belong to it; what has no day is in no range."""
    book = Gradebook(since=since, until=until)
    assert (shapes.choose_results(book)(GRADE) is None) is chosen
    undated = shapes.choose_results(book)(GRADE | {"graded_at": None})
    assert (undated is None) is (since is None and until is None)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    """`until` before `since` is a wrong configuration."""
    with pytest.raises(ValidationError, match="until is before since"):
        Gradebook(since=date(2026, 9, 2), until=date(2026, 9, 1))


@pytest.mark.parametrize(
    ("shape", "row"), [(shapes.result, GRADE | {"graded_at": None}), (shapes.line_item, ITEM | {"due_at": None})]
)
def test_what_has_no_date_is_refused(shape: Any, row: dict[str, Any]) -> None:
    """The contract requires a date; none is invented."""
    with pytest.raises(BadRow, match=r"nobody says when|never given out"):
        shape(CONFIG)(row)


def test_older_version_knows_less() -> None:
    """1.1 has no school of a line item, no letters and no objectives."""
    older = OneRosterConfig(base_url="https://sis.example", version="1.1")
    item, result = shapes.line_item(older)(ITEM), shapes.result(older)(GRADE)
    assert isinstance(item, dict)
    assert isinstance(result, dict)
    assert {"school", "learningObjective", "textScore"} & {*item, *result} == set()


@pytest.mark.parametrize(("shape", "row"), [(shapes.result, GRADE), (shapes.line_item, ITEM)])
def test_record_is_read_as_it_was_sent(shape: Any, row: dict[str, Any]) -> None:
    """What travels says each reference with its type, and reads as the record it was made of."""
    record = shape(CONFIG)(row)
    sent = json.loads(json.dumps(shapes.body(record, rosters="https://r", books="https://b")))
    assert sent.get("student", {"type": "user"})["type"] == "user"
    assert None not in sent.values()
    read = shapes.stands(sent)
    assert {name: read.get(name) for name in record} == record


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone


@given(MOMENTS.map(lambda at: at.replace(microsecond=0)), st.sampled_from(["Z", "+00:00", ".000Z", ".000+00:00"]))
def test_times_in_any_spelling_are_one(at: datetime, zone: str) -> None:
    """However a server spells a moment, it is read as we spell it."""
    assert shapes.stands({"dueDate": f"{at:%Y-%m-%dT%H:%M:%S}{zone}"})["dueDate"] == shapes.instant(at)


@pytest.mark.parametrize(
    ("config", "rosters", "books"),
    [
        ({}, "/ims/oneroster/rostering/v1p2", "/ims/oneroster/gradebook/v1p2"),
        ({"version": "1.1"}, "/ims/oneroster/v1p1", "/ims/oneroster/v1p1"),
        ({"gradebook": {"base_url": "https://sis.example/g/"}}, "/ims/oneroster/rostering/v1p2", "/g"),
    ],
)
def test_gradebook_lies_beside_the_rosters(config: dict[str, Any], rosters: str, books: str) -> None:
    """In 1.2 the gradebook is a service of its own, in 1.1 there is one root."""
    found = OneRosterConfig.model_validate({"base_url": "https://sis.example"} | config)
    assert (found.root, found.gradebook_root) == (f"https://sis.example{rosters}", f"https://sis.example{books}")


def test_a_zip_takes_nothing() -> None:
    """A source of CSV files has no exports."""
    assert CONNECTOR.exports(OneRosterConfig(version="csv", path="/x.zip")) == ()
