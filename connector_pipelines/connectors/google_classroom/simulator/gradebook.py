"""Course work, and what its students do with it: everything follows from the course, the work and the student."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.google_classroom.simulator.instants import stamp
from connector_pipelines.connectors.google_classroom.simulator.rubrics import given

if TYPE_CHECKING:
    from collections.abc import Sequence

Record = dict[str, Any]

_KINDS = ("ASSIGNMENT", "SHORT_ANSWER_QUESTION", "MULTIPLE_CHOICE_QUESTION")
_STATES = ("PUBLISHED", "PUBLISHED", "DRAFT", "DELETED")
_GIVEN = ("NEW", "CREATED", "TURNED_IN", "RETURNED")


def course_work(course: str, number: int, now: datetime) -> Record:
    """The n-th course work of a course: with a due date or without, graded or not."""
    made, due = now + timedelta(minutes=number), now + timedelta(days=14 + number)
    work: Record = {
        "courseId": course,
        "id": str(500 + number),
        "title": f"Homework {number}",
        "state": _STATES[number % len(_STATES)],
        "creationTime": stamp(made),
        "updateTime": stamp(made, number % 10),
        "workType": _KINDS[number % len(_KINDS)],
        "submissionModificationMode": "MODIFIABLE_UNTIL_TURNED_IN",
        "assigneeMode": "ALL_STUDENTS",
    }
    if number != 1:
        clock = {} if number == 0 else {"hours": 21, "minutes": 59}  # midnight: zeros are left out
        work |= {"dueDate": {"year": due.year, "month": due.month, "day": due.day}, "dueTime": clock}
    return work | ({"maxPoints": 100} if number != 2 else {})  # noqa: PLR2004 -- one is not graded


def submission(work: Record, person: str, seed: int, rubrics: Sequence[Record] = ()) -> Record:
    """How far somebody is with it; a grade is given where it was returned, and what rubrics say, which a teacher begins
    with before.
    """
    dice = random.Random(f"{seed}:{work['courseId']}:{work['id']}:{person}")
    state, made = dice.choice(_GIVEN), datetime.fromisoformat(work["creationTime"])
    steps = _GIVEN[1 : _GIVEN.index(state) + 1]
    times = {step: stamp(made + timedelta(hours=dice.randrange(1, 20) + 24 * n)) for n, step in enumerate(steps, 1)}
    history: list[Record] = [
        {"stateHistory": {"state": step, "stateTimestamp": at, "actorUserId": person}} for step, at in times.items()
    ]
    record: Record = {
        "courseId": work["courseId"],
        "courseWorkId": work["id"],
        "id": f"Cg{dice.randrange(10**9):09x}",
        "userId": person,
        "state": state,
        "courseWorkType": work["workType"],
        "alternateLink": f"https://classroom.example/s/{person}",
    } | ({"creationTime": stamp(made), "updateTime": times[state]} if times else {})
    drafted = {key: grade for one in rubrics for key, grade in given(one, person, seed + 1).items()}
    if drafted and state in {"TURNED_IN", "RETURNED"}:
        record["draftRubricGrades"] = drafted
    assessed = {key: grade for one in rubrics for key, grade in given(one, person, seed).items()}
    if assessed and state == "RETURNED":
        record["assignedRubricGrades"] = assessed
    if state != "RETURNED" or "maxPoints" not in work:
        return record | ({"submissionHistory": history} if history else {})
    grade = dice.choice((dice.randrange(40, 100), 87.5))
    change = {
        "pointsEarned": grade,
        "maxPoints": work["maxPoints"],
        "gradeTimestamp": times[state],
        "actorUserId": "1",
        "gradeChangeType": "ASSIGNED_GRADE_POINTS_EARNED_CHANGE",
    }
    graded = {"assignedGrade": grade, "draftGrade": grade, "submissionHistory": [*history, {"gradeHistory": change}]}
    return record | graded
