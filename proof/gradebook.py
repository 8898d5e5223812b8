"""A simulated gradebook that core's assessments are exported to: each write, and what stands there."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.simulator import Simulator
from proof import school
from proof.campus import TODAY
from proof.work import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.oneroster.simulator.store import Overlay
    from connector_pipelines.simulating.exchange import Call, Reply

Record = dict[str, Any]
SOURCE = "school"
_BOOKS = ("categories", "lineItems", "results")
_OURS = "core-"
"""What the ids of records that core wrote begin with."""


class Gradebook(Simulator):
    """The system of a school that notes what every write changes, and can strike before its answer leaves.

    Attributes:
        calls: the writes that took effect, in order.
        idle: writes of what stood there already: something was done twice.
    """

    def __init__(self) -> None:
        now = int(datetime.combine(TODAY, time(12), UTC).timestamp() * 1_000)
        super().__init__(scenario="tiny", seed=7, clock=lambda: now)
        self._answer = self._answered
        self._strikes: dict[int, Callable[[], None]] = {}
        self._changes: list[tuple[str, str, str]] = []
        self.calls: list[str] = []
        self.idle: list[str] = []

    def strike(self, number: int, action: Callable[[], None] | None = None) -> None:
        """Do something when the write with this number, from 1, has taken effect and its answer has not left."""
        self._strikes[number] = action or (lambda: None)

    def recount(self) -> None:
        """Count writes from here; what has not struck yet will not."""
        with self.service.store.lock:
            self.calls.clear()
            self._strikes.clear()

    def begin(self, overlays: dict[str, Overlay]) -> None:
        """Let the school hold what it held once, and forget what was done."""
        self.service.store.lay(overlays)
        for noted in (self.calls, self.idle, self._strikes, self._changes, self.ledger):
            noted.clear()

    def held(self) -> dict[str, list[Any]]:
        """What stands there of ours, and each change that led there since the beginning, in no order."""
        there = [(name, str(one)) for name in _BOOKS for one in map(_told, self.expected(name)) if _is_ours(one)]
        return {"there": sorted(there), "effects": sorted(self._changes), "done twice": self.idle[:]}

    def _answered(self, call: Call) -> Reply:
        with self.service.store.lock:
            written = len(self.ledger)
            place = call.path.split("/")[-2:]
            before = self.service.store.get(*place) if place[0] in _BOOKS else None
            reply = self.service.answer(call)
            if len(self.ledger) == written:
                return reply
            self._note(before)
            action = self._strikes.pop(len(self.calls), None)
        if action:
            action()
        return reply

    def _note(self, before: Record | None) -> None:
        """What the newest write changed."""
        write = self.ledger[-1]
        self.calls.append(f"{write.method} {write.collection}")
        self._changes.append((write.collection, write.sourced_id, str(write.record and _told(write.record))))
        if before and write.record and _told(before) == _told(write.record):
            self.idle.append(f"{write.method} {write.collection}/{write.sourced_id}")


def _told(record: Record) -> Record:
    """A record without the time at which it was written, its fields in order."""
    return {name: record[name] for name in sorted(record) if name != "dateLastModified"}


def _is_ours(record: Record) -> bool:
    return str(record["sourcedId"]).startswith(_OURS)


def job(simulator: Simulator, url: str, result: str) -> Job:
    """An export of all assessments, grades and outcomes; nobody has to release what it plans."""
    policy = {
        "exports": ["*"],
        "drops": ["export/outcome_items", "export/outcome_results"],
        "guard": {"limits": {"floor": 1_000_000}},
        "conflicts": {"export/results": {"score": "manual"}},
    }
    # One call after another, so that the number of a call says which one it is.
    config = school.config(simulator, in_flight=1, max_retries=2)
    return Job(url, "", SOURCE, config, result, today=TODAY.isoformat(), policy=policy)
