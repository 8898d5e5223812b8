"""THE loop that fetches pages, for all connectors. A paginator says where the next page is; nothing else loops.

Pages may be fetched ahead of time on a guess. A guess never changes the result: a page is used only if it is the very
request that the page before it leads to; otherwise it is thrown away and reading goes on from the right place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from connector_pipelines.errors import BrokenPage
from connector_pipelines.pages import Page

if TYPE_CHECKING:
    from connector_pipelines.external.messages import Request, Response

Fetch = Callable[["Request", Event], "Response"]
"""Sends a request, giving up its waits when the event is set: `http.Client.send`."""

Part = TypeVar("Part")

MAX_EMPTY = 100
"""So many empty pages in a row are no collection any more."""


class Paginator(Protocol):
    """Where the next page is."""

    def after(self, request: Request, response: Response, rows: int) -> Request | None:
        """The page that follows this one; None where the source's rule says the end.

        Args:
            request: what was asked.
            response: what came.
            rows: how many rows were in it.
        """

    def ahead(self, request: Request, response: Response, rows: int) -> Request | None:
        """A guess which page will follow `request`, from the latest page that is known; None where guessing is idle."""


class SinglePage:
    """For sources that send everything at once."""

    def after(self, _request: Request, _response: Response, _rows: int) -> Request | None:
        """There is no other."""
        return None

    def ahead(self, _request: Request, _response: Response, _rows: int) -> Request | None:
        """There is no other."""
        return None


def paginate(
    fetch: Fetch,
    split: Callable[[bytes], Sequence[bytes]],
    first: Request,
    paginator: Paginator,
    *,
    in_flight: int = 8,
    max_pages: int | None = None,
) -> Generator[Page]:
    """Read pages until the paginator says the end.

    A page that cannot be split is handed over without rows, so that it is landed and can be looked at; the error
    comes with the next step.

    Args:
        fetch: sends a request; called from threads.
        split: the raw rows of a body; called in the caller's thread, once per page.
        first: the first page.
        paginator: finds the others.
        in_flight: how many requests may run at the same time.
        max_pages: stop after so many, for a look at the beginning.

    Yields:
        pages in order, numbered from 1.

    Raises:
        BrokenPage: a page repeats, leads back, or is not what it should be.
        SyncError: whatever fetching raises.
    """
    guard = _Guard()
    request: Request | None = first
    with _Prefetch(fetch, in_flight) as prefetch:
        while request is not None:
            response = prefetch.take(request)
            guard.number += 1
            page = Page(guard.number, response.url, response.status, response.body, ())
            try:
                rows = split(response.body)
                guard.check(request, response, rows)
            except BrokenPage:
                yield page
                raise
            following = paginator.after(request, response, len(rows)) if guard.number != max_pages else None
            prefetch.want(_guesses(paginator, following, response, len(rows)), following)
            yield replace(page, rows=rows)
            request = following


def side_by_side(parts: Iterable[Part], read: Callable[[Part], list[Page]], width: int) -> Iterator[Page]:
    """The pages of one part after another, while the parts behind it are read already.

    Args:
        parts: what is read each by itself, as the children of a parent are; taken as they are needed.
        read: all pages of a part; called from threads, in the caller's context.
        width: how many parts are read at the same time.
    """
    under_way: deque[Future[list[Page]]] = deque()
    with ThreadPoolExecutor(width, thread_name_prefix="part") as pool:
        try:
            for part in parts:
                under_way.append(pool.submit(copy_context().run, partial(read, part)))
                if len(under_way) >= width:
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _guesses(paginator: Paginator, following: Request | None, response: Response, rows: int) -> Iterator[Request]:
    """The next page, which is sure, and guesses beyond it, without end unless the paginator ends them."""
    while following is not None:
        yield following
        following = paginator.ahead(following, response, rows)


class _Guard:
    """Notices when pages go round in circles."""

    def __init__(self) -> None:
        self.number = 0
        self._asked: set[Request] = set()
        self._body = b""
        self._rows: Sequence[bytes] = ()
        self._empty = 0
        self._alike = 0

    def check(self, request: Request, response: Response, rows: Sequence[bytes]) -> None:
        """Compare a page with those before it.

        Raises:
            BrokenPage: reading on would never end.
        """
        if request in self._asked:
            raise BrokenPage(f"page {self.number} leads back to one already read: {response.url}.", remedy=_REPORT)
        self._asked.add(request)
        self._alike = self._alike + 1 if rows and (response.body == self._body or self._same(rows)) else 0
        if self._alike > (len(rows) == 1):  # a row that stands alone comes again where one was added before it
            raise BrokenPage(f"the source repeats a page: number {self.number}, {response.url}.", remedy=_REPORT)
        self._body, self._rows = response.body, rows
        self._empty = 0 if rows else self._empty + 1
        if self._empty > MAX_EMPTY:
            raise BrokenPage(f"more than {MAX_EMPTY} empty pages in a row, up to {response.url}.", remedy=_REPORT)

    def _same(self, rows: Sequence[bytes]) -> bool:
        """The same rows in another wrapping; lists differ at their first record, so this costs nothing."""
        return len(rows) > 1 and list(rows) == list(self._rows)


_REPORT = "Report it to the system's vendor; what was read so far is not used."


class _Prefetch:
    """Requests under way. Widens with every page that was guessed right: 1, 2, 4 … `in_flight`."""

    def __init__(self, fetch: Fetch, in_flight: int) -> None:
        self._fetch = fetch
        self._most = max(1, in_flight)
        self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="page")
        self._under_way: dict[Request, tuple[Future[Response], Event]] = {}
        self._width = 1

    def take(self, request: Request) -> Response:
        """The answer to a request, under way or not."""
        future, _ = self._under_way.pop(request) if request in self._under_way else self._start(request)
        return future.result()

    def want(self, guesses: Iterator[Request], following: Request | None) -> None:
        """Have these under way, as many as fit, and no others."""
        right = following in self._under_way or not self._under_way
        self._width = min(self._most, self._width * 2) if right else 1
        wanted = [request for request, _ in zip(guesses, range(self._width), strict=False)]
        for request in [r for r in self._under_way if r not in wanted]:
            self._discard(request)
        for request in wanted:
            if request not in self._under_way:
                self._under_way[request] = self._start(request)

    def _start(self, request: Request) -> tuple[Future[Response], Event]:
        stop = Event()
        return self._pool.submit(self._fetch, request, stop), stop

    def _discard(self, request: Request) -> None:
        future, stop = self._under_way.pop(request)
        stop.set()
        future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for request in list(self._under_way):
            self._discard(request)
        self._pool.shutdown(cancel_futures=True)
