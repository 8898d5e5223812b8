"""What a OneRoster source can read, parents before children."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector_pipelines import later
from connector_pipelines.connectors.oneroster import archive, client, columns
from connector_pipelines.model import Stream

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.config import OneRosterConfig


PACKAGE = "connector_pipelines.connectors.oneroster"

REST = (
    Stream(
        entity="organizations",
        read=client.orgs,
        split=columns.split_orgs,
        decode=columns.decode_org,
        columns=columns.ORG_COLUMNS,
        schema=later.schema(PACKAGE, "Orgs"),
        transform=later.transform(PACKAGE, "organizations"),
        endpoint="GET /orgs",
    ),
    Stream(
        entity="terms",
        read=client.academic_sessions,
        split=columns.split_academic_sessions,
        decode=columns.decode_academic_session,
        columns=columns.ACADEMIC_SESSION_COLUMNS,
        schema=later.schema(PACKAGE, "AcademicSessions"),
        transform=later.transform(PACKAGE, "terms"),
        endpoint="GET /academicSessions",
    ),
    Stream(
        entity="courses",
        read=client.courses,
        split=columns.split_courses,
        decode=columns.decode_course,
        columns=columns.COURSE_COLUMNS,
        schema=later.schema(PACKAGE, "Courses"),
        transform=later.transform(PACKAGE, "courses"),
        endpoint="GET /courses",
    ),
    Stream(
        entity="sections",
        read=client.classes,
        split=columns.split_classes,
        decode=columns.decode_class,
        columns=columns.CLASS_COLUMNS,
        schema=later.schema(PACKAGE, "Classes"),
        transform=later.transform(PACKAGE, "sections"),
        endpoint="GET /classes",
    ),
    Stream(
        entity="students",
        read=client.students,
        split=columns.split_students,
        decode=columns.decode_user,
        columns=columns.USER_COLUMNS,
        schema=later.schema(PACKAGE, "Users"),
        transform=later.transform(PACKAGE, "students"),
        endpoint="GET /students",
    ),
    Stream(
        entity="instructors",
        read=client.teachers,
        split=columns.split_teachers,
        decode=columns.decode_user,
        columns=columns.USER_COLUMNS,
        schema=later.schema(PACKAGE, "Users"),
        transform=later.transform(PACKAGE, "instructors"),
        endpoint="GET /teachers",
    ),
    Stream(
        entity="enrollments",
        read=client.student_enrollments,
        split=columns.split_enrollments,
        decode=columns.decode_enrollment,
        columns=columns.ENROLLMENT_COLUMNS,
        schema=later.schema(PACKAGE, "Enrollments"),
        transform=later.transform(PACKAGE, "enrollments"),
        endpoint="GET /enrollments, role student",
    ),
    Stream(
        entity="teaching_assignments",
        read=client.teacher_enrollments,
        split=columns.split_enrollments,
        decode=columns.decode_enrollment,
        columns=columns.ENROLLMENT_COLUMNS,
        schema=later.schema(PACKAGE, "Enrollments"),
        transform=later.transform(PACKAGE, "teaching_assignments"),
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
