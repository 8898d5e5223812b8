"""The records as they travel, and how a page becomes records.

Everything is optional here and unknown fields are ignored: what a record must have is said once, in `schemas.py`. We
ask for ids as text, because those of other shards exceed 2^53; a site that sends numbers even so is read exactly, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.canvas import refusals
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Id = str | int | None


class Account(msgspec.Struct, gc=False):
    """An account: the site, a school, a department."""

    id: Id = None
    name: str | None = None
    parent_account_id: Id = None
    sis_account_id: str | None = None
    workflow_state: str | None = None


class Placed(msgspec.Struct, gc=False):
    """An account, and whether it is the one that we read from: its parent is not read."""

    account: Account | None = None
    top: bool = False


class Term(msgspec.Struct, gc=False):
    """An enrollment term."""

    id: Id = None
    name: str | None = None
    start_at: str | None = None
    end_at: str | None = None
    workflow_state: str | None = None


class Course(msgspec.Struct, gc=False):
    """A course: with a term, so it is what is taught, as it is held."""

    id: Id = None
    name: str | None = None
    course_code: str | None = None
    account_id: Id = None
    enrollment_term_id: Id = None
    workflow_state: str | None = None


class Section(msgspec.Struct, gc=False):
    """A section of a course."""

    id: Id = None
    name: str | None = None
    course_id: Id = None
    sis_section_id: str | None = None


class Held(msgspec.Struct, gc=False):
    """A section with its course, which knows its term and its account."""

    course: Course | None = None
    section: Section | None = None


class User(msgspec.Struct, gc=False):
    """A person. `sortable_name` is "Family, Given"; older sites send no `first_name` and `last_name`."""

    id: Id = None
    name: str | None = None
    sortable_name: str | None = None
    short_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    sis_user_id: str | None = None
    login_id: str | None = None
    email: str | None = None


class Enrollment(msgspec.Struct, gc=False):
    """Somebody in a section; nothing of the person but the id is read here."""

    id: Id = None
    type: str | None = None
    enrollment_state: str | None = None
    user_id: Id = None
    course_section_id: Id = None
    created_at: str | None = None
    updated_at: str | None = None
    start_at: str | None = None
    end_at: str | None = None


class Assignment(msgspec.Struct, gc=False):
    """Something that is graded, or only handed in. Points keep the digits that came."""

    id: Id = None
    course_id: Id = None
    name: str | None = None
    due_at: str | None = None
    unlock_at: str | None = None
    points_possible: Any = None
    submission_types: list[str] | None = None
    workflow_state: str | None = None
    updated_at: str | None = None


class Submission(msgspec.Struct, gc=False):
    """What somebody handed in for an assignment, and was given for it; there is one also of who did nothing yet."""

    id: Id = None
    assignment_id: Id = None
    user_id: Id = None
    score: Any = None
    grade: Any = None
    attempt: int | None = None
    workflow_state: str | None = None
    submitted_at: str | None = None
    graded_at: str | None = None
    excused: bool | None = None
    redo_request: bool | None = None


_listed = msgspec.json.Decoder(list[msgspec.Raw])
_named = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ids = msgspec.json.Decoder(Section)


class _OfCourse(msgspec.Struct):
    course: msgspec.Raw
    sections: msgspec.Raw


_of_course = msgspec.json.Decoder(_OfCourse)


def splitter(envelope: str) -> Callable[[bytes], Sequence[bytes]]:
    """A function that gives the raw records of a page: of a list, or of one in an object, beside `meta`.

    Args:
        envelope: the list's name there. Terms always come so, other collections of some sites and versions.

    Returns:
        a pure function; it raises `BrokenPage` for anything that is not a page.
    """

    def split(body: bytes) -> Sequence[bytes]:
        try:
            return _listed.decode(_named.decode(body)[envelope] if body.lstrip()[:1] == b"{" else body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
            raise broken(body, f"is no list of {envelope}") from None

    return split


def split_accounts(body: bytes) -> Sequence[bytes]:
    """The account that is read, alone, or a list of those below it.

    Raises:
        BrokenPage: it is neither.
    """
    try:
        if body.lstrip()[:1] == b"{" and "id" in _named.decode(body):
            return [b'{"id":%b,"account":%b,"top":true}' % (_key(body), body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise broken(body, "is no account") from None
    return [b'{"id":%b,"account":%b}' % (_key(raw), raw) for raw in map(bytes, _accounts(body))]


def with_course(course: bytes, body: bytes) -> bytes:
    """The answer for a course's sections, which does not say enough of the course, together with it."""
    return b'{"course":%b,"sections":%b}' % (course, body)


def split_sections(body: bytes) -> Sequence[bytes]:
    """The sections of a course, each with the course.

    Raises:
        BrokenPage: it is no such page.
    """
    try:
        told = _of_course.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise broken(body, "is no list of sections") from None
    course, rows = bytes(told.course), map(bytes, _sections(bytes(told.sections)))
    return [b'{"id":%b,"course":%b,"section":%b}' % (_key(raw), course, raw) for raw in rows]


_accounts, _sections = splitter("sub_accounts"), splitter("sections")
split_terms, split_courses = splitter("enrollment_terms"), splitter("courses")
split_users, split_enrollments = splitter("users"), splitter("enrollments")
split_assignments, split_submissions = splitter("assignments"), splitter("submissions")


def _key(raw: bytes) -> bytes:
    """The id with which a composed record begins, so that it is found there as in any other."""
    return msgspec.json.encode(id_of(raw))


def id_of(raw: bytes) -> str | None:
    """The id in a raw record, without decoding the rest of it; None where none can be read."""
    try:
        found = _ids.decode(raw).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return None if found is None else str(found)


def decoder(record: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    """A function that decodes one raw record; it raises `BadRow`, and `BrokenPage` where the bytes are no UTF-8."""
    row = msgspec.json.Decoder(record, float_hook=str)

    def decode(raw: bytes) -> Any:
        try:
            return row.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _bad(bytes(raw), error) from None

    return decode


def _bad(raw: bytes, error: Exception) -> BadRow | BrokenPage:
    """A wrong character set concerns the whole site, not the rows that happen to show it."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return broken(raw, "is not UTF-8")
    reason = str(error) if isinstance(error, msgspec.ValidationError) else f"is not readable: {error}"
    return BadRow("wire: wrong type", reason, _usable(id_of(raw)))


def _usable(found: str | None) -> str | None:
    return found if found and found.isprintable() and len(found) <= 255 else None  # noqa: PLR2004 -- as in schemas


def broken(body: bytes, what: str) -> BrokenPage:
    """The error that a page is none, with what it begins with.

    Args:
        body: the page, or what in it cannot be read.
        what: is wrong, as it follows on "a page".
    """
    if body.lstrip()[:1] == b"<":
        what = "is HTML where JSON should be"
    said = refusals.words(body)
    told = f"; the site says: {said}" if said else ""
    return BrokenPage(
        f"a page {what}{told}; it begins: {redact.excerpt(body)!r}.",
        remedy="Look at the landed page, and at the site's address.",
    )
