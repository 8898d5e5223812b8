"""What we accept: for each collection the pandera model of its external columns (`columns.py`).

Text limits are ours: the binding sets none, and a name of a megabyte is a mistake. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

LONGEST_ID = 255
LONGEST_TEXT = 1_000
FIRST_YEAR, LAST_YEAR = 1900, 2200  # .NET servers send the year 0001 for "no date"
FLAGS = ("true", "false")
_ISO_DAY = r"\d{4}-\d{2}-\d{2}($|[T ])"
_ISO_PERIOD = r"\d{4}-\d{2}-\d{2}/\d{4}-\d{2}-\d{2}$"
STATUSES = ("active", "inactive", "tobedeleted")


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


def _one_of(column: str, allowed: tuple[str, ...]) -> Any:
    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().str.lower().isin([*allowed, ""])

    return pa.check(column, error=f"must be one of {', '.join(allowed)}")(check)


def _day(*columns: str) -> Any:
    """A check: a calendar day, or the beginning of a time stamp, in a plausible year."""

    def check(_: type, values: Series[str]) -> Any:
        texts = values.str.strip()
        days = pd.to_datetime(texts.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
        plausible = days.dt.year.between(FIRST_YEAR, LAST_YEAR) & texts.str.match(_ISO_DAY)
        return plausible | (texts == "")

    return pa.check(*columns, error=f"must be a day from {FIRST_YEAR} to {LAST_YEAR}, as YYYY-MM-DD")(check)


def _in_order() -> Any:
    """A check: a period does not end before it begins. ISO days compare as text; others are refused as days."""

    def check(_: type, values: Series[str]) -> Any:
        return (values.str.slice(0, 10) <= values.str.slice(11)) | ~values.str.match(_ISO_PERIOD)

    return pa.check("period", error="must not end before it begins")(check)


class External(pa.DataFrameModel):
    """What every accepted record has: an id that can be a key, a known status, a time that can be read."""

    sourcedId: Series[str] = pa.Field()  # noqa: N815 -- the contract's names, here and below
    status: Series[str] = _optional()
    dateLastModified: Series[str] = _optional()  # noqa: N815

    _id_length = _text("sourcedId", longest=LONGEST_ID)
    _id_present = _present("sourcedId")
    _status_known = _one_of("status", STATUSES)

    @pa.check("dateLastModified", error=f"must be an ISO 8601 time from {FIRST_YEAR} to {LAST_YEAR}")
    @classmethod
    def _modified_readable(cls, values: Series[str]) -> Any:
        moments = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
        return moments.dt.year.between(FIRST_YEAR, LAST_YEAR) | (values.str.strip() == "")


class Orgs(External):
    """Accepted organizations."""

    name: Series[str] = pa.Field()
    type: Series[str] = _optional()
    identifier: Series[str] = _optional()
    parent: Series[str] = _optional()

    _not_blank = _present("name")
    _texts = _text("name", longest=LONGEST_TEXT)
    _codes = _text("type", "identifier", "parent", longest=LONGEST_ID)


class AcademicSessions(External):
    """Accepted academic sessions."""

    title: Series[str] = pa.Field()
    type: Series[str] = _optional()
    startDate: Series[str] = _optional()  # noqa: N815
    endDate: Series[str] = _optional()  # noqa: N815
    schoolYear: Series[str] = _optional()  # noqa: N815
    parent: Series[str] = _optional()
    period: Series[str] = _optional()

    _not_blank = _present("title")
    _texts = _text("title", longest=LONGEST_TEXT)
    _codes = _text("type", "schoolYear", "parent", longest=LONGEST_ID)
    _days = _day("startDate", "endDate")
    _order = _in_order()


class Courses(External):
    """Accepted courses."""

    title: Series[str] = pa.Field()
    courseCode: Series[str] = _optional()  # noqa: N815
    grades: Series[str] = _optional()
    subjects: Series[str] = _optional()
    org: Series[str] = _optional()

    _not_blank = _present("title")
    _texts = _text("title", "grades", "subjects", longest=LONGEST_TEXT)
    _codes = _text("courseCode", "org", longest=LONGEST_ID)


class Classes(External):
    """Accepted classes."""

    title: Series[str] = pa.Field()
    classCode: Series[str] = _optional()  # noqa: N815
    classType: Series[str] = _optional()  # noqa: N815
    location: Series[str] = _optional()
    grades: Series[str] = _optional()
    subjects: Series[str] = _optional()
    periods: Series[str] = _optional()
    course: Series[str] = _optional()
    school: Series[str] = _optional()
    term: Series[str] = _optional()

    _not_blank = _present("title")
    _texts = _text("title", "location", "grades", "subjects", "periods", longest=LONGEST_TEXT)
    _codes = _text("classCode", "classType", "course", "school", "term", longest=LONGEST_ID)


class Users(External):
    """Accepted students and teachers."""

    givenName: Series[str] = pa.Field()  # noqa: N815
    familyName: Series[str] = pa.Field()  # noqa: N815
    middleName: Series[str] = _optional()  # noqa: N815
    preferredFirstName: Series[str] = _optional()  # noqa: N815
    username: Series[str] = _optional()
    email: Series[str] = _optional()
    phone: Series[str] = _optional()
    identifier: Series[str] = _optional()
    enabledUser: Series[str] = _optional()  # noqa: N815
    grades: Series[str] = _optional()
    org: Series[str] = _optional()

    _not_blank = _present("givenName", "familyName")
    _texts = _text("givenName", "familyName", "middleName", "preferredFirstName", "grades", longest=LONGEST_TEXT)
    _codes = _text("username", "email", "phone", "identifier", "org", longest=LONGEST_ID)
    _flag = _one_of("enabledUser", FLAGS)


class Enrollments(External):
    """Accepted enrollments, of students and teachers alike."""

    role: Series[str] = pa.Field()
    primary: Series[str] = _optional()
    beginDate: Series[str] = _optional()  # noqa: N815
    endDate: Series[str] = _optional()  # noqa: N815
    user: Series[str] = pa.Field()
    class_: Series[str] = pa.Field(alias="class")
    period: Series[str] = _optional()

    _not_blank = _present("role", "user", "class")
    _codes = _text("role", "user", "class", longest=LONGEST_ID)
    _flag = _one_of("primary", FLAGS)
    _days = _day("beginDate", "endDate")
    _order = _in_order()
