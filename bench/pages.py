"""Renders the OneRoster pages of the benchmark once, so that no contestant waits for data to be made up.

Two versions of one school district: in version 2 every hundredth user, class and enrollment differs. Records have the
shape and the weight of OneRoster 1.2 (about 600 bytes a user), ids sort in the order they are served, and every
reference resolves. Everything follows from the index of a record: two machines render the same bytes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE_ROWS = 1_000
CHANGED_EVERY = 100
FORMAT = 1
"""Raise it when records change: pages of another format are rendered anew."""

_BASE = "https://sis.example/ims/oneroster/rostering/v1p2"
_BEFORE, _AFTER = "2026-08-01T06:00:00.000Z", "2026-11-02T06:00:00.000Z"
_GIVEN = [
    "Ana",
    "Ben",
    "Chloé",
    "Dmitri",
    "Elif",
    "Fatima",
    "Gösta",
    "Hana",
    "Ivy",
    "José",
    "Kai",
    "Lea",
    "Mia",
    "Noor",
    "Oluwaseun",
    "Pia",
    "Quinn",
    "Rosa",
    "Sven",
    "Tariq",
]
_FAMILY = (
    *("Alvarez", "Brown", "Çelik", "Dubois", "Eriksen", "Fischer", "García", "Huang"),
    *("Ito", "Jones", "Kowalski", "Lopez", "O'Neil", "Nguyen", "Smith"),
)
_SUBJECTS = (
    *("Mathematics", "English", "Biology", "Chemistry", "History"),
    *("Geography", "Art", "Music", "Physics", "Spanish"),
)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How many records of each kind are served."""

    users: int = 100_000
    classes: int = 5_000
    enrollments: int = 50_000
    courses: int = 500
    schools: int = 50

    @classmethod
    def of(cls, users: int, enrollments: int | None = None) -> Size:
        """The same proportions for another number of users."""
        return cls(users, max(users // 20, 1), users // 2 if enrollments is None else enrollments)

    @property
    def name(self) -> str:
        """The folder of these pages."""
        return f"{self.users}-users-{self.enrollments}-enrollments"

    def changed(self, rows: int) -> int:
        """How many of the first `rows` records of a collection differ in version 2."""
        return rows // CHANGED_EVERY


@dataclass(frozen=True, slots=True)
class Collection:
    """One endpoint: its path, the envelope of its pages, and how its records are made."""

    path: str
    envelope: str
    rows: Callable[[Size], int]
    record: Callable[[int, Size, bool], Record]


def _ref(kind: str, plural: str, sourced_id: str) -> Record:
    return {"href": f"{_BASE}/{plural}/{sourced_id}", "sourcedId": sourced_id, "type": kind}


def _head(sourced_id: str, *, changed: bool = False) -> Record:
    return {
        "sourcedId": sourced_id,
        "status": "active",
        "dateLastModified": _AFTER if changed else _BEFORE,
        "metadata": {},
    }


def _scatter(index: int, among: int) -> int:
    """A number below `among` that looks random and is not (Knuth's multiplicative hash)."""
    return (index * 2_654_435_761 >> 7) % among


def _org_id(index: int) -> str:
    return f"org-{index:04d}"


def _org(index: int, size: Size, changed: bool) -> Record:  # noqa: ARG001, FBT001 -- one signature for all collections
    org = _head(_org_id(index)) | {"identifier": f"{index:06d}"}
    if index == 0:
        return org | {"name": "Springfield Unified District", "type": "district"}
    parent = {"parent": _ref("org", "orgs", _org_id(0))}
    return org | {"name": f"Springfield School No. {index}", "type": "school"} | parent


def _session(index: int, size: Size, changed: bool) -> Record:  # noqa: ARG001, FBT001 -- one signature for all collections
    session = _head(f"term-{index}") | {"schoolYear": "2027"}
    if index == 0:
        dates = {"startDate": "2026-08-15", "endDate": "2027-06-15"}
        return session | {"title": "School year 2026-27", "type": "schoolYear"} | dates
    dates = {"startDate": ("2026-08-15", "2027-01-15")[index - 1], "endDate": ("2027-01-14", "2027-06-15")[index - 1]}
    parent = {"parent": _ref("academicSession", "academicSessions", "term-0")}
    return session | {"title": f"Semester {index}", "type": "semester"} | dates | parent


def _course_id(index: int) -> str:
    return f"course-{index:05d}"


def _course(index: int, size: Size, changed: bool) -> Record:  # noqa: ARG001, FBT001 -- one signature for all collections
    subject = _SUBJECTS[index % len(_SUBJECTS)]
    return _head(_course_id(index)) | {
        "title": f"{subject} {index // len(_SUBJECTS) + 1}",
        "courseCode": f"{subject[:3].upper()}-{index:05d}",
        "grades": [f"{9 + index % 4:02d}"],
        "subjects": [subject],
        "org": _ref("org", "orgs", _org_id(0)),
    }


def _class_id(index: int) -> str:
    return f"class-{index:06d}"


def _class(index: int, size: Size, changed: bool) -> Record:  # noqa: FBT001 -- one signature for all collections
    course = index % size.courses
    subject = _SUBJECTS[course % len(_SUBJECTS)]
    return _head(_class_id(index), changed=changed) | {
        "title": f"{subject} {course // len(_SUBJECTS) + 1}, group {index // size.courses + 1}",
        "classCode": f"{subject[:3].upper()}-{index:06d}",
        "classType": "scheduled",
        "location": f"Annex {index % 90 + 1}" if changed else f"Room {index % 90 + 1}",
        "grades": [f"{9 + course % 4:02d}"],
        "subjects": [subject],
        "course": _ref("course", "courses", _course_id(course)),
        "school": _ref("org", "orgs", _org_id(1 + index % size.schools)),
        "terms": [_ref("academicSession", "academicSessions", f"term-{1 + index % 2}")],
        "periods": [str(1 + index % 8)],
    }


def _user_id(index: int) -> str:
    return f"user-{index:07d}"


def _user(index: int, size: Size, changed: bool) -> Record:  # noqa: FBT001 -- one signature for all collections
    given = _GIVEN[_scatter(index, 1_009) % len(_GIVEN)]
    family = _FAMILY[_scatter(index, 1_013) % len(_FAMILY)]
    org = _ref("org", "orgs", _org_id(1 + index % size.schools))
    user = _head(_user_id(index), changed=changed) | {
        "userMasterIdentifier": f"state-{index:09d}",
        "username": f"{given[0].lower()}.{index:07d}",
        "userIds": [{"type": "LDAP", "identifier": f"cn={index:07d},ou=students"}],
        "enabledUser": "true",
        "givenName": given,
        "familyName": family,
        "roles": [{"roleType": "primary", "role": "student", "org": org, "beginDate": "2026-08-15"}],
        "primaryOrg": org,
        "identifier": f"{index:08d}",
        "email": f"{index:07d}@{'new.' if changed else ''}students.example.org",
        "grades": [f"{9 + index % 4:02d}"],
    }
    if index % 3 == 0:
        user["middleName"] = _GIVEN[index % len(_GIVEN)]
    if index % 5 == 0:
        user |= {"preferredFirstName": given[:3], "phone": f"+1 555 {index % 10_000_000:07d}"}
    return user


def _enrollment(index: int, size: Size, changed: bool) -> Record:  # noqa: FBT001 -- one signature for all collections
    section = _scatter(index, size.classes)
    return _head(f"enr-{index:08d}", changed=changed) | {
        "role": "student",
        "primary": "false",
        "user": _ref("user", "users", _user_id(index % size.users)),
        "class": _ref("class", "classes", _class_id(section)),
        "school": _ref("org", "orgs", _org_id(1 + section % size.schools)),
        "beginDate": "2026-08-15",
        "endDate": "2027-01-31" if changed else "2027-06-15",
    }


COLLECTIONS: tuple[Collection, ...] = (
    Collection("orgs", "orgs", lambda size: size.schools + 1, _org),
    Collection("academicSessions", "academicSessions", lambda _: 3, _session),
    Collection("courses", "courses", lambda size: size.courses, _course),
    Collection("classes", "classes", lambda size: size.classes, _class),
    Collection("students", "users", lambda size: size.users, _user),
    Collection("enrollments", "enrollments", lambda size: size.enrollments, _enrollment),
)


def page_file(folder: Path, version: int, path: str, number: int) -> Path:
    """Where a page lies; pages are numbered from 0."""
    return folder / f"v{version}" / path / f"{number:05d}.json"


def rows_of(collection: Collection, size: Size, version: int) -> Iterator[Record]:
    """The records of a collection in the order of their ids."""
    for index in range(collection.rows(size)):
        yield collection.record(index, size, version == 2 and index % CHANGED_EVERY == CHANGED_EVERY - 1)  # noqa: PLR2004 -- the changed version


def render(root: Path, size: Size) -> Path:
    """Write the pages of both versions below `root` unless they are there, and return their folder."""
    folder = root / size.name
    stamp = folder / "size.json"
    current = json.dumps({"format": FORMAT, "rows_per_page": PAGE_ROWS, **asdict(size)})
    if stamp.exists() and stamp.read_text() == current:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for version in (1, 2):
        for collection in COLLECTIONS:
            _render_collection(folder, size, collection, version)
    stamp.write_text(current)  # last: without it the folder counts as half done
    return folder


def _render_collection(folder: Path, size: Size, collection: Collection, version: int) -> None:
    page_file(folder, version, collection.path, 0).parent.mkdir(parents=True)
    encode = msgspec.json.Encoder().encode
    rows: list[Record] = []
    number = 0
    for record in rows_of(collection, size, version):
        rows.append(record)
        if len(rows) == PAGE_ROWS:
            page_file(folder, version, collection.path, number).write_bytes(encode({collection.envelope: rows}))
            rows, number = [], number + 1
    if rows or not number:
        page_file(folder, version, collection.path, number).write_bytes(encode({collection.envelope: rows}))
