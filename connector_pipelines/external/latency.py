"""How long requests take, by endpoint, in a few rows: classes of latency instead of single times. Pure.

Class n holds what took at most 5 · 1.2ⁿ seconds and longer than class n - 1. A percentile is at most a fifth too high
and never too low, and whether it lies above five seconds, from which people are told (K20), is exact.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connector_pipelines.external.messages import Request

SLOW_SECONDS = 5.0
"""From here on an API is slow (M84)."""

_STEP = 1.2
_FIRST, _LAST = -48, 40  # under a millisecond; two hours

_ID = re.compile(r"\d+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=[^/]*\d)[\w.~%:-]{16,}")


def class_of(seconds: float) -> int:
    """The class of a request that took so long."""
    if seconds <= 0:
        return _FIRST
    exact = math.log(seconds / SLOW_SECONDS, _STEP)
    return min(max(math.ceil(exact - 1e-9), _FIRST), _LAST)


def at_most(number: int) -> float:
    """The longest time of a class, in seconds."""
    return SLOW_SECONDS * _STEP**number


def percentile(histogram: Mapping[int, int], share: float) -> float:
    """How long at most the given share of all requests took, in seconds; 0 where there were none."""
    wanted, seen = share * sum(histogram.values()), 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= wanted - 1e-9:
            return at_most(number)
    return 0.0


def added(histograms: Iterable[Mapping[str, int]]) -> dict[int, int]:
    """Histograms as they are stored, summed."""
    total: dict[int, int] = {}
    for one in histograms:
        for number, count in one.items():
            total[int(number)] = total.get(int(number), 0) + count
    return total


def endpoint(request: Request) -> str:
    """What a request counts as: verb and path, with ids left out, so that a thousand records are one endpoint.

    Where it says itself what it counts as, that stands for the path.
    """
    if request.counts_as:
        return f"{request.method} {request.counts_as}"
    parts = urlsplit(redact.url(request.url)).path.split("/")
    return f"{request.method} {'/'.join('{id}' if _ID.fullmatch(part) else part for part in parts) or '/'}"
