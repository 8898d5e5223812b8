"""What we accept: for each kind of record the pandera model of its external columns (`columns.py`).

Text limits are ours: Canvas cuts names at 255 characters, and documents no other limit. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

LONGEST_ID = 255
LONGEST_TEXT = 1_000
FIRST_YEAR, LAST_YEAR = 1900, 2200
ACCOUNT_STATES = TERM_STATES = ("active", "deleted")
COURSE_STATES = ("unpublished", "created", "claimed", "available", "completed", "deleted")
ASSIGNMENT_STATES = ("published", "unpublished", "deleted")
SUBMISSION_STATES = ("unsubmitted", "submitted", "pending_review", "graded", "deleted")
_POINTS = r"-?(\d{1,20}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?"
ENROLLMENT_STATES = ("active", "invited", "creation_pending", "inactive", "completed", "rejected", "deleted")
_NUMBER = r"\d{1,25}(~\d{1,25})?"


def _optional() -> Any:
    return pa.Field(nullable=True)


def _text(*columns: str, longest: int) -> Any:
    """A check: short enough, and storable. PostgreSQL has no NUL in text."""

    def check(_: type, values: Series[str]) -> Any:
        return (values.str.len() <= longest) & ~values.str.contains("\x00", regex=False)

    return pa.check(*columns, error=f"must have at most {longest:,} characters and no NUL")(check)


def _present(*columns: str) -> Any:
    """A check: more than blanks. That it is not null is said by the column."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().str.len() > 0

    return pa.check(*columns, error="must not be blank")(check)


def _number(*columns: str) -> Any:
    """A check: a number as Canvas counts its records, that of another shard perhaps as shard~number."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(_NUMBER)

    return pa.check(*columns, error="must be a number")(check)


def _points(*columns: str) -> Any:
    """A check: a decimal number."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(_POINTS)

    return pa.check(*columns, error="must be a decimal number")(check)


def _one_of(column: str, allowed: tuple[str, ...]) -> Any:
    def check(_: type, values: Series[str]) -> Any:
        return values.isin(allowed)

    return pa.check(column, error=f"must be one of {', '.join(allowed)}")(check)


def _time(*columns: str) -> Any:
    """A check: a moment in a plausible year."""

    def check(_: type, values: Series[str]) -> Any:
        moments = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
        return moments.dt.year.between(FIRST_YEAR, LAST_YEAR)

    return pa.check(*columns, error=f"must be an ISO 8601 time from {FIRST_YEAR} to {LAST_YEAR}")(check)


class External(pa.DataFrameModel):
    """What every accepted record has: a number."""

    id: Series[str] = pa.Field()

    _id = _number("id")


class Accounts(External):
    """Accepted accounts."""

    name: Series[str] = pa.Field()
    sis_account_id: Series[str] = _optional()
    workflow_state: Series[str] = _optional()
    parent: Series[str] = _optional()

    _not_blank = _present("name")
    _texts = _text("name", longest=LONGEST_TEXT)
    _codes = _text("sis_account_id", longest=LONGEST_ID)
    _numbers = _number("parent")
    _states = _one_of("workflow_state", ACCOUNT_STATES)


class Terms(External):
    """Accepted enrollment terms."""

    name: Series[str] = pa.Field()
    start_at: Series[str] = _optional()
    end_at: Series[str] = _optional()
    workflow_state: Series[str] = _optional()
    zone: Series[str] = pa.Field()

    _not_blank = _present("name")
    _texts = _text("name", longest=LONGEST_TEXT)
    _times = _time("start_at", "end_at")
    _states = _one_of("workflow_state", TERM_STATES)


class Courses(External):
    """Accepted courses."""

    name: Series[str] = pa.Field()
    course_code: Series[str] = _optional()
    workflow_state: Series[str] = pa.Field()
    account_id: Series[str] = pa.Field()

    _not_blank = _present("name")
    _texts = _text("name", longest=LONGEST_TEXT)
    _codes = _text("course_code", longest=LONGEST_ID)
    _numbers = _number("account_id")
    _states = _one_of("workflow_state", COURSE_STATES)


class Sections(External):
    """Accepted sections."""

    name: Series[str] = pa.Field()
    sis_section_id: Series[str] = _optional()
    course_id: Series[str] = pa.Field()
    account_id: Series[str] = pa.Field()
    enrollment_term_id: Series[str] = _optional()
    course_state: Series[str] = pa.Field()

    _not_blank = _present("name")
    _texts = _text("name", longest=LONGEST_TEXT)
    _codes = _text("sis_section_id", longest=LONGEST_ID)
    _numbers = _number("course_id", "account_id", "enrollment_term_id")
    _states = _one_of("course_state", COURSE_STATES)


class Users(External):
    """Accepted people."""

    name: Series[str] = pa.Field()
    sortable_name: Series[str] = _optional()
    short_name: Series[str] = _optional()
    first_name: Series[str] = _optional()
    last_name: Series[str] = _optional()
    sis_user_id: Series[str] = _optional()
    login_id: Series[str] = _optional()
    email: Series[str] = _optional()

    _not_blank = _present("name")
    _texts = _text("name", "sortable_name", "short_name", "first_name", "last_name", longest=LONGEST_TEXT)
    _codes = _text("sis_user_id", "login_id", "email", longest=LONGEST_ID)


class Enrollments(External):
    """Accepted enrollments, of students and teachers alike."""

    type: Series[str] = pa.Field()
    enrollment_state: Series[str] = pa.Field()
    user_id: Series[str] = pa.Field()
    course_section_id: Series[str] = pa.Field()
    created_at: Series[str] = _optional()
    updated_at: Series[str] = _optional()
    start_at: Series[str] = _optional()
    end_at: Series[str] = _optional()
    zone: Series[str] = pa.Field()

    _codes = _text("type", longest=LONGEST_ID)
    _numbers = _number("user_id", "course_section_id")
    _times = _time("created_at", "updated_at", "start_at", "end_at")
    _states = _one_of("enrollment_state", ENROLLMENT_STATES)


class Assignments(External):
    """Accepted assignments."""

    course_id: Series[str] = pa.Field()
    name: Series[str] = pa.Field()
    due_at: Series[str] = _optional()
    unlock_at: Series[str] = _optional()
    points_possible: Series[str] = _optional()
    workflow_state: Series[str] = pa.Field()
    updated_at: Series[str] = _optional()
    kind: Series[str] = pa.Field()

    _not_blank = _present("name")
    _texts = _text("name", longest=LONGEST_TEXT)
    _numbers = _number("course_id")
    _decimals = _points("points_possible")
    _times = _time("due_at", "unlock_at", "updated_at")
    _states = _one_of("workflow_state", ASSIGNMENT_STATES)


class Submissions(External):
    """Accepted submissions, handed in or not, graded or not."""

    assignment_id: Series[str] = pa.Field()
    user_id: Series[str] = pa.Field()
    score: Series[str] = _optional()
    grade: Series[str] = _optional()
    attempt: Series[str] = _optional()
    workflow_state: Series[str] = pa.Field()
    submitted_at: Series[str] = _optional()
    graded_at: Series[str] = _optional()
    excused: Series[str] = _optional()
    redo_request: Series[str] = _optional()

    _codes = _text("grade", longest=LONGEST_ID)
    _numbers = _number("assignment_id", "user_id")
    _decimals = _points("score")
    _counts = _points("attempt")
    _times = _time("submitted_at", "graded_at")
    _states = _one_of("workflow_state", SUBMISSION_STATES)
