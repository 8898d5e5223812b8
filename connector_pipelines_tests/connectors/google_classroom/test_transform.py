"""What becomes of records: one by one, from the wire to core's columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from connector_pipelines.connectors.google_classroom import wire
from connector_pipelines.errors import BrokenPage
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.pages import Page
from connector_pipelines.validation.accept import Accepted, accept

COURSE = {"id": "123", "name": "Biology", "courseState": "ACTIVE"}


def accepted(domain: Any, entity: str, *records: Any, owner: str = "9") -> Accepted:
    """What becomes of one page with these records."""
    stream = domain.stream(entity)
    lists = {"courses": "courses", "sections": "courses", "students": "students", "enrollments": "students"}
    body = json.dumps({lists.get(entity, "teachers"): list(records)}).encode()
    if entity not in {"courses", "sections"}:
        body = wire.of_course(wire.Course(id="123", ownerId=owner), body)
    page = Page(1, "", 200, body, stream.split(body))
    return accept(stream, [Sieve(0, None).sift(page)])


def row(domain: Any, entity: str, record: Any, **more: Any) -> dict[str, Any]:
    """The one row that a record becomes; missing values are None."""
    found = accepted(domain, entity, record, **more)
    assert found.rejections == []
    [one] = found.frame.to_dict("records")
    return {str(k): None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in one.items()}


def test_a_course_is_a_course_and_a_section(domain: Any) -> None:
    """A course feeds what is taught and the class of it, with nothing made up."""
    record = COURSE | {
        "section": "Period 2",
        "room": "301",
        "levels": "9th grade",
        "subject": "Science",
        "ownerId": "7",
    }
    course, section = row(domain, "courses", record), row(domain, "sections", record)
    known = {"external_id": "123", "grades": "9th grade", "subjects": "Science", "status": "active"}
    assert course.items() >= (known | {"title": "Biology", "course_code": None, "organization": None}).items()
    mine = {"title": "Biology (Period 2)", "location": "301", "course": "123", "section_code": None, "term": None}
    assert section.items() >= (known | mine | {"periods": None, "section_type": None, "organization": None}).items()


def test_a_course_without_a_section_is_called_by_its_name(domain: Any) -> None:
    """Where a course has no section, or a blank one, its title is its name."""
    assert row(domain, "sections", COURSE)["title"] == "Biology"
    assert row(domain, "sections", COURSE | {"section": " "})["title"] == "Biology"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("ACTIVE", "active"),
        ("PROVISIONED", "active"),
        ("ARCHIVED", "inactive"),
        ("DECLINED", "inactive"),
        ("SUSPENDED", "inactive"),
    ],
)
def test_states(domain: Any, state: str, status: str) -> None:
    """Each of the five states is in use, or is not."""
    assert row(domain, "courses", COURSE | {"courseState": state})["status"] == status
    assert row(domain, "sections", COURSE | {"courseState": state})["status"] == status


@pytest.mark.parametrize("digits", range(10))
def test_times_have_any_digits(domain: Any, digits: int) -> None:
    """Times with none to nine digits of a second are read, to the microsecond."""
    fraction = "123456789"[:digits]
    said = f"2026-09-01T08:00:00{'.' * bool(digits)}{fraction}Z"
    expected = datetime(2026, 9, 1, 8, 0, 0, int(f"{fraction}000000"[:6]), tzinfo=UTC)
    assert row(domain, "courses", COURSE | {"updateTime": said})["modified_at"] == expected


def test_people(domain: Any) -> None:
    """A profile feeds names and address; what Classroom does not know stays empty."""
    profile = {"id": "5", "name": {"givenName": "Ada", "familyName": "Toy"}, "emailAddress": "ada@x.example"}
    for entity in ("students", "instructors"):
        found = row(domain, entity, {"courseId": "123", "userId": "5", "profile": profile})
        known = {"external_id": "5", "given_name": "Ada", "family_name": "Toy", "email": "ada@x.example"}
        assert found.items() >= (known | {"status": "active", "username": None, "enabled": None}).items()


def test_places_in_courses(domain: Any) -> None:
    """Who is in a course has an id of both; who owns it is its primary teacher, and nobody else."""
    found = row(domain, "enrollments", {"courseId": "123", "userId": "5"})
    known = {"external_id": "123:5", "student": "5", "section": "123", "status": "enrolled", "start_date": None}
    assert found.items() >= known.items()
    for owner, primary in (("5", True), ("6", False)):
        found = row(domain, "teaching_assignments", {"courseId": "123", "userId": "5"}, owner=owner)
        assert found.items() >= {"instructor": "5", "section": "123", "is_primary": primary, "status": "active"}.items()


@pytest.mark.parametrize(
    ("entity", "record", "rule"),
    [
        ("courses", COURSE | {"id": "d:biology"}, "id must be a number of Google's own"),
        ("courses", {"id": "123", "courseState": "ACTIVE"}, "name is required"),
        ("courses", COURSE | {"courseState": "UNHEARD_OF"}, "courseState"),
        ("courses", COURSE | {"updateTime": "yesterday"}, "updateTime must be an ISO 8601 time"),
        ("students", {"userId": "5", "profile": {"id": "5", "name": {"givenName": "Ada"}}}, "familyName is required"),
        ("students", {"userId": "5"}, "givenName is required"),
        ("enrollments", {"courseId": "123"}, "id is required"),
        ("enrollments", {"courseId": "123", "userId": 5}, "wire: wrong type"),
        ("teaching_assignments", [], "wire: wrong type"),
    ],
)
def test_what_is_no_record_is_a_dead_letter(domain: Any, entity: str, record: Any, rule: str) -> None:
    """A record that lacks what core asks for is set aside with the reason, and its neighbors go on."""
    found = accepted(domain, entity, record)
    assert len(found.frame) == 0
    assert found.rejections[0].rule.startswith(rule)


def test_a_dead_letter_knows_whose_it_is(domain: Any) -> None:
    """A record that cannot be read but for its ids is still known by them, so that nobody takes it for absent."""
    cases = {
        "courses": COURSE | {"name": 5},
        "students": {"userId": "5", "profile": {"id": "5", "name": "Ada"}},
        "enrollments": {"courseId": "123", "userId": "5", "owns": 1},
    }
    found = {entity: accepted(domain, entity, record).rejections[0].external_id for entity, record in cases.items()}
    assert found == {"courses": "123", "students": "5", "enrollments": "123:5"}


def test_an_empty_object_is_an_empty_page() -> None:
    """Google leaves empty lists out; all else without the list is no page."""
    course = wire.Course(id="123", ownerId="9")
    assert wire.split_courses(b"{}") == []
    assert wire.split_courses(b'{"nextPageToken": "x"}') == []
    assert list(wire.people("students")(wire.of_course(course, b"{}"))) == []
    for body in (b'{"teachers": []}', b'{"error": {}}', b"[]", b'{"students": null}', b'{"students": {}}', b""):
        with pytest.raises(BrokenPage):
            wire.people("students")(wire.of_course(course, body))
    with pytest.raises(BrokenPage, match="which course"):
        wire.people("students")(b"{}")


def test_the_last_page_leads_nowhere() -> None:
    """No token and an empty one mean the end; a token that is no text means a broken page."""
    assert [wire.token_in(body) for body in (b"{}", b'{"nextPageToken": ""}', b'{"nextPageToken": "x"}')] == [
        None,
        None,
        "x",
    ]
    with pytest.raises(BrokenPage, match="leads on by something"):
        wire.token_in(b'{"nextPageToken": 7}')
