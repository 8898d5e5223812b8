"""What we accept: for each kind of record the pandera model of its external columns (`streams.py`).

Texts may be as long as Google lets them be. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any, get_args

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from connector_pipelines import checks
from connector_pipelines.connectors.google_classroom.config import CourseState

LONGEST_NAME = 1_000
LONGEST_TEXT = 3_000
_ID = r"[0-9]{1,100}"
_PLACE = rf"{_ID}:{_ID}"
_HANDED = rf"{_ID}:{_ID}:[^\s:]{{1,200}}"
_SCORED = rf"{_HANDED}(:\S{{1,200}})?"
_NUMBER = r"\d{1,20}(\.\d{0,30})?([eE][+-]?\d{1,2})?"
WORK_STATES = ("PUBLISHED", "DRAFT", "DELETED")
SUBMISSION_STATES = ("NEW", "CREATED", "TURNED_IN", "RETURNED", "RECLAIMED_BY_STUDENT")


def _number(*columns: str, form: str = _ID) -> Any:
    """A check: an id that Google gave. An alias, d:biology, is a name that may be given to another course."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(form)

    return pa.check(*columns, error="must be a number of Google's own")(check)


def _points(*columns: str) -> Any:
    """A check: points, none below zero."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(_NUMBER)

    return pa.check(*columns, error="must be a number, not below zero")(check)


class Courses(pa.DataFrameModel):
    """Accepted courses."""

    id: Series[str] = pa.Field()
    name: Series[str] = pa.Field()
    section: Series[str] = checks.optional()
    room: Series[str] = checks.optional()
    levels: Series[str] = checks.optional()
    subject: Series[str] = checks.optional()
    courseState: Series[str] = pa.Field(isin=get_args(CourseState))  # noqa: N815 -- the contract's names
    updateTime: Series[str] = checks.optional()  # noqa: N815

    _ids = _number("id")
    _names = checks.text("name", longest=LONGEST_NAME)
    _not_blank = checks.present("name")
    _texts = checks.text("section", "room", "levels", "subject", longest=LONGEST_TEXT)

    _times = checks.moment("updateTime")


class People(pa.DataFrameModel):
    """Accepted profiles."""

    id: Series[str] = pa.Field()
    givenName: Series[str] = pa.Field()  # noqa: N815
    familyName: Series[str] = pa.Field()  # noqa: N815
    emailAddress: Series[str] = checks.optional()  # noqa: N815

    _ids = _number("id")
    _not_blank = checks.present("givenName", "familyName")
    _texts = checks.text("givenName", "familyName", "emailAddress", longest=LONGEST_NAME)


class Members(pa.DataFrameModel):
    """Accepted places in courses."""

    id: Series[str] = pa.Field()
    courseId: Series[str] = pa.Field()  # noqa: N815
    userId: Series[str] = pa.Field()  # noqa: N815
    owns: Series[pd.BooleanDtype] = checks.optional()

    _places = _number("id", form=_PLACE)
    _ids = _number("courseId", "userId")


class Works(pa.DataFrameModel):
    """Accepted course work."""

    id: Series[str] = pa.Field()
    courseId: Series[str] = pa.Field()  # noqa: N815
    title: Series[str] = pa.Field()
    state: Series[str] = pa.Field(isin=WORK_STATES)
    workType: Series[str] = checks.optional()  # noqa: N815
    updateTime: Series[str] = checks.optional()  # noqa: N815
    scheduledTime: Series[str] = checks.optional()  # noqa: N815
    due: Series[str] = checks.optional()
    maxPoints: Series[str] = checks.optional()  # noqa: N815

    _places = _number("id", form=_PLACE)
    _ids = _number("courseId")
    _titles = checks.text("title", "workType", longest=LONGEST_TEXT)
    _not_blank = checks.present("title")
    _times = checks.moment("updateTime", "scheduledTime", "due")
    _most = _points("maxPoints")


class _OfSubmissions(pa.DataFrameModel):
    """What is accepted of somebody's submission, whatever of it is read."""

    id: Series[str] = pa.Field()
    work: Series[str] = pa.Field()
    userId: Series[str] = pa.Field()  # noqa: N815
    updateTime: Series[str] = checks.optional()  # noqa: N815

    _handed = _number("id", form=_HANDED)
    _places = _number("work", form=_PLACE)
    _ids = _number("userId")
    _changed = checks.moment("updateTime")


class Submissions(_OfSubmissions):
    """Accepted submissions."""

    state: Series[str] = pa.Field(isin=SUBMISSION_STATES)
    handed: Series[str] = checks.optional()

    _times = checks.moment("handed")


class Grades(_OfSubmissions):
    """Accepted grades, and submissions without one."""

    grade: Series[str] = checks.optional()
    maxPoints: Series[str] = checks.optional()  # noqa: N815
    graded: Series[str] = checks.optional()

    _numbers = _points("grade", "maxPoints")
    _times = checks.moment("graded")


class RubricScores(_OfSubmissions):
    """Accepted scores for criteria of rubrics, and submissions without any."""

    criterion: Series[str] = checks.optional()
    level: Series[str] = checks.optional()
    points: Series[str] = checks.optional()
    maxPoints: Series[str] = checks.optional()  # noqa: N815

    _handed = _number("id", form=_SCORED)
    _titles = checks.text("criterion", "level", longest=LONGEST_TEXT)
    _numbers = _points("points", "maxPoints")
