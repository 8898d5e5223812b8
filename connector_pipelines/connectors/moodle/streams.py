"""What a Moodle source can read, parents before children."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector_pipelines import later
from connector_pipelines.connectors.moodle import reading, records
from connector_pipelines.model import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.connectors.moodle.config import MoodleConfig

    Column = Callable[[Any], object]

PACKAGE = "connector_pipelines.connectors.moodle"

ASSIGN = "assign"


def _joined(*parts: object) -> str | None:
    """An id of several parts; None where one is missing."""
    return None if None in parts else ":".join(map(str, parts))


def assessment_of(item: records.Item | None) -> str | None:
    """What an item is an assessment of: an assignment by its instance, anything else by the item's own id."""
    if item is None:
        return None
    if item.itemmodule == ASSIGN and not item.itemnumber:
        return _joined(ASSIGN, item.iteminstance)
    return _joined("item", item.id)


def _of(part: str, name: str) -> Column:
    """A field of the part of a record; None where there is no such part."""
    return lambda record: getattr(getattr(record, part), name, None)


def _either(name: str, other: str) -> Column:
    """A field of an assignment, or else one of an item."""
    return lambda record: getattr(record.assignment or record.item, name if record.assignment else other, None)


def _assessment_id(record: records.Assessment) -> str | None:
    return _joined(ASSIGN, record.assignment.id) if record.assignment else assessment_of(record.item)


def _twice(record: records.Assessment) -> object:
    """Whether an item is that of an assignment, which is read with more about it."""
    return bool(record.item and (assessment_of(record.item) or "").startswith(ASSIGN))


ASSESSMENTS: Mapping[str, Column] = {
    "id": _assessment_id,
    "course": lambda record: record.assignment.course if record.assignment else record.courseid,
    "name": _either("name", "itemname"),
    "itemtype": lambda record: ASSIGN if record.assignment else getattr(record.item, "itemtype", None),
    "module": _of("item", "itemmodule"),
    "duedate": _of("assignment", "duedate"),
    "from": _of("assignment", "allowsubmissionsfromdate"),
    "least": _of("item", "grademin"),
    "most": _either("grade", "grademax"),
    "timemodified": _of("assignment", "timemodified"),
    "twice": _twice,
}
GRADES: Mapping[str, Column] = {
    "id": lambda record: _joined(getattr(record.item, "id", None), record.userid),
    "user": lambda record: record.userid,
    "assessment": lambda record: assessment_of(record.item),
    "itemtype": _of("item", "itemtype"),
    "grade": _of("item", "graderaw"),
    "most": _of("item", "grademax"),
    "graded": _of("item", "gradedategraded"),
    "overridden": _of("item", "gradeisoverridden"),
    "feedback": lambda record: records.words(getattr(record.item, "feedback", None)),
}
SUBMISSIONS: Mapping[str, Column] = {
    "id": _of("submission", "id"),
    "user": _of("submission", "userid"),
    "assignment": lambda record: _joined(ASSIGN, record.assignmentid),
    "attempt": _of("submission", "attemptnumber"),
    "status": _of("submission", "status"),
    "gradingstatus": _of("submission", "gradingstatus"),
    "timemodified": _of("submission", "timemodified"),
}


def _level(record: records.RubricScore) -> records.Level | None:
    """The level that somebody reached, where the rubric still has it."""
    levels = (record.criterion.levels if record.criterion else None) or ()
    return next((one for one in levels if record.filling and one.id == record.filling.levelid), None)


def _most(record: records.RubricScore) -> object:
    """The most points that a criterion gives."""
    levels = (record.criterion.levels if record.criterion else None) or ()
    return max((level.score for level in levels if level.score is not None), default=None)


RUBRIC_SCORES: Mapping[str, Column] = {
    "id": lambda record: _joined(getattr(record.filling, "criterionid", None), record.userid),
    "user": lambda record: record.userid,
    "assignment": lambda record: _joined(ASSIGN, record.assignmentid),
    "listed": lambda record: record.criterion is not None,
    "place": _of("criterion", "sortorder"),
    "chosen": _of("filling", "levelid"),
    "criterion": lambda record: records.words(getattr(record.criterion, "description", None)),
    "level": lambda record: records.words(getattr(_level(record), "definition", None)),
    "points": lambda record: getattr(_level(record), "score", None),
    "most": _most,
    "remark": lambda record: records.words(getattr(record.filling, "remark", None)),
    "graded": lambda record: record.graded,
    "changed": lambda record: record.changed,
}


def engagement_columns(student: int) -> Mapping[str, Column]:
    """The columns of somebody in a course.

    Args:
        student: the number of the role that students have.
    """

    def is_student(record: records.Presence) -> object:
        roles = record.user.roles if record.user else None
        return any(role.roleid == student for role in roles or ())

    return {
        "id": lambda record: _joined(record.courseid, getattr(record.user, "id", None)),
        "user": _of("user", "id"),
        "course": lambda record: record.courseid,
        "lastaccess": _of("user", "lastaccess"),
        "lastcourseaccess": _of("user", "lastcourseaccess"),
        "student": is_student,
    }


STREAMS = (
    Stream(
        entity="assessments",
        read=reading.assessments,
        split=records.split_assessments,
        decode=records.decoder(records.Assessment),
        columns=ASSESSMENTS,
        schema=later.schema(PACKAGE, "Assessments"),
        transform=later.transform(PACKAGE, "assessments"),
        filters_by_time=False,
        endpoint=f"{reading.ASSIGNMENTS}, {reading.GRADES}",
    ),
    Stream(
        entity="grades",
        read=reading.grades,
        split=records.split_grades,
        decode=records.decoder(records.Grade),
        columns=GRADES,
        schema=later.schema(PACKAGE, "Grades"),
        transform=later.transform(PACKAGE, "grades"),
        filters_by_time=False,
        endpoint=reading.GRADES,
    ),
    Stream(
        entity="submissions",
        read=reading.submissions,
        split=records.split_submissions,
        decode=records.decoder(records.Submission),
        columns=SUBMISSIONS,
        schema=later.schema(PACKAGE, "Submissions"),
        transform=later.transform(PACKAGE, "submissions"),
        endpoint=reading.SUBMISSIONS,
    ),
    Stream(
        entity="engagement",
        read=reading.engagement,
        split=records.split_engagement,
        decode=records.decoder(records.Presence),
        columns={},
        schema=later.schema(PACKAGE, "Engagement"),
        transform=later.transform(PACKAGE, "engagement"),
        filters_by_time=False,
        endpoint=reading.ENROLLED,
        once_a_day=True,
    ),
    Stream(
        entity="rubric_scores",
        read=reading.rubric_scores,
        split=records.split_rubric_scores,
        decode=records.decoder(records.RubricScore),
        columns=RUBRIC_SCORES,
        schema=later.schema(PACKAGE, "RubricScores"),
        transform=later.transform(PACKAGE, "rubric_scores"),
        filters_by_time=False,
        endpoint=f"{reading.RUBRICS}, {reading.FILLED}",
        once_a_day=True,
    ),
)


def streams(config: MoodleConfig) -> tuple[Stream, ...]:
    """The streams a config switches on."""
    return tuple(_as_configured(stream, config) for stream in STREAMS if config.provides(stream.entity))


def _as_configured(stream: Stream, config: MoodleConfig) -> Stream:
    """What is in a course there is in a section here, where the layout makes a course of each section."""
    sections = config.layout == "courses"
    place: Mapping[str, Column] = {"is_section": lambda _: sections}
    match stream.entity:
        case "assessments":
            return replace(stream, columns={**ASSESSMENTS, **place})
        case "engagement":
            return replace(stream, columns={**engagement_columns(config.student), **place})
    return stream
