"""What a Google Classroom source can read, parents before children."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from connector_pipelines import later
from connector_pipelines.connectors.google_classroom import client, rubrics, wire, work
from connector_pipelines.model import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.connectors.google_classroom.config import GoogleClassroomConfig

    Column = Callable[[Any], object]


PACKAGE = "connector_pipelines.connectors.google_classroom"


def _called(name: str) -> Column:
    """A part of a person's name."""
    return lambda person: getattr(person.name, name, None)


def _place(member: wire.Member) -> str | None:
    return f"{member.courseId}:{member.userId}" if member.courseId and member.userId else None


_COURSE_FIELDS = "id name section room levels subject courseState updateTime"
COURSES: Mapping[str, Column] = {name: attrgetter(name) for name in _COURSE_FIELDS.split()}
PEOPLE: Mapping[str, Column] = {
    "id": attrgetter("id"),
    "givenName": _called("givenName"),
    "familyName": _called("familyName"),
    "emailAddress": attrgetter("emailAddress"),
}
MEMBERS: Mapping[str, Column] = {
    "id": _place,
    "courseId": attrgetter("courseId"),
    "userId": attrgetter("userId"),
    "owns": attrgetter("owns"),
}


def _of_courses(entity: str) -> Stream:
    return Stream(
        entity=entity,
        read=client.courses,
        split=wire.split_courses,
        decode=wire.decode_course,
        columns=COURSES,
        schema=later.schema(PACKAGE, "Courses"),
        transform=later.transform(PACKAGE, entity),
        filters_by_time=False,
        endpoint="GET /v1/courses",
    )


STREAMS = (
    _of_courses("courses"),
    _of_courses("sections"),
    Stream(
        entity="students",
        read=client.students,
        split=wire.people("students"),
        decode=wire.decode_person,
        columns=PEOPLE,
        schema=later.schema(PACKAGE, "People"),
        transform=later.transform(PACKAGE, "students"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/students",
        once_a_day=True,
    ),
    Stream(
        entity="instructors",
        read=client.teachers,
        split=wire.people("teachers"),
        decode=wire.decode_person,
        columns=PEOPLE,
        schema=later.schema(PACKAGE, "People"),
        transform=later.transform(PACKAGE, "instructors"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/teachers",
        once_a_day=True,
    ),
    Stream(
        entity="enrollments",
        read=client.enrollments,
        split=wire.members("students"),
        decode=wire.decode_member,
        columns=MEMBERS,
        schema=later.schema(PACKAGE, "Members"),
        transform=later.transform(PACKAGE, "enrollments"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/students",
        once_a_day=True,
    ),
    Stream(
        entity="teaching_assignments",
        read=client.teaching_assignments,
        split=wire.members("teachers"),
        decode=wire.decode_member,
        columns=MEMBERS,
        schema=later.schema(PACKAGE, "Members"),
        transform=later.transform(PACKAGE, "teaching_assignments"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/teachers",
        once_a_day=True,
    ),
    Stream(
        entity="assessments",
        read=client.course_work,
        split=wire.members("courseWork"),
        decode=work.decode_work,
        columns=work.WORK,
        schema=later.schema(PACKAGE, "Works"),
        transform=later.transform(PACKAGE, "assessments"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/courseWork",
        once_a_day=True,
    ),
    Stream(
        entity="grades",
        read=client.grades,
        split=wire.members("studentSubmissions"),
        decode=work.decode_handed,
        columns=work.GRADES,
        schema=later.schema(PACKAGE, "Grades"),
        transform=later.transform(PACKAGE, "grades"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/courseWork/-/studentSubmissions",
        once_a_day=True,
    ),
    Stream(
        entity="submissions",
        read=client.submissions,
        split=wire.members("studentSubmissions"),
        decode=work.decode_handed,
        columns=work.SUBMISSIONS,
        schema=later.schema(PACKAGE, "Submissions"),
        transform=later.transform(PACKAGE, "submissions"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/courseWork/-/studentSubmissions",
        once_a_day=True,
    ),
    Stream(
        entity="rubric_scores",
        read=client.rubric_scores,
        split=rubrics.scores,
        decode=rubrics.decode_score,
        columns=rubrics.SCORES,
        schema=later.schema(PACKAGE, "RubricScores"),
        transform=later.transform(PACKAGE, "rubric_scores"),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/courseWork/-/studentSubmissions, …/courseWork/{courseWorkId}/rubrics",
        once_a_day=True,
    ),
)


def streams(config: GoogleClassroomConfig) -> tuple[Stream, ...]:
    """The streams a config switches on."""
    return tuple(stream for stream in STREAMS if config.provides(stream.entity))
