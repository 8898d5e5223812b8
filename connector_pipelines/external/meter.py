"""Counts a client's requests and how long they took; written each minute and when the client is closed (M80, M81)."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from connector_pipelines.errors import DatabaseUnavailable
from connector_pipelines.external.latency import class_of, endpoint
from connector_pipelines.external.retry import Do

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.external.line import Line
    from connector_pipelines.external.messages import Request

_LOG = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0
_MOST = 100
"""So many endpoints are told apart; what comes after them counts as one, whatever a connector puts into its paths."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as it is counted: its status, and what the source means by it; some say errors with status 200."""

    status: int
    means: Do


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    failed: int = 0
    refused: int = 0
    limited: int = 0
    seconds: float = 0.0
    classes: Counter[int] = field(default_factory=Counter)

    def add(self, heard: Heard | None, seconds: float) -> None:
        self.requests += 1
        self.failed += heard is None or heard.status >= 500 or heard.means is Do.RETRY  # noqa: PLR2004 -- HTTP's server errors
        self.refused += heard is not None and heard.means in {Do.REFRESH, Do.DENY}
        self.limited += heard is not None and heard.means is Do.WAIT
        self.seconds += seconds
        self.classes[class_of(seconds)] += 1


@dataclass(slots=True)
class Meter:
    """The requests of one client since they were last written. Safe to use from many threads."""

    line: Line
    source: str
    scope: str
    clock: Callable[[], float] = time.monotonic
    _since: float | None = None
    _tallies: dict[str, _Tally] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def timed(self, request: Request) -> Iterator[list[Heard]]:
        """Count what is sent within; the answer, if there is one, is put into the list."""
        started = self.clock()
        answered: list[Heard] = []
        try:
            yield answered
        finally:
            self._note(request, answered[0] if answered else None, self.clock() - started)

    def _note(self, request: Request, heard: Heard | None, seconds: float) -> None:
        name, now = endpoint(request), self.clock()
        with self._lock:
            if name not in self._tallies and len(self._tallies) >= _MOST:
                name = "other"
            self._tallies.setdefault(name, _Tally()).add(heard, seconds)
            self._since = now if self._since is None else self._since
            due = now - self._since >= WINDOW_SECONDS
        if due:
            self.write()

    def write(self) -> None:
        """Write what was counted. It is no reason for a run to fail that this cannot be written."""
        with self._lock:
            tallies, self._tallies, self._since = self._tallies, {}, None
        if not tallies:
            return
        every = list(tallies.values())
        try:
            self.line.rows(
                "INSERT INTO connector.api_calls"
                " (source, scope, endpoint, requests, failed, refused, limited, seconds, histogram)"
                " SELECT %s, %s, * FROM unnest(%s::text[], %s::integer[], %s::integer[], %s::integer[], %s::integer[],"
                " %s::float8[], %s::jsonb[])",
                *(self.source, self.scope, list(tallies), [one.requests for one in every]),
                *([one.failed for one in every], [one.refused for one in every], [one.limited for one in every]),
                *([one.seconds for one in every], [json.dumps(one.classes) for one in every]),
            )
        except DatabaseUnavailable:
            _LOG.warning("%s: what %d endpoints took could not be written", self.source, len(tallies))
