"""What a Google Classroom source can read, parents before children."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.google_classroom import client, wire
from connector_pipelines.model import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pandas import DataFrame
    from pandera.pandas import DataFrameModel, DataFrameSchema

    from connector_pipelines.connectors.google_classroom.config import GoogleClassroomConfig

    Column = Callable[[Any], object]


def _schema(pick: Callable[[Any], type[DataFrameModel]]) -> Callable[[], DataFrameSchema]:
    """A schema, imported when it is needed: pandera and pandas take longer to import than all the rest."""

    def give() -> DataFrameSchema:
        from connector_pipelines.connectors.google_classroom import schemas

        return pick(schemas).to_schema()

    return give


def _transform(pick: Callable[[Any], Callable[[DataFrame], DataFrame]]) -> Callable[[DataFrame], DataFrame]:
    """A transform, imported when it is needed."""

    def run(frame: DataFrame) -> DataFrame:
        from connector_pipelines.connectors.google_classroom import transform

        return pick(transform)(frame)

    return run


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


def _of_courses(entity: str, transform: Callable[[Any], Callable[[DataFrame], DataFrame]]) -> Stream:
    return Stream(
        entity=entity,
        read=client.courses,
        split=wire.split_courses,
        decode=wire.decode_course,
        columns=COURSES,
        schema=_schema(lambda schemas: schemas.Courses),
        transform=_transform(transform),
        filters_by_time=False,
        endpoint="GET /v1/courses",
    )


STREAMS = (
    _of_courses("courses", lambda transform: transform.courses),
    _of_courses("sections", lambda transform: transform.sections),
    Stream(
        entity="students",
        read=client.students,
        split=wire.people("students"),
        decode=wire.decode_person,
        columns=PEOPLE,
        schema=_schema(lambda schemas: schemas.People),
        transform=_transform(lambda transform: transform.students),
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
        schema=_schema(lambda schemas: schemas.People),
        transform=_transform(lambda transform: transform.instructors),
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
        schema=_schema(lambda schemas: schemas.Members),
        transform=_transform(lambda transform: transform.enrollments),
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
        schema=_schema(lambda schemas: schemas.Members),
        transform=_transform(lambda transform: transform.teaching_assignments),
        filters_by_time=False,
        endpoint="GET /v1/courses/{courseId}/teachers",
        once_a_day=True,
    ),
)


def streams(config: GoogleClassroomConfig) -> tuple[Stream, ...]:
    """The streams a config switches on."""
    return tuple(stream for stream in STREAMS if config.provides(stream.entity))
