from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import BrokenPage, NetworkError
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.messages import Response
from connector_pipelines.external.paginate import MAX_EMPTY, SinglePage, paginate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event


def split(body: bytes) -> list[bytes]:
    """A JSON list."""
    if body == b"oops":
        raise BrokenPage("a page is no JSON.")
    return [json.dumps(row).encode() for row in json.loads(body)]


def page(name: str) -> Request:
    """A page by name."""
    return Request("rows", (("page", name),))


@dataclass
class Book:
    """A source of named pages: what is on each, which follows, and what a paginator would guess."""

    rows: Mapping[str, list[int]]
    follows: Mapping[str, str]
    guesses: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    before: Callable[[str, Event], None] = lambda _name, _stop: None

    def fetch(self, request: Request, stop: Event) -> Response:
        """Answer a request."""
        name = str(request.param("page"))
        self.asked.append(name)
        self.before(name, stop)
        return Response(200, {}, json.dumps(self.rows[name]).encode() if self.rows[name] != [-1] else b"oops", name)

    def after(self, request: Request, _response: Response, _rows: int) -> Request | None:
        """Where the next page is."""
        name = self.follows.get(str(request.param("page")))
        return page(name) if name else None

    def ahead(self, request: Request, _response: Response, _rows: int) -> Request | None:
        """A guess, right or wrong."""
        name = self.guesses.get(str(request.param("page")))
        return page(name) if name else None

    def read(self, **options: Any) -> list[int]:
        """All rows."""
        return [int(row) for one in paginate(self.fetch, split, page("a"), self, **options) for row in one.rows]


CHAIN = {"a": "b", "b": "c", "c": "d", "d": "e"}
ROWS = {"a": [1, 2], "b": [3, 4], "c": [5], "d": [6], "e": [], "x": [99]}


@pytest.mark.parametrize("in_flight", [1, 2, 8])
@pytest.mark.parametrize(
    "guesses",
    [{}, CHAIN, {"a": "x", "b": "x", "c": "d"}, {"a": "c", "b": "d", "c": "b"}, {"b": "x", "x": "x", "c": "a"}],
    ids=["none", "right", "wrong", "mixed up", "back"],
)
def test_guesses_never_change_the_result(in_flight: int, guesses: dict[str, str]) -> None:
    """Whatever is guessed and however many requests run, the rows are those of the chain, once and in order."""
    book = Book(ROWS, CHAIN, guesses)
    assert book.read(in_flight=in_flight) == [1, 2, 3, 4, 5, 6]


def test_pages_are_numbered_from_one() -> None:
    """A page carries its number, its URL and its raw body."""
    book = Book(ROWS, CHAIN, CHAIN)
    pages = list(paginate(book.fetch, split, page("a"), book))
    assert [(one.number, one.url, one.status) for one in pages][:2] == [(1, "a", 200), (2, "b", 200)]
    assert pages[0].body == b"[1, 2]"


def test_failing_guess_does_no_harm() -> None:
    """A request that was only a guess may fail; nobody notices."""

    def fail_on_x(name: str, _: Event) -> None:
        if name == "x":
            raise NetworkError("gone")

    assert Book(ROWS, CHAIN, {"a": "b", "b": "x"}, before=fail_on_x).read() == [1, 2, 3, 4, 5, 6]


def test_failing_page_ends_the_read() -> None:
    """An error of a page that belongs to the collection comes at its place, after the pages before it."""

    def fail_on_c(name: str, _: Event) -> None:
        if name == "c":
            raise NetworkError("gone")

    book = Book(ROWS, CHAIN, CHAIN, before=fail_on_c)
    pages = paginate(book.fetch, split, page("a"), book)
    assert [next(pages).number, next(pages).number] == [1, 2]
    with pytest.raises(NetworkError):
        next(pages)


def test_pages_are_fetched_side_by_side() -> None:
    """With right guesses several requests run at once: each of these waits until the others are there."""
    gate = threading.Barrier(3, timeout=5)
    book = Book(
        {name: [n] for n, name in enumerate("abcdefg")},
        dict(zip("abcdef", "bcdefg", strict=True)),
        dict(zip("abcdef", "bcdefg", strict=True)),
        before=lambda name, _: _waited(gate) if name in "def" else None,
    )
    assert book.read(in_flight=4) == list(range(7))


def _waited(gate: threading.Barrier) -> None:
    gate.wait()


def test_at_most_in_flight_requests_run() -> None:
    """Never more requests than allowed run at the same time."""
    running: list[str] = []
    most: list[int] = []
    names = [str(n) for n in range(30)]
    chain = {"a": "0"} | dict(pairwise(names))

    class Counting(Book):
        def fetch(self, request: Request, stop: Event) -> Response:
            running.append("x")
            most.append(len(running))
            try:
                return super().fetch(request, stop)
            finally:
                running.pop()

    book = Counting({"a": [-2]} | {name: [int(name)] for name in names}, chain, chain)
    assert book.read(in_flight=3) == [-2, *range(30)]
    assert max(most) <= 3


def test_unwanted_guess_is_told_to_stop() -> None:
    """A guess that waits out a rate limit is ended when reading goes on elsewhere, instead of holding the read up."""
    stopped = threading.Event()

    def wait_on_x(name: str, stop: Event) -> None:
        if name == "x":
            assert stop.wait(5)
            stopped.set()

    assert Book(ROWS, CHAIN, {"b": "x"}, before=wait_on_x).read(in_flight=2) == [1, 2, 3, 4, 5, 6]
    assert stopped.is_set()


def test_max_pages_looks_at_the_beginning() -> None:
    """A limit of pages ends the read, and asks for nothing beyond it."""
    book = Book(ROWS, CHAIN, CHAIN)
    assert book.read(max_pages=2) == [1, 2, 3, 4]
    assert set(book.asked) <= {"a", "b", "c"}


@pytest.mark.parametrize("in_flight", [1, 8])
def test_repeated_page_is_an_error(in_flight: int) -> None:
    """Two equal pages in a row, with rows in them, are a source that goes in circles."""
    book = Book({"a": [1, 2], "b": [1, 2]}, {"a": "b"}, {"a": "b"})
    with pytest.raises(BrokenPage, match="repeats a page: number 2"):
        book.read(in_flight=in_flight)


def test_repeated_rows_in_another_wrapping_are_an_error() -> None:
    """The same rows are recognized although the body differs, as with an offset beside the list."""
    book = Book({"a": [1, 2], "b": [1, 2]}, {"a": "b"})
    bodies = iter([b"[1, 2]", b"[1,  2]"])
    with pytest.raises(BrokenPage, match="repeats a page"):
        list(paginate(lambda *_: Response(200, {}, next(bodies), "u"), split, page("a"), book, in_flight=1))


def test_page_that_leads_back_is_an_error() -> None:
    """A chain that comes back to a page already read would never end."""
    book = Book(ROWS, {"a": "b", "b": "c", "c": "a"})
    with pytest.raises(BrokenPage, match="leads back"):
        book.read()


def test_empty_pages_without_end_are_an_error() -> None:
    """A few empty pages may stand between others; a hundred are no collection."""
    few = Book({"a": [1], "b": [], "c": [], "d": [2]}, CHAIN | {"d": ""})
    assert few.read() == [1, 2]
    names = [str(n) for n in range(MAX_EMPTY + 5)]
    many = Book({"a": []} | {n: [] for n in names}, {"a": "0"} | dict(pairwise(names)))
    with pytest.raises(BrokenPage, match="empty pages in a row"):
        many.read()


def test_broken_page_is_handed_over_before_the_error() -> None:
    """A page that cannot be split is given out without rows, so that it is landed; then the read fails."""
    pages = paginate(Book({"a": [1], "b": [-1]}, {"a": "b"}).fetch, split, page("a"), Book({}, {"a": "b"}))
    assert len(next(pages).rows) == 1
    broken = next(pages)
    assert (broken.number, broken.body, len(broken.rows)) == (2, b"oops", 0)
    with pytest.raises(BrokenPage, match="no JSON"):
        next(pages)


def test_leaving_early_ends_all_requests() -> None:
    """A reader that stops in the middle leaves no thread behind."""
    before = set(threading.enumerate())
    book = Book(ROWS, CHAIN, CHAIN)
    pages = paginate(book.fetch, split, page("a"), book, in_flight=8)
    next(pages)
    pages.close()
    assert set(threading.enumerate()) <= before  # those of others may have ended


def test_over_http(stand: Any, answer: Any) -> None:
    """The loop reads from a real server through the client, and a single page is a read of one."""
    server = stand(lambda _: answer(body=b"[1, 2, 3]"))
    with Client(server.url) as client:
        pages = list(paginate(client.send, split, Request("rows"), SinglePage()))
    assert [one.rows for one in pages] == [[b"1", b"2", b"3"]]
    assert pages[0].url == f"{server.url}/rows"
