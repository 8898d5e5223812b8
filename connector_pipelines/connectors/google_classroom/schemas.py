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


def _number(*columns: str, form: str = _ID) -> Any:
    """A check: an id that Google gave. An alias, d:biology, is a name that may be given to another course."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.fullmatch(form)

    return pa.check(*columns, error="must be a number of Google's own")(check)


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

    _updated = checks.moment("updateTime")


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
