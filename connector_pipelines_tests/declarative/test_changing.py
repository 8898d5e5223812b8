"""A source that counts its changes, and changes while it is read: no change is left out for good."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.declarative import paginators
from connector_pipelines.declarative.paging import Incremental, LastRecord
from connector_pipelines.declarative.positions import Tracked, Tracker, start
from connector_pipelines.external.messages import Request, Response
from connector_pipelines.external.paginate import paginate

if TYPE_CHECKING:
    from collections.abc import Iterator

INCREMENTAL = Incremental(number="n", since="after", lookback=0)
PAGING = LastRecord(type="last_record", param="after", key="n", size=3)


def rows_of(body: bytes) -> list[bytes]:
    """The records of a page."""
    return [json.dumps(row).encode() for row in json.loads(body)]


@dataclass
class Counting:
    """Records with the number of their last change; some change after each request, as long as there is a plan."""

    records: dict[int, int]
    plan: Iterator[list[int]]
    numbers: Iterator[int] = field(default_factory=lambda: count(1_000))

    def fetch(self, request: Request, _stop: object) -> Response:
        """Three records behind a number, in the order of numbers."""
        after = int(request.param("after") or -1)
        behind = sorted((n, key) for key, n in self.records.items() if n > after)[:3]
        body = json.dumps([{"id": key, "n": n} for n, key in behind]).encode()
        for key in next(self.plan, []):
            self.records[key] = next(self.numbers)
        return Response(200, {}, body, request.full_url)

    def read(self, after: str | None, seen: dict[int, int]) -> str | None:
        """One read; what it saw is noted, and how far it came is told."""
        tracker = Tracker(INCREMENTAL, after, rows_of, lambda row: row["n"], lambda *_: None)
        step = paginators.AfterLast(PAGING, lambda *_: None, lambda body: json.loads(body)[-1]["n"])
        pages = paginators.Pages(step, lambda *_: None, None, 1_000, rows_of)
        known = start(INCREMENTAL, after)
        first = Request("rows", (("after", known),) if known else ())
        for page in paginate(self.fetch, rows_of, first, Tracked(pages, tracker), in_flight=1):
            seen.update({row["id"]: row["n"] for row in map(json.loads, page.rows)})
        return tracker.reached()


@given(
    size=st.integers(1, 12),
    changes=st.lists(st.lists(st.integers(0, 11), max_size=3), max_size=15),
    reads=st.integers(1, 3),
)
def test_increments_catch_up_with_what_changed_meanwhile(size: int, changes: list[list[int]], reads: int) -> None:
    """Whatever changes between pages, in the end an increment has brought the latest of every record."""
    plan = iter([[key % size for key in some] for some in changes])
    source = Counting({key: key for key in range(size)}, plan)
    seen: dict[int, int] = {}
    position = source.read(None, seen)
    for _ in range(reads):
        position = source.read(position, seen)
    source.plan = iter(())  # nothing changes any more
    source.read(position, seen)
    assert seen == source.records
