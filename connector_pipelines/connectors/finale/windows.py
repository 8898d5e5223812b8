"""Which spans of lastUpdatedDate a read asks for. Pure.

Finale's rules (contract 5, "Query"): a span has a lower bound and is at most 30 days long, both ends included; an
answer holds at most 120,000 entities; there is no paging. So what is too long is cut, and what is too full is halved.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, starmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.model import Window

LONGEST = timedelta(days=29)
"""A day less than Finale allows: its clock and the length of the read decide, not ours."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Both ends included, on whole seconds; `until` None is now, and later."""

    since: datetime
    until: datetime | None = None

    def halves(self, now: datetime) -> tuple[Span, Span] | None:
        """Two spans that share their middle, so that nothing falls between them; None where there is no middle."""
        half = ((self.until or now) - self.since) // 2
        half -= timedelta(microseconds=half.microseconds)
        if half < _SECOND:
            return None
        middle = self.since + half
        return Span(self.since, middle), Span(middle, self.until)

    def __str__(self) -> str:
        return f"{_text(self.since)} to {_text(self.until) if self.until else 'now'}"


def spans(window: Window, *, now: datetime, whole_since: date | None = None) -> tuple[Span | None, ...]:
    """What to ask for, oldest first, so that an entity that changes while we read moves to where we still come by.

    A window that is open at its end and begins over 30 days ago is the whole collection: one request instead of many.

    Args:
        window: what the engine asks for.
        now: the clock.
        whole_since: where the whole collection is more than one answer can hold: since when its entities changed.

    Returns:
        at least one span; None stands for the whole collection.
    """
    if window.since is not None and window.until is not None:
        return _cut(_floor(window.since), window.until)
    if window.since is not None and now - window.since <= LONGEST:
        return (Span(_floor(window.since)),)
    if whole_since is None:
        return (None,)
    return _cut(datetime.combine(whole_since, time(), UTC), now, open_end=True)


def _cut(since: datetime, until: datetime, *, open_end: bool = False) -> tuple[Span, ...]:
    """Spans of at most 30 days, each beginning where the one before it ends."""
    end = _ceiling(until)
    edges = [since]
    while edges[-1] + LONGEST < end:
        edges.append(edges[-1] + LONGEST)
    return (*starmap(Span, pairwise(edges)), Span(edges[-1], None if open_end else end))


def filter_of(span: Span | None, equal: Mapping[str, str]) -> str | None:
    """The query's `filter`: base64 of JSON. None where nothing is left out."""
    range_ = {} if span is None else {"lastUpdatedDate": [_text(span.since), _text(span.until)]}
    wanted = dict(equal) | range_
    return base64.b64encode(json.dumps(wanted).encode()).decode() if wanted else None


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _ceiling(moment: datetime) -> datetime:
    down = _floor(moment)
    return down if down == moment else down + _SECOND


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
