"""For each collection how a page is split, a record is decoded, and which external columns a record has."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster import wire

if TYPE_CHECKING:
    from collections.abc import Callable

split_orgs = wire.splitter("orgs", "schools")
split_academic_sessions = wire.splitter("academicSessions", "terms", "gradingPeriods")
split_courses = wire.splitter("courses")
split_classes = wire.splitter("classes")
split_students = wire.splitter("users", "students")
split_teachers = wire.splitter("users", "teachers")
split_enrollments = wire.splitter("enrollments")

SPLITTERS = {
    "orgs": split_orgs,
    "academicSessions": split_academic_sessions,
    "courses": split_courses,
    "classes": split_classes,
    "users": split_students,
    "enrollments": split_enrollments,
}
"""By envelope, for pages that are composed from CSV."""

decode_org = wire.decoder(wire.Org)
decode_academic_session = wire.decoder(wire.AcademicSession)
decode_course = wire.decoder(wire.Course)
decode_class = wire.decoder(wire.Class)
decode_user = wire.decoder(wire.User)
decode_enrollment = wire.decoder(wire.Enrollment)


def _reference(name: str) -> Callable[[Any], object]:
    """The id a reference names."""
    of = attrgetter(name)

    def read(record: Any) -> object:
        reference = of(record)
        return None if reference is None else reference.sourcedId

    return read


def _joined(name: str) -> Callable[[Any], object]:
    """A list of words as one text."""
    of = attrgetter(name)

    def read(record: Any) -> object:
        words = of(record)
        return ",".join(words) if words.__class__ is list else words

    return read


def _first_term(record: wire.Class) -> object:
    return record.terms[0].sourcedId if record.terms else None


def _organization(user: wire.User) -> object:
    """The primary organization; else that of the first role (1.2) or the first organization (1.1)."""
    if user.primaryOrg is not None:
        return user.primaryOrg.sourcedId
    for role in user.roles or ():
        if role.org is not None:
            return role.org.sourcedId
    return user.orgs[0].sourcedId if user.orgs else None


def _phone(user: wire.User) -> object:
    return user.phone or user.sms


def _period(begin: str, end: str) -> Callable[[Any], object]:
    """Both days as one interval, "2026-08-15/2027-06-30"; None where one is open."""
    first, last = attrgetter(begin), attrgetter(end)

    def read(record: Any) -> object:
        start, stop = first(record), last(record)
        return f"{start[:10]}/{stop[:10]}" if start and stop else None

    return read


def _flat(*names: str) -> dict[str, Callable[[Any], object]]:
    return {name: attrgetter(name) for name in ("sourcedId", "status", "dateLastModified", *names)}


ORG_COLUMNS = _flat("name", "type", "identifier") | {"parent": _reference("parent")}
ACADEMIC_SESSION_COLUMNS = _flat("title", "type", "startDate", "endDate", "schoolYear") | {
    "parent": _reference("parent"),
    "period": _period("startDate", "endDate"),
}
COURSE_COLUMNS = _flat("title", "courseCode") | {
    "grades": _joined("grades"),
    "subjects": _joined("subjects"),
    "org": _reference("org"),
}
CLASS_COLUMNS = _flat("title", "classCode", "classType", "location") | {
    "grades": _joined("grades"),
    "subjects": _joined("subjects"),
    "periods": _joined("periods"),
    "course": _reference("course"),
    "school": _reference("school"),
    "term": _first_term,
}
_USER_FIELDS = "givenName familyName middleName preferredFirstName username email identifier enabledUser"
USER_COLUMNS = _flat(*_USER_FIELDS.split()) | {
    "phone": _phone,
    "grades": _joined("grades"),
    "org": _organization,
}
ENROLLMENT_COLUMNS = _flat("role", "primary", "beginDate", "endDate") | {
    "user": _reference("user"),
    "class": _reference("class_"),
    "period": _period("beginDate", "endDate"),
}
