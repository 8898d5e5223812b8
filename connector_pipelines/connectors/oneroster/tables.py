"""The CSV files: which columns become which JSON fields. Pure.

Headers are compared without case; the misspellings seen in real files are known (contract 1.3, "Traps").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = Callable[[str], Any]


def _text(cell: str) -> str:
    return cell


def _reference(cell: str) -> dict[str, str]:
    return {"sourcedId": cell}


def _words(cell: str) -> list[str]:
    return [word for part in cell.split(",") if (word := part.strip())]


def _references(cell: str) -> list[dict[str, str]]:
    return [_reference(word) for word in _words(cell)]


@dataclass(frozen=True, slots=True)
class Table:
    """How one file feeds one entity.

    Attributes:
        envelope: what the REST service calls the list.
        columns: CSV column, in lower case → JSON field and what a cell becomes. An empty cell becomes nothing.
        role: only rows of this role, where the file has several.
    """

    file: str
    envelope: str
    columns: Mapping[str, tuple[str, Cell]]
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A user's place in roles.csv."""

    organization: str
    primary: bool
    deleted: bool


@dataclass(slots=True)
class Roles:
    """Who has one role, from roles.csv.

    Attributes:
        wanted: the role.
        partial: the file lists changes alone, so that a user without a row may have any role.
        of: by user, the best role: one that stands before a deleted one, a primary before others.
        seen: with a partial file, every user that has a row in it.
    """

    wanted: str
    partial: bool
    of: dict[str, Role] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def note(self, row: Mapping[str, str]) -> None:
        """Take a row of roles.csv into account."""
        user = row.get("usersourcedid", "")
        if self.partial:
            self.seen.add(user)
        if row.get("role", "").lower() != self.wanted:
            return
        primary = row.get("roletype", "").lower() == "primary"
        role = Role(row.get("orgsourcedid", ""), primary, row.get("status", "").lower() == "tobedeleted")
        known = self.of.get(user)
        if known is None or (known.deleted, not known.primary) > (role.deleted, not role.primary):
            self.of[user] = role

    def cannot_tell(self, user: str) -> bool:
        """Whether the user may have the role although no row says so."""
        return self.partial and user not in self.seen


def _same(*names: str) -> dict[str, tuple[str, Cell]]:
    return {name.lower(): (name, _text) for name in ("sourcedId", "status", "dateLastModified", *names)}


def _points(**names: str) -> dict[str, tuple[str, Cell]]:
    return {f"{column.lower()}sourcedid": (field, _reference) for column, field in names.items()}


def _lists(*names: str) -> dict[str, tuple[str, Cell]]:
    return {name: (name, _words) for name in names}


_USERS = (
    _same(
        "enabledUser",
        "username",
        "givenName",
        "familyName",
        "middleName",
        "identifier",
        "email",
        "sms",
        "phone",
        "role",
    )
    | _lists("grades")
    | _points(primaryOrg="primaryOrg")
    | {"preferredgivenname": ("preferredFirstName", _text), "orgsourcedids": ("orgs", _references)}
)
_ENROLLMENTS = _same("role", "primary", "beginDate", "endDate") | _points(**{"user": "user", "class": "class"})

TABLES: Mapping[str, Table] = {
    "organizations": Table("orgs.csv", "orgs", _same("name", "type", "identifier") | _points(parent="parent")),
    "terms": Table(
        "academicsessions.csv",
        "academicSessions",
        _same("title", "type", "startDate", "endDate", "schoolYear") | _points(parent="parent"),
    ),
    "courses": Table(
        "courses.csv", "courses", _same("title", "courseCode") | _lists("grades", "subjects") | _points(org="org")
    ),
    "sections": Table(
        "classes.csv",
        "classes",
        _same("title", "classCode", "classType", "location")
        | _lists("grades", "subjects", "periods")
        | _points(course="course", school="school")
        | {"termsourcedids": ("terms", _references)},
    ),
    "students": Table("users.csv", "users", _USERS, role="student"),
    "instructors": Table("users.csv", "users", _USERS, role="teacher"),
    "enrollments": Table("enrollments.csv", "enrollments", _ENROLLMENTS, role="student"),
    "teaching_assignments": Table("enrollments.csv", "enrollments", _ENROLLMENTS, role="teacher"),
}

_MISSPELLED = {"datalastmodified": "datelastmodified", "prefferedgivenname": "preferredgivenname"}


@dataclass(frozen=True, slots=True)
class Header:
    """Where the columns of a file are.

    Attributes:
        at: position by column name, in lower case. Columns without a name, at the end of real files, are none.
        width: cells a row must have.
        fields: position, JSON field and conversion of the columns that a table uses.
    """

    at: Mapping[str, int]
    width: int
    fields: tuple[tuple[int, str, Cell], ...] = ()

    def row(self, cells: Sequence[str]) -> dict[str, str]:
        """The cells by column."""
        return {name: cells[at].strip() for name, at in self.at.items()}


def header_of(cells: Sequence[str], table: Table | None = None) -> Header:
    """Read a header row, for a table where its records are wanted."""
    names = [cell.strip().lower() for cell in cells]
    at = {_MISSPELLED.get(name, name): position for position, name in enumerate(names) if name}
    used = table.columns if table else {}
    fields = tuple((at[name], field, cell) for name, (field, cell) in used.items() if name in at)
    return Header(at, max(at.values(), default=-1) + 1, fields)


def raggedness(header: Header, cells: Sequence[str]) -> str:
    """What is wrong with the number of cells in a row; "" for nothing. Blank cells too many are nothing."""
    if len(cells) == header.width:
        return ""
    if len(cells) < header.width or any(cell.strip() for cell in cells[header.width :]):
        return f"has {len(cells)} cells where the header has {header.width}"
    return ""


def unreadable(why: str, cells: Sequence[str]) -> dict[str, Any]:
    """A stand-in for a row that is no record: decoding refuses its status and gives this reason (`wire`)."""
    return {"sourcedId": cells[0] if cells else "", "status": 0, "unreadable": why, "cells": list(cells)}


def record_of(table: Table, header: Header, cells: Sequence[str], roles: Roles | None) -> dict[str, Any] | None:
    """The record of a row, or None where it is of another role.

    Args:
        table: what the row is of.
        header: where its columns are.
        cells: the row, not ragged.
        roles: users of the table's role, where they have a file of their own; a user's organization comes from it.
    """
    record = {field: cell(value) for at, field, cell in header.fields if (value := cells[at].strip())}
    if table.role is None:
        return record
    if roles is None:
        return record if record.get("role", "").lower() == table.role else None
    role = roles.of.get(record.get("sourcedId", ""))
    if role is None:
        return None
    if role.organization and "primaryOrg" not in record:
        record["primaryOrg"] = _reference(role.organization)
    if role.deleted:
        record["status"] = "tobedeleted"  # the user may stay, but not in this role
    return record
