"""The records as they travel: OneRoster 1.2, 1.1 and TimeBack in one set of shapes, and how a page becomes records.

Everything is optional here and unknown fields are ignored: what a record must have is said once, in `schemas.py`.
A page is split without being decoded, which is quick; then only the records that matter are decoded, each by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact
from connector_pipelines.pages import BadRow

Flag = bool | str | None
"""1.2 sends the strings "true" and "false", many 1.1 servers real booleans (contract 1.2): both are read."""

Words = list[str] | str | None
"""1.1 has `periods` as a string, 1.2 as a list."""


class Ref(msgspec.Struct, gc=False):
    """A reference; only the id matters, href and type follow from it."""

    sourcedId: str | None = None  # noqa: N815 -- the contract's name


class Role(msgspec.Struct, gc=False):
    """A 1.2 user's role in an organization."""

    role: str | None = None
    org: Ref | None = None


class Record(msgspec.Struct, gc=False):
    """What every OneRoster record has."""

    sourcedId: str | None = None  # noqa: N815 -- the contract's names, here and below
    status: str | None = None
    dateLastModified: str | None = None  # noqa: N815


class Org(Record, gc=False):
    """orgs, schools."""

    name: str | None = None
    type: str | None = None
    identifier: str | None = None
    parent: Ref | None = None


class AcademicSession(Record, gc=False):
    """academicSessions, terms, gradingPeriods."""

    title: str | None = None
    type: str | None = None
    startDate: str | None = None  # noqa: N815
    endDate: str | None = None  # noqa: N815
    schoolYear: str | int | None = None  # noqa: N815
    parent: Ref | None = None


class Course(Record, gc=False):
    """courses."""

    title: str | None = None
    courseCode: str | None = None  # noqa: N815
    grades: Words = None
    subjects: Words = None
    org: Ref | None = None


class Class(Record, gc=False):
    """classes."""

    title: str | None = None
    classCode: str | None = None  # noqa: N815
    classType: str | None = None  # noqa: N815
    location: str | None = None
    grades: Words = None
    subjects: Words = None
    periods: Words = None
    course: Ref | None = None
    school: Ref | None = None
    terms: list[Ref] | None = None


class User(Record, gc=False):
    """users, students, teachers; `role` and `orgs` are 1.1, `roles` and `primaryOrg` 1.2."""

    username: str | None = None
    enabledUser: Flag = None  # noqa: N815
    givenName: str | None = None  # noqa: N815
    familyName: str | None = None  # noqa: N815
    middleName: str | None = None  # noqa: N815
    preferredFirstName: str | None = None  # noqa: N815
    identifier: str | None = None
    email: str | None = None
    phone: str | None = None
    sms: str | None = None
    grades: Words = None
    primaryOrg: Ref | None = None  # noqa: N815
    roles: list[Role] | None = None
    orgs: list[Ref] | None = None


class Enrollment(Record, gc=False):
    """enrollments."""

    role: str | None = None
    primary: Flag = None
    beginDate: str | None = None  # noqa: N815
    endDate: str | None = None  # noqa: N815
    user: Ref | None = None
    class_: Ref | None = msgspec.field(name="class", default=None)


Split = Callable[[bytes], Sequence[bytes]]
Decode = Callable[[bytes], Record]

_row_list = msgspec.json.Decoder(list[msgspec.Raw])
_BOM = b"\xef\xbb\xbf"
_LOOK = "Look at the landed page; tell the system's vendor."


def splitter(*envelopes: str) -> Split:
    """A function that gives the raw records of a page.

    Args:
        envelopes: names the list may have; servers differ ("terms" or "academicSessions").

    Returns:
        a pure function; it raises `BrokenPage` for anything that is not a page, in a sentence with its beginning.
    """
    fields = [(name, list[msgspec.Raw] | None, None) for name in envelopes]
    page = msgspec.json.Decoder(msgspec.defstruct("Page", fields))

    def split(body: bytes) -> Sequence[bytes]:
        body = body.removeprefix(_BOM)
        try:
            whole = page.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _rows(body, envelopes)
        for name in envelopes:
            rows: list[msgspec.Raw] | None = getattr(whole, name)
            if rows is not None:
                return rows
        return _rows(body, envelopes)  # finds out what is wrong, and says so

    return split


def decoder(record: type[Record]) -> Decode:
    """A function that decodes one raw record.

    Returns:
        a pure function; it raises `BadRow`, and `BrokenPage` where the bytes are no UTF-8: a wrong character set
        concerns the whole source, not the rows that happen to show it.
    """
    row = msgspec.json.Decoder(record)

    def decode(raw: bytes) -> Record:
        try:
            return row.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _bad(bytes(raw), error) from None

    return decode


def _bad(raw: bytes, error: Exception) -> BadRow | BrokenPage:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _broken(raw, "is not UTF-8")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    told = found if isinstance(found, dict) else {}
    external_id = told.get("sourcedId")
    usable = isinstance(external_id, str) and external_id.isprintable() and 0 < len(external_id) <= 255  # noqa: PLR2004 -- as in schemas
    unreadable = told.get("unreadable")  # a CSV row that is no record (`tables.unreadable`)
    rule, reason = ("csv: unreadable row", str(unreadable)) if unreadable else ("wire: wrong type", _reason(error))
    return BadRow(rule, reason, external_id if usable else None)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, msgspec.ValidationError) else f"is not readable: {error}"


def _rows(body: bytes, envelopes: Sequence[str]) -> Sequence[bytes]:
    """The raw rows of a page that is not as simple as most.

    Raises:
        BrokenPage: it is no page.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise _broken(body, "is not UTF-8") from None
    try:
        page = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        held = next((page[name] for name in envelopes if name in page), None)
        rows = None if held is None else _row_list.decode(held)
    except (msgspec.MsgspecError, RecursionError):
        return _slow_rows(body, envelopes)
    if rows is None:
        raise _broken(body, _without_envelope(body, envelopes))
    return rows


def _slow_rows(body: bytes, envelopes: Sequence[str]) -> list[bytes]:
    """For pages that only Python's own parser takes, lone surrogates for one, and for saying what is wrong."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        raise _broken(body, _no_json(body)) from None
    rows = next((page[name] for name in envelopes if name in page), None) if isinstance(page, dict) else None
    if not isinstance(rows, list):
        raise _broken(body, _without_envelope(body, envelopes))
    return [json.dumps(row).encode() for row in rows]


def _no_json(body: bytes) -> str:
    beginning = body.lstrip()[:1]
    if not beginning:
        return "is empty, which is not the same as an empty list"
    if beginning == b"<":
        return "is HTML or XML where JSON should be"
    return "is JSON that breaks off" if beginning in b"{[" else "is no JSON"


def _without_envelope(body: bytes, envelopes: Sequence[str]) -> str:
    said = explained(body)
    return f"lacks its list {' or '.join(map(repr, envelopes))}" + (f"; the source says: {said}" if said else "")


def _broken(body: bytes, what: str) -> BrokenPage:
    return BrokenPage(f"a page {what}; it begins: {redact.excerpt(body)!r}.", remedy=_LOOK)


def explained(body: bytes) -> str:
    """The source's own words in an error answer, in any of the spellings seen (contract 1.1, "Errors"); "" for none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return redact.excerpt(body) if body[:1] not in {b"<", b"{", b"["} else ""
    words = dict.fromkeys(_words(told))
    return redact.text("; ".join(words))[:300]


_SAYS = ("imsx_description", "description", "message", "error_description", "error")
_CODES = ("imsx_codeMinorFieldValue", "imsx_codeMinor", "imsx_CodeMinor", "codeMinor")


def _words(told: Any, depth: int = 0) -> list[str]:
    """Every text under a name that carries a message or a minor code, outer ones first."""
    if depth > 6:  # noqa: PLR2004 -- deeper than any spelling
        return []
    if isinstance(told, list):
        return [word for item in told[:10] for word in _words(item, depth + 1)]
    if not isinstance(told, dict):
        return []
    here = [v for name in (*_SAYS, *_CODES) if isinstance(v := told.get(name), str) and v]
    return here + [word for value in told.values() for word in _words(value, depth + 1)]


_id = msgspec.json.Decoder(Ref)


def id_of(raw: bytes) -> str | None:
    """The id in a raw record, without decoding the rest of it; None where none can be read."""
    try:
        return _id.decode(raw).sourcedId
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
