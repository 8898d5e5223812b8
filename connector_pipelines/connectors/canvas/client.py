"""One function per kind of record. Each returns the raw pages of everything, since Canvas tells of nothing but
submissions what changed.

States are asked for one by one, since what is left out by default (deleted courses and terms, everybody in a course who
is not active or invited) must not be taken for gone.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec

from connector_pipelines.connectors.canvas import refusals, rubrics, wire
from connector_pipelines.connectors.canvas.paging import LinkPaging
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import auth
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.oauth import RefreshToken
from connector_pipelines.external.paginate import SinglePage, paginate, side_by_side
from connector_pipelines.external.passes import Passes
from connector_pipelines.external.tokens import Endpoint
from connector_pipelines.external.vault import VaultKeep
from connector_pipelines.model import Health, Mode, Window
from connector_pipelines.pages import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from threading import Event

    from connector_pipelines.connectors.canvas.config import CanvasConfig
    from connector_pipelines.external.messages import Response
    from connector_pipelines.external.paginate import Fetch
    from connector_pipelines.external.secrets import Secret
    from connector_pipelines.external.vault import Keep
    from connector_pipelines.pages import Page

    Pages = Callable[[], Iterable[Page]]
    Params = Sequence[tuple[str, str]]
    Split = Callable[[bytes], Sequence[bytes]]

ACCEPT = "application/json+canvas-string-ids"
"""Ids of other shards exceed 2^53, which no number in JSON may for everybody to read it."""

LIVING = ("created", "claimed", "available", "completed")
COURSE_STATES = (*LIVING, "deleted")
ENROLLMENT_STATES = ("active", "invited", "creation_pending", "deleted", "rejected", "completed", "inactive")

ASSIGNMENTS_AT_ONCE = 50
"""Whose submissions are asked for together: their ids, of up to 18 digits, stand in the address."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """An open site."""

    config: CanvasConfig
    http: Client

    @property
    def account(self) -> str:
        """The address of the account that is read."""
        return f"accounts/{quote(self.config.account, safe='')}"


@contextmanager
def connect(config: CanvasConfig) -> Iterator[Canvas]:
    """A client for a site; nothing is asked before the first read.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """
    with config.client(
        config.root,
        _auth(config),
        headers={"Accept": ACCEPT},
        overrides={401: refusals.unauthorized, 403: refusals.forbidden},
        unsaid=refusals.wait,
        explain=refusals.explained,
    ) as http:
        yield Canvas(config, http)


def kept(config: CanvasConfig, refresh_token: Secret) -> Keep:
    """Where the access token for a refresh token is kept for all processes: in the run's database, sealed."""
    return VaultKeep(f"canvas/{urlsplit(config.base_url).netloc}/{refresh_token}")


def _auth(config: CanvasConfig) -> auth.Auth:
    match config.auth:
        case declared if declared.type == "bearer":
            return auth.Bearer(declared.token)
        case declared:
            endpoint = Endpoint(config.token_url, declared.client_id, declared.client_secret, "body")
            return RefreshToken(endpoint, declared.refresh_token, kept(config, declared.refresh_token))


def accounts(canvas: Canvas, window: Window) -> Reading:
    """GET /accounts/:id and its sub_accounts."""

    def pages() -> Iterator[Page]:
        yield from paginate(canvas.http.send, wire.split_accounts, Request(canvas.account), SinglePage())
        below = _listed(canvas, f"{canvas.account}/sub_accounts", (("recursive", "true"),))
        yield from _pages(canvas, wire.split_accounts, below)

    return _reading(pages, window)


def terms(canvas: Canvas, window: Window) -> Reading:
    """GET /accounts/self/terms: terms belong to the root account, whichever account is read."""
    first = _listed(canvas, "accounts/self/terms", (("workflow_state[]", "all"),))
    return _reading(lambda: _pages(canvas, wire.split_terms, first), window)


def courses(canvas: Canvas, window: Window) -> Reading:
    """GET /accounts/:id/courses in every state."""
    return _reading(lambda: _pages(canvas, wire.split_courses, _courses(canvas, COURSE_STATES)), window)


def sections(canvas: Canvas, window: Window) -> Reading:
    """GET /courses/:id/sections of every course."""

    def of(course: bytes) -> Iterator[Page]:
        def fetch(request: Request, stop: Event) -> Response:
            response = canvas.http.send(request, stop)
            return replace(response, body=wire.with_course(course, response.body))

        return _pages(canvas, wire.split_sections, _listed(canvas, f"courses/{_id(course)}/sections"), fetch)

    return _reading(lambda: _of_each_course(canvas, of), window)


def students(canvas: Canvas, window: Window) -> Reading:
    """GET /accounts/:id/users who have an enrollment of a student that is not deleted."""
    return _reading(lambda: _people(canvas, "student"), window)


def teachers(canvas: Canvas, window: Window) -> Reading:
    """GET /accounts/:id/users, the teachers and then the assistants: who is both comes twice."""
    return _reading(lambda: chain(_people(canvas, "teacher"), _people(canvas, "ta")), window)


def student_enrollments(canvas: Canvas, window: Window) -> Reading:
    """GET /courses/:id/enrollments of students, in every state."""
    return _enrollments(canvas, window, "StudentEnrollment")


def teacher_enrollments(canvas: Canvas, window: Window) -> Reading:
    """GET /courses/:id/enrollments of teachers and assistants, in every state."""
    return _enrollments(canvas, window, "TeacherEnrollment", "TaEnrollment")


def assignments(canvas: Canvas, window: Window) -> Reading:
    """GET /courses/:id/assignments, published or not."""

    def of(course: bytes) -> Iterator[Page]:
        return _pages(canvas, wire.split_assignments, _listed(canvas, f"courses/{_id(course)}/assignments"))

    return _reading(lambda: _of_each_course(canvas, of), window)


def graded(canvas: Canvas, window: Window) -> Reading:
    """GET /courses/:id/students/submissions of everybody, graded since a moment."""
    return _submissions(canvas, window, "graded_since")


def handed_in(canvas: Canvas, window: Window) -> Reading:
    """The same, handed in since a moment, and then graded since: what is both comes twice."""
    return _submissions(canvas, window, "submitted_since", "graded_since")


def rubric_scores(canvas: Canvas, window: Window) -> Reading:
    """GET /courses/:id/assignments for the rubrics, and the submissions to those assignments that have one.

    Nothing is asked for by time: who is assessed by a rubric that is not used for grading is not graded by that. A page
    of assignments is a page without scores, so that two passes are compared also where one page holds all scores.
    """

    def of(course: bytes) -> Iterator[Page]:
        path = f"courses/{_id(course)}"
        pages = _pages(canvas, wire.split_assignments, _listed(canvas, f"{path}/assignments"))
        listed = [(page, rubrics.rubrics_of(page.rows)) for page in pages]
        known = list({rubric.id: rubric for _, found in listed for rubric in found}.values())
        for begin in range(0, len(known), ASSIGNMENTS_AT_ONCE):
            some = known[begin : begin + ASSIGNMENTS_AT_ONCE]
            params = [("student_ids[]", "all"), *(("assignment_ids[]", one.id) for one in some)]
            first = _listed(canvas, f"{path}/students/submissions", [*params, ("include[]", "rubric_assessment")])
            for page in _pages(canvas, wire.split_submissions, first):
                body = rubrics.with_rubrics(some, page.rows)
                yield replace(page, body=body, rows=rubrics.split_scores(body))
        yield from (replace(page, body=rubrics.with_rubrics(found, ()), rows=()) for page, found in listed)

    return _reading(lambda: _of_each_course(canvas, of), window)


def check(canvas: Canvas) -> Health:
    """Ask for the account: proves address, credentials and that they may see it."""
    started = time.monotonic()
    (row,) = wire.split_accounts(canvas.http.get(canvas.account).body)
    name = msgspec.json.decode(row, type=wire.Placed).account
    seconds = time.monotonic() - started
    detail = f"Canvas at {canvas.config.base_url} answers as {name.name if name else 'an account'}."
    return Health(ok=True, detail=detail, latency_seconds=seconds)


def _reading(pages: Pages, window: Window) -> Reading:
    """All pages, numbered through."""

    def numbered(of: Iterable[Page]) -> Iterator[Page]:
        return (replace(page, number=number) for number, page in enumerate(of, 1))

    def fenced() -> Reading:
        passes = Passes()
        return Reading(numbered(passes.pages(pages, _ids)), snapshot=True, stability=lambda: passes.stability)

    whole = window.mode is Mode.FULL
    return Reading(numbered(pages()), snapshot=whole, fenced=fenced if whole else None)


def _people(canvas: Canvas, kind: str) -> Iterator[Page]:
    params = (("enrollment_type", kind), ("include[]", "email"))
    return _pages(canvas, wire.split_users, _listed(canvas, f"{canvas.account}/users", params))


def _enrollments(canvas: Canvas, window: Window, *types: str) -> Reading:
    params = [*(("type[]", one) for one in types), *(("state[]", one) for one in ENROLLMENT_STATES)]

    def of(course: bytes) -> Iterator[Page]:
        return _pages(canvas, wire.split_enrollments, _listed(canvas, f"courses/{_id(course)}/enrollments", params))

    return _reading(lambda: _of_each_course(canvas, of), window)


def _submissions(canvas: Canvas, window: Window, *times: str) -> Reading:
    """Submissions are all that Canvas can be asked for by time; newer ones than a window's end do no harm."""
    since = window.since and window.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    spans = [((name, since),) for name in times] if since else [()]

    def of(course: bytes) -> Iterator[Page]:
        for span in spans:
            params = (("student_ids[]", "all"), *span)
            first = _listed(canvas, f"courses/{_id(course)}/students/submissions", params)
            yield from _pages(canvas, wire.split_submissions, first)

    return _reading(lambda: _of_each_course(canvas, of), window)


def _of_each_course(canvas: Canvas, of: Callable[[bytes], Iterable[Page]]) -> Iterator[Page]:
    """The pages of one course after another, some of them read at the same time. A deleted course answers nothing."""
    found = _pages(canvas, wire.split_courses, _courses(canvas, LIVING))
    courses = (bytes(row) for page in found for row in page.rows)
    return side_by_side(courses, lambda course: list(of(course)), canvas.config.in_flight)


def _courses(canvas: Canvas, states: Sequence[str]) -> Request:
    return _listed(canvas, f"{canvas.account}/courses", [("state[]", state) for state in states])


def _listed(canvas: Canvas, path: str, params: Params = ()) -> Request:
    """The first page of a collection."""
    return Request(path, (*params, ("per_page", str(canvas.config.page_size))))


def _pages(canvas: Canvas, split: Split, first: Request, fetch: Fetch | None = None) -> Iterator[Page]:
    paging = LinkPaging(canvas.http.base_url, canvas.config.other_host)
    return paginate(fetch or canvas.http.send, split, first, paging, in_flight=1)


def _ids(page: Page) -> set[str]:
    return {found for row in page.rows if (found := wire.id_of(row))}


def _id(course: bytes) -> str:
    """The number of a course, for an address.

    Raises:
        BrokenPage: it has none.
    """
    found = wire.id_of(course)
    if not found or not found.replace("~", "", 1).isdecimal():
        raise BrokenPage("a course in the list of courses has no number.", remedy="Look at the landed courses.")
    return found
