"""Grades to Moodle's gradebook (requirements M27, M47).

A push answers 0 for nearly everything: for strangers, whose grades it stores; for what it caps; for what a teacher has
overridden. So strangers are refused before, and everything is read back after.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import client, wire
from connector_pipelines.connectors.moodle.calls import ask
from connector_pipelines.connectors.moodle.errorcodes import Refused
from connector_pipelines.errors import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.calls import Moodle

    Row = Mapping[str, Any]

PUSH = "core_grades_update_grades"
SOURCE = "sis"
"""How Moodle's history calls us."""

_CODES = {
    1: ("failed", "Moodle could not store the grade"),
    2: ("several items", "the activity has several grade items"),
    4: ("locked", "the grade item is locked"),
}
_PARAMETERS = 5  # beside the grades


@dataclass(frozen=True, slots=True)
class Push:
    """One grade to be pushed.

    Attributes:
        course: its id.
        module: the course-module id of the activity, which is not its instance.
        user: whose.
        points: between the item's least and most; a grade cannot be taken back.
    """

    course: int
    module: int
    user: int
    points: Decimal


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands in the gradebook after a push.

    Attributes:
        rule: "" where it is what was pushed; else failed, locked, overridden, capped, stranger, refused, missing.
        reason: a sentence.
        stands: what was read back; None where nothing was, or stands there.
    """

    push: Push
    rule: str = ""
    reason: str = ""
    stands: Decimal | None = None


def course_module(moodle: Moodle, course: int, instance: int, kind: str = "assign") -> int | None:
    """The course-module id of an activity, by its instance."""
    sections = client.course_contents(moodle, course)
    modules = [module for section in sections for module in section["modules"]]
    return next((m["id"] for m in modules if m["modname"] == kind and m["instance"] == instance), None)


def sync_grades(moodle: Moodle, grades_data: Iterable[Push]) -> dict[Push, Verdict]:
    """Push grades of assignments, and read back what stands there.

    Returns:
        a verdict for every grade.

    Raises:
        SyncError: the site cannot be asked; what was pushed before can be read back.
    """
    by_place: dict[tuple[int, int], list[Push]] = {}
    for push in grades_data:
        by_place.setdefault((push.course, push.module), []).append(push)
    verdicts: dict[Push, Verdict] = {}
    for (course, module), pushes in by_place.items():
        inside = {one["id"] for one in client.enrolled_users(moodle, course, userfields="id")}
        strangers = [push for push in pushes if push.user not in inside]
        verdicts |= {push: Verdict(push, "stranger", "the user is not enrolled in the course") for push in strangers}
        known = [push for push in pushes if push.user in inside]
        verdicts |= {verdict.push: verdict for verdict in _pushed(moodle, course, module, known)}
    return verdicts


def _pushed(moodle: Moodle, course: int, module: int, pushes: Sequence[Push]) -> Iterator[Verdict]:
    done: list[Push] = []
    rows = [{"studentid": push.user, "grade": push.points} for push in pushes]
    config, begin = moodle.config, 0
    for batch in wire.batches(rows, most_rows=config.batch, most_fields=config.max_fields, shared=_PARAMETERS):
        sent, begin = pushes[begin : begin + len(batch)], begin + len(batch)
        rule, reason = _push(moodle, course, module, batch)
        if rule:
            yield from (Verdict(push, rule, reason) for push in sent)
        else:
            done += sent
    if done:
        items = _items(moodle, course, module)
        yield from (verdict(push, items.get(push.user)) for push in done)


def _push(moodle: Moodle, course: int, module: int, grades: Sequence[Row]) -> tuple[str, str]:
    """What is wrong with a whole call; nothing where it was taken."""
    place = {"source": SOURCE, "courseid": course, "component": "mod_assign", "activityid": module, "itemnumber": 0}
    try:
        code = ask(moodle, PUSH, place | {"grades": list(grades)})
    except Refused as refused:
        return refused.code, refused.problem
    except BrokenPage:  # "The instance of this module does not exist" and a 0, with status 200
        return "refused", "the activity is not in that course"
    return _CODES.get(code, ("failed", f"Moodle answers {code}")) if code else ("", "")


def _items(moodle: Moodle, course: int, module: int) -> dict[int, Row]:
    """Everybody's line of one activity in the gradebook, by user."""
    books = client.get_course_grades(moodle, course)
    return {
        book["userid"]: item
        for book in books
        for item in book["gradeitems"]
        if item.get("cmid") == module and not item.get("itemnumber")
    }


def verdict(push: Push, item: Row | None) -> Verdict:
    """Whether what was read back is what was pushed. Pure."""
    if item is None or item.get("graderaw") is None:
        return Verdict(push, "missing", "the gradebook shows no such grade")
    stands = Decimal(str(item["graderaw"]))
    if stands == push.points:
        return Verdict(push, stands=stands)
    if item.get("gradeisoverridden"):
        return Verdict(push, "overridden", "a teacher set the grade in the gradebook, and that stays", stands)
    least, most = Decimal(str(item.get("grademin", 0))), Decimal(str(item.get("grademax", 0)))
    if stands == min(max(push.points, least), most):
        return Verdict(push, "capped", f"the item takes {least} to {most} points", stands)
    return Verdict(push, "kept", "the gradebook keeps another grade", stands)
