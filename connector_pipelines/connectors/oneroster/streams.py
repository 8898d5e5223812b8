"""What a OneRoster source can read, parents before children."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster import archive, client, columns
from connector_pipelines.model import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas import DataFrame
    from pandera.pandas import DataFrameModel, DataFrameSchema

    from connector_pipelines.connectors.oneroster.config import OneRosterConfig

    Transform = Callable[[DataFrame], DataFrame]


def _schema(pick: Callable[[Any], type[DataFrameModel]]) -> Callable[[], DataFrameSchema]:
    """A schema, imported when it is needed: pandera and pandas take longer to import than all the rest."""

    def give() -> DataFrameSchema:
        from connector_pipelines.connectors.oneroster import schemas

        return pick(schemas).to_schema()

    return give


def _transform(pick: Callable[[Any], Transform]) -> Transform:
    """A transform, imported when it is needed."""

    def run(frame: DataFrame) -> DataFrame:
        from connector_pipelines.connectors.oneroster import transform

        return pick(transform)(frame)

    return run


REST = (
    Stream(
        entity="organizations",
        read=client.orgs,
        split=columns.split_orgs,
        decode=columns.decode_org,
        columns=columns.ORG_COLUMNS,
        schema=_schema(lambda schemas: schemas.Orgs),
        transform=_transform(lambda transform: transform.organizations),
        endpoint="GET /orgs",
    ),
    Stream(
        entity="terms",
        read=client.academic_sessions,
        split=columns.split_academic_sessions,
        decode=columns.decode_academic_session,
        columns=columns.ACADEMIC_SESSION_COLUMNS,
        schema=_schema(lambda schemas: schemas.AcademicSessions),
        transform=_transform(lambda transform: transform.terms),
        endpoint="GET /academicSessions",
    ),
    Stream(
        entity="courses",
        read=client.courses,
        split=columns.split_courses,
        decode=columns.decode_course,
        columns=columns.COURSE_COLUMNS,
        schema=_schema(lambda schemas: schemas.Courses),
        transform=_transform(lambda transform: transform.courses),
        endpoint="GET /courses",
    ),
    Stream(
        entity="sections",
        read=client.classes,
        split=columns.split_classes,
        decode=columns.decode_class,
        columns=columns.CLASS_COLUMNS,
        schema=_schema(lambda schemas: schemas.Classes),
        transform=_transform(lambda transform: transform.sections),
        endpoint="GET /classes",
    ),
    Stream(
        entity="students",
        read=client.students,
        split=columns.split_students,
        decode=columns.decode_user,
        columns=columns.USER_COLUMNS,
        schema=_schema(lambda schemas: schemas.Users),
        transform=_transform(lambda transform: transform.students),
        endpoint="GET /students",
    ),
    Stream(
        entity="instructors",
        read=client.teachers,
        split=columns.split_teachers,
        decode=columns.decode_user,
        columns=columns.USER_COLUMNS,
        schema=_schema(lambda schemas: schemas.Users),
        transform=_transform(lambda transform: transform.instructors),
        endpoint="GET /teachers",
    ),
    Stream(
        entity="enrollments",
        read=client.student_enrollments,
        split=columns.split_enrollments,
        decode=columns.decode_enrollment,
        columns=columns.ENROLLMENT_COLUMNS,
        schema=_schema(lambda schemas: schemas.Enrollments),
        transform=_transform(lambda transform: transform.enrollments),
        endpoint="GET /enrollments, role student",
    ),
    Stream(
        entity="teaching_assignments",
        read=client.teacher_enrollments,
        split=columns.split_enrollments,
        decode=columns.decode_enrollment,
        columns=columns.ENROLLMENT_COLUMNS,
        schema=_schema(lambda schemas: schemas.Enrollments),
        transform=_transform(lambda transform: transform.teaching_assignments),
        endpoint="GET /enrollments, role teacher",
    ),
)


def streams(config: OneRosterConfig) -> tuple[Stream, ...]:
    """The streams a config switches on. A zip is read whole each time: it can be asked for no span and no record."""
    wanted = (stream for stream in REST if config.provides(stream.entity))
    if config.version != "csv":
        return tuple(replace(stream, by_id=True) for stream in wanted)
    return tuple(
        replace(
            stream, read=archive.reader(stream.entity), filters_by_time=False, endpoint=archive.file_of(stream.entity)
        )
        for stream in wanted
    )
