"""What we accept: for each entity the pandera model of its external columns (`streams.py`). Checks look at columns."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from connector_pipelines import checks

LONGEST_TEXT = 10_000
LAST_SECOND = 7_258_118_400
"""The year 2200 in Unix seconds; 0 means that a time is not set."""

ITEM_TYPES = ("assign", "mod", "manual", "category", "course")
STATES = ("new", "draft", "submitted", "reopened")


def _time(*columns: str) -> Any:
    """A check: Unix seconds before the year 2200."""

    def check(_: type, values: Series[str]) -> Any:
        plain = values.str.fullmatch(r"\d{1,10}")
        return plain & (values.where(plain, "0").astype("float64") < LAST_SECOND)

    return pa.check(*columns, error="must be Unix seconds before the year 2200")(check)


class Assessments(pa.DataFrameModel):
    """Accepted assignments and items."""

    id: Series[str] = pa.Field()
    course: Series[str] = pa.Field()
    is_section: Series[bool] = pa.Field()
    name: Series[str] = checks.optional()
    itemtype: Series[str] = pa.Field()
    module: Series[str] = checks.optional()
    duedate: Series[str] = checks.optional()
    from_: Series[str] = pa.Field(nullable=True, alias="from")
    least: Series[str] = checks.optional()
    most: Series[str] = checks.optional()
    timemodified: Series[str] = checks.optional()
    twice: Series[bool] = pa.Field()

    _texts = checks.text("name", longest=LONGEST_TEXT)
    _types = checks.one_of("itemtype", *ITEM_TYPES, exact=True)
    _numbers = checks.number("least", "most", blank=False)
    _times = _time("duedate", "from", "timemodified")


class Grades(pa.DataFrameModel):
    """Accepted lines of a gradebook, graded or not."""

    id: Series[str] = pa.Field()
    user: Series[str] = pa.Field()
    assessment: Series[str] = pa.Field()
    itemtype: Series[str] = pa.Field()
    grade: Series[str] = checks.optional()
    most: Series[str] = checks.optional()
    graded: Series[str] = checks.optional()
    overridden: Series[str] = checks.optional()
    feedback: Series[str] = checks.optional()

    _texts = checks.text("feedback", longest=LONGEST_TEXT)
    _types = checks.one_of("itemtype", *ITEM_TYPES, exact=True)
    _numbers = checks.number("grade", "most", blank=False)
    _times = _time("graded")


class Submissions(pa.DataFrameModel):
    """Accepted submissions."""

    id: Series[str] = pa.Field()
    user: Series[str] = pa.Field()
    assignment: Series[str] = pa.Field()
    attempt: Series[str] = checks.optional()
    status: Series[str] = pa.Field()
    gradingstatus: Series[str] = checks.optional()
    timemodified: Series[str] = checks.optional()

    _texts = checks.text("gradingstatus", longest=LONGEST_TEXT)
    _states = checks.one_of("status", *STATES, exact=True)
    _numbers = checks.number("attempt", blank=False)
    _times = _time("timemodified")


class RubricScores(pa.DataFrameModel):
    """Accepted fillings of rubrics; who was given neither a level nor a remark is no score."""

    id: Series[str] = pa.Field()
    user: Series[str] = pa.Field()
    assignment: Series[str] = pa.Field()
    listed: Series[bool] = pa.Field()
    place: Series[str] = checks.optional()
    chosen: Series[str] = checks.optional()
    criterion: Series[str] = checks.optional()
    level: Series[str] = checks.optional()
    points: Series[str] = checks.optional()
    most: Series[str] = checks.optional()
    remark: Series[str] = checks.optional()
    graded: Series[str] = checks.optional()
    changed: Series[str] = checks.optional()

    _texts = checks.text("criterion", "level", "remark", longest=LONGEST_TEXT)
    _numbers = checks.number("place", "points", "most", blank=False)
    _times = _time("graded", "changed")


class Engagement(pa.DataFrameModel):
    """Accepted presences in courses."""

    id: Series[str] = pa.Field()
    user: Series[str] = pa.Field()
    course: Series[str] = pa.Field()
    is_section: Series[bool] = pa.Field()
    lastaccess: Series[str] = checks.optional()
    lastcourseaccess: Series[str] = checks.optional()
    student: Series[bool] = pa.Field()

    _times = _time("lastaccess", "lastcourseaccess")
