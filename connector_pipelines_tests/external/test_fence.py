from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external.fence import MAX_REPAIRS, Fence
from connector_pipelines.external.http import Request
from connector_pipelines.external.messages import Response
from connector_pipelines.external.paginate import paginate
from connector_pipelines.pages import Stability

if TYPE_CHECKING:
    from collections.abc import Generator
    from threading import Event

    from connector_pipelines.pages import Page

Row = tuple[int, int]
"""An id and a version."""


def split(body: bytes) -> list[bytes]:
    """The rows of a page."""
    return [json.dumps(row).encode() for row in json.loads(body)]


def key(raw: bytes) -> str:
    """The id of a row."""
    return str(json.loads(raw)[0])


@dataclass
class Shelf:
    """A collection sorted by id, whose rows come and go before certain requests.

    `before` tells for the number of a request what is done before it is answered: ("insert", id), ("delete", place)
    or ("edit", place), where a place is taken modulo the size.
    """

    ids: list[int]
    size: int
    clamp: int = 1000
    total: bool = True
    sorted: bool = True
    before: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)
    stayed: set[int] = field(default_factory=set)
    lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.rows = dict.fromkeys(self.ids, 0)
        self.stayed = set(self.ids)

    def fetch(self, request: Request, _stop: Event) -> Response:
        """Answer one request, after what happens before it."""
        with self.lock:
            for what, which in self.before.get(len(self.asked), []):
                self._happens(what, which)
            offset = int(request.param("offset") or 0)
            self.asked.append(offset)
            if self.total:
                self.totals.append(len(self.rows))
            order = sorted(self.rows) if self.sorted else list(self.rows)
            page = [(one, self.rows[one]) for one in order[offset : offset + min(self.size, self.clamp)]]
            return Response(200, {"total": str(len(self.rows))}, json.dumps(page).encode(), str(offset))

    def _happens(self, what: str, which: int) -> None:
        if what == "insert":
            self.rows.setdefault(which, 0)
        elif self.rows:
            one = sorted(self.rows)[which % len(self.rows)]
            if what == "edit":
                self.rows[one] += 1
            else:
                del self.rows[one]
                self.stayed.discard(one)

    def after(self, request: Request, response: Response, rows: int) -> Request | None:
        """The next page begins with the last row of this one; the end is told by the total, or by an empty page."""
        offset = int(request.param("offset") or 0)
        if rows == 0 or (self.total and offset + rows == int(response.headers["total"])):
            return None
        return self._at(offset + max(1, rows - 1))

    def ahead(self, request: Request, response: Response, rows: int) -> Request | None:
        """The same, guessed."""
        return self.after(request, response, rows)

    def _at(self, offset: int) -> Request:
        return Request("rows", (("offset", str(offset)),))

    def start(self, offset: int, in_flight: int = 1) -> Generator[Page]:
        """Read from an offset on."""
        return paginate(self.fetch, split, self._at(offset), self, in_flight=in_flight)

    def read(self, in_flight: int = 1) -> tuple[list[int], Stability | None]:
        """Every id that was read, in order and as often as it came, and how stable that was."""
        fence = Fence(
            lambda offset: self.start(offset, in_flight), lambda page: int(page.url), key, lambda: self.totals
        )
        pages = list(fence.pages())
        assert [page.number for page in pages] == list(range(1, len(pages) + 1))
        return [int(key(row)) for page in pages for row in page.rows], fence.stability


HAPPENS = st.tuples(st.sampled_from(["insert", "delete", "edit"]), st.integers(0, 60))


CUT = {0: [], 1: [("delete", 0)] * 3}


@settings(deadline=None, max_examples=300)
@example(count=4, size=1, clamp=1, total=False, in_flight=1, before=CUT)
@example(count=4, size=1, clamp=1, total=True, in_flight=1, before=CUT)
@given(
    count=st.integers(0, 40),
    size=st.integers(1, 8),
    clamp=st.integers(1, 8),
    total=st.booleans(),
    in_flight=st.sampled_from([1, 4]),
    before=st.dictionaries(st.integers(0, 25), st.lists(HAPPENS, max_size=3), max_size=6),
)
def test_complete_or_flagged(
    *, count: int, size: int, clamp: int, total: bool, in_flight: int, before: dict[int, list[tuple[str, int]]]
) -> None:
    """Whatever comes and goes between requests: every row that was there all the time was read, or it is flagged.

    So many new rows that a page comes again look like a source that goes round in circles: then the read fails.
    """
    shelf = Shelf([2 * n for n in range(count)], size, clamp, total, before=before)
    try:
        read, stability = shelf.read(in_flight)
    except BrokenPage:
        assert any(what == "insert" for events in before.values() for what, _ in events)
        return
    assert stability is Stability.UNSTABLE or shelf.stayed <= set(read)


@settings(deadline=None)
@given(count=st.integers(0, 60), size=st.integers(2, 9), clamp=st.integers(2, 9), total=st.booleans())
def test_a_source_that_holds_still(*, count: int, size: int, clamp: int, total: bool) -> None:
    """It is stable, all is read in order, and no page is asked for but those that the overlap takes."""
    assume(total or count != 1)  # of one row alone, nobody can say without a total that it is all
    shelf = Shelf(list(range(count)), size, clamp, total)
    read, stability = shelf.read()
    step = min(size, clamp) - 1
    assert stability is Stability.STABLE
    assert sorted(set(read)) == list(range(count))
    needed = 1 if count <= step + 1 else 1 + -(-(count - step - 1) // step)
    assert len(shelf.asked) <= needed + (0 if total else 2)  # without a total, the last row alone, and nothing
    assert shelf.asked == sorted(shelf.asked)


@pytest.mark.parametrize(
    ("before", "stability"),
    [
        ({2: [("delete", 0)]}, Stability.REPAIRED),
        ({2: [("delete", n) for n in range(3)]}, Stability.REPAIRED),
        ({2: [("delete", 4)]}, Stability.REPAIRED),
        ({2: [("edit", 4)]}, Stability.STABLE),
        ({2: [("edit", 6)]}, Stability.REPAIRED),
        ({2: [("insert", 99)]}, Stability.REPAIRED),
        ({2: [("insert", 1)]}, Stability.UNSTABLE),
        ({2: [("delete", 19)]}, Stability.REPAIRED),
    ],
    ids=["before", "several", "in the middle", "edit", "edit at the edge", "new at the end", "new before", "last"],
)
def test_what_a_read_finds(before: dict[int, list[tuple[str, int]]], stability: Stability) -> None:
    """Rows that go are read again around the gap; a new row that nobody saw leaves the read unproven."""
    shelf = Shelf([2 * n for n in range(20)], 4, before=before)
    read, found = shelf.read()
    assert found is stability
    assert shelf.stayed <= set(read)


def test_without_overlap_nothing_is_proven() -> None:
    """A server that sends one row at a time is read to its end, with few tries to go back, and proves nothing."""
    shelf = Shelf(list(range(10)), 5, clamp=1)
    read, stability = shelf.read()
    assert (set(read), stability) == (set(range(10)), Stability.UNSTABLE)
    assert len(shelf.asked) <= 10 + 10 * MAX_REPAIRS


def test_order_that_changes_is_noticed() -> None:
    """In a collection that is not sorted, two rows that change places across an edge come twice or change: unstable."""
    shelf = Shelf(list(range(12)), 4, sorted=False)

    def swap() -> None:
        shelf.rows = dict.fromkeys((9, 1, 2, 3, 4, 5, 6, 7, 8), 0) | {0: 1, 10: 0, 11: 0}

    first: list[int] = []
    fetch = shelf.fetch

    def then(request: Request, stop: Event) -> Response:
        if first:
            swap()
        first.append(1)
        return fetch(request, stop)

    shelf.fetch = then  # type: ignore[method-assign, assignment]
    read, stability = shelf.read()
    assert 9 not in read
    assert stability is Stability.UNSTABLE


def test_unfinished_read_is_nothing() -> None:
    """A fence says nothing before the read's end."""
    shelf = Shelf(list(range(10)), 4)
    fence = Fence(shelf.start, lambda page: int(page.url), key, lambda: shelf.totals)
    pages = fence.pages()
    next(pages)
    assert fence.stability is None
    pages.close()
