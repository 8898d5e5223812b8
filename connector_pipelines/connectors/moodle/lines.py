"""Lines of Moodle's gradebook that core writes to: looks for grades, pushes them, says what stands there.

A grade has no id in Moodle: its course, whose it is, and the line tell it from all others. A record names its line by
the activity's ID number, or by the grade item's own number where the grade came from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import client
from connector_pipelines.connectors.moodle.grading import Push, sync_grades
from connector_pipelines.connectors.moodle.provisioning import once
from connector_pipelines.outward import Action, Done, Found, NotDone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.calls import Moodle
    from connector_pipelines.outward import Order, Record, Wanted

    Item = Mapping[str, Any]

GRADEBOOK = "gradebook"
CHANGED = "changed"
"""When a grade was last given there, as `Lines.read` tells it."""

_TAKEN = {"", "capped", "overridden", "kept"}
"""Verdicts on what Moodle took, and what it keeps instead is read back by the engine."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The functions of an export of grades.

    Attributes:
        name: the field of a record that says which line: "activity", "item".
        field: the same in Moodle's report: "idnumber", "id".
        graded: a line on which somebody has no grade is not there for them.
    """

    name: str
    field: str
    graded: bool

    def find(self, moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """Who has a grade there already."""
        there = self._there(moodle, (one.record["courseid"] for one in wanted))
        for one in wanted:
            number = self._number(one.record)
            if number in there:
                yield Found(one.key, number, GRADEBOOK, there[number])

    def read(self, moodle: Moodle, ids: Sequence[str]) -> Iterator[tuple[str, Record | None]]:
        """The grades as they stand."""
        there = self._there(moodle, (int(one.partition(":")[0]) for one in ids))
        return ((one, there.get(one)) for one in ids)

    def send(self, moodle: Moodle, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
        """Push; strangers, locked items, and lines that are not there or are no activity's are refused."""
        if action is Action.WITHDRAW:
            yield from (NotDone(o.key, "cannot be taken back", "Moodle takes no grade back") for o in orders)
            return
        lines = {course: self._lines(moodle, course) for course in {o.record["courseid"] for o in orders}}
        pushes: dict[str, Push] = {}
        for order in orders:
            found = self._push(order.record, lines[order.record["courseid"]])
            if isinstance(found, Push):
                pushes[order.key] = found
            else:
                yield NotDone(order.key, *found)
        verdicts, records = sync_grades(once(moodle), pushes.values()), {o.key: o.record for o in orders}
        for key, push in pushes.items():
            verdict, record = verdicts[push], records[key]
            if verdict.rule in _TAKEN:
                yield Done(key, self._number(record))
            else:
                yield NotDone(key, verdict.rule, f"{verdict.reason}; it is a grade of {self.name} {record[self.name]}")

    def _push(self, record: Record, lines: Mapping[object, Item]) -> Push | tuple[str, str]:
        """The push of a record; or the rule and the reason why there is none."""
        line = lines.get(record[self.name])
        if line is None:
            return "no activity", f"the course has no activity with the {_SPOKEN[self.name]} {record[self.name]}"
        if not line.get("cmid"):
            return "no activity", f"{self.name} {record[self.name]} is no activity's: Moodle takes no grade for it"
        if record.get("most") not in {None, plain(line["grademax"])}:
            most, given = plain(line["grademax"]), record["most"]
            return "other points", f"activity {record[self.name]} gives {most} points, and its assessment {given}"
        kind, number = line.get("itemmodule") or "assign", line.get("itemnumber") or 0
        return Push(record["courseid"], line["cmid"], record["userid"], Decimal(record["points"]), kind, number)

    def _number(self, record: Record) -> str:
        return f"{record['courseid']}:{record['userid']}:{record[self.name]}"

    def _lines(self, moodle: Moodle, course: int) -> dict[object, Item]:
        """The lines of a course: looked up in one person's gradebook, which names activities by all their numbers."""
        anybody = next(client.enrolled_users(moodle, course, userfields="id", limitnumber=1), None)
        books = client.get_course_grades(moodle, course, anybody["id"]) if anybody else []
        items = [item for book in books for item in book["gradeitems"] if item.get(self.field)]
        return {item[self.field]: item for item in reversed(items)}

    def _there(self, moodle: Moodle, courses: Iterable[int]) -> dict[str, Record]:
        """All grades of some courses."""
        found = [
            {
                "courseid": course,
                "userid": book["userid"],
                self.name: item[self.field],
                "points": None if item.get("graderaw") is None else plain(item["graderaw"]),
                "most": plain(item.get("grademax") or 0),
                CHANGED: item.get("gradedategraded"),
            }
            for course in dict.fromkeys(courses)
            for book in client.get_course_grades(moodle, course)
            for item in book["gradeitems"]
            if item.get(self.field) and not (self.graded and item.get("graderaw") is None)
        ]
        return {self._number(one): one for one in found}


_SPOKEN = {"activity": "ID number", "item": "grade item"}

ACTIVITIES = Lines("activity", "idnumber", graded=True)
"""Lines of activities that people made for core, and gave an ID number."""

ITEMS = Lines("item", "id", graded=False)
"""Lines that core's grades came from."""


def plain(points: object) -> str:
    """Points in plain digits, so that 87.50 and 87.5 are one grade."""
    digits = format(Decimal(str(points)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
