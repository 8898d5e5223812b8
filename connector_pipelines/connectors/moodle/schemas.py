"""What we accept: for each entity the pandera model of its external columns (`streams.py`). Checks look at columns."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

LONGEST_TEXT = 10_000
LAST_SECOND = 7_258_118_400
"""The year 2200 in Unix seconds; 0 means that a time is not set."""

ITEM_TYPES = ("assign", "mod", "manual", "category", "course")
STATES = ("new", "draft", "submitted", "reopened")
_NUMBER = r"-?(\d{1,20}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?"


def _optional() -> Any:
    return pa.Field(nullable=True)


def _text(*columns: str) -> Any:
    """A check: short enough, and storable. PostgreSQL has no NUL in text."""

    def check(_: type, values: Series[str]) -> Any:
        return (values.str.len() <= LONGEST_TEXT) & ~values.str.contains("\x00", regex=False)

    return pa.check(*columns, error=f"must have at most {LONGEST_TEXT:,} characters and no NUL")(check)


def _number(*columns: str) -> Any:
    """A check: a number."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(_NUMBER)

    return pa.check(*columns, error="must be a number")(check)


def _time(*columns: str) -> Any:
    """A check: Unix seconds before the year 2200."""

    def check(_: type, values: Series[str]) -> Any:
        plain = values.str.fullmatch(r"\d{1,10}")
        return plain & (values.where(plain, "0").astype("float64") < LAST_SECOND)

    return pa.check(*columns, error="must be Unix seconds before the year 2200")(check)


def _one_of(column: str, allowed: tuple[str, ...]) -> Any:
    def check(_: type, values: Series[str]) -> Any:
        return values.isin(allowed)

    return pa.check(column, error=f"must be one of {', '.join(allowed)}")(check)


class Assessments(pa.DataFrameModel):
    """Accepted assignments and items."""

    id: Series[str] = pa.Field()
    course: Series[str] = pa.Field()
    is_section: Series[bool] = pa.Field()
    name: Series[str] = _optional()
    itemtype: Series[str] = pa.Field()
    module: Series[str] = _optional()
    duedate: Series[str] = _optional()
    from_: Series[str] = pa.Field(nullable=True, alias="from")
    least: Series[str] = _optional()
    most: Series[str] = _optional()
    timemodified: Series[str] = _optional()
    twice: Series[bool] = pa.Field()

    _texts = _text("name")
    _types = _one_of("itemtype", ITEM_TYPES)
    _numbers = _number("least", "most")
    _times = _time("duedate", "from", "timemodified")


class Grades(pa.DataFrameModel):
    """Accepted lines of a gradebook, graded or not."""

    id: Series[str] = pa.Field()
    user: Series[str] = pa.Field()
    assessment: Series[str] = pa.Field()
    itemtype: Series[str] = pa.Field()
    grade: Series[str] = _optional()
    most: Series[str] = _optional()
    graded: Series[str] = _optional()
    overridden: Series[str] = _optional()
    feedback: Series[str] = _optional()

    _texts = _text("feedback")
    _types = _one_of("itemtype", ITEM_TYPES)
    _numbers = _number("grade", "most")
    _times = _time("graded")


class Submissions(pa.DataFrameModel):
    """Accepted submissions."""

    id: Series[str] = pa.Field()
    user: Series[str] = pa.Field()
    assignment: Series[str] = pa.Field()
    attempt: Series[str] = _optional()
    status: Series[str] = pa.Field()
    gradingstatus: Series[str] = _optional()
    timemodified: Series[str] = _optional()

    _texts = _text("gradingstatus")
    _states = _one_of("status", STATES)
    _numbers = _number("attempt")
    _times = _time("timemodified")


class Engagement(pa.DataFrameModel):
    """Accepted presences in courses."""

    id: Series[str] = pa.Field()
    user: Series[str] = pa.Field()
    course: Series[str] = pa.Field()
    is_section: Series[bool] = pa.Field()
    lastaccess: Series[str] = _optional()
    lastcourseaccess: Series[str] = _optional()
    student: Series[bool] = pa.Field()

    _times = _time("lastaccess", "lastcourseaccess")
