"""One row of core to the record that should stand in Moodle. Pure: no clock, no network.

Names of records are Moodle's own. Their numbers are made of core's keys, so that a second look finds them again. Times
are Unix seconds: a first day begins at midnight UTC, a last day ends with it; 0 is none.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from connector_pipelines.outward import Skipped, Unwanted
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.connectors.moodle.config import MoodleConfig
    from connector_pipelines.outward import Record

    Row = Mapping[str, Any]
    Choose = Callable[[Row], Skipped | Unwanted | None]
    Shape = Callable[[Row], Record | Skipped | Unwanted]

PROFILE = "profile_field_"
"""Before the short name of a profile field; Moodle's forms call them so, too."""

LONGEST_NAME = 254

# One that Moodle does not take is an error even when it is looked for, and would take a whole batch with it.
_USERNAME = re.compile(r"[-.@_a-z0-9]+")
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+")


def begins(day: date | None) -> int:
    """The first second of a day."""
    return int(datetime.combine(day, time(), UTC).timestamp()) if day else 0


def ends(day: date | None) -> int:
    """The second after a day; the last day there is means for ever, as systems write it that cannot leave it empty."""
    return begins(day + timedelta(days=1)) if day and day < date.max else 0


def category(config: MoodleConfig) -> Shape:
    """A term as a category, within that of its parent (M42)."""

    def shape(row: Row) -> Record | Skipped:
        if row["status"] != "active":
            return Skipped("the term is inactive; a category cannot be hidden")
        parent = int(row["parent"]) if row["parent"] else config.root_category
        return {"name": row["title"], "parent": parent, "idnumber": row["key"]}

    return shape


def choose_course(row: Row) -> Unwanted | None:
    """Courses that are held; one whose term is over is archived: hidden, never deleted (M46)."""
    if row["status"] != "active" or not row.get("sections", True):
        return Unwanted("it has no active section")
    return Unwanted("its term has ended") if row["ended"] else None


def offering(row: Row) -> Record | Skipped:
    """A course as it is held in a term (M40), once it is finalized (M43)."""
    return _course(row, row["title"], row["course_code"])


def section(row: Row) -> Record | Skipped:
    """A section as a course of its own (M41)."""
    return _course(row, row["title"], row["section_code"])


def _course(row: Row, title: str, code: str | None) -> Record | Skipped:
    if not row["term"]:
        return Skipped("its term is not known")
    return {
        "fullname": title[:LONGEST_NAME],
        "shortname": f"{code or row['key']} {row['term_title'] or ''}".strip()[:LONGEST_NAME],
        "categoryid": int(row["term"]),
        "idnumber": row["key"],
        "startdate": begins(row["start_date"]),
        "enddate": ends(row["end_date"]),
        "visible": 1,
    }


def choose_group(row: Row) -> Skipped | None:
    """Sections of courses that are held."""
    if row["status"] != "active":
        return Skipped("the section is inactive; who was in it is taken out, the group stays")
    return Skipped("the term has ended; groups stay as they are") if row["ended"] else None


def group(row: Row) -> Record | Skipped:
    """A section as a group of its course (M41)."""
    if not row["finalized"]:
        return Skipped("its course or its term is not known")
    name = row["section_code"] or row["title"]
    return {"courseid": int(row["offering"]), "name": f"{name} ({row['key']})", "idnumber": row["key"]}


def user(config: MoodleConfig) -> Shape:
    """A person as a user: user name and e-mail address in lower case, which is how Moodle compares them."""

    def shape(row: Row) -> Record | Unwanted:
        if row["status"] != "active" or row["enabled"] is False:
            return Unwanted("the person is inactive")
        email = (row["email"] or "").strip().lower()
        name = (row["username"] or "").strip().lower() or email
        if not email:
            raise BadRow("email is required", "has no e-mail address, without which Moodle takes nobody")
        if not _EMAIL.fullmatch(email):
            raise BadRow("email is none", "has an e-mail address that is none")
        if not _USERNAME.fullmatch(name):
            raise BadRow("username has other characters", "has a user name with more than letters, digits and -.@_")
        record = {
            "username": name,
            "firstname": row["given_name"].strip(),
            "lastname": row["family_name"].strip(),
            "email": email,
            "idnumber": str(row[config.idnumber] or ""),
            "auth": config.auth_plugin,
            "suspended": False,
        }
        return record | {PROFILE + name: str(row[column] or "") for name, column in config.profile_fields.items()}

    return shape


def choose_person(row: Row) -> Skipped | Unwanted | None:
    """Who is in a course, or a group of it, that is held."""
    if not row["active"]:
        return Unwanted("the person left")
    return Skipped("the term has ended; who is in its courses stays there") if row["ended"] else None


def enrolment(row: Row) -> Record | Skipped:
    """A person in a course, with first and last day; `place` is where, whatever the layout."""
    place = row.get("offering") or row.get("section")
    if not place:
        return Skipped("its course is not known")
    return {
        "courseid": int(place),
        "userid": int(row["person"]),
        "role": row["role"],
        "start": begins(row["start_date"]),
        "end": ends(row["end_date"]),
        "suspended": False,
    }


def member(row: Row) -> Record | Skipped:
    """A person in a group. A group's id has its course before it: "2:7"."""
    if not row["section"]:
        return Skipped("its section is not known")
    course, _, number = row["section"].partition(":")
    return {"courseid": int(course), "groupid": int(number), "userid": int(row["person"])}
