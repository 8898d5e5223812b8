"""What we accept: for each collection the pandera model of its external columns (`columns.py`).

Text limits are ours: the binding sets none, and a name of a megabyte is a mistake. Checks look at whole columns.
"""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from connector_pipelines import checks
from connector_pipelines.checks import LONGEST_ID, LONGEST_TEXT

FLAGS = ("true", "false")
_ISO_PERIOD = r"\d{4}-\d{2}-\d{2}/\d{4}-\d{2}-\d{2}$"
STATUSES = ("active", "inactive", "tobedeleted")


def _in_order() -> Any:
    """A check: a period does not end before it begins. ISO days compare as text; others are refused as days."""

    def check(_: type, values: Series[str]) -> Any:
        return (values.str.slice(0, 10) <= values.str.slice(11)) | ~values.str.match(_ISO_PERIOD)

    return pa.check("period", error="must not end before it begins")(check)


class External(pa.DataFrameModel):
    """What every accepted record has: an id that can be a key, a known status, a time that can be read."""

    sourcedId: Series[str] = pa.Field()  # noqa: N815 -- the contract's names, here and below
    status: Series[str] = checks.optional()
    dateLastModified: Series[str] = checks.optional()  # noqa: N815

    _id_length = checks.text("sourcedId", longest=LONGEST_ID)
    _id_present = checks.present("sourcedId")
    _status_known = checks.one_of("status", *STATUSES)

    _modified = checks.moment("dateLastModified")


class Orgs(External):
    """Accepted organizations."""

    name: Series[str] = pa.Field()
    type: Series[str] = checks.optional()
    identifier: Series[str] = checks.optional()
    parent: Series[str] = checks.optional()

    _not_blank = checks.present("name")
    _texts = checks.text("name", longest=LONGEST_TEXT)
    _codes = checks.text("type", "identifier", "parent", longest=LONGEST_ID)


class AcademicSessions(External):
    """Accepted academic sessions."""

    title: Series[str] = pa.Field()
    type: Series[str] = checks.optional()
    startDate: Series[str] = checks.optional()  # noqa: N815
    endDate: Series[str] = checks.optional()  # noqa: N815
    schoolYear: Series[str] = checks.optional()  # noqa: N815
    parent: Series[str] = checks.optional()
    period: Series[str] = checks.optional()

    _not_blank = checks.present("title")
    _texts = checks.text("title", longest=LONGEST_TEXT)
    _codes = checks.text("type", "schoolYear", "parent", longest=LONGEST_ID)
    _days = checks.day("startDate", "endDate")
    _order = _in_order()


class Courses(External):
    """Accepted courses."""

    title: Series[str] = pa.Field()
    courseCode: Series[str] = checks.optional()  # noqa: N815
    grades: Series[str] = checks.optional()
    subjects: Series[str] = checks.optional()
    org: Series[str] = checks.optional()

    _not_blank = checks.present("title")
    _texts = checks.text("title", "grades", "subjects", longest=LONGEST_TEXT)
    _codes = checks.text("courseCode", "org", longest=LONGEST_ID)


class Classes(External):
    """Accepted classes."""

    title: Series[str] = pa.Field()
    classCode: Series[str] = checks.optional()  # noqa: N815
    classType: Series[str] = checks.optional()  # noqa: N815
    location: Series[str] = checks.optional()
    grades: Series[str] = checks.optional()
    subjects: Series[str] = checks.optional()
    periods: Series[str] = checks.optional()
    course: Series[str] = checks.optional()
    school: Series[str] = checks.optional()
    term: Series[str] = checks.optional()

    _not_blank = checks.present("title")
    _texts = checks.text("title", "location", "grades", "subjects", "periods", longest=LONGEST_TEXT)
    _codes = checks.text("classCode", "classType", "course", "school", "term", longest=LONGEST_ID)


class Users(External):
    """Accepted students and teachers."""

    givenName: Series[str] = pa.Field()  # noqa: N815
    familyName: Series[str] = pa.Field()  # noqa: N815
    middleName: Series[str] = checks.optional()  # noqa: N815
    preferredFirstName: Series[str] = checks.optional()  # noqa: N815
    username: Series[str] = checks.optional()
    email: Series[str] = checks.optional()
    phone: Series[str] = checks.optional()
    identifier: Series[str] = checks.optional()
    enabledUser: Series[str] = checks.optional()  # noqa: N815
    grades: Series[str] = checks.optional()
    org: Series[str] = checks.optional()

    _not_blank = checks.present("givenName", "familyName")
    _texts = checks.text("givenName", "familyName", "middleName", "preferredFirstName", "grades", longest=LONGEST_TEXT)
    _codes = checks.text("username", "email", "phone", "identifier", "org", longest=LONGEST_ID)
    _flag = checks.one_of("enabledUser", *FLAGS)


class Enrollments(External):
    """Accepted enrollments, of students and teachers alike."""

    role: Series[str] = pa.Field()
    primary: Series[str] = checks.optional()
    beginDate: Series[str] = checks.optional()  # noqa: N815
    endDate: Series[str] = checks.optional()  # noqa: N815
    user: Series[str] = pa.Field()
    class_: Series[str] = pa.Field(alias="class")
    period: Series[str] = checks.optional()

    _not_blank = checks.present("role", "user", "class")
    _codes = checks.text("role", "user", "class", longest=LONGEST_ID)
    _flag = checks.one_of("primary", *FLAGS)
    _days = checks.day("beginDate", "endDate")
    _order = _in_order()
