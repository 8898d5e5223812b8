"""One function per endpoint of the REST service. Each returns the raw pages of a window."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster import columns
from connector_pipelines.connectors.oneroster.paging import OffsetPaging, offset_of
from connector_pipelines.connectors.oneroster.wire import explained, id_of
from connector_pipelines.errors import NetworkError, RefusedBySource
from connector_pipelines.external import auth
from connector_pipelines.external.fence import Fence
from connector_pipelines.external.http import Client, Request, Response
from connector_pipelines.external.oauth import client_credentials
from connector_pipelines.external.paginate import paginate
from connector_pipelines.external.retry import Do
from connector_pipelines.external.tokens import Endpoint
from connector_pipelines.model import Health, Mode, Window
from connector_pipelines.pages import Reading

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from threading import Event

    from connector_pipelines.connectors.oneroster.config import Entities, OneRosterConfig
    from connector_pipelines.connectors.oneroster.wire import Split
    from connector_pipelines.pages import Page

MAX_PASSES = 3
"""How often a collection that shrinks while it is read is begun anew."""

MAX_CLAUSES = 2
"""A filter joins at most two clauses (contract 1.1, "Filter grammar")."""


@dataclass(frozen=True, slots=True)
class OneRoster:
    """An open REST source.

    Attributes:
        http: asks the rosters.
        books: asks the gradebook; a 404 is an answer.
        writes: sends to the gradebook, once: what may have been done is looked up by whoever sent it.
    """

    config: OneRosterConfig
    http: Client
    books: Client
    writes: Client


@contextmanager
def connect(config: OneRosterConfig) -> Iterator[OneRoster]:
    """A client for a REST source; nothing is asked before the first read.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """
    signed, writing = _auth(config, config.roster_scopes), _auth(config, config.gradebook_scopes)
    with (
        _client(config, config.root, signed) as http,
        _client(config, config.gradebook_root, writing, overrides={404: Do.ACCEPT}) as books,
        _client(config.model_copy(update={"max_retries": 0}), config.gradebook_root, writing) as writes,
    ):
        yield OneRoster(config, http, books, writes)


def _client(config: OneRosterConfig, root: str, signed: auth.Auth | None, **more: Any) -> Client:
    said = lambda response: explained(response.body)  # noqa: E731 -- too small for a name of its own
    return config.client(root, signed, headers=config.headers, explain=said, **more)


def orgs(client: OneRoster, window: Window) -> Reading:
    """GET /orgs: districts, schools, departments."""
    return _collection(client, "organizations", "orgs", window, columns.split_orgs)


def academic_sessions(client: OneRoster, window: Window) -> Reading:
    """GET /academicSessions: school years, semesters, terms, grading periods."""
    return _collection(client, "terms", "academicSessions", window, columns.split_academic_sessions)


def courses(client: OneRoster, window: Window) -> Reading:
    """GET /courses."""
    return _collection(client, "courses", "courses", window, columns.split_courses)


def classes(client: OneRoster, window: Window) -> Reading:
    """GET /classes."""
    return _collection(client, "sections", "classes", window, columns.split_classes)


def students(client: OneRoster, window: Window) -> Reading:
    """GET /students: users with the role student."""
    return _collection(client, "students", "students", window, columns.split_students)


def teachers(client: OneRoster, window: Window) -> Reading:
    """GET /teachers: users with the role teacher."""
    return _collection(client, "instructors", "teachers", window, columns.split_teachers)


def student_enrollments(client: OneRoster, window: Window) -> Reading:
    """GET /enrollments of students."""
    return _collection(client, "enrollments", "enrollments", window, columns.split_enrollments, role="student")


def teacher_enrollments(client: OneRoster, window: Window) -> Reading:
    """GET /enrollments of teachers."""
    return _collection(client, "teaching_assignments", "enrollments", window, columns.split_enrollments, role="teacher")


def check(client: OneRoster) -> Health:
    """Read one organization: proves URL, credentials and that pages are what they should be."""
    started = time.monotonic()
    response = client.http.send(_request(client.config, "orgs", (), limit=1))
    rows = len(columns.split_orgs(response.body))
    seconds = time.monotonic() - started
    found = "answers" if rows else "answers, but shows no organization"
    return Health(ok=True, detail=f"OneRoster {client.config.version} {found}.", latency_seconds=seconds)


def clauses(window: Window, role: str | None = None, declared: str | None = None) -> tuple[str, ...]:
    """The filter's clauses: what the source's declaration says, the window's ends, and the role, while there is room.

    Without its later end, a window brings rows that are newer than asked for, which does no harm.
    """
    wanted = [
        declared or "",
        f"dateLastModified>='{_utc(window.since)}'" if window.since else "",
        f"dateLastModified<'{_utc(window.until)}'" if window.until else "",
        f"role='{role}'" if role else "",
    ]
    return tuple(clause for clause in wanted if clause)[:MAX_CLAUSES]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _collection(
    client: OneRoster, entity: Entities, name: str, window: Window, split: Split, *, role: str | None = None
) -> Reading:
    """All pages of a collection in a window, of those records that the source's declaration lets through.

    A role in the filter only saves pages; rows are told apart by their own role anyway. So where a server does not
    take it, the collection is read without. A declared filter is never left out, and what is read with one proves
    nothing about a record that does not come: it may be there, and not match (G33).
    """
    if window.ids:
        return Reading(_one_by_one(client, name, window.ids, split), snapshot=False)
    declared = client.config.filters.get(entity)
    filters = list(dict.fromkeys((clauses(window, role, declared), clauses(window, None, declared))))
    pages = _first_taken([_pages(client, name, filtered, split) for filtered in filters])
    whole = window.mode is Mode.FULL and not declared
    return Reading(pages, snapshot=whole, fenced=partial(_fenced, client, name, filters, split) if whole else None)


def _one_by_one(client: OneRoster, name: str, ids: Sequence[str], split: Split) -> Generator[Page]:
    """Pages of one record each, or of none where the source does not have it: a page looks as it always does."""
    number = 0
    for one in ids:
        for page in _pages(client, name, (f"sourcedId='{one}'",), split):
            number += 1
            yield replace(page, number=number)


def _fenced(client: OneRoster, name: str, filters: Sequence[Sequence[str]], split: Split) -> Reading:
    """All of a collection, watched: an absent row is really absent if the read says afterwards that it was stable."""
    fences = [_fence(client, name, filtered, split) for filtered in filters]
    pages = _first_taken([fence.pages() for fence in fences])
    return Reading(pages, snapshot=True, stability=lambda: next(filter(None, (f.stability for f in fences)), None))


def _fence(client: OneRoster, name: str, filtered: Sequence[str], split: Split) -> Fence:
    config = client.config
    overlap = int(config.rows_per_page > 1)  # one row a page has none to repeat, and proves nothing
    watch = _Watch(client.http, OffsetPaging(total_in_body=config.flavour == "timeback", overlap=overlap))
    first = _request(config, name, filtered, limit=config.rows_per_page)

    def start(offset: int) -> Generator[Page]:
        there = first.with_params({"offset": str(offset)})
        return paginate(watch.fetch, split, there, watch.paging, in_flight=config.in_flight)

    return Fence(start, lambda page: offset_of(page.url), id_of, lambda: watch.totals)


def _pages(client: OneRoster, name: str, filtered: Sequence[str], split: Split) -> Generator[Page]:
    """The pages of a collection that held still, or as many passes over it as it takes.

    A row that is removed while we read pulls all later rows one place forward, and one of them over the edge between
    two pages, unread. A total that shrinks shows that; then the collection is read again, and rows that come twice are
    known as such further on. Without totals it cannot be seen (README, "Limits").

    Raises:
        NetworkError: it never held still.
    """
    config = client.config
    paging = OffsetPaging(total_in_body=config.flavour == "timeback")
    first = _request(config, name, filtered, limit=config.rows_per_page)
    number = 0
    for _ in range(MAX_PASSES):
        watch = _Watch(client.http, paging)
        for page in paginate(watch.fetch, split, first, paging, in_flight=config.in_flight):
            number += 1
            yield replace(page, number=number)
        if not watch.shrank:
            return
    raise NetworkError(
        f"GET /{name} lost rows while it was read, {MAX_PASSES} times.", remedy="Read at a quieter time."
    )


@dataclass(frozen=True, slots=True)
class _Watch:
    """Fetches pages and notes the totals they state, in the order they come."""

    http: Client
    paging: OffsetPaging
    totals: list[int] = field(default_factory=list)

    def fetch(self, request: Request, stop: Event) -> Response:
        response = self.http.send(request, stop)
        total = self.paging.total(response)
        if total is not None:
            self.totals.append(total)
        return response

    @property
    def shrank(self) -> bool:
        return any(earlier > later for earlier, later in pairwise(self.totals))


def _request(config: OneRosterConfig, name: str, filtered: Sequence[str], *, limit: int) -> Request:
    """The first page.

    Sorted by id also within a window: an id never changes, so a record that is modified while we read keeps its
    place. Sorted by dateLastModified it would move to the end and pull the rows behind it over the page's edge, unread.
    """
    params = {"limit": str(limit), "offset": "0", "sort": "sourcedId", "orderBy": "asc"}
    if filtered:
        params["filter"] = " AND ".join(filtered)
    slash = "/" if config.flavour == "timeback" else ""
    return Request(f"{name}{slash}", tuple(params.items()))


def _first_taken(ways: Sequence[Generator[Page]]) -> Generator[Page]:
    """The pages of the first way of asking that the source does not refuse."""
    *others, last = ways
    for pages in others:
        with closing(pages):
            try:
                first = next(pages)
            except RefusedBySource:
                continue
            yield first
            yield from pages
            return
    yield from last


def _auth(config: OneRosterConfig, scopes: tuple[str, ...]) -> auth.Auth | None:
    match config.auth:
        case None:
            return None
        case declared if declared.type == "oauth2":
            endpoint = Endpoint(declared.token_url, declared.client_id, declared.client_secret, declared.send_as)
            return client_credentials(endpoint, scopes)
        case declared if declared.type == "oauth1":
            return auth.OAuth1(declared.key, declared.secret, declared.signature_method)
        case declared:
            return auth.Bearer(declared.token)
