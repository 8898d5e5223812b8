"""What we accept: for each kind of record the pandera model of its external columns (`columns.py`).

Text limits are ours: Canvas cuts names at 255 characters, and documents no other limit. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from connector_pipelines import checks
from connector_pipelines.checks import LONGEST_ID, LONGEST_TEXT

ACCOUNT_STATES = TERM_STATES = ("active", "deleted")
COURSE_STATES = ("unpublished", "created", "claimed", "available", "completed", "deleted")
ASSIGNMENT_STATES = ("published", "unpublished", "deleted")
SUBMISSION_STATES = ("unsubmitted", "submitted", "pending_review", "graded", "deleted")
ENROLLMENT_STATES = ("active", "invited", "creation_pending", "inactive", "completed", "rejected", "deleted")
LONGEST_COMMENT = 10_000
"""People write more in a comment than in a name."""

_NUMBER = r"\d{1,25}(~\d{1,25})?"


def _number(*columns: str) -> Any:
    """A check: a number as Canvas counts its records, that of another shard perhaps as shard~number."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(_NUMBER)

    return pa.check(*columns, error="must be a number")(check)


class External(pa.DataFrameModel):
    """What every accepted record has: a number."""

    id: Series[str] = pa.Field()

    _id = _number("id")


class Accounts(External):
    """Accepted accounts."""

    name: Series[str] = pa.Field()
    sis_account_id: Series[str] = checks.optional()
    workflow_state: Series[str] = checks.optional()
    parent: Series[str] = checks.optional()

    _not_blank = checks.present("name")
    _texts = checks.text("name", longest=LONGEST_TEXT)
    _codes = checks.text("sis_account_id", longest=LONGEST_ID)
    _numbers = _number("parent")
    _states = checks.one_of("workflow_state", *ACCOUNT_STATES, exact=True)


class Terms(External):
    """Accepted enrollment terms."""

    name: Series[str] = pa.Field()
    start_at: Series[str] = checks.optional()
    end_at: Series[str] = checks.optional()
    workflow_state: Series[str] = checks.optional()
    zone: Series[str] = pa.Field()

    _not_blank = checks.present("name")
    _texts = checks.text("name", longest=LONGEST_TEXT)
    _times = checks.moment("start_at", "end_at")
    _states = checks.one_of("workflow_state", *TERM_STATES, exact=True)


class Courses(External):
    """Accepted courses."""

    name: Series[str] = pa.Field()
    course_code: Series[str] = checks.optional()
    workflow_state: Series[str] = pa.Field()
    account_id: Series[str] = pa.Field()

    _not_blank = checks.present("name")
    _texts = checks.text("name", longest=LONGEST_TEXT)
    _codes = checks.text("course_code", longest=LONGEST_ID)
    _numbers = _number("account_id")
    _states = checks.one_of("workflow_state", *COURSE_STATES, exact=True)


class Sections(External):
    """Accepted sections."""

    name: Series[str] = pa.Field()
    sis_section_id: Series[str] = checks.optional()
    course_id: Series[str] = pa.Field()
    account_id: Series[str] = pa.Field()
    enrollment_term_id: Series[str] = checks.optional()
    course_state: Series[str] = pa.Field()

    _not_blank = checks.present("name")
    _texts = checks.text("name", longest=LONGEST_TEXT)
    _codes = checks.text("sis_section_id", longest=LONGEST_ID)
    _numbers = _number("course_id", "account_id", "enrollment_term_id")
    _states = checks.one_of("course_state", *COURSE_STATES, exact=True)


class Users(External):
    """Accepted people."""

    name: Series[str] = pa.Field()
    sortable_name: Series[str] = checks.optional()
    short_name: Series[str] = checks.optional()
    first_name: Series[str] = checks.optional()
    last_name: Series[str] = checks.optional()
    sis_user_id: Series[str] = checks.optional()
    login_id: Series[str] = checks.optional()
    email: Series[str] = checks.optional()

    _not_blank = checks.present("name")
    _texts = checks.text("name", "sortable_name", "short_name", "first_name", "last_name", longest=LONGEST_TEXT)
    _codes = checks.text("sis_user_id", "login_id", "email", longest=LONGEST_ID)


class Enrollments(External):
    """Accepted enrollments, of students and teachers alike."""

    type: Series[str] = pa.Field()
    enrollment_state: Series[str] = pa.Field()
    user_id: Series[str] = pa.Field()
    course_section_id: Series[str] = pa.Field()
    created_at: Series[str] = checks.optional()
    updated_at: Series[str] = checks.optional()
    start_at: Series[str] = checks.optional()
    end_at: Series[str] = checks.optional()
    zone: Series[str] = pa.Field()

    _codes = checks.text("type", longest=LONGEST_ID)
    _numbers = _number("user_id", "course_section_id")
    _times = checks.moment("created_at", "updated_at", "start_at", "end_at")
    _states = checks.one_of("enrollment_state", *ENROLLMENT_STATES, exact=True)


class Assignments(External):
    """Accepted assignments."""

    course_id: Series[str] = pa.Field()
    name: Series[str] = pa.Field()
    due_at: Series[str] = checks.optional()
    unlock_at: Series[str] = checks.optional()
    points_possible: Series[str] = checks.optional()
    workflow_state: Series[str] = pa.Field()
    updated_at: Series[str] = checks.optional()
    kind: Series[str] = pa.Field()

    _not_blank = checks.present("name")
    _texts = checks.text("name", longest=LONGEST_TEXT)
    _numbers = _number("course_id")
    _decimals = checks.number("points_possible", blank=False)
    _times = checks.moment("due_at", "unlock_at", "updated_at")
    _states = checks.one_of("workflow_state", *ASSIGNMENT_STATES, exact=True)


class Submissions(External):
    """Accepted submissions, handed in or not, graded or not."""

    assignment_id: Series[str] = pa.Field()
    user_id: Series[str] = pa.Field()
    score: Series[str] = checks.optional()
    grade: Series[str] = checks.optional()
    attempt: Series[str] = checks.optional()
    workflow_state: Series[str] = pa.Field()
    submitted_at: Series[str] = checks.optional()
    graded_at: Series[str] = checks.optional()
    excused: Series[str] = checks.optional()
    redo_request: Series[str] = checks.optional()

    _codes = checks.text("grade", longest=LONGEST_ID)
    _numbers = _number("assignment_id", "user_id")
    _decimals = checks.number("score", blank=False)
    _counts = checks.number("attempt", blank=False)
    _times = checks.moment("submitted_at", "graded_at")
    _states = checks.one_of("workflow_state", *SUBMISSION_STATES, exact=True)


class RubricScores(pa.DataFrameModel):
    """Accepted scores by rubrics, one for each criterion; without a `criterion` where the rubric lost it."""

    id: Series[str] = pa.Field()
    assignment_id: Series[str] = pa.Field()
    user_id: Series[str] = pa.Field()
    workflow_state: Series[str] = pa.Field()
    graded_at: Series[str] = checks.optional()
    excused: Series[str] = checks.optional()
    criterion: Series[str] = checks.optional()
    level: Series[str] = checks.optional()
    points: Series[str] = checks.optional()
    max_points: Series[str] = checks.optional()
    comment: Series[str] = checks.optional()

    _ids = checks.text("id", longest=LONGEST_ID)
    _numbers = _number("assignment_id", "user_id")
    _texts = checks.text("criterion", "level", longest=LONGEST_TEXT)
    _comments = checks.text("comment", longest=LONGEST_COMMENT)
    _decimals = checks.number("points", "max_points", blank=False)
    _times = checks.moment("graded_at")
    _states = checks.one_of("workflow_state", *SUBMISSION_STATES, exact=True)
