"""The records as they travel, one for each row, and how an answer becomes records.

Everything is optional here: what a record must have is said once, in `schemas.py`. Numbers keep the digits that came.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from connector_pipelines.errors import BrokenPage
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Assignment(msgspec.Struct, gc=False):
    """An assignment. `id` is its instance, `cmid` its course module."""

    id: int | None = None
    cmid: int | None = None
    course: int | None = None
    name: str | None = None
    duedate: int | None = None
    allowsubmissionsfromdate: int | None = None
    grade: Any = None
    timemodified: int | None = None


class Item(msgspec.Struct, gc=False):
    """A line of the gradebook. `itemmodule`, `iteminstance` and `cmid` say of which activity."""

    id: int | None = None
    itemname: str | None = None
    itemtype: str | None = None
    itemmodule: str | None = None
    iteminstance: int | None = None
    itemnumber: int | None = None
    cmid: int | None = None
    graderaw: Any = None
    grademin: Any = None
    grademax: Any = None
    gradedategraded: int | None = None
    gradeisoverridden: bool | None = None
    feedback: str | None = None


class Assessment(msgspec.Struct, gc=False):
    """Either an assignment, or an item with its course."""

    assignment: Assignment | None = None
    courseid: int | None = None
    item: Item | None = None


class Grade(msgspec.Struct, gc=False):
    """An item with whose it is."""

    courseid: int | None = None
    userid: int | None = None
    item: Item | None = None


class Handed(msgspec.Struct, gc=False):
    """What somebody handed in."""

    id: int | None = None
    userid: int | None = None
    attemptnumber: int | None = None
    timemodified: int | None = None
    status: str | None = None
    gradingstatus: str | None = None


class Submission(msgspec.Struct, gc=False):
    """What somebody handed in, with for which assignment."""

    assignmentid: int | None = None
    submission: Handed | None = None


class Role(msgspec.Struct, gc=False):
    """A role somebody has in a course."""

    roleid: int | None = None


class Seen(msgspec.Struct, gc=False):
    """Somebody who is in a course; names and addresses are not even asked for."""

    id: int | None = None
    lastaccess: int | None = None
    lastcourseaccess: int | None = None
    roles: list[Role] | None = None


class Presence(msgspec.Struct, gc=False):
    """Somebody in a course, with which course."""

    courseid: int | None = None
    user: Seen | None = None


class Level(msgspec.Struct, gc=False):
    """A level of a criterion; without its number nobody could tell who reached it."""

    id: int
    score: int | float | None = None
    definition: str | None = None


class Criterion(msgspec.Struct, gc=False):
    """What a rubric looks at, with the levels that can be reached."""

    sortorder: int | None = None
    description: str | None = None
    levels: list[Level] | None = None


class Filling(msgspec.Struct, gc=False):
    """What was chosen for a criterion, and written about it."""

    criterionid: int | None = None
    levelid: int | None = None
    remark: str | None = None


class RubricScore(msgspec.Struct, gc=False):
    """A filling with its criterion, whose it is and of which assignment.

    Attributes:
        graded, changed: when somebody was assessed, and when the rubric was changed.
        criterion: None where the rubric has it no more.
    """

    assignmentid: int | None = None
    userid: int | None = None
    graded: int | None = None
    changed: int | None = None
    criterion: Criterion | None = None
    filling: Filling | None = None


class _Book(msgspec.Struct):
    courseid: int
    userid: int
    gradeitems: list[msgspec.Raw]


class _Books(msgspec.Struct):
    usergrades: list[_Book]


class _Course(msgspec.Struct):
    assignments: list[msgspec.Raw]


class _Courses(msgspec.Struct):
    courses: list[_Course]


class _Assigned(msgspec.Struct):
    assignmentid: int
    submissions: list[msgspec.Raw]


class _Submissions(msgspec.Struct):
    assignments: list[_Assigned]


class _Enrolled(msgspec.Struct):
    courseid: int
    users: list[msgspec.Raw]


class _Numbered(msgspec.Struct):
    id: int


class _Rubric(msgspec.Struct):
    rubric_criteria: list[msgspec.Raw]


class _Definition(msgspec.Struct):
    timemodified: msgspec.Raw
    rubric: _Rubric


class _Named(msgspec.Struct):
    itemid: int


class _Instances(msgspec.Struct):
    instances: list[msgspec.Raw]


class _Filled(msgspec.Struct):
    criteria: list[msgspec.Raw]


class _Instance(msgspec.Struct):
    timemodified: msgspec.Raw
    rubric: _Filled


class _Assessed(msgspec.Struct):
    userid: int
    instance: _Instance


class _RubricPage(msgspec.Struct):
    assignmentid: int
    definition: _Definition
    assessed: list[_Assessed]


class _OfCriterion(msgspec.Struct):
    criterionid: Any = None


class _Warned(msgspec.Struct):
    warnings: list[dict[str, Any]] = []


T = TypeVar("T")


def _answer(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenPage(
            f"an answer is not what it should be: {error}.",
            remedy="Look at the landed page, and compare the site's release with the README.",
        ) from None


def warnings(body: bytes) -> Sequence[Mapping[str, Any]]:
    """What an answer warns of."""
    return _answer(body, _Warned).warnings


def split_assessments(body: bytes) -> Sequence[bytes]:
    """Assignments of courses, or the items of a gradebook.

    Raises:
        BrokenPage: it is neither.
    """
    if body.lstrip().startswith(b'{"courses"'):
        courses = _answer(body, _Courses).courses
        return [b'{"assignment":%b}' % bytes(one) for course in courses for one in course.assignments]
    books = _answer(body, _Books).usergrades
    return [b'{"courseid":%d,"item":%b}' % (book.courseid, bytes(one)) for book in books for one in book.gradeitems]


def split_grades(body: bytes) -> Sequence[bytes]:
    """The items of everybody's gradebook.

    Raises:
        BrokenPage: it is none.
    """
    return [
        b'{"courseid":%d,"userid":%d,"item":%b}' % (book.courseid, book.userid, bytes(one))
        for book in _answer(body, _Books).usergrades
        for one in book.gradeitems
    ]


def split_submissions(body: bytes) -> Sequence[bytes]:
    """Submissions of assignments.

    Raises:
        BrokenPage: it holds none, not even an empty list.
    """
    return [
        b'{"assignmentid":%d,"submission":%b}' % (one.assignmentid, bytes(raw))
        for one in _answer(body, _Submissions).assignments
        for raw in one.submissions
    ]


def split_engagement(body: bytes) -> Sequence[bytes]:
    """Enrolled users, with the course we asked for.

    Raises:
        BrokenPage: it is no such page.
    """
    page = _answer(body, _Enrolled)
    return [b'{"courseid":%d,"user":%b}' % (page.courseid, bytes(one)) for one in page.users]


def rubric_page(assignment: int, definition: Mapping[str, Any], answer: bytes, whose: Mapping[int, int]) -> bytes:
    """One page about a rubric: no answer says which assignment it is of, and whom it is about.

    Args:
        assignment: whose rubric it is.
        definition: the rubric.
        answer: what was filled in with it, by the id of a grade.
        whose: grades of each person's latest attempt. Of others nobody knows whose they are, so they are kept nowhere.

    Raises:
        BrokenPage: the answer holds nothing that was filled in, not even an empty list.
    """
    told = [(_answer(bytes(raw), _Named).itemid, bytes(raw)) for raw in _answer(answer, _Instances).instances]
    theirs = [b'{"userid":%d,"instance":%b}' % (whose[item], raw) for item, raw in told if item in whose]
    rubric = msgspec.json.encode(definition)
    return b'{"assignmentid":%d,"definition":%b,"assessed":[%b]}' % (assignment, rubric, b",".join(theirs))


def split_rubric_scores(body: bytes) -> Sequence[bytes]:
    """What was filled in for each person and criterion, with the criterion.

    Raises:
        BrokenPage: it is no such page.
    """
    page = _answer(body, _RubricPage)
    rubric = [bytes(raw) for raw in page.definition.rubric.rubric_criteria]
    criteria = {_answer(raw, _Numbered).id: raw for raw in rubric}
    return [
        b'{"assignmentid":%d,"userid":%d,"graded":%b,"changed":%b,"criterion":%b,"filling":%b}'
        % (
            *(page.assignmentid, one.userid, bytes(one.instance.timemodified), bytes(page.definition.timemodified)),
            *(_of(criteria, bytes(raw)), bytes(raw)),
        )
        for one in page.assessed
        for raw in one.instance.rubric.criteria
    ]


def _of(criteria: Mapping[int, bytes], filling: bytes) -> bytes:
    """The criterion of a filling; what it names that is none is seen when the record is decoded."""
    number = _answer(filling, _OfCriterion).criterionid
    return criteria.get(number, b"null") if isinstance(number, int) else b"null"


def decoder(record: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    """A function that decodes one raw record; it raises `BadRow`."""
    row = msgspec.json.Decoder(record, float_hook=str)

    def decode(raw: bytes) -> Any:
        try:
            return row.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = str(error) if isinstance(error, msgspec.ValidationError) else f"is not readable: {error}"
            raise BadRow("wire: wrong type", reason) from None

    return decode


_TAG = re.compile(r"<[/!?a-zA-Z][^>]*>")  # "<3 errors" and "a < b" are none


def words(html: str | None) -> str | None:
    """A text without markup; None where nothing is left."""
    return " ".join(unescape(_TAG.sub(" ", html or "")).split()) or None
