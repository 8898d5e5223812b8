"""Sites to read: the simulator, how it is read, and what core must hold of it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import stamina

from connector_pipelines.connectors.canvas import CONNECTOR, rubrics
from connector_pipelines.connectors.canvas.config import CanvasConfig
from connector_pipelines.connectors.canvas.simulator import Simulator
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Stream, Window
from connector_pipelines.pages import Page
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    import pandas as pd

    from connector_pipelines.validation.accept import Accepted

Record = dict[str, Any]
Truth = dict[str, dict[str, Record]]
ZONE = "America/Denver"


def config_of(url: str, **more: Any) -> CanvasConfig:
    """A source; its secrets are in the environment."""
    usual = {"base_url": url, "auth": {"type": "bearer", "token": "env:CANVAS_TOKEN"}, "time_zone": ZONE}
    return CanvasConfig.model_validate(usual | more)


def stream_of(config: CanvasConfig, entity: str) -> Stream:
    """An entity's stream."""
    return next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)


@dataclass
class Site:
    """A simulated site and how it is read."""

    simulator: Simulator

    @property
    def oauth2(self) -> Record:
        """How to sign in with the developer key."""
        names = {"client_id": "ID", "client_secret": "SECRET", "refresh_token": "REFRESH"}
        return {"type": "oauth2"} | {field: f"env:CANVAS_{name}" for field, name in names.items()}

    def config(self, **more: Any) -> CanvasConfig:
        """A source that reads the site."""
        return config_of(self.simulator.url, **more)

    def pages(self, entity: str, **more: Any) -> list[Page]:
        """All pages of an entity."""
        config = self.config(**more)
        with CONNECTOR.open(config) as client:
            return list(stream_of(config, entity).read(client, Window()).pages)

    def read(self, entity: str, **more: Any) -> Accepted:
        """What of an entity is accepted."""
        sieve = Sieve(0, None)
        return accept(stream_of(self.config(**more), entity), [sieve.sift(page) for page in self.pages(entity, **more)])

    def ids(self, entity: str, **more: Any) -> list[str]:
        """The ids that are accepted, each once, in order."""
        return sorted(set(self.read(entity, **more).frame["external_id"]))

    def asked(self, collection: str) -> list[Any]:
        """The requests for a collection so far."""
        return [request for request in self.simulator.requests if request.collection == collection]

    def truth(self) -> Truth:
        """What core must hold."""
        return truth_of(self.simulator)


@dataclass
class MemoryKeep:
    """Keeps a token for one test."""

    held: dict[str, Any] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def alone(self) -> Iterator[MemoryKeep]:
        """The slot."""
        with self.lock:
            yield self

    def read(self) -> dict[str, Any] | None:
        """What is kept."""
        return self.held

    def write(self, held: dict[str, Any]) -> None:
        """Keep it."""
        self.held = held


@pytest.fixture(autouse=True)
def keep(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryKeep]:
    """Nothing waits, tokens are kept in memory, and the secrets are the simulator's."""
    stamina.set_testing(True)
    monkeypatch.setenv("CANVAS_TOKEN", Simulator.token)
    monkeypatch.setenv("CANVAS_ID", Simulator.client_id)
    monkeypatch.setenv("CANVAS_SECRET", Simulator.client_secret)
    monkeypatch.setenv("CANVAS_REFRESH", Simulator.refresh_token)
    own = MemoryKeep()
    monkeypatch.setattr("connector_pipelines.connectors.canvas.client.kept", lambda *_: own)
    yield own
    stamina.set_testing(False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A tiny site that behaves, for now."""
    with Simulator(scenario="tiny", seed=7) as running:
        yield running


@pytest.fixture
def site(simulator: Simulator) -> Site:
    """The tiny site, and how it is read."""
    return Site(simulator)


@pytest.fixture
def site_of() -> Callable[[Simulator], Site]:
    """How any simulator is read."""
    return Site


ASSIGNMENT = {
    "id": "7",
    "workflow_state": "published",
    "use_rubric_for_grading": True,
    "rubric": [
        {
            "id": "_1",
            "points": 10.0,
            "description": "Argument",
            "ratings": [
                {"id": "blank", "points": 10.0, "description": "Excellent"},
                {"id": "_2", "points": 5.5, "description": "Good"},
                {"id": "_3", "points": 0.0, "description": "No Marks"},
            ],
        },
        {"id": "crit2", "points": 4, "description": " ", "ratings": [{"id": "blank", "points": 4, "description": "A"}]},
    ],
    "rubric_settings": {"id": "70", "hide_points": False},
}
"""An assignment with a rubric, of which the second criterion was given no words."""


def accepted(entity: str, records: list[Record], **more: Any) -> Accepted:
    """What of some records, as they travel, is accepted."""
    told = {name: value for name, value in more.items() if name != "assignment"}
    stream = stream_of(config_of("https://canvas.example", **told), entity)
    body = json.dumps(records).encode()
    if entity == "sections":
        course = {"id": "1", "account_id": "2", "enrollment_term_id": "3", "workflow_state": "available"}
        body = json.dumps({"course": course, "sections": records}).encode()
    if entity == "rubric_scores":
        rubric = rubrics.rubric_of(json.dumps(ASSIGNMENT | more.get("assignment", {})).encode())
        body = rubrics.with_rubrics([rubric] if rubric else [], [json.dumps(one).encode() for one in records])
    return accept(stream, [Sieve(0, None).sift(Page(1, "u", 200, body, stream.split(body)))])


@pytest.fixture
def accepted_of() -> Callable[..., Accepted]:
    """What of some records, as they travel, is accepted."""
    return accepted


@pytest.fixture
def core_of() -> Callable[..., list[Record]]:
    """What core gets of records as they travel, as dicts with None for what is missing."""

    def make(entity: str, *records: Record, **more: Any) -> list[Record]:
        found = accepted(entity, list(records), **more)
        assert found.rejections == []
        plain: pd.DataFrame = found.frame.astype(object).where(found.frame.notna(), None)
        return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]

    return make


def _id(value: int | None) -> str | None:
    return None if value is None else str(value)


def _day(text: str | None) -> date | None:
    return datetime.fromisoformat(text).astimezone(ZoneInfo(ZONE)).date() if text else None


def _status(record: Record) -> str:
    return "inactive" if record["workflow_state"] in {"deleted", "completed"} else "active"


def _account(r: Record) -> Record:
    return {
        "name": r["name"],
        "organization_type": None,
        "identifier": r["sis_account_id"],
        "status": _status(r),
        "parent": _id(r["parent_account_id"]),
    }


def _term(r: Record) -> Record:
    return {
        "title": r["name"],
        "term_type": None,
        "start_date": _day(r["start_at"]),
        "end_date": _day(r["end_at"]),
        "school_year": None,
        "status": _status(r),
        "parent": None,
    }


def _course(r: Record) -> Record:
    return {
        "title": r["name"],
        "course_code": r["course_code"],
        "grades": None,
        "subjects": None,
        "status": _status(r),
        "organization": _id(r["account_id"]),
    }


def _section(r: Record, course: Record) -> Record:
    nothing = dict.fromkeys(("section_type", "location", "grades", "subjects", "periods"))
    return nothing | {
        "title": r["name"],
        "section_code": r["sis_section_id"],
        "status": _status(course),
        "course": _id(r["course_id"]),
        "organization": _id(course["account_id"]),
        "term": _id(course["enrollment_term_id"]),
    }


def _person(r: Record, number: str) -> Record:
    nothing = dict.fromkeys(("middle_name", "phone", "enabled", "organization"))
    return nothing | {
        "given_name": r["first_name"],
        "family_name": r["last_name"] or r["name"],
        "preferred_name": r["short_name"] if r["short_name"] != r["name"] else None,
        "username": r["login_id"],
        "email": r["email"],
        "status": "active",
        number: r["sis_user_id"],
    }


def _enrollment(r: Record) -> Record:
    state = {"inactive": "withdrawn", "rejected": "dropped", "deleted": "dropped"}
    return {
        "status": state.get(r["enrollment_state"], "enrolled"),
        "start_date": _day(r["start_at"] or r["created_at"]),
        "end_date": _day(r["end_at"]),
        "student": _id(r["user_id"]),
        "section": _id(r["course_section_id"]),
    }


def _teaching(r: Record) -> Record:
    left = r["enrollment_state"] in {"inactive", "rejected", "deleted"}
    return {
        "status": "inactive" if left else "active",
        "is_primary": False if r["type"] == "TaEnrollment" else None,
        "start_date": _day(r["start_at"] or r["created_at"]),
        "end_date": _day(r["end_at"]),
        "instructor": _id(r["user_id"]),
        "section": _id(r["course_section_id"]),
    }


def _assessment(r: Record) -> Record:
    kinds = {"online_quiz": "quiz", "discussion_topic": "discussion"}
    return {
        "title": r["name"],
        "assessment_type": kinds.get(r["submission_types"][0], "assignment"),
        "available_at": None,
        "due_at": _moment(r["due_at"]),
        "min_score": Decimal(0),
        "max_score": Decimal(str(r["points_possible"])),
        "learning_outcome": None,
        "program_outcome": None,
        "is_finalized": None,
        "status": "active" if r["workflow_state"] == "published" else "inactive",
        "section": None,
        "course": _id(r["course_id"]),
    }


def _grade(r: Record) -> Record:
    nothing = dict.fromkeys(("max_score", "achievement", "comment", "is_override", "section"))
    return nothing | {
        "grade_type": "assignment_grade",
        "score": Decimal(str(r["score"])),
        "letter_grade": r["grade"] if r["grade"].isalpha() else None,
        "graded_at": _moment(r["graded_at"]),
        "status": "active",
        "student": _id(r["user_id"]),
        "assessment": _id(r["assignment_id"]),
    }


def _submission(r: Record) -> Record:
    return {
        "state": "reopened" if r["redo_request"] else "submitted",
        "attempt": r["attempt"],
        "submitted_at": _moment(r["submitted_at"]),
        "grading_state": "graded" if r["workflow_state"] == "graded" else "notgraded",
        "status": "active",
        "student": _id(r["user_id"]),
        "assessment": _id(r["assignment_id"]),
    }


def _rubric_score(r: Record) -> Record:
    return {
        "criterion": r["criterion"],
        "level": r["level"],
        "points": None if r["points"] is None else Decimal(str(r["points"])),
        "max_points": None if r["max_points"] is None else Decimal(str(r["max_points"])),
        "comment": r["comment"],
        "graded_at": _moment(r["graded_at"]),
        "status": "active",
        "student": _id(r["user_id"]),
        "assessment": _id(r["assignment_id"]),
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def truth_of(simulator: Simulator) -> Truth:
    """What core must hold after a first read, worked out from the simulator's records and the README's tables.

    What is deleted before it came to core never comes there.
    """
    courses = {r["id"]: r for r in simulator.expected("courses")}
    enrollments = [r for r in simulator.expected("enrollments") if r["enrollment_state"] != "deleted"]
    work = list(simulator.expected("submissions"))
    teachers = [*simulator.expected("teacher"), *simulator.expected("ta")]
    return {
        "organizations": {str(r["id"]): _account(r) for r in simulator.expected("accounts")},
        "terms": {str(r["id"]): _term(r) for r in simulator.expected("terms") if r["workflow_state"] != "deleted"},
        "courses": {str(r["id"]): _course(r) for r in courses.values() if r["workflow_state"] != "deleted"},
        "sections": {str(r["id"]): _section(r, courses[r["course_id"]]) for r in simulator.expected("sections")},
        "students": {
            str(r["id"]): _person(r, "student_number") | {"grades": None} for r in simulator.expected("student")
        },
        "instructors": {str(r["id"]): _person(r, "staff_number") for r in teachers},
        "enrollments": {str(r["id"]): _enrollment(r) for r in enrollments if r["type"] == "StudentEnrollment"},
        "teaching_assignments": {
            str(r["id"]): _teaching(r) for r in enrollments if r["type"] in {"TeacherEnrollment", "TaEnrollment"}
        },
        "assessments": {str(r["id"]): _assessment(r) for r in simulator.expected("assignments")},
        "grades": {str(r["id"]): _grade(r) for r in work if r["score"] is not None},
        "submissions": {str(r["id"]): _submission(r) for r in work if r["submitted_at"]},
        "rubric_scores": {
            f"{r['submission_id']}:{r['criterion_id']}": _rubric_score(r) for r in simulator.expected("rubric_scores")
        },
    }
