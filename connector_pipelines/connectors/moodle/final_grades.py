"""Final grades to Moodle: into the one activity of a course that the configuration names by its ID number (M47).

The course total is computed by Moodle and takes no push, and a manual item takes none either: so a site that
wants final grades back has an assignment for them in each course.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import client
from connector_pipelines.connectors.moodle.grading import Push, sync_grades
from connector_pipelines.connectors.moodle.provisioning import once
from connector_pipelines.outward import Action, Done, Found, NotDone, Skipped, Unwanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.calls import Moodle
    from connector_pipelines.outward import Order, Record, Wanted

GRADEBOOK = "gradebook"
_TAKEN = {"", "capped", "overridden", "kept"}
"""Verdicts on what Moodle took, and what it keeps instead is read back by the engine."""


def choose(place: str) -> Callable[[Mapping[str, Any]], Skipped | Unwanted | None]:
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


def shape(row: Mapping[str, Any]) -> Record | Skipped:
    """A final grade as points of a user in a course."""
    place = row.get("offering") or row.get("section")
    if not place:
        return Skipped("its section or its course is not known")
    return {"courseid": int(place), "userid": int(row["person"]), "points": plain(row["score"])}


def plain(points: object) -> str:
    """Points in plain digits, so that 87.50 and 87.5 are one grade."""
    digits = format(Decimal(str(points)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


@dataclass(frozen=True, slots=True)
class FinalGrades:
    """The activity's ID number, and what the engine asks."""

    activity: str

    def find(self, moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """Who has a grade there already."""
        there = self._there(moodle, (one.record["courseid"] for one in wanted))
        for one in wanted:
            number = f"{one.record['courseid']}:{one.record['userid']}"
            if number in there:
                yield Found(one.key, number, GRADEBOOK, there[number])

    def read(self, moodle: Moodle, ids: Sequence[str]) -> Iterator[tuple[str, Record | None]]:
        """The grades as they stand."""
        there = self._there(moodle, (int(one.partition(":")[0]) for one in ids))
        return ((one, there.get(one)) for one in ids)

    def send(self, moodle: Moodle, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
        """Push; strangers, locked items and courses without the activity are refused."""
        if action is Action.WITHDRAW:
            yield from (NotDone(o.key, "cannot be taken back", "Moodle takes no grade back") for o in orders)
            return
        modules = {course: self._module(moodle, course) for course in {o.record["courseid"] for o in orders}}
        pushes: dict[str, Push] = {}
        for order in orders:
            module = modules[order.record["courseid"]]
            if module is None:
                reason = f"the course has no activity with the ID number {self.activity}"
                yield NotDone(order.key, "no activity", reason)
            else:
                points = Decimal(order.record["points"])
                pushes[order.key] = Push(order.record["courseid"], module, order.record["userid"], points)
        verdicts = sync_grades(once(moodle), pushes.values())
        for key, push in pushes.items():
            verdict = verdicts[push]
            if verdict.rule in _TAKEN:
                yield Done(key, f"{push.course}:{push.user}")
            else:
                yield NotDone(key, verdict.rule, verdict.reason)

    def _module(self, moodle: Moodle, course: int) -> int | None:
        """The course-module id of the activity; looked up in one person's gradebook, which names it."""
        anybody = next(client.enrolled_users(moodle, course, userfields="id", limitnumber=1), None)
        books = client.get_course_grades(moodle, course, anybody["id"]) if anybody else []
        items = [item for book in books for item in book["gradeitems"]]
        return next(
            (item["cmid"] for item in items if item.get("idnumber") == self.activity and item.get("cmid")), None
        )

    def _there(self, moodle: Moodle, courses: Iterable[int]) -> dict[str, dict[str, Any]]:
        return {
            f"{course}:{book['userid']}": {
                "courseid": course,
                "userid": book["userid"],
                "points": plain(item["graderaw"]),
            }
            for course in dict.fromkeys(courses)
            for book in client.get_course_grades(moodle, course)
            for item in book["gradeitems"]
            if item.get("idnumber") == self.activity and item.get("graderaw") is not None
        }
