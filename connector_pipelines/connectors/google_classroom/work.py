"""Course work and what was handed in, as they travel; and their external columns.

Classroom numbers course work within its course, and submissions within their course work: their ids are joined.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.google_classroom import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Column = Callable[[Any], object]


class Day(msgspec.Struct, gc=False):
    """A calendar day, in UTC; 0 is left out and means that it is not said."""

    year: int = 0
    month: int = 0
    day: int = 0


class Clock(msgspec.Struct, gc=False):
    """A time of day, in UTC; 0 is left out."""

    hours: int = 0
    minutes: int = 0
    seconds: int = 0


class Work(msgspec.Struct, gc=False):
    """courseWork."""

    courseId: str | None = None  # noqa: N815 -- the contract's names, here and below
    id: str | None = None
    title: str | None = None
    state: str | None = None
    workType: str | None = None  # noqa: N815
    updateTime: str | None = None  # noqa: N815
    scheduledTime: str | None = None  # noqa: N815
    dueDate: Day | None = None  # noqa: N815
    dueTime: Clock | None = None  # noqa: N815
    maxPoints: Any = None  # noqa: N815


class StateChange(msgspec.Struct, gc=False):
    """When a submission came into a state."""

    state: str | None = None
    stateTimestamp: str | None = None  # noqa: N815


class GradeChange(msgspec.Struct, gc=False):
    """When a grade was changed, and out of how many points it was."""

    gradeChangeType: str | None = None  # noqa: N815
    gradeTimestamp: str | None = None  # noqa: N815
    maxPoints: Any = None  # noqa: N815


class Change(msgspec.Struct, gc=False):
    """One of the two."""

    stateHistory: StateChange | None = None  # noqa: N815
    gradeHistory: GradeChange | None = None  # noqa: N815


class Handed(msgspec.Struct, gc=False):
    """studentSubmissions: one for each student and course work, handed in or not."""

    courseId: str | None = None  # noqa: N815
    courseWorkId: str | None = None  # noqa: N815
    id: str | None = None
    userId: str | None = None  # noqa: N815
    updateTime: str | None = None  # noqa: N815
    state: str | None = None
    assignedGrade: Any = None  # noqa: N815
    submissionHistory: list[Change] | None = None  # noqa: N815


def joined(*parts: object) -> str | None:
    """An id of several parts; None where one is missing."""
    return ":".join(map(str, parts)) if all(isinstance(part, str) and part for part in parts) else None


decode_work = wire.decoder(Work, lambda told: joined(told.get("courseId"), told.get("id")))
decode_handed = wire.decoder(
    Handed, lambda told: joined(told.get("courseId"), told.get("courseWorkId"), told.get("id"))
)


def due(work: Work) -> str | None:
    """When it is due; a day without a time is due when it begins, as Google says it in UTC."""
    day, clock = work.dueDate, work.dueTime or Clock()
    if day is None or not (day.year and day.month and day.day):
        return None
    time = f"{clock.hours:02}:{clock.minutes:02}:{clock.seconds:02}"
    return f"{day.year:04}-{day.month:02}-{day.day:02}T{time}Z"


def _handed_in(handed: Handed) -> str | None:
    """When it was handed in last."""
    states = (change.stateHistory for change in handed.submissionHistory or ())
    return max((s.stateTimestamp for s in states if s and s.state == "TURNED_IN" and s.stateTimestamp), default=None)


def _graded(handed: Handed) -> GradeChange | None:
    """How the grade that stands was given."""
    grades = (change.gradeHistory for change in handed.submissionHistory or ())
    given = [g for g in grades if g and g.gradeChangeType == "ASSIGNED_GRADE_POINTS_EARNED_CHANGE"]
    return max(given, key=lambda grade: grade.gradeTimestamp or "", default=None)


OF_SUBMISSIONS: Mapping[str, Column] = {
    "id": lambda handed: joined(handed.courseId, handed.courseWorkId, handed.id),
    "work": lambda handed: joined(handed.courseId, handed.courseWorkId),
    "userId": attrgetter("userId"),
    "updateTime": attrgetter("updateTime"),
}
"""What is read of a submission, whatever else is."""

WORK: Mapping[str, Column] = {
    "id": lambda work: joined(work.courseId, work.id),
    "courseId": attrgetter("courseId"),
    "title": attrgetter("title"),
    "state": attrgetter("state"),
    "workType": attrgetter("workType"),
    "updateTime": attrgetter("updateTime"),
    "scheduledTime": attrgetter("scheduledTime"),
    "due": due,
    "maxPoints": attrgetter("maxPoints"),
}
SUBMISSIONS: Mapping[str, Column] = {**OF_SUBMISSIONS, "state": attrgetter("state"), "handed": _handed_in}
GRADES: Mapping[str, Column] = {
    **OF_SUBMISSIONS,
    "grade": attrgetter("assignedGrade"),
    "maxPoints": lambda handed: getattr(_graded(handed), "maxPoints", None),
    "graded": lambda handed: getattr(_graded(handed), "gradeTimestamp", None),
}
