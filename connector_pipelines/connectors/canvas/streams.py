"""What a Canvas source can read, parents before children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines import later
from connector_pipelines.connectors.canvas import client, columns, rubrics, wire
from connector_pipelines.model import Stream

if TYPE_CHECKING:
    from connector_pipelines.connectors.canvas.config import CanvasConfig

PACKAGE = "connector_pipelines.connectors.canvas"

_user = wire.decoder(wire.User)
_enrollment = wire.decoder(wire.Enrollment)
_submission = wire.decoder(wire.Submission)


def streams(config: CanvasConfig) -> tuple[Stream, ...]:
    """The streams a config switches on."""
    every = (*_places(config), *_people(config), *_work())
    return tuple(stream for stream in every if config.provides(stream.entity))


def _places(config: CanvasConfig) -> tuple[Stream, ...]:
    """What there is to be in."""
    return (
        Stream(
            entity="organizations",
            read=client.accounts,
            split=wire.split_accounts,
            decode=wire.decoder(wire.Placed),
            columns=columns.ACCOUNT_COLUMNS,
            schema=later.schema(PACKAGE, "Accounts"),
            transform=later.transform(PACKAGE, "organizations"),
            filters_by_time=False,
            endpoint="GET /accounts/:id, sub_accounts",
        ),
        Stream(
            entity="terms",
            read=client.terms,
            split=wire.split_terms,
            decode=wire.decoder(wire.Term),
            columns=columns.term_columns(config.time_zone),
            schema=later.schema(PACKAGE, "Terms"),
            transform=later.transform(PACKAGE, "terms"),
            filters_by_time=False,
            endpoint="GET /accounts/self/terms",
        ),
        Stream(
            entity="courses",
            read=client.courses,
            split=wire.split_courses,
            decode=wire.decoder(wire.Course),
            columns=columns.COURSE_COLUMNS,
            schema=later.schema(PACKAGE, "Courses"),
            transform=later.transform(PACKAGE, "courses"),
            filters_by_time=False,
            endpoint="GET /accounts/:id/courses",
        ),
        Stream(
            entity="sections",
            read=client.sections,
            split=wire.split_sections,
            decode=wire.decoder(wire.Held),
            columns=columns.SECTION_COLUMNS,
            schema=later.schema(PACKAGE, "Sections"),
            transform=later.transform(PACKAGE, "sections"),
            filters_by_time=False,
            endpoint="GET /courses/:id/sections",
        ),
    )


def _people(config: CanvasConfig) -> tuple[Stream, ...]:
    """Who is in it."""
    enrollment_columns = columns.enrollment_columns(config.time_zone)
    return (
        Stream(
            entity="students",
            read=client.students,
            split=wire.split_users,
            decode=_user,
            columns=columns.USER_COLUMNS,
            schema=later.schema(PACKAGE, "Users"),
            transform=later.transform(PACKAGE, "students"),
            filters_by_time=False,
            endpoint="GET /accounts/:id/users, student",
        ),
        Stream(
            entity="instructors",
            read=client.teachers,
            split=wire.split_users,
            decode=_user,
            columns=columns.USER_COLUMNS,
            schema=later.schema(PACKAGE, "Users"),
            transform=later.transform(PACKAGE, "instructors"),
            filters_by_time=False,
            endpoint="GET /accounts/:id/users, teacher and ta",
        ),
        Stream(
            entity="enrollments",
            read=client.student_enrollments,
            split=wire.split_enrollments,
            decode=_enrollment,
            columns=enrollment_columns,
            schema=later.schema(PACKAGE, "Enrollments"),
            transform=later.transform(PACKAGE, "enrollments"),
            filters_by_time=False,
            endpoint="GET /courses/:id/enrollments, students",
        ),
        Stream(
            entity="teaching_assignments",
            read=client.teacher_enrollments,
            split=wire.split_enrollments,
            decode=_enrollment,
            columns=enrollment_columns,
            schema=later.schema(PACKAGE, "Enrollments"),
            transform=later.transform(PACKAGE, "teaching_assignments"),
            filters_by_time=False,
            endpoint="GET /courses/:id/enrollments, teachers and assistants",
        ),
    )


def _work() -> tuple[Stream, ...]:
    """What is done there."""
    return (
        Stream(
            entity="assessments",
            read=client.assignments,
            split=wire.split_assignments,
            decode=wire.decoder(wire.Assignment),
            columns=columns.ASSIGNMENT_COLUMNS,
            schema=later.schema(PACKAGE, "Assignments"),
            transform=later.transform(PACKAGE, "assessments"),
            filters_by_time=False,
            endpoint="GET /courses/:id/assignments",
        ),
        Stream(
            entity="grades",
            read=client.graded,
            split=wire.split_submissions,
            decode=_submission,
            columns=columns.SUBMISSION_COLUMNS,
            schema=later.schema(PACKAGE, "Submissions"),
            transform=later.transform(PACKAGE, "grades"),
            endpoint="GET /courses/:id/students/submissions, graded",
        ),
        Stream(
            entity="submissions",
            read=client.handed_in,
            split=wire.split_submissions,
            decode=_submission,
            columns=columns.SUBMISSION_COLUMNS,
            schema=later.schema(PACKAGE, "Submissions"),
            transform=later.transform(PACKAGE, "submissions"),
            endpoint="GET /courses/:id/students/submissions",
        ),
        Stream(
            entity="rubric_scores",
            read=client.rubric_scores,
            split=rubrics.split_scores,
            decode=wire.decoder(rubrics.Score),
            columns=columns.SCORE_COLUMNS,
            schema=later.schema(PACKAGE, "RubricScores"),
            transform=later.transform(PACKAGE, "rubric_scores"),
            filters_by_time=False,
            endpoint="GET /courses/:id/students/submissions, with rubrics of the assignments",
        ),
    )
