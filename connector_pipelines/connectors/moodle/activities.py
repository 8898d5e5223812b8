"""Grades of core to Moodle: into activities that the configuration names by their ID number (M47, G96).

The course total is computed by Moodle and takes no push, and a manual item takes none either: so a site that wants
final grades, or results on learning outcomes, has assignments for them in its courses.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import client
from connector_pipelines.connectors.moodle.grading import Push, sync_grades
from connector_pipelines.connectors.moodle.provisioning import once
from connector_pipelines.outward import Action, Done, Found, NotDone, Skipped, Unwanted
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.calls import Moodle
    from connector_pipelines.outward import Order, Record, Wanted

GRADEBOOK = "gradebook"
_TAKEN = {"", "capped", "overridden", "kept"}
"""Verdicts on what Moodle took, and what it keeps instead is read back by the engine."""


def choose_final(place: str) -> Callable[[Mapping[str, Any]], Skipped | Unwanted | None]:
    """Final grades with points; those of a term that was over before its courses were written wait for nothing."""

    def chosen(row: Mapping[str, Any]) -> Skipped | Unwanted | None:
        if row["grade_type"] != "course_total":
            return Skipped("is no final grade; what it is for has no place there")
        if not row["finalized"]:
            return Skipped("is not finalized")
        if row["ended"] and not row[place]:
            return Skipped("the term was over before its courses were written")
        if row["status"] != "active":
            return Unwanted("the grade is inactive")
        return Skipped("has no points") if row["score"] is None else None

    return chosen


def choose_outcome(place: str) -> Callable[[Mapping[str, Any]], Skipped | Unwanted | None]:
    """What was shown of outcomes; that of a term that was over before its courses were written waits for nothing."""
    over = Skipped("the term was over before its courses were written")
    return lambda row: over if row["ended"] and not row[place] else None


def final_grade(activity: str) -> Callable[[Mapping[str, Any]], Record | Skipped]:
    """A final grade as points of a user in a course."""
    return lambda row: _points(row, activity, row["score"])


def outcome(activities: str, points: Mapping[str, float]) -> Callable[[Mapping[str, Any]], Record | Skipped]:
    """What a student has shown of a learning outcome, as points (K33).

    Args:
        activities: ID number of the activities, with {outcome} for the outcome's code.
        points: of each level.
    """

    def shape(row: Mapping[str, Any]) -> Record | Skipped:
        if row["achievement"] not in points:
            known = ", ".join(points)
            raise BadRow("MAPPING_ERROR: unknown outcome", f"the outcome reached has no points; those of {known} have")
        return _points(row, activities.format(outcome=row["learning_outcome"]), points[row["achievement"]])

    return shape


def _points(row: Mapping[str, Any], activity: str, points: object) -> Record | Skipped:
    place = row.get("offering") or row.get("section")
    if not place:
        return Skipped("its section or its course is not known")
    return {"courseid": int(place), "userid": int(row["person"]), "activity": activity, "points": plain(points)}


def plain(points: object) -> str:
    """Points in plain digits, so that 87.50 and 87.5 are one grade."""
    digits = format(Decimal(str(points)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def find(moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
    """Who has a grade there already."""
    there = _there(moodle, (one.record["courseid"] for one in wanted))
    for one in wanted:
        number = _number(one.record)
        if number in there:
            yield Found(one.key, number, GRADEBOOK, there[number])


def read(moodle: Moodle, ids: Sequence[str]) -> Iterator[tuple[str, Record | None]]:
    """The grades as they stand."""
    there = _there(moodle, (int(one.partition(":")[0]) for one in ids))
    return ((one, there.get(one)) for one in ids)


def send(moodle: Moodle, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
    """Push; strangers, locked items and courses without the activity are refused."""
    if action is Action.WITHDRAW:
        yield from (NotDone(o.key, "cannot be taken back", "Moodle takes no grade back") for o in orders)
        return
    modules = {course: _modules(moodle, course) for course in {o.record["courseid"] for o in orders}}
    pushes: dict[str, Push] = {}
    for order in orders:
        course, activity = order.record["courseid"], order.record["activity"]
        module = modules[course].get(activity)
        if module is None:
            yield NotDone(order.key, "no activity", f"the course has no activity with the ID number {activity}")
        else:
            pushes[order.key] = Push(course, module, order.record["userid"], Decimal(order.record["points"]))
    verdicts, numbers = sync_grades(once(moodle), pushes.values()), {o.key: _number(o.record) for o in orders}
    for key, push in pushes.items():
        verdict = verdicts[push]
        if verdict.rule in _TAKEN:
            yield Done(key, numbers[key])
        else:
            yield NotDone(key, verdict.rule, verdict.reason)


def _number(record: Record) -> str:
    """A grade has no id in Moodle: whose it is, and where, tells it from all others."""
    return f"{record['courseid']}:{record['userid']}:{record['activity']}"


def _modules(moodle: Moodle, course: int) -> dict[str, int]:
    """Course-module ids by the activities' ID numbers; looked up in one person's gradebook, which names both."""
    anybody = next(client.enrolled_users(moodle, course, userfields="id", limitnumber=1), None)
    books = client.get_course_grades(moodle, course, anybody["id"]) if anybody else []
    items = [item for book in books for item in book["gradeitems"] if item.get("cmid")]
    return {item["idnumber"]: item["cmid"] for item in reversed(items) if item.get("idnumber")}


def _there(moodle: Moodle, courses: Iterable[int]) -> dict[str, Record]:
    """All grades of activities with an ID number."""
    found = [
        {
            "courseid": course,
            "userid": book["userid"],
            "activity": item["idnumber"],
            "points": plain(item["graderaw"]),
        }
        for course in dict.fromkeys(courses)
        for book in client.get_course_grades(moodle, course)
        for item in book["gradeitems"]
        if item.get("idnumber") and item.get("graderaw") is not None
    ]
    return {_number(one): one for one in found}
