"""A simulated Moodle that core is exported to: what was done to it, what stands there, and what core says should."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.simulator import Simulator, grading
from proof.school import CREDENTIALS
from proof.work import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.moodle.simulator import Effect
    from connector_pipelines.connectors.moodle.simulator.site import Site
    from connector_pipelines.simulating.exchange import Call, Reply

Record = dict[str, Any]
Place = tuple[str, str]
"""Kind, and the id there."""

TODAY = date(2025, 10, 1)
"""The day of the site and of every export: a month into the simulated schools' first term."""
SOURCE = "campus"
FINAL = "FINAL"
"""The ID number of the activity that takes final grades."""
AGAIN = "enrol_manual_enrol_users"
"""The one write that may come twice and change nothing: Moodle tells nobody the dates of an enrolment."""
_USER = ("username", "firstname", "lastname", "email", "suspended")
_COURSE = ("idnumber", "fullname", "shortname", "categoryid", "startdate", "enddate", "visible")
_OURS = 4  # the first user that is not Moodle's own


@dataclass(frozen=True, slots=True)
class Change:
    """What one write did to one record."""

    function: str
    place: Place
    before: Record | None
    after: Record | None


class Destination(Simulator):
    """An empty site that notes what every write changes, and can strike before an answer leaves.

    Attributes:
        calls: the functions that were called, in order.
        changes: what writes changed, in order.
        idle: writes of rows that stood there already as they were sent: something was done twice.
    """

    def __init__(self) -> None:
        now = int(datetime.combine(TODAY, time(12), UTC).timestamp())
        super().__init__(scenario="empty", clock=lambda: now)
        self.service.token = CREDENTIALS["PROOF_TOKEN"]
        self.service.after += [_final_activity, lambda *_: self._note()]
        self._answer = self._answered
        self._strikes: dict[int, Callable[[], None]] = {}
        self.calls: list[str] = []
        self.changes: list[Change] = []
        self.idle: list[str] = []
        self._known = standing(self.site)

    def strike(self, number: int, action: Callable[[], None] | None = None) -> None:
        """Do something when the call with this number, from 1, has taken effect and its answer has not left."""
        self._strikes[number] = action or (lambda: None)

    def recount(self) -> None:
        """Count calls from here; what has not struck yet will not."""
        with self.service.lock:
            self.calls.clear()
            self._strikes.clear()

    def begin(self, tables: dict[str, dict[Any, Any]]) -> None:
        """Let the site hold this, and forget what was done."""
        self.site.tables = {name: dict(rows) for name, rows in tables.items()}
        ids = {name: [key for key in rows if isinstance(key, int)] for name, rows in tables.items()}
        self.site.spent = Counter({name: max(known, default=0) for name, known in ids.items()})
        self._known = standing(self.site)
        for noted in (self.changes, self.idle, self.service.requests, self.service.ledger):
            noted.clear()
        self.recount()

    def held(self) -> dict[str, list[Any]]:
        """What stands there, and each change that led there since the beginning, in whatever order they came."""
        changes = [(one.function, one.place, str(one.before), str(one.after)) for one in self.changes]
        return {"there": sorted(map(str, self._known.items())), "effects": sorted(changes), "done twice": self.idle[:]}

    def _answered(self, call: Call) -> Reply:
        reply = self.service.answer(call)
        with self.service.lock:
            self.calls.append(self.service.requests[-1].function)
            action = self._strikes.pop(len(self.calls), None)
        if action:
            action()
        return reply

    def _note(self) -> None:
        """What the newest write changed."""
        effect, there = self.service.ledger[-1], standing(self.site)
        changed = [p for p in self._known.keys() | there.keys() if self._known.get(p) != there.get(p)]
        self.changes += [Change(effect.function, p, self._known.get(p), there.get(p)) for p in sorted(changed)]
        self._known = there
        if len(changed) < _rows(effect) and effect.function != AGAIN:
            self.idle.append(f"{effect.function} was sent {_rows(effect)} rows and changed {sorted(changed)}")


def _final_activity(site: Site, function: str, _given: Record) -> None:
    """Teachers make the activity that takes final grades, in each course."""
    if function == "core_course_create_courses":
        for course in site["courses"].values():
            if course["idnumber"] and not site.where("modules", course=course["id"]):
                grading.assignment(site, course["id"], "Final grade", idnumber=FINAL)


def _rows(effect: Effect) -> int:
    """How many rows a write did something to, as Moodle says."""
    warnings = effect.result.get("warnings", ()) if isinstance(effect.result, dict) else ()
    return sum(len(value) for value in effect.params.values() if isinstance(value, list)) - len(warnings)


def standing(site: Site) -> dict[Place, Record]:
    """What stands there of what we write, by kind and the id that the exports know it by; times of writing left out."""
    items = {item["id"]: item["courseid"] for item in site["items"].values() if item.get("idnumber") == FINAL}
    kinds: dict[str, dict[str, Record]] = {
        "categories": {
            str(n): _of(row, "idnumber", "name", "parent") for n, row in site["categories"].items() if row["idnumber"]
        },
        "users": {str(n): _of(row, *_USER) for n, row in site["users"].items() if n >= _OURS},
        "courses": {str(n): _of(row, *_COURSE) for n, row in site["courses"].items() if row["idnumber"]},
        "groups": {
            f"{row['courseid']}:{n}": _of(row, "idnumber", "name", "courseid") for n, row in site["groups"].items()
        },
        "enrolments": {
            f"{course}:{user}": _of(row, "roles", "start", "end", "suspended")
            for course, rows in site["enrolments"].items()
            for user, row in rows.items()
        },
        "members": {f"{row['courseid']}:{n}:{user}": {} for n, row in site["groups"].items() for user in row["users"]},
        "grades": {
            f"{items[item]}:{user}": _of(row, "value") for (item, user), row in site["grades"].items() if item in items
        },
    }
    return {(kind, number): row for kind, rows in kinds.items() for number, row in rows.items()}


def _of(row: Record, *names: str) -> Record:
    return {name: row[name] for name in names}


def job(simulator: Simulator, url: str, result: str, *, batch: int = 5, **more: Any) -> Job:
    """An export of all of core to a site, in small batches; nobody has to release what it plans."""
    config = {
        "base_url": simulator.url,
        "token": "env:PROOF_TOKEN",
        "batch_size": batch,
        "max_retries": 2,
        "requests_per_minute": 1_000_000,
        "idnumber": "username",  # student numbers of two schools are the same
        "final_grade_activity": FINAL,
    }
    policy = {"exports": ["*"], "guard": {"limits": {"floor": 1_000_000}}} | more.pop("policy", {})
    given = {"connector": "moodle", "today": TODAY.isoformat(), "policy": policy} | more
    return Job(url, "", SOURCE, config, result, **given)
