"""What a OneRoster source can read, parents before children."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector_pipelines.connectors.oneroster import archive, client, columns, schemas, transform
from connector_pipelines.model import Stream

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.config import OneRosterConfig

REST = (
    Stream(
        entity="organizations",
        read=client.orgs,
        decode=columns.decode_orgs,
        columns=columns.ORG_COLUMNS,
        schema=schemas.Orgs,
        transform=transform.organizations,
        endpoint="GET /orgs",
    ),
    Stream(
        entity="terms",
        read=client.academic_sessions,
        decode=columns.decode_academic_sessions,
        columns=columns.ACADEMIC_SESSION_COLUMNS,
        schema=schemas.AcademicSessions,
        transform=transform.terms,
        endpoint="GET /academicSessions",
    ),
    Stream(
        entity="courses",
        read=client.courses,
        decode=columns.decode_courses,
        columns=columns.COURSE_COLUMNS,
        schema=schemas.Courses,
        transform=transform.courses,
        endpoint="GET /courses",
    ),
    Stream(
        entity="sections",
        read=client.classes,
        decode=columns.decode_classes,
        columns=columns.CLASS_COLUMNS,
        schema=schemas.Classes,
        transform=transform.sections,
        endpoint="GET /classes",
    ),
    Stream(
        entity="students",
        read=client.students,
        decode=columns.decode_students,
        columns=columns.USER_COLUMNS,
        schema=schemas.Users,
        transform=transform.students,
        endpoint="GET /students",
    ),
    Stream(
        entity="instructors",
        read=client.teachers,
        decode=columns.decode_teachers,
        columns=columns.USER_COLUMNS,
        schema=schemas.Users,
        transform=transform.instructors,
        endpoint="GET /teachers",
    ),
    Stream(
        entity="enrollments",
        read=client.student_enrollments,
        decode=columns.decode_enrollments,
        columns=columns.ENROLLMENT_COLUMNS,
        schema=schemas.Enrollments,
        transform=transform.enrollments,
        endpoint="GET /enrollments, role student",
    ),
    Stream(
        entity="teaching_assignments",
        read=client.teacher_enrollments,
        decode=columns.decode_enrollments,
        columns=columns.ENROLLMENT_COLUMNS,
        schema=schemas.Enrollments,
        transform=transform.teaching_assignments,
        endpoint="GET /enrollments, role teacher",
    ),
)


def streams(config: OneRosterConfig) -> tuple[Stream, ...]:
    """The streams a config switches on. A zip is read whole each time, so its streams do not filter by time."""
    wanted = (stream for stream in REST if config.provides(stream.entity))
    if config.version != "csv":
        return tuple(wanted)
    return tuple(
        replace(
            stream, read=archive.reader(stream.entity), filters_by_time=False, endpoint=archive.file_of(stream.entity)
        )
        for stream in wanted
    )
