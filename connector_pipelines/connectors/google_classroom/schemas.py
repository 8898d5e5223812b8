"""What we accept: for each kind of record the pandera model of its external columns (`streams.py`).

Texts may be as long as Google lets them be. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any, get_args

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from connector_pipelines.connectors.google_classroom.config import CourseState

LONGEST_NAME = 1_000
LONGEST_TEXT = 3_000
FIRST_YEAR, LAST_YEAR = 1900, 2200
_ID = r"[0-9]{1,100}"
_PLACE = rf"{_ID}:{_ID}"


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


def _number(*columns: str, form: str = _ID) -> Any:
    """A check: an id that Google gave. An alias, d:biology, is a name that may be given to another course."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(form)

    return pa.check(*columns, error="must be a number of Google's own")(check)


class Courses(pa.DataFrameModel):
    """Accepted courses."""

    id: Series[str] = pa.Field()
    name: Series[str] = pa.Field()
    section: Series[str] = _optional()
    room: Series[str] = _optional()
    levels: Series[str] = _optional()
    subject: Series[str] = _optional()
    courseState: Series[str] = pa.Field(isin=get_args(CourseState))  # noqa: N815 -- the contract's names
    updateTime: Series[str] = _optional()  # noqa: N815

    _ids = _number("id")
    _names = _text("name", longest=LONGEST_NAME)
    _not_blank = _present("name")
    _texts = _text("section", "room", "levels", "subject", longest=LONGEST_TEXT)

    @pa.check("updateTime", error=f"must be an RFC 3339 time from {FIRST_YEAR} to {LAST_YEAR}")
    @classmethod
    def _readable(cls, values: Series[str]) -> Any:
        moments = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
        return moments.dt.year.between(FIRST_YEAR, LAST_YEAR)


class People(pa.DataFrameModel):
    """Accepted profiles."""

    id: Series[str] = pa.Field()
    givenName: Series[str] = pa.Field()  # noqa: N815
    familyName: Series[str] = pa.Field()  # noqa: N815
    emailAddress: Series[str] = _optional()  # noqa: N815

    _ids = _number("id")
    _not_blank = _present("givenName", "familyName")
    _texts = _text("givenName", "familyName", "emailAddress", longest=LONGEST_NAME)


class Members(pa.DataFrameModel):
    """Accepted places in courses."""

    id: Series[str] = pa.Field()
    courseId: Series[str] = pa.Field()  # noqa: N815
    userId: Series[str] = pa.Field()  # noqa: N815
    owns: Series[pd.BooleanDtype] = _optional()

    _places = _number("id", form=_PLACE)
    _ids = _number("courseId", "userId")
