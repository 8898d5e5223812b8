"""Records as they travel, and what core gets of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.validation.accept import Accepted


PERSON = {"id": "5", "name": "Ada Lovelace", "sortable_name": "Lovelace, Ada", "short_name": "Ada Lovelace"}
ENROLLED = {
    "id": "9",
    "type": "StudentEnrollment",
    "enrollment_state": "active",
    "user_id": "40210000000000007",
    "course_section_id": "3",
    "created_at": "2026-08-02T05:00:00Z",
    "updated_at": "2026-08-03T05:00:00Z",
}


@pytest.mark.parametrize(
    ("more", "given", "family"),
    [
        ({}, "Ada", "Lovelace"),
        ({"first_name": "Augusta Ada", "last_name": "King"}, "Augusta Ada", "King"),
        ({"sortable_name": "de la Cruz, María  José"}, "María  José", "de la Cruz"),
        ({"sortable_name": "King, Ada, Countess"}, "Ada, Countess", "King"),
        ({"name": "Plato", "sortable_name": "Plato"}, "Plato", "Plato"),
        ({"name": "Plato", "sortable_name": None}, "Plato", "Plato"),
        ({"name": "Plato", "sortable_name": "Plato,"}, "Plato", "Plato"),
    ],
)
def test_names(core_of: Any, more: dict[str, Any], given: str, family: str) -> None:
    """Names come from their own fields, else from the sortable name; one name alone stands in both places."""
    (found,) = core_of("students", PERSON | more)
    assert (found["given_name"], found["family_name"], found["preferred_name"]) == (
        given,
        family,
        "Ada Lovelace" if more.get("name") else None,
    )


@pytest.mark.parametrize(
    ("state", "status", "teaching", "deleted"),
    [
        ("active", "enrolled", "active", False),
        ("invited", "enrolled", "active", False),
        ("creation_pending", "enrolled", "active", False),
        ("completed", "enrolled", "active", False),
        ("inactive", "withdrawn", "inactive", False),
        ("rejected", "dropped", "inactive", False),
        ("deleted", "dropped", "inactive", True),
    ],
)
def test_states_of_enrollments(core_of: Any, state: str, status: str, teaching: str, deleted: bool) -> None:  # noqa: FBT001 -- a column of the table
    """Every state of an enrollment has its status in core (G46), and deleted is said as such."""
    (student,) = core_of("enrollments", ENROLLED | {"enrollment_state": state})
    (teacher,) = core_of("teaching_assignments", ENROLLED | {"enrollment_state": state, "type": "TeacherEnrollment"})
    assert (student["status"], student["deleted"]) == (status, deleted)
    assert (teacher["status"], teacher["deleted"], teacher["is_primary"]) == (teaching, deleted, None)


def test_days_are_those_of_the_school(core_of: Any) -> None:
    """A moment is the day it is where the school is, not the day it is in Greenwich."""
    term = {"id": "1", "name": "Fall", "start_at": "2026-08-24T06:00:00Z", "end_at": "2026-12-19T06:59:59Z"}
    (there,) = core_of("terms", term)
    (here,) = core_of("terms", term, time_zone="UTC")
    assert (there["start_date"], there["end_date"]) == (date(2026, 8, 24), date(2026, 12, 18))
    assert (here["start_date"], here["end_date"]) == (date(2026, 8, 24), date(2026, 12, 19))


def test_an_enrollment_begins_when_it_says(core_of: Any) -> None:
    """Its own dates count, else it begins with the day it was made; when it changed comes along."""
    (plain,) = core_of("enrollments", ENROLLED)
    (dated,) = core_of("enrollments", ENROLLED | {"start_at": "2026-09-01T12:00:00Z", "end_at": "2026-10-01T12:00:00Z"})
    assert (plain["start_date"], plain["end_date"]) == (date(2026, 8, 1), None)
    assert (dated["start_date"], dated["end_date"]) == (date(2026, 9, 1), date(2026, 10, 1))
    assert plain["modified_at"] == datetime(2026, 8, 3, 5, tzinfo=UTC)


def test_ids_keep_every_digit(core_of: Any) -> None:
    """An id beyond 2^53 is the same whether it came as text or as a number."""
    (text,), (number,) = (
        core_of("enrollments", ENROLLED | {"user_id": u}) for u in ("40210000000000007", 40210000000000007)
    )
    assert text == number | {"fingerprint": text["fingerprint"]}
    assert number["student"] == "40210000000000007"


def test_other_types_belong_elsewhere(accepted_of: Callable[..., Accepted]) -> None:
    """Each entity takes its own types and says of the others that they belong elsewhere."""
    kinds = ("StudentEnrollment", "TeacherEnrollment", "TaEnrollment", "ObserverEnrollment")
    rows = [ENROLLED | {"id": str(number), "type": kind} for number, kind in enumerate(kinds)]
    assert list(accepted_of("enrollments", rows).frame["external_id"]) == ["0"]
    taught = accepted_of("teaching_assignments", rows)
    assert list(taught.frame["external_id"]) == ["1", "2"]
    assert taught.frame["is_primary"].tolist()[1] is False
    assert taught.skipped == {
        "type StudentEnrollment belongs elsewhere": 1,
        "type ObserverEnrollment belongs elsewhere": 1,
    }


DONE = {
    "id": "4",
    "assignment_id": "7",
    "user_id": "5",
    "score": 88.50,
    "grade": "88.5",
    "attempt": 2,
    "workflow_state": "graded",
    "submitted_at": "2026-09-01T10:00:00Z",
    "graded_at": "2026-09-02T10:00:00Z",
    "excused": False,
}


@pytest.mark.parametrize(
    ("more", "score", "letter"),
    [
        ({}, "88.5", None),
        ({"grade": "B+"}, "88.5", "B+"),
        ({"grade": "88.5%"}, "88.5", None),
        ({"score": None, "grade": "complete"}, None, "complete"),
        ({"score": 0, "grade": "0", "submitted_at": None, "attempt": None}, "0", None),
    ],
)
def test_grades(core_of: Any, more: dict[str, Any], score: str | None, letter: str | None) -> None:
    """A grade is its points and, where it says more than these, its letter; handed in or not."""
    (found,) = core_of("grades", DONE | more)
    assert (found["score"], found["letter_grade"], found["grade_type"]) == (score, letter, "assignment_grade")
    assert (found["assessment"], found["student"], found["deleted"]) == ("7", "5", False)


def test_who_is_excused_has_no_grade(core_of: Any, accepted_of: Callable[..., Accepted]) -> None:
    """Excused after being graded, a grade is taken back; what is not graded is none."""
    (excused,) = core_of("grades", DONE | {"score": None, "grade": None, "excused": True})
    assert (excused["deleted"], excused["status"]) == (True, "inactive")
    waiting = DONE | {"workflow_state": "submitted", "score": None, "grade": None, "graded_at": None}
    assert accepted_of("grades", [waiting]).skipped == {"is not graded": 1}


@pytest.mark.parametrize(
    ("more", "state", "grading"),
    [
        ({}, "submitted", "graded"),
        ({"redo_request": True}, "reopened", "graded"),
        ({"workflow_state": "pending_review"}, "submitted", "notgraded"),
    ],
)
def test_submissions(core_of: Any, more: dict[str, Any], state: str, grading: str) -> None:
    """A submission says whether it is to be done again and whether it was graded; the later of both times counts."""
    (found,) = core_of("submissions", DONE | more)
    assert (found["state"], found["grading_state"], found["attempt"]) == (state, grading, 2)
    assert found["modified_at"] == datetime(2026, 9, 2, 10, tzinfo=UTC)


def test_what_was_not_handed_in_is_no_submission(accepted_of: Callable[..., Accepted]) -> None:
    """Canvas has a record of everybody for every assignment; without a time of handing in it is none of ours."""
    found = accepted_of("submissions", [DONE | {"submitted_at": None, "workflow_state": "unsubmitted"}])
    assert found.skipped == {"was not handed in": 1}


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["online_quiz"], "quiz"),
        (["discussion_topic"], "discussion"),
        (["online_upload", "on_paper"], "assignment"),
        ([], "assignment"),
    ],
)
def test_assignments(core_of: Any, types: list[str], kind: str) -> None:
    """An assignment is called by what is done for it, has its points, and is in use once it is published."""
    told = {"id": "7", "course_id": "1", "name": "Essay", "points_possible": 20.0, "workflow_state": "published"}
    (found,) = core_of("assessments", told | {"submission_types": types})
    assert (found["assessment_type"], found["max_score"], found["status"]) == (kind, "20", "active")
    (draft,) = core_of("assessments", told | {"workflow_state": "unpublished", "points_possible": None})
    assert (draft["min_score"], draft["max_score"], draft["status"]) == (None, None, "inactive")


BAD = [
    ("grades", DONE, {"score": "a lot"}, "score must be a number"),
    ("submissions", DONE, {"workflow_state": "lost"}, "workflow_state must be one of"),
    ("enrollments", ENROLLED, {"enrollment_state": "unheard_of"}, "enrollment_state must be one of"),
    ("enrollments", ENROLLED, {"user_id": None}, "user_id is required"),
    ("enrollments", ENROLLED, {"created_at": "yesterday"}, "created_at must be an ISO 8601 time"),
    ("enrollments", ENROLLED, {"id": "abc"}, "id must be a number"),
    ("students", PERSON, {"name": " "}, "name must not be blank"),
    ("students", PERSON, {"email": "x" * 256}, "email must have at most 255 characters"),
    ("sections", {"id": "1", "name": "A", "course_id": "1"}, {"course_id": "one"}, "course_id must be a number"),
]


@pytest.mark.parametrize(("entity", "good", "bad", "says"), BAD)
def test_bad_rows_say_why(
    accepted_of: Callable[..., Accepted], entity: str, good: dict[str, Any], bad: dict[str, Any], says: str
) -> None:
    """A row that is no good is set aside with the field and the rule; its neighbor is taken."""
    found = accepted_of(entity, [good, good | bad])
    assert len(found.frame) == 1
    assert [says in one.reason for one in found.rejections] == [True]


def test_a_section_has_what_its_course_knows(core_of: Any) -> None:
    """Term, organization and state of a section are those of its course."""
    (found,) = core_of("sections", {"id": "8", "name": "A", "course_id": "1", "sis_section_id": "S-A"})
    assert (found["term"], found["organization"], found["course"], found["status"]) == ("3", "2", "1", "active")
    assert found["section_code"] == "S-A"
