"""Grades to Moodle's gradebook (requirements M27, M47).

A push answers 0 for nearly everything: for strangers, whose grades it stores; for what it caps; for what a teacher has
overridden. So strangers are refused before, and everything is read back after.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import client, wire
from connector_pipelines.connectors.moodle.calls import post
from connector_pipelines.connectors.moodle.errorcodes import Refused
from connector_pipelines.connectors.moodle.writing import too_many_fields
from connector_pipelines.errors import AuthFailed, BrokenPage

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
_OF_A_ROW = {"invalidparameter", "dmlwriteexception"}
"""Refusals that blame one grade of a call; all others are of its course, activity or service."""

_ELSEWHERE = b"The instance of this module does not exist"  # and a 0, no JSON, with status 200
_PARAMETERS = 5  # beside the grades


@dataclass(frozen=True, slots=True)
class Push:
    """One grade to be pushed.

    Attributes:
        course: its id.
        module: the course-module id of the activity, which is not its instance.
        user: whose.
        points: between the item's least and most; a grade cannot be taken back.
        kind: of the activity, as its module is called.
        item: which of the activity's grade items; most have one.
    """

    course: int
    module: int
    user: int
    points: Decimal
    kind: str = "assign"
    item: int = 0


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
    """Push grades of activities, and read back what stands there.

    Returns:
        a verdict for every grade.

    Raises:
        SyncError: the site cannot be asked; what was pushed before can be read back.
    """
    by_place: dict[tuple[int, int, str, int], list[Push]] = {}
    for push in grades_data:
        by_place.setdefault((push.course, push.module, push.kind, push.item), []).append(push)
    verdicts: dict[Push, Verdict] = {}
    for pushes in by_place.values():
        inside = {one["id"] for one in client.enrolled_users(moodle, pushes[0].course, userfields="id")}
        strangers = [push for push in pushes if push.user not in inside]
        verdicts |= {push: Verdict(push, "stranger", "the user is not enrolled in the course") for push in strangers}
        known = [push for push in pushes if push.user in inside]
        verdicts |= {verdict.push: verdict for verdict in _pushed(moodle, known)}
    return verdicts


def _pushed(moodle: Moodle, pushes: Sequence[Push]) -> Iterator[Verdict]:
    """Push to one grade item."""
    done: list[Push] = []
    config, begin = moodle.config, 0
    rows = [_row(push) for push in pushes]
    for batch in wire.batches(rows, most_rows=config.batch, most_fields=config.max_fields, shared=_PARAMETERS):
        sent, begin = pushes[begin : begin + len(batch)], begin + len(batch)
        for push, rule, reason in _told(moodle, sent):
            if rule:
                yield Verdict(push, rule, reason)
            else:
                done.append(push)
    if done:
        items = _items(moodle, done[0])
        yield from (verdict(push, items.get(push.user)) for push in done)


def _row(push: Push) -> dict[str, Any]:
    return {"studentid": push.user, "grade": push.points}


def _told(moodle: Moodle, pushes: Sequence[Push]) -> Iterator[tuple[Push, str, str]]:
    """What the call says is wrong with each grade; nothing where it was taken. A bad one is found by halving."""
    try:
        rule, reason = _push(moodle, pushes)
    except (Refused, AuthFailed) as refused:
        if _divisible(moodle, pushes, refused):
            middle = len(pushes) // 2
            yield from _told(moodle, pushes[:middle])
            yield from _told(moodle, pushes[middle:])
            return
        if not isinstance(refused, Refused):
            raise
        rule, reason = refused.code, refused.problem
    yield from ((push, rule, reason) for push in pushes)


def _divisible(moodle: Moodle, pushes: Sequence[Push], refused: Refused | AuthFailed) -> bool:
    """Whether a part of a call may be taken that was refused as a whole."""
    if isinstance(refused, AuthFailed):
        return too_many_fields(moodle, [_row(push) for push in pushes], refused)
    return refused.code in _OF_A_ROW and len(pushes) > 1


def _push(moodle: Moodle, pushes: Sequence[Push]) -> tuple[str, str]:
    """What is wrong with a whole call, whose grades are of one item; nothing where it was taken.

    Raises:
        Refused: nothing was stored.
        BrokenPage: it is no answer of this function; nobody knows what was stored.
    """
    place = {
        "source": SOURCE,
        "courseid": pushes[0].course,
        "component": f"mod_{pushes[0].kind}",
        "activityid": pushes[0].module,
        "itemnumber": pushes[0].item,
    }
    body = post(moodle, PUSH, place | {"grades": [_row(push) for push in pushes]}).body
    if _ELSEWHERE in body:
        return "refused", "the activity is not in that course"
    code = wire.result(body)
    if not isinstance(code, int):
        raise BrokenPage(f"{PUSH} answers in another shape.", remedy="Compare the site's release with the README.")
    return _CODES.get(code, ("failed", f"Moodle answers {code}")) if code else ("", "")


def _items(moodle: Moodle, place: Push) -> dict[int, Row]:
    """Everybody's line of one activity in the gradebook, by user."""
    books = client.get_course_grades(moodle, place.course)
    return {
        book["userid"]: item
        for book in books
        for item in book["gradeitems"]
        if item.get("cmid") == place.module and (item.get("itemnumber") or 0) == place.item
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
