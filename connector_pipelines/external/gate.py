"""What all processes that talk to one source share: when the next request may go, and whether to ask at all.

Limits count on send, also what fails (K36); a pause that the source asked for holds for everybody; and when requests
keep failing, nobody asks for a while, then one does. It is one call of the database per request, for all of it:
docs/decisions/0006-one-gate.md says why.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING

from connector_pipelines.external.limits import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.external.limits import Budget
    from connector_pipelines.external.line import Line

FAILURES = 5
"""So many requests in a row, each after its retries, open the breaker."""

COOL_DOWN_SECONDS = 60.0
"""So long nobody asks then; and so long a probe may take before somebody else tries."""


class Verdict(StrEnum):
    """What the gate says."""

    GO = "go"
    PROBE = "probe"  # go, and what becomes of it decides for the others
    LATE = "late"  # not within the caller's patience; nothing was taken from any budget
    OPEN = "open"  # too many failures: nobody asks


@dataclass(frozen=True, slots=True)
class Admission:
    """A verdict, how many seconds it is about, and how many requests failed in a row before."""

    verdict: Verdict
    seconds: float
    failures: int


@dataclass(slots=True)
class Gate:
    """The gate of one scope, as one process sees it. Safe to use from many threads."""

    line: Line
    scope: str
    lane: Lane = LANES["urgent"]
    _seats: dict[str, set[int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def admit(self, budgets: Sequence[Budget], *, patience: float) -> Admission:
        """Take a slot of every budget, in so many seconds; or nothing at all."""
        rates = [(f"{budget.name}: {rate}", rate) for budget in budgets for rate in budget.rates]
        for lane in self.lane.counted:
            shares = [(budget, lane.within(rate)) for budget in budgets for rate in budget.rates]
            rates += [(f"{budget.name} for {lane.name}: {share}", share) for budget, share in shares]
        names, sizes = [name for name, _ in rates], [rate.requests for _, rate in rates]
        spans = [rate.span for _, rate in rates]
        row = self.line.row(
            "SELECT verdict, wait, failed"
            " FROM connector.admit(%s, %s::text[], %s::integer[], %s::float8[], %s::float8, %s::float8)",
            *(self.scope, names, sizes, spans, patience, COOL_DOWN_SECONDS),
        )
        verdict, seconds, failures = row or ("go", 0.0, 0)
        return Admission(Verdict(verdict), float(seconds), failures)

    def pause(self, seconds: float) -> None:
        """Nobody sends before so many seconds have passed; a longer pause stays."""
        self.line.rows(
            "INSERT INTO connector.gates AS g (scope, paused_until)"
            " VALUES (%s, clock_timestamp() + make_interval(secs => %s::float8))"
            " ON CONFLICT (scope) DO UPDATE SET paused_until = greatest(g.paused_until, excluded.paused_until)",
            *(self.scope, seconds),
        )

    def pause_left(self) -> float:
        """Seconds until the source may be asked again."""
        row = self.line.row(
            "SELECT extract(epoch FROM paused_until - clock_timestamp())::float8 FROM connector.gates"
            " WHERE scope = %s AND paused_until > clock_timestamp()",
            self.scope,
        )
        return float(row[0]) if row else 0.0

    def worked(self) -> None:
        """The source answers: close the breaker."""
        self.line.rows("UPDATE connector.gates SET failures = 0, open_until = NULL WHERE scope = %s", self.scope)

    def failed(self) -> None:
        """A request failed after all its retries: count it, and open the breaker at the limit."""
        self.line.rows(
            "UPDATE connector.gates SET failures = failures + 1, open_until = CASE WHEN failures + 1 >= %s"
            " THEN clock_timestamp() + make_interval(secs => %s::float8) END WHERE scope = %s",
            *(FAILURES, COOL_DOWN_SECONDS, self.scope),
        )

    @contextmanager
    def seat(self, budget: Budget, number: int) -> Iterator[bool]:
        """One of `number` seats of a budget for the duration, if there is a free one."""
        place = f"{self.scope} {budget.name}"
        seat = self._sit(place, number)
        try:
            yield seat is not None
        finally:
            if seat is not None:
                self._rise(place, seat)

    def _sit(self, place: str, number: int) -> int | None:
        with self._lock:
            held = self._seats.setdefault(place, set())
            row = self.line.row("SELECT connector.take_seat(%s, %s, %s)", place, number, sorted(held))
            seat = row[0] if row else None
            if seat is not None:
                held.add(seat)
            return seat

    def _rise(self, place: str, seat: int) -> None:
        with self._lock:
            self._seats[place].discard(seat)
            self.line.rows("SELECT pg_advisory_unlock(hashtext(%s), %s)", place, seat)
