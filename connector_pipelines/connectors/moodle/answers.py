"""What an answer must have for us to go on: the fields of each function's rows that we cannot do without (G104).

Rows stay as they came; what has another shape is a broken page that names the field, and never an error of Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import msgspec

from connector_pipelines.errors import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    Row = dict[str, Any]


class _Numbered(TypedDict):
    id: int


class _Course(TypedDict):
    id: int
    shortname: str


class _Role(TypedDict):
    roleid: int


class _Field(TypedDict):
    shortname: str
    value: Any


class _User(TypedDict):
    id: int
    username: NotRequired[str]
    roles: NotRequired[list[_Role]]
    customfields: NotRequired[list[_Field]]


class _Group(TypedDict):
    id: int
    courseid: int
    idnumber: str


class _Members(TypedDict):
    groupid: int
    userids: list[int]


class _Module(TypedDict):
    id: int
    modname: str
    instance: NotRequired[int]


class _Section(TypedDict):
    modules: list[_Module]


class _Assignment(TypedDict):
    id: int
    cmid: int


class _Assignments(TypedDict):
    assignments: list[_Assignment]


class _Mark(TypedDict):
    id: int
    userid: int


class _Marks(TypedDict):
    assignmentid: int
    grades: list[_Mark]


class _Definition(TypedDict):
    id: int
    method: str


class _Area(TypedDict):
    cmid: int
    activemethod: NotRequired[str | None]
    definitions: list[_Definition]


class _Item(TypedDict):
    idnumber: NotRequired[str | None]
    cmid: NotRequired[int | None]
    itemnumber: NotRequired[int | None]
    graderaw: NotRequired[float | None]
    grademin: NotRequired[float | None]
    grademax: NotRequired[float | None]


class _Book(TypedDict):
    userid: int
    gradeitems: list[_Item]


NEEDED: Mapping[str, Any] = {
    "core_user_get_users": list[_User],
    "core_user_get_users_by_field": list[_User],
    "core_course_get_courses": list[_Course],
    "core_course_get_courses_by_field": list[_Course],
    "core_course_get_contents": list[_Section],
    "core_course_get_categories": list[_Numbered],
    "core_group_get_course_groups": list[_Group],
    "core_group_get_group_members": list[_Members],
    "core_enrol_get_enrolled_users": list[_User],
    "core_enrol_get_users_courses": list[_Numbered],
    "gradereport_user_get_grade_items": list[_Book],
    "mod_assign_get_assignments": list[_Assignments],
    "mod_assign_get_grades": list[_Marks],
    "core_grading_get_definitions": list[_Area],
}
"""By function; the rows of any other are taken as they come."""


def rows(answer: Any, function: str) -> list[Row]:
    """The rows of an answer that is a list.

    Raises:
        BrokenPage: it is none, or a row lacks what we need.
    """
    try:
        msgspec.convert(answer, NEEDED.get(function, list[dict[str, Any]]))
    except msgspec.ValidationError as error:
        raise _misshapen(function, str(error)) from None
    found: list[Row] = answer
    return found


def table(answer: object, function: str) -> Row:
    """An answer that has named parts.

    Raises:
        BrokenPage: it has none.
    """
    if not isinstance(answer, dict):
        raise _misshapen(function, f"Expected `object`, got `{type(answer).__name__}`")
    return answer


def warnings(answer: Row, function: str) -> list[Row]:
    """What an answer warns of.

    Raises:
        BrokenPage: the warnings are no list.
    """
    return rows(answer.get("warnings", []), f"{function}, warning,")


def _misshapen(function: str, how: str) -> BrokenPage:
    return BrokenPage(
        f"{function} answers in another shape: {how}.", remedy="Compare the site's release with the README."
    )
