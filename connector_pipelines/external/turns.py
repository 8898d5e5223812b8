"""Waits for a request's turn: limits, pauses and the breaker, as a client meets them."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector_pipelines.errors import NetworkError, NotAsked, RateLimited, SyncError
from connector_pipelines.external.gate import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from logging import Logger
    from threading import Event

    from connector_pipelines.external.gate import Admission, Gate
    from connector_pipelines.external.limits import Budget, Limits
    from connector_pipelines.external.messages import Request

_WORTH_SAYING_SECONDS = 5.0
_MAX_PAUSES = 10  # a pause that is made longer again and again ends in our patience, not in a wait without end
_SEAT_POLL_SECONDS = (0.02, 0.5)  # at first, and at most


@dataclass(slots=True)
class Turns:
    """The turns of one client.

    Attributes:
        limits: what the source allows.
        gate: where processes meet; None where nothing is shared: then a pause holds for this client's threads alone.
        log: where long waits are told.
        services: the gates of the source's parts, by name.
        sleep: waits so many seconds, or until the event is set.
    """

    limits: Limits
    gate: Gate | None
    sleep: Callable[[float, Event], None]
    log: Logger
    services: Mapping[str, Gate] = field(default_factory=dict)
    _paused_until: float = field(default=0.0, repr=False)

    def wait(self, request: Request, stop: Event, *, patience: float | None = None) -> Sequence[Gate]:
        """Wait until a request may be sent.

        Args:
            request: what shall be sent.
            stop: ends the waiting.
            patience: seconds this caller waits at most, if not as long as the limits say.

        Returns:
            the gates that should be told of the source's answer, also if it is good.

        Raises:
            RateLimited: its turn comes too late.
            NetworkError: the source failed too often to be asked now.
        """
        longest = self.limits.patience_seconds if patience is None else patience
        if self.gate is None:
            left = self._paused_until - time.monotonic()
            if left > 0:
                self.sleep(left, stop)
            return ()
        news = []
        for gate, budgets in self._asked(self.gate, request):
            admission = gate.admit(budgets, patience=longest)
            _refuse(admission, gate.scope)
            self._sleep_until_turn(gate, admission.seconds, stop)
            if admission.verdict is Verdict.PROBE or admission.failures > 0:
                news.append(gate)
        return news

    def _asked(self, gate: Gate, request: Request) -> Iterator[tuple[Gate, Sequence[Budget]]]:
        """The gates a request passes: that of its service, then the source's, whose turn is the one it is sent in."""
        service = self.limits.service(request)
        if service:
            yield self.services[service.name], service.budgets
        yield gate, self.limits.of(request)

    def _sleep_until_turn(self, gate: Gate, seconds: float, stop: Event) -> None:
        """Sleep, and longer if the source asked for a pause meanwhile.

        Raises:
            NotAsked: nobody wants the answer any more; sent now, it would come before its turn.
        """
        for _ in range(_MAX_PAUSES):
            if seconds <= 0:
                return
            if seconds >= _WORTH_SAYING_SECONDS:
                self.log.info("%s: waits %.0f s for its turn", gate.scope, seconds)
            self.sleep(seconds, stop)
            if stop.is_set():
                raise NotAsked(f"nobody waits for the answer of {gate.scope} any more.")
            seconds = gate.pause_left()

    def paused(self, seconds: float) -> None:
        """The source asked for a pause: it holds for everybody."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)
        if self.gate is not None:
            self.gate.pause(seconds)

    @contextmanager
    def watched(self, request: Request) -> Iterator[Watch]:
        """Tells the gates how a request ended, after all its retries: that its part fails, or that it works again."""
        watch = Watch()
        try:
            yield watch
        except NetworkError as error:
            service = self.limits.service(request)
            gate = self.services.get(service.name) if service else self.gate
            if gate is not None and not isinstance(error, NotAsked):
                gate.failed()
            raise
        except RateLimited:
            raise
        except SyncError:  # it answers, if only to refuse
            watch.works()
            raise
        watch.works()

    @contextmanager
    def seats(self, request: Request, stop: Event) -> Iterator[None]:
        """Hold a seat of every budget that limits how many requests are under way.

        Raises:
            RateLimited: none became free in time.
        """
        limited = [budget for budget in self.limits.of(request) if budget.at_once is not None]
        with ExitStack() as held:
            for budget in limited if self.gate else ():
                self._take(held, budget, stop)
            yield

    def _take(self, held: ExitStack, budget: Budget, stop: Event) -> None:
        waited, pause = 0.0, _SEAT_POLL_SECONDS[0]
        while self.gate is not None and budget.at_once is not None:
            with ExitStack() as attempt:
                if attempt.enter_context(self.gate.seat(budget, budget.at_once)):
                    held.push(attempt.pop_all())
                    return
            if waited >= self.limits.patience_seconds or stop.is_set():
                raise RateLimited(
                    f"{budget.at_once} requests are under way at {self.gate.scope} and none ended for {waited:.0f} s.",
                    remedy="Run fewer syncs of this source at once.",
                )
            self.sleep(pause, stop)
            waited, pause = waited + pause, min(pause * 1.5, _SEAT_POLL_SECONDS[1])


@dataclass(slots=True)
class Watch:
    """The gates to which a good answer is news."""

    tell: Sequence[Gate] = ()

    def works(self) -> None:
        """Tell them."""
        for gate in self.tell:
            gate.worked()


def _refuse(admission: Admission, scope: str) -> None:
    at = datetime.now(UTC) + timedelta(seconds=admission.seconds)
    match admission.verdict:
        case Verdict.OPEN:
            raise NotAsked(
                f"{scope} failed {admission.failures} times in a row and is not asked before {at:%H:%M:%S} UTC.",
                remedy="Try again later; one request will try then, and the others follow when it succeeds.",
            )
        case Verdict.LATE:
            raise RateLimited(
                f"the limits of {scope} are spent: the next turn is in {admission.seconds:.0f} s.",
                remedy=f"Run it again after {at:%H:%M:%S} UTC; it goes on where the last applied read ended.",
            )
