from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from connector_pipelines.connectors.oneroster import transform

if TYPE_CHECKING:
    from collections.abc import Callable

    FrameOf = Callable[[str, list[dict[str, Any]]], pd.DataFrame]

HEAD = {"sourcedId": "1", "status": "active", "dateLastModified": "2026-01-02T03:04:05.678Z"}


def ref(sourced_id: str) -> dict[str, str]:
    """A reference as it travels."""
    return {"href": f"https://x/{sourced_id}", "sourcedId": sourced_id, "type": "org"}


def row(frame: pd.DataFrame) -> dict[str, Any]:
    """The only row, missing values as None."""
    assert len(frame) == 1
    return {str(name): None if pd.isna(value) else value for name, value in frame.iloc[0].to_dict().items()}


TABLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "organizations": (
        {"name": " Springfield  High ", "type": "school", "identifier": "007", "parent": ref("d1")},
        {
            "name": "Springfield  High",
            "organization_type": "school",
            "identifier": "007",
            "status": "active",
            "parent": "d1",
        },
    ),
    "terms": (
        {
            "title": "Fall",
            "type": "semester",
            "startDate": "2026-08-15",
            "endDate": "2026-12-20T00:00:00.000Z",
            "schoolYear": "2027",
            "parent": ref("y1"),
        },
        {
            "title": "Fall",
            "term_type": "semester",
            "start_date": date(2026, 8, 15),
            "end_date": date(2026, 12, 20),
            "school_year": "2027",
            "status": "active",
            "parent": "y1",
        },
    ),
    "courses": (
        {"title": "Algebra", "courseCode": "M1", "grades": ["09", "10"], "subjects": [], "org": ref("o1")},
        {
            "title": "Algebra",
            "course_code": "M1",
            "grades": "09,10",
            "subjects": None,
            "status": "active",
            "organization": "o1",
        },
    ),
    "sections": (
        {
            "title": "Algebra 1",
            "classCode": "M1-1",
            "classType": "scheduled",
            "location": "",
            "grades": ["09"],
            "subjects": ["Math", "Logic"],
            "periods": "1,2",
            "course": ref("c1"),
            "school": ref("o1"),
            "terms": [ref("t1"), ref("t2")],
        },
        {
            "title": "Algebra 1",
            "section_code": "M1-1",
            "section_type": "scheduled",
            "location": None,
            "grades": "09",
            "subjects": "Math,Logic",
            "periods": "1,2",
            "status": "active",
            "course": "c1",
            "organization": "o1",
            "term": "t1",
        },
    ),
    "students": (
        {
            "givenName": "Zoe\u0308",
            "familyName": "O'Neil",
            "middleName": " ",
            "preferredFirstName": "Z",
            "username": "zo",
            "email": "z@x.example",
            "sms": "555",
            "identifier": "0042",
            "enabledUser": "TRUE",
            "grades": ["09"],
            "roles": [{"role": "student", "org": ref("o2")}],
            "primaryOrg": ref("o1"),
        },
        {
            "given_name": "Zo\u00eb",
            "family_name": "O'Neil",
            "middle_name": None,
            "preferred_name": "Z",
            "username": "zo",
            "email": "z@x.example",
            "phone": "555",
            "student_number": "0042",
            "grades": "09",
            "enabled": True,
            "status": "active",
            "organization": "o1",
        },
    ),
    "instructors": (
        {"givenName": "Ana", "familyName": "Ng", "identifier": "T1", "enabledUser": False, "orgs": [ref("o1")]},
        {
            "given_name": "Ana",
            "family_name": "Ng",
            "middle_name": None,
            "preferred_name": None,
            "username": None,
            "email": None,
            "phone": None,
            "staff_number": "T1",
            "enabled": False,
            "status": "active",
            "organization": "o1",
        },
    ),
    "enrollments": (
        {"role": "student", "user": ref("u1"), "class": ref("s1"), "beginDate": "2026-08-15", "primary": "false"},
        {
            "status": "enrolled",
            "start_date": date(2026, 8, 15),
            "end_date": None,
            "student": "u1",
            "section": "s1",
        },
    ),
    "teaching_assignments": (
        {"role": "teacher", "user": ref("u1"), "class": ref("s1"), "endDate": "2026-12-20", "primary": True},
        {
            "status": "active",
            "is_primary": True,
            "start_date": None,
            "end_date": date(2026, 12, 20),
            "instructor": "u1",
            "section": "s1",
        },
    ),
}


@pytest.mark.parametrize("entity", TABLE)
def test_record_becomes_core_columns(entity: str, frame_of: FrameOf) -> None:
    """Each field of a record arrives in its core column, trimmed, composed, and nothing where there was nothing."""
    sent, expected = TABLE[entity]
    found = row(getattr(transform, entity)(frame_of(entity, [HEAD | sent])))
    moment = pd.Timestamp("2026-01-02T03:04:05.678Z")
    assert found == {"external_id": "1", "modified_at": moment, "deleted": False, "skip": None} | expected


@pytest.mark.parametrize(
    ("entity", "status"),
    [
        ("organizations", "inactive"),
        ("students", "inactive"),
        ("enrollments", "dropped"),
        ("teaching_assignments", "inactive"),
    ],
)
def test_tobedeleted_ends_a_record_and_keeps_its_values(entity: str, status: str, frame_of: FrameOf) -> None:
    """A deleted record is marked, gets the status of its end, and loses nothing else."""
    sent, expected = TABLE[entity]
    found = row(getattr(transform, entity)(frame_of(entity, [HEAD | sent | {"status": "tobedeleted"}])))
    assert (found["deleted"], found["status"]) == (True, status)
    assert {k: found[k] for k in expected if k != "status"} == {k: v for k, v in expected.items() if k != "status"}


@pytest.mark.parametrize(
    ("sent", "organization"),
    [
        ({"primaryOrg": ref("a"), "roles": [{"org": ref("b")}], "orgs": [ref("c")]}, "a"),
        ({"roles": [{"role": "x"}, {"org": ref("b")}], "orgs": [ref("c")]}, "b"),
        ({"roles": [], "orgs": [ref("c"), ref("d")]}, "c"),
        ({}, None),
    ],
)
def test_organization_of_a_user(sent: dict[str, Any], organization: str | None, frame_of: FrameOf) -> None:
    """The primary organization counts, else that of the first role, else the first of 1.1's organizations."""
    person = HEAD | {"givenName": "A", "familyName": "B"} | sent
    assert row(transform.students(frame_of("students", [person])))["organization"] == organization


@pytest.mark.parametrize(
    ("role", "enrollment", "assignment"),
    [
        ("student", None, "role student feeds enrollments"),
        (" teacher ", "role teacher feeds teaching_assignments", None),
        ("proctor", "role proctor has no place in core", "role proctor has no place in core"),
    ],
)
def test_roles_are_told_apart(role: str, enrollment: str | None, assignment: str | None, frame_of: FrameOf) -> None:
    """Students' enrollments and teachers' go to different tables; every other row is skipped with its reason."""
    frame = frame_of("enrollments", [HEAD | {"role": role, "user": ref("u"), "class": ref("s")}])
    assert row(transform.enrollments(frame))["skip"] == enrollment
    assert row(transform.teaching_assignments(frame))["skip"] == assignment


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02", "2026-01-02T00:00:00Z"),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc(sent: str | None, read: str | None, frame_of: FrameOf) -> None:
    """Times with any offset or fraction become UTC in microseconds; none stays none."""
    frame = frame_of("organizations", [HEAD | {"name": "x", "dateLastModified": sent}])
    assert row(transform.organizations(frame))["modified_at"] == (pd.Timestamp(read) if read else None)


def test_mixed_batch_keeps_its_rows_apart(frame_of: FrameOf) -> None:
    """Rows of different kinds in one batch keep order, index and their own values."""
    sent, _ = TABLE["students"]
    bare = {"sourcedId": "2", "givenName": "B", "familyName": "C", "enabledUser": None}
    frame = frame_of("students", [HEAD | sent, bare])
    frame.index = pd.Index([10, 20])
    found = transform.students(frame)
    assert list(found.index) == [10, 20]
    assert list(found["external_id"]) == ["1", "2"]
    assert found["enabled"].tolist() == [True, pd.NA]
    assert found["status"].tolist() == ["active", "active"]
