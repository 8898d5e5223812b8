"""Course work, what was handed in, and grades: read where they are named, from every course."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd
import pytest

from connector_pipelines.connectors.google_classroom import CONNECTOR, wire
from connector_pipelines.connectors.google_classroom.config import COURSEWORK_SCOPE, SCOPES, Gradebook, Rosters
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import AuthFailed
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.surroundings import share
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Source
from connector_pipelines.pages import Page, Stability
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import sync
from connector_pipelines.validation.accept import Accepted, accept
from connector_pipelines_tests.kept import kept
from proof import held

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, Any]
ALL = (*get_args(Rosters), *get_args(Gradebook))
LISTS = {"assessments": "courseWork", "submissions": "studentSubmissions", "grades": "studentSubmissions"}
WORK = {"courseId": "1", "id": "2", "title": "Essay", "state": "PUBLISHED", "workType": "ASSIGNMENT"}
HANDED = {"courseId": "1", "courseWorkId": "2", "id": "Cg4I", "userId": "5", "state": "RETURNED"}


def accepted(domain: Any, entity: str, record: Record) -> Accepted:
    """What becomes of one page with this record."""
    stream = domain.stream(entity, entities=ALL)
    body = wire.of_course(wire.Course(id="1", ownerId="9"), json.dumps({LISTS[entity]: [record]}).encode())
    return accept(stream, [Sieve(0, None).sift(Page(1, "", 200, body, stream.split(body)))])


def row(domain: Any, entity: str, record: Record) -> Record:
    """The row that a record becomes; missing values are None."""
    found = accepted(domain, entity, record)
    assert found.rejections == []
    [one] = found.frame.to_dict("records")
    return {str(k): None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in one.items()}


def _moment(text: str | None) -> datetime | None:
    """To the microsecond, as PostgreSQL keeps it."""
    if text is None:
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")


def _due(work: Record) -> datetime | None:
    day, clock = work.get("dueDate"), work.get("dueTime", {})
    if day is None:
        return None
    return datetime(day["year"], day["month"], day["day"], clock.get("hours", 0), clock.get("minutes", 0), tzinfo=UTC)


def _number(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def truth(domain: Any) -> dict[str, dict[str, Record]]:
    """What core must hold, worked out from the domain itself."""
    found: dict[str, dict[str, Record]] = {"assessments": {}, "submissions": {}, "grades": {}}
    for one in domain.simulator.expected("courseWork"):
        none = ("min_score", "learning_outcome", "program_outcome", "is_finalized", "course", "available_at")
        found["assessments"][f"{one['courseId']}:{one['id']}"] = dict.fromkeys(none) | {
            "title": one["title"],
            "assessment_type": one["workType"].lower(),
            "due_at": _due(one),
            "max_score": _number(one.get("maxPoints")),
            "status": "active" if one["state"] == "PUBLISHED" else "inactive",
            "section": one["courseId"],
        }
    for one in domain.simulator.expected("studentSubmissions"):
        work = f"{one['courseId']}:{one['courseWorkId']}"
        whose = {"student": one["userId"], "assessment": work, "status": "active"}
        states = [change["stateHistory"] for change in one.get("submissionHistory", ()) if "stateHistory" in change]
        handed = [state["stateTimestamp"] for state in states if state["state"] == "TURNED_IN"]
        told = {"state": one["state"].lower(), "submitted_at": _moment(max(handed, default=None))}
        found["submissions"][f"{work}:{one['id']}"] = whose | told | {"attempt": None, "grading_state": None}
        if "assignedGrade" in one:
            given = one["submissionHistory"][-1]["gradeHistory"]
            unsaid = ("letter_grade", "achievement", "comment", "is_override", "section")
            found["grades"][f"{work}:{one['id']}"] = (
                dict.fromkeys(unsaid)
                | whose
                | {
                    "grade_type": "assignment_grade",
                    "score": _number(one["assignedGrade"]),
                    "max_score": _number(given["maxPoints"]),
                    "graded_at": _moment(given["gradeTimestamp"]),
                }
            )
    return found


def test_the_gradebook_arrives_whole(database: str, tmp_path: Path, domain: Any) -> None:
    """Course work but what was deleted before, all submissions and grades are in core; a second sync writes nothing."""
    source = Source("classroom", CONNECTOR, domain.config(entities=ALL, page_size=20, in_flight=4))
    for time in ("first", "second"):
        with share(database), connect(database) as connection:
            context = Context(connection, Landing(str(tmp_path)), url=database)
            counts = {done.entity: done.plan.counts for done in sync(context, source)}
        expected = truth(domain)
        deleted = [one for one in domain.simulator.expected("courseWork") if one["state"] == "DELETED"]
        for one in deleted:
            del expected["assessments"][f"{one['courseId']}:{one['id']}"]
        with kept(database) as connection:
            assert held.differences(connection, expected, "classroom") == []
        assert {one.dead_lettered for one in counts.values()} == {0}
        assert all(rows for rows in expected.values())
        if time == "second":
            assert {(one.created, one.updated) for one in counts.values()} == {(0, 0)}


def test_work_that_is_deleted_is_told(database: str, tmp_path: Path, domain: Any) -> None:
    """Course work that was deleted since is inactive with the next sync: of it alone Classroom says so."""
    source = Source("classroom", CONNECTOR, domain.config(entities=[*get_args(Rosters), "assessments"]))
    world = domain.simulator.world
    work = next(one for there in world.work.values() for one in there if one["state"] == "PUBLISHED")
    for state in ("PUBLISHED", "DELETED"):
        work |= {"state": state}
        with share(database), connect(database) as connection:
            list(sync(Context(connection, Landing(str(tmp_path)), url=database), source))
        with kept(database) as connection:
            found = held.core(connection, "assessments", "classroom")[f"{work['courseId']}:{work['id']}"]
        assert found["status"] == {"PUBLISHED": "active", "DELETED": "inactive"}[state]


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ({}, None),
        ({"dueDate": {"year": 2026, "month": 9, "day": 1}, "dueTime": {}}, datetime(2026, 9, 1, tzinfo=UTC)),
        (
            {"dueDate": {"year": 2026, "month": 9, "day": 1}, "dueTime": {"hours": 21, "minutes": 59}},
            datetime(2026, 9, 1, 21, 59, tzinfo=UTC),
        ),
        ({"dueDate": {"year": 2026, "month": 9}}, None),
    ],
)
def test_due_dates(domain: Any, said: Record, due: datetime | None) -> None:
    """A due date is a day and a time in UTC, whose zeros are left out; a month alone is none."""
    assert row(domain, "assessments", WORK | said)["due_at"] == due


def test_the_grade_that_stands_is_read(domain: Any) -> None:
    """The last grade that was given says when and out of how many points; drafts and earlier ones do not."""
    changes = [
        ("ASSIGNED", "2026-09-01T08:00:00Z", 50),
        ("ASSIGNED", "2026-09-02T08:00:00Z", 100),
        ("DRAFT", "2026-09-03T08:00:00Z", 7),
    ]
    history = [
        {
            "gradeHistory": {
                "gradeChangeType": f"{kind}_GRADE_POINTS_EARNED_CHANGE",
                "gradeTimestamp": at,
                "maxPoints": most,
            }
        }
        for kind, at, most in changes
    ]
    found = row(domain, "grades", HANDED | {"assignedGrade": 87.50, "submissionHistory": history})
    expected = {"score": "87.5", "max_score": "100", "graded_at": datetime(2026, 9, 2, 8, tzinfo=UTC)}
    assert found.items() >= (expected | {"external_id": "1:2:Cg4I", "student": "5", "assessment": "1:2"}).items()


def test_what_is_not_graded_is_skipped(domain: Any) -> None:
    """A submission without a grade is none, and is a submission all the same."""
    assert accepted(domain, "grades", HANDED).skipped == {"is not graded": 1}
    assert row(domain, "submissions", HANDED)["state"] == "returned"


@pytest.mark.parametrize(
    ("entity", "record", "rule"),
    [
        ("assessments", WORK | {"title": ""}, "title must not be blank"),
        ("assessments", WORK | {"state": "LOST"}, "state"),
        ("assessments", WORK | {"maxPoints": -1}, "maxPoints must be a number"),
        ("assessments", WORK | {"dueDate": {"year": 1, "month": 1, "day": 1}}, "due must be an ISO 8601 time"),
        ("assessments", WORK | {"dueDate": {"year": 2026, "month": 13, "day": 1}}, "due must be an ISO 8601 time"),
        ("submissions", HANDED | {"courseWorkId": "d:essay"}, "id must be a number"),
        ("grades", HANDED | {"assignedGrade": "A"}, "grade must be a number"),
        ("grades", HANDED | {"submissionHistory": {}}, "wire: wrong type"),
    ],
)
def test_what_is_no_record_is_a_dead_letter(domain: Any, entity: str, record: Record, rule: str) -> None:
    """A record that lacks what core asks for is set aside with the reason and its id."""
    [letter] = accepted(domain, entity, record).rejections
    assert letter.rule.startswith(rule)
    assert letter.external_id


def test_the_scope_is_asked_for_where_it_is_needed(domain: Any) -> None:
    """Rosters ask for their scopes alone; naming grades asks for one more, without which they are refused."""
    assert domain.config().asked_scopes == SCOPES
    assert domain.config(entities=["grades"]).asked_scopes == (*SCOPES, COURSEWORK_SCOPE)
    assert [stream.entity for stream in CONNECTOR.streams(domain.config())] == list(get_args(Rosters))
    with pytest.raises(AuthFailed, match="insufficient authentication scopes"):
        domain.pages("assessments", entities=ALL, scopes=SCOPES)


def test_a_watched_read_tells_submissions_apart(domain: Any) -> None:
    """Submissions of several pages are proven complete, by their ids within their course work."""
    pages, stability = domain.watched("submissions", entities=ALL, page_size=5)
    rows = sum(len(page.rows) for page in pages)
    assert rows == len(list(domain.simulator.expected("studentSubmissions")))
    assert stability is Stability.STABLE
