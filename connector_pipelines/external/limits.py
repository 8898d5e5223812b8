"""What a source allows: how many requests in which time, and how many at once. Declared by its connector; pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_pipelines.external.messages import Request


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in any span of so many seconds, wherever it begins (K35)."""

    requests: int
    seconds: float

    @property
    def span(self) -> float:
        """How long we keep a slot, in seconds.

        A little longer than the source counts: the first request of a span may have been slow to arrive and the last
        one quick. 2 % and a quarter of a second, so that a limit per second is not halved and one per minute not tight.
        """
        return self.seconds * 1.02 + 0.25

    def __str__(self) -> str:
        return f"{self.requests} in {self.seconds:g} s"


MINUTE, HOUR = 60.0, 3_600.0


@dataclass(frozen=True, slots=True)
class Lane:
    """Who spends a budget, and which share of it that may take at most; what is left over is kept for the others.

    A backfill of a year never keeps an hourly sync waiting, and neither of them an event, though all spend one budget.

    Attributes:
        patience_seconds: how long its requests wait for their turn at least, whatever the source's own limits say.
    """

    name: str
    share: float = 1.0
    patience_seconds: float = 0.0

    def within(self, rate: Rate) -> Rate:
        """The part of a rate that this lane may take, rounded up: of very few requests none can be kept."""
        return Rate(math.ceil(rate.requests * self.share - 1e-9), rate.seconds)

    @property
    def counted(self) -> tuple[Lane, ...]:
        """The lanes whose shares its requests count in: its own, and all wider ones."""
        return tuple(lane for lane in LANES.values() if self.share <= lane.share < 1)


LANES = {lane.name: lane for lane in (Lane("urgent"), Lane("sync", 0.9), Lane("backfill", 0.6, 86_400.0))}
"""Events and people may take all; 10 % are kept for them, and 30 % more for syncs while a backfill runs."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Which requests count together, and how many of them there may be.

    Attributes:
        rates: all of them hold.
        at_once: how many may be under way at the same time; None for any number.
        methods: the verbs that count; none for all.
        path: a pattern that is searched in the URL; "" for all.
    """

    name: str
    rates: tuple[Rate, ...] = ()
    at_once: int | None = None
    methods: tuple[str, ...] = ()
    path: str = ""

    def __str__(self) -> str:
        at_once = () if self.at_once is None else (f"{self.at_once} at once",)
        return ", ".join((*map(str, self.rates), *at_once))

    def counts(self, request: Request) -> bool:
        """Whether a request is one of these."""
        return (not self.methods or request.method in self.methods) and bool(re.search(self.path, request.url))


@dataclass(frozen=True, slots=True)
class Service:
    """A part of a source with a breaker of its own, and budgets on top of the source's: one may fail, the others go on.

    Attributes:
        calls: a pattern that is searched in what a request counts as (`Request.counts_as`).
    """

    name: str
    calls: str
    rates: tuple[Rate, ...] = ()

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Its own budget, if it has any."""
        return (Budget(self.name, self.rates),) if self.rates else ()

    def scope(self, source: str) -> str:
        """Whose budgets and breaker these are, within the scope of the source; " / " is in no scope of a source."""
        return f"{source} / {self.name}"


@dataclass(frozen=True, slots=True)
class Limits:
    """All budgets of a source.

    Attributes:
        budgets: what the vendor's documentation says.
        services: parts that are limited and given up one by one; what is of none is the source's alone.
        scope: whose budgets they are, where it is not simply everybody who asks that host: "realm 4620816365".
        patience_seconds: how long a request may wait for its turn before the read ends and is to be resumed later.
    """

    budgets: tuple[Budget, ...] = ()
    scope: str = ""
    patience_seconds: float = 900.0
    services: tuple[Service, ...] = ()

    def service(self, request: Request) -> Service | None:
        """The part of the source that a request is of."""
        found = (one for one in self.services if re.search(one.calls, request.counts_as))
        return next(found, None) if request.counts_as else None

    def of(self, request: Request) -> tuple[Budget, ...]:
        """The budgets a request takes from."""
        return tuple(budget for budget in self.budgets if budget.counts(request))
