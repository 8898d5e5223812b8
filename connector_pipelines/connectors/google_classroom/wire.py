"""The records as they travel, and how a page becomes records.

An empty list is left out by Google, so `{}` is a page without records; anything else without the list is none. A page
of a roster is landed behind a line that says which course it is of, and who owns that; the body itself stays as it is.
Everything is optional here: what a record must have is said once, in `schemas.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_pipelines.pages import Page

    Split = Callable[[bytes], Sequence[bytes]]


class Course(msgspec.Struct, gc=False):
    """courses."""

    id: str | None = None
    name: str | None = None
    section: str | None = None
    room: str | None = None
    levels: str | None = None
    subject: str | None = None
    courseState: str | None = None  # noqa: N815 -- the contract's names, here and below
    ownerId: str | None = None  # noqa: N815 -- asked for to walk alone, and never landed with a course
    updateTime: str | None = None  # noqa: N815


class Member(msgspec.Struct, gc=False):
    """Somebody in a course; of teachers with whether they own it."""

    courseId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    owns: bool | None = None


class Name(msgspec.Struct, gc=False):
    """What a person is called."""

    givenName: str | None = None  # noqa: N815
    familyName: str | None = None  # noqa: N815


class Person(msgspec.Struct, gc=False):
    """userProfiles, as they stand in rosters."""

    id: str | None = None
    name: Name | None = None
    emailAddress: str | None = None  # noqa: N815


class _Key(msgspec.Struct):
    id: str | None = None
    userId: str | None = None  # noqa: N815
    courseWorkId: str | None = None  # noqa: N815


class _Listed(msgspec.Struct):
    userId: str | None = None  # noqa: N815
    courseId: str | None = None  # noqa: N815
    profile: msgspec.Raw = msgspec.Raw()


_MARK = b"\x1ecourse "
_LOOK = "Look at the landed page; tell Google where it is not ours to mend."

_page = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_token = msgspec.json.Decoder(str)
_listed = msgspec.json.Decoder(_Listed)
_course = msgspec.json.Decoder(Course)
_key = msgspec.json.Decoder(_Key)

WRONG = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises."""


def of_course(course: Course, body: bytes, beside: Mapping[str, object] | None = None) -> bytes:
    """A page of a roster as it is landed. Nobody is named who is not in it: an owner who is to be erased has a record
    here, or nothing.

    Args:
        course: whose it is.
        body: the page as it came.
        beside: what else its records are composed of, by name; `told_beside` finds it again.
    """
    here = course.ownerId is not None and json.dumps(course.ownerId).encode() in body
    named = {"id": course.id} | ({"ownerId": course.ownerId} if here else {}) | dict(beside or {})
    told = msgspec.json.format(msgspec.json.encode(named), indent=-1)  # one line, however Google wrote parts of it
    return _MARK + told + b"\n" + body


def told_beside(body: bytes) -> bytes:
    """The line before a landed page, as JSON."""
    return body.partition(b"\n")[0].removeprefix(_MARK)


def token_in(body: bytes) -> str | None:
    """What leads to the next page; None on the last one, whether it says nothing of it or says "".

    Raises:
        BrokenPage: it is no page.
    """
    body = body.partition(b"\n")[2] if body.startswith(_MARK) else body
    raw = _fields(body).get("nextPageToken")
    try:
        return None if raw is None else _token.decode(raw) or None
    except WRONG:
        raise broken(body, "leads on by something that is no text") from None


def split_courses(body: bytes) -> Sequence[bytes]:
    """The raw courses of a page.

    Raises:
        BrokenPage: it is no page.
    """
    return rows_in(body, "courses")


def members(name: str) -> Split:
    """A function that gives what belongs to a course as it came; its `teachers` with whether they own it."""

    def split(body: bytes) -> Sequence[bytes]:
        course, rows = _roster(body, name)
        if name != "teachers":
            return [raw for raw, _ in rows]
        return [_marked(raw, owns=bool(one and one.userId and one.userId == course.ownerId)) for raw, one in rows]

    return split


def people(name: str) -> Split:
    """A function that gives the profiles of who is in a course: a person of many courses is the same bytes in each."""

    def split(body: bytes) -> Sequence[bytes]:
        return [_profile(raw, listed) for raw, listed in _roster(body, name)[1]]

    return split


def ids(split: Split) -> Callable[[Page], set[str]]:
    """A function that finds what tells the records of a page apart, of people, courses, places or course work."""

    def find(page: Page) -> set[str]:
        return {found for row in split(page.body) if (found := _id_of(row))}

    return find


T = TypeVar("T", bound=msgspec.Struct)


def decoder(record: type[T], name: Callable[[dict[str, Any]], object]) -> Callable[[bytes], T]:
    """A function that decodes one raw record.

    Args:
        record: its type.
        name: the external id in a record that cannot be decoded, where there is one.
    """
    row = msgspec.json.Decoder(record, float_hook=str)

    def decode(raw: bytes) -> T:
        try:
            return row.decode(raw)
        except WRONG as error:
            reason = str(error) if isinstance(error, msgspec.ValidationError) else f"is not readable: {error}"
            raise BadRow("wire: wrong type", reason, _named(raw, name)) from None

    return decode


def member_id(told: dict[str, Any]) -> object:
    """The id of somebody's place in a course: Classroom has none of its own."""
    course, user = told.get("courseId"), told.get("userId")
    return f"{course}:{user}" if isinstance(course, str) and isinstance(user, str) else None


decode_course = decoder(Course, lambda told: told.get("id"))
decode_member = decoder(Member, member_id)
decode_person = decoder(Person, lambda told: told.get("id"))


def listed_course(raw: bytes) -> Course:
    """A course whose roster is to be read.

    Raises:
        BrokenPage: it has no id.
    """
    try:
        course = decode_course(raw)
    except BadRow:
        course = Course()
    if not course.id:
        raise broken(raw, "lists a course whose id cannot be read")
    return course


def _named(raw: bytes, name: Callable[[dict[str, Any]], object]) -> str | None:
    try:
        told = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        return None
    found = name(told) if isinstance(told, dict) else None
    return found if isinstance(found, str) and found.isprintable() and 0 < len(found) <= 255 else None  # noqa: PLR2004 -- as in schemas


def _id_of(row: bytes) -> str | None:
    try:
        key = _key.decode(row)
    except WRONG:
        return None
    name = key.id or key.userId
    return f"{key.courseWorkId or ''}/{name}" if name else None


def _marked(raw: bytes, *, owns: bool) -> bytes:
    """The record with one field more, in front; what is no object is left as it is, and refused further on."""
    if not raw.startswith(b"{"):
        return raw
    rest = raw[1:].lstrip()
    return b'{"owns":%b%b%b' % (b"true" if owns else b"false", b"" if rest.startswith(b"}") else b",", rest)


def _profile(raw: bytes, listed: _Listed | None) -> bytes:
    """A roster without profiles still says who it is of."""
    if listed is None:
        return raw
    return bytes(listed.profile) or json.dumps({"id": listed.userId}).encode()


def _roster(body: bytes, name: str) -> tuple[Course, list[tuple[bytes, _Listed | None]]]:
    """The course a page is of, and its raw records, with what they name where that can be read.

    Raises:
        BrokenPage: it is no page, or of another course.
    """
    head, _, rest = body.partition(b"\n")
    if not head.startswith(_MARK):
        raise broken(body, "does not say which course it is of")
    try:
        course = _course.decode(head.removeprefix(_MARK))
    except WRONG:
        raise broken(body, "does not say which course it is of") from None
    rows = [(bytes(raw), _readable(raw)) for raw in rows_in(rest, name)]
    others = {listed.courseId for _, listed in rows if listed and listed.courseId} - {course.id}
    if others:
        raise broken(rest, f"of the {name} of course {course.id} holds some of another course")
    return course, rows


def _readable(raw: bytes) -> _Listed | None:
    try:
        return _listed.decode(raw)
    except WRONG:
        return None


def rows_in(body: bytes, name: str) -> list[msgspec.Raw]:
    """The raw records of a page as it came.

    Raises:
        BrokenPage: it is no page.
    """
    fields = _fields(body)
    if name not in fields:
        if set(fields) <= {"nextPageToken"}:
            return []
        raise broken(body, f"has no list {name!r}, and is not empty either")
    try:
        return _list.decode(fields[name])
    except WRONG:
        raise broken(body, f"has something else than a list as {name!r}") from None


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        body.decode()
        return _page.decode(body)
    except WRONG:
        raise broken(body, "is no JSON object in UTF-8") from None


def broken(body: bytes, what: str) -> BrokenPage:
    """The error for a page that is none, or holds what it should not."""
    return BrokenPage(f"a page {what}; it begins: {redact.excerpt(bytes(body))!r}.", remedy=_LOOK)
