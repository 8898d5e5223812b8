"""Finds the next page, and knows the end: how a declared `paging` is carried out (`external.paginate` has the loop)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from connector_pipelines.declarative import paging as declared
from connector_pipelines.declarative import paths
from connector_pipelines.declarative.places import value_of, with_value
from connector_pipelines.errors import BrokenPage, NetworkError
from connector_pipelines.external.links import followed, links_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.external.messages import Request, Response


_OTHER_HOST = "If it is the same system behind a proxy, set `other_host` in this source's paging."
_REPORT = "Correct this source's `paging`, or report it to the system's vendor; what was read so far is not used."


@dataclass(frozen=True, slots=True)
class Came:
    """What came on a page.

    Attributes:
        rows: how many things, as the source counts them.
        counted: how many of these the source itself surely counted. A row that comes twice on a page may be one in its
            eyes, and where more came than was asked for, it counts something else than what it sends.
    """

    rows: int
    counted: int


def came(things: Sequence[bytes], most: int | None) -> Came:
    """What came, counted.

    Args:
        things: of a page, as the source counts them.
        most: how many were asked for, if any number.
    """
    different = len({bytes(thing) for thing in things})
    return Came(len(things), different if most is None else min(different, most))


class Step(Protocol):
    """Where the next page is, without a memory."""

    def following(self, request: Request, response: Response, page: Came) -> Request | None:
        """The page that follows this one; None at the end."""

    def guess(self, request: Request, response: Response, page: Came) -> Request | None:
        """A guess which page will follow `request`, from the latest page that is known."""

    def before(self, request: Request) -> int | None:
        """How many rows there are before a page; None where its address does not say."""


class Unplaced:
    """Addresses of pages that do not say how many rows are before them."""

    __slots__ = ()

    def before(self, _request: Request) -> None:
        """Nobody knows."""


@dataclass(slots=True)
class Pages:
    """A paginator that remembers what came, so that a read that lost rows is noticed.

    Attributes:
        step: finds the next page.
        said: what an answer says at a place.
        total: where the source says how many rows there are in all pages.
        max_pages: more pages are a mistake.
        things: what the source counts on a page.
        most: how many rows were asked for per page, if any number.
        watched: somebody else judges totals that move (`external.fence`); here they are noted alone.
        place: how many rows lie before the latest page; None where nobody knows.
        totals: what the source stated so far, in the order it came.
    """

    step: Step
    said: Callable[[declared.Place, Response], object]
    total: declared.Place | None
    max_pages: int
    things: Callable[[bytes], Sequence[bytes]]
    most: int | None = None
    watched: bool = False
    place: int | None = field(default=None, init=False)
    totals: list[int] = field(default_factory=list, init=False)
    _pages: int = field(default=0, init=False)
    _received: int = field(default=0, init=False)
    _reached: int = field(default=0, init=False)
    _latest: Came = field(default=Came(0, 0), init=False)

    def after(self, request: Request, response: Response, _rows: int) -> Request | None:
        """The next page, or None at the end.

        Raises:
            NetworkError: the source ends before its own total, or the total shrank.
            BrokenPage: there are more pages than allowed, or a place in the answer is empty that should not be.
        """
        self._latest = page = came(self.things(response.body), self.most)
        self._count(request, page)
        total = self._total(response, page.rows)
        if self._reached == total:
            return None
        following = self.step.following(request, response, page)  # beyond the total: some came twice, go on
        if following is None and total is not None and self._received < total:
            problem = f"the source says that it has {total:,} rows and sent {self._received:,}."
            raise NetworkError(problem, remedy="Read at a quieter time; if it stays so, leave out `total`.")
        if following is not None and self._pages >= self.max_pages:
            raise BrokenPage(f"there are more than {self.max_pages:,} pages.", remedy="Raise `max_pages`.")
        return following

    def ahead(self, request: Request, response: Response, _rows: int) -> Request | None:
        """A guess, as far as the total reaches."""
        return self.step.guess(request, response, self._latest)

    def _count(self, request: Request, page: Came) -> None:
        """How far we are: where a page's address says what lies before it, pages may overlap; else they add up."""
        self._pages += 1
        self.place = self.step.before(request)
        self._reached = (self._reached if self.place is None else self.place) + page.counted
        self._received = (self._received if self.place is None else self.place) + page.rows

    def _total(self, response: Response, rows: int) -> int | None:
        """What the source says now.

        A total that shrinks while we read means that a row was removed; all later ones moved one place forward, one
        of them over the edge between two pages, unread.
        """
        if self.total is None:
            return None
        found = whole(self.said(self.total, response))
        if found is None and rows:
            raise BrokenPage(f"the source states no total at {_shown(self.total)}.", remedy=_REPORT)
        if found is not None and found < max(self.totals, default=0) and not self.watched:
            problem = f"the source had {max(self.totals):,} rows and then {found:,} while it was read."
            raise NetworkError(problem, remedy="Read at a quieter time.")
        if found is not None:
            self.totals.append(found)
        return self.totals[-1] if self.totals else 0


@dataclass(frozen=True, slots=True)
class Single(Unplaced):
    """There is one page."""

    def following(self, _request: Request, _response: Response, _page: Came) -> None:
        """None."""

    def guess(self, _request: Request, _response: Response, _page: Came) -> None:
        """None."""


@dataclass(frozen=True, slots=True)
class Counting:
    """Pages by number or offset.

    Attributes:
        overlap: with how many rows of the page before a page begins, where that has more.
    """

    paging: declared.PageNumber | declared.Offset
    said: Callable[[declared.Place, Response], object]
    overlap: int = 0

    def following(self, request: Request, response: Response, page: Came) -> Request | None:
        """One further, until the source's rule says the end."""
        paging = self.paging
        if paging.more is not None:
            more = self.said(paging.more, response)
            if more is None and page.rows:
                raise BrokenPage(f"the source does not say at {_shown(paging.more)} if there is more.", remedy=_REPORT)
            return self._next(request, page) if truth(more) else None
        if page.rows == 0 or (paging.short_page_ends and page.rows < paging.size) or self._last(request, response):
            return None
        return self._next(request, page)

    def guess(self, request: Request, response: Response, page: Came) -> Request | None:
        """The page behind it, where the latest one was full; not beyond what the source says there is."""
        if page.rows < self.paging.size or self._last(request, response):
            return None
        total = None if self.paging.total is None else whole(self.said(self.paging.total, response))
        beyond = self._seen(request, page.counted)
        return None if total is not None and beyond >= total else self._next(request, page)

    def before(self, request: Request) -> int | None:
        """Of an offset that follows from what came, itself. Others say nothing where pages are clamped."""
        tells = isinstance(self.paging, declared.Offset) and self.paging.step == "received"
        return self._place(request) - self.paging.first if tells else None

    def _place(self, request: Request) -> int:
        return int(value_of(request, self.paging.into, self.paging.param) or self.paging.first)

    def _seen(self, request: Request, rows: int) -> int:
        """How many rows there are up to the end of a page as long as this one."""
        before = self.before(request)
        return (self._place(request) - self.paging.first) * rows + rows if before is None else before + rows

    def _next(self, request: Request, page: Came) -> Request:
        """The page behind one.

        An offset moves by what the source counted, never by more: then rows may come twice, and none is left out.
        """
        paging = self.paging
        if isinstance(paging, declared.PageNumber):
            further = 1
        elif paging.step == "size":
            further = paging.size
        else:
            further = max(page.counted, 1)
            further -= self.overlap if further > self.overlap else 0
        return with_value(request, paging.into, paging.param, str(self._place(request) + further))

    def _last(self, request: Request, response: Response) -> bool:
        paging = self.paging
        if not isinstance(paging, declared.PageNumber) or paging.pages is None:
            return False
        pages = whole(self.said(paging.pages, response))
        if pages is None:
            raise BrokenPage(f"the source states no number of pages at {_shown(paging.pages)}.", remedy=_REPORT)
        return self._place(request) >= paging.first + pages - 1


@dataclass(frozen=True, slots=True)
class Token(Unplaced):
    """Pages by a token that the page before gives."""

    paging: declared.Cursor
    said: Callable[[declared.Place, Response], object]

    def following(self, request: Request, response: Response, _page: Came) -> Request | None:
        """The page of the token."""
        if self.paging.more is not None and not truth(self.said(self.paging.more, response)):
            return None
        token = self.said(self.paging.next, response)
        if token is None or token == "":
            return None
        return with_value(request, self.paging.into, self.paging.param, str(token))

    def guess(self, _request: Request, _response: Response, _page: Came) -> None:
        """A token cannot be guessed."""


@dataclass(frozen=True, slots=True)
class AfterLast(Unplaced):
    """Pages that begin after the last record.

    Attributes:
        key_of_last: the key of the last record of a body; None where it has none.
    """

    paging: declared.LastRecord
    said: Callable[[declared.Place, Response], object]
    key_of_last: Callable[[bytes], object]

    def following(self, request: Request, response: Response, page: Came) -> Request | None:
        """The page after the last key, until a page is empty or the source says that there is no more."""
        if page.rows == 0 or (self.paging.more is not None and not truth(self.said(self.paging.more, response))):
            return None
        key = self.key_of_last(response.body)
        if key is None:
            raise BrokenPage(f"the last record of a page has no {self.paging.key!r}.", remedy=_REPORT)
        return with_value(request, self.paging.into, self.paging.param, str(key))

    def guess(self, _request: Request, _response: Response, _page: Came) -> None:
        """A key cannot be guessed."""


@dataclass(frozen=True, slots=True)
class Address(Unplaced):
    """Pages by the address that the page before gives."""

    paging: declared.Link
    said: Callable[[declared.Place, Response], object]
    base_url: str

    def following(self, request: Request, response: Response, _page: Came) -> Request | None:
        """The page at the address.

        Raises:
            ConfigurationError: the address is on another host, where our credentials may not go.
        """
        found = self.said(self.paging.next, response)
        if isinstance(self.paging.next, declared.Header) and self.paging.next.header.lower() == "link":
            found = links_of(str(found or "")).get("next")
        if not found:
            return None
        here = request.url if "://" in request.url else f"{self.base_url}/{request.url.removeprefix('/')}"
        target = followed(here, str(found), other_host=self.paging.other_host, remedy=_OTHER_HOST)
        return replace(request, url=target, params=())

    def guess(self, _request: Request, _response: Response, _page: Came) -> None:
        """An address cannot be guessed."""


@dataclass(frozen=True, slots=True)
class UntilOlder:
    """For sources that send the newest records first: ends where records are older than the span.

    Attributes:
        step: finds the next page.
        older: whether the last record of a body is older than the span.
    """

    step: Step
    older: Callable[[bytes], bool]

    def following(self, request: Request, response: Response, page: Came) -> Request | None:
        """The next page, unless this one reaches back far enough."""
        return None if page.rows and self.older(response.body) else self.step.following(request, response, page)

    def before(self, request: Request) -> int | None:
        """As the step has it."""
        return self.step.before(request)

    def guess(self, _request: Request, _response: Response, _page: Came) -> None:
        """Most reads end at the first page, so guessing would be a waste."""


def at(place: declared.Place, response: Response, document: Callable[[bytes], Any]) -> object:
    """What an answer says at a place; None where it says nothing."""
    if isinstance(place, declared.Header):
        return response.headers.get(place.header)
    return paths.in_json(place).get(document(response.body))


def truth(said: object) -> bool:
    """Whether a source means yes: some send it as text."""
    return said.strip().lower() in {"true", "1", "yes", "y"} if isinstance(said, str) else bool(said)


def whole(said: object) -> int | None:
    """A number of rows or pages; None where none is said."""
    text = str(said).strip() if said is not None and not isinstance(said, bool) else ""
    return int(text) if text.isdecimal() else None


def _shown(place: declared.Place) -> str:
    return f"the header {place.header!r}" if isinstance(place, declared.Header) else repr(place)
