"""The service: who may ask, what is asked, and the answer, with the faults that are on."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections import deque
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any, get_args

from connector_pipelines.connectors.google_classroom.config import SCOPE, CourseState
from connector_pipelines.connectors.google_classroom.simulator import fields, spoil
from connector_pipelines.connectors.google_classroom.simulator.exchange import (
    BUSY,
    RefusedError,
    Request,
    exhausted,
    unauthenticated,
)
from connector_pipelines.connectors.google_classroom.simulator.switches import BELOW, KNOWN, ROSTERS, TOKEN
from connector_pipelines.simulating.exchange import HTML, JSON, Call, Reply
from connector_pipelines.simulating.faults import Struck, Switchboard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.connectors.google_classroom.simulator.tokens import Issuer
    from connector_pipelines.connectors.google_classroom.simulator.world import Record, World

TOKEN_PATH = "/token"  # noqa: S105 -- an address
USUAL_PAGE, LARGEST_PAGE = 30, 100
ONE_A_PAGE = {"rubrics"}
WAITED = "+"
"""Ends a token that an empty page led to."""
_COMMON = frozenset({"alt", "fields", "key", "prettyPrint", "quotaUser"})
_KNOWN = {
    "courses": _COMMON | {"courseStates", "studentId", "teacherId", "pageSize", "pageToken"},
    "students": _COMMON | {"pageSize", "pageToken"},
    "teachers": _COMMON | {"pageSize", "pageToken"},
    "courseWork": _COMMON | {"courseWorkStates", "orderBy", "pageSize", "pageToken"},
    "studentSubmissions": _COMMON | {"userId", "states", "late", "pageSize", "pageToken"},
    "rubrics": _COMMON | {"pageSize", "pageToken"},
}
_NEEDED = {
    "courses": "courses.readonly",
    "course": "courses.readonly",
    "courseWork": "coursework.students.readonly",
    "studentSubmissions": "coursework.students.readonly",
    "rubrics": "coursework.students.readonly",
}
_BELOW = r"students|teachers|courseWork|courseWork/(?P<work>[^/]+)/(?:studentSubmissions|rubrics)"
_PATH = re.compile(rf"/v1/(?:courses(?:/(?P<course>[^/]+)(?:/(?P<below>{_BELOW}))?)?|userProfiles/(?P<user>.+))")


@dataclass(slots=True)
class Service:
    """One domain behind HTTP. Calls come one at a time.

    Attributes:
        clock: seconds since 1970, for tokens.
        hidden: courses that a fault has deleted, until faults change.
        recent: when the requests of the last minute came, for `quota`.
    """

    world: World
    issuer: Issuer
    clock: Callable[[], float] = time.time
    switchboard: Switchboard = field(default_factory=lambda: Switchboard(KNOWN))
    requests: list[Request] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)
    hidden: set[str] = field(default_factory=set)
    recent: deque[float] = field(default_factory=deque)

    def answer(self, call: Call) -> Reply:
        """The answer to a call."""
        with self.lock:
            endpoint, course = _about(call)
            struck = self.switchboard.strike({endpoint} - {""})
            status, body, kind = self._answer(call, endpoint, course, struck)
            told = 0 if "stall" in struck else 200 if "html-200" in struck else status
            asked = Request(call.method, call.path, call.params, told, endpoint, course, tuple(struck))
            self.requests.append(asked)
            return Reply(status, body, content_type=kind, struck=struck)

    def _answer(self, call: Call, endpoint: str, course: str, struck: Struck) -> tuple[int, bytes, str]:
        try:
            if endpoint == TOKEN:
                status, told = self._token(call, struck)
                return status, _written(told, struck), JSON
            if "503" in struck:
                return 503, BUSY, HTML
            scopes = self._admitted(call, endpoint, struck)
            document = self._document(call, endpoint, course, scopes, struck)
            return 200, _written(_chosen(call, document), struck), JSON
        except RefusedError as error:
            return 200 if "error-200" in struck else error.code, _written(error.document, struck), JSON

    def _token(self, call: Call, struck: Struck) -> tuple[int, dict[str, Any]]:
        if "500" in struck:
            return 500, {"error": "internal_failure"}
        if "invalid-grant" in struck:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        calls = struck.number("token-expiry") if "token-expiry" in struck else None
        return self.issuer.issue(call.body, call.headers, f"{call.origin}{TOKEN_PATH}", self.clock(), calls=calls)

    def _admitted(self, call: Call, endpoint: str, struck: Struck) -> frozenset[str]:
        """The scopes of who asks.

        Raises:
            RefusedError: they may not, or a fault says so.
        """
        if "429" in struck or self._over(struck):
            raise exhausted()
        if "403-limit" in struck:
            raise RefusedError("PERMISSION_DENIED", "Rate Limit Exceeded", reason=struck["403-limit"])
        scopes = self.issuer.admits(call.headers.get("authorization", ""), self.clock())
        if scopes is None or "401" in struck:
            raise unauthenticated()
        if "403" in struck:
            raise RefusedError("PERMISSION_DENIED", f"@{struck['403']} The user is not permitted to access Classroom.")
        if "500" in struck:
            raise RefusedError("INTERNAL", "Internal error encountered.")
        if "error-200" in struck:
            raise RefusedError("INTERNAL", "Internal error encountered.")
        if "404" in struck or not endpoint or call.method != "GET":
            raise RefusedError("NOT_FOUND", "Requested entity was not found.")
        if f"{SCOPE}{_NEEDED.get(endpoint, 'rosters.readonly')}" not in scopes:
            said = "Request had insufficient authentication scopes."
            raise RefusedError("PERMISSION_DENIED", said, "insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        return scopes

    def _over(self, struck: Struck) -> bool:
        """Whether there are too many requests in the last minute; each counts, refused or not."""
        now = time.monotonic()
        self.recent.append(now)
        while self.recent[0] < now - 60:
            self.recent.popleft()
        return "quota" in struck and len(self.recent) > struck.number("quota")

    def _document(
        self, call: Call, endpoint: str, course: str, scopes: frozenset[str], struck: Struck
    ) -> dict[str, Any]:
        unknown = {name for name, _ in call.pairs} - _KNOWN.get(endpoint, _COMMON)
        if unknown:
            raise RefusedError("INVALID_ARGUMENT", f'Invalid JSON payload received. Unknown name "{min(unknown)}"')
        if endpoint in BELOW:
            self._break(course, struck)
        if course and (course not in self.world.courses or course in self.hidden):
            raise RefusedError("NOT_FOUND", "Requested entity was not found.")
        if endpoint == "rubrics" and _work(call) not in {work["id"] for work in self.world.work[course]}:
            raise RefusedError("NOT_FOUND", "Requested entity was not found.")
        if endpoint == "course":
            return self.world.courses[course]
        if endpoint == "profile":
            return self._profile(call, scopes)
        if "shift" in struck:
            self._shift(endpoint, course, struck["shift"])
        if endpoint == "courses":
            return _page(call, endpoint, self._courses(call, struck), struck)
        asked = _other(endpoint, ROSTERS) if "other-list" in struck else endpoint
        whose = _other(course, self.world.courses) if "other-course" in struck else course
        rows = [row for row in self.world.below(asked, whose) if _wanted(call, row)]
        return _page(call, asked, [_for(row, scopes) for row in rows], struck)

    def _break(self, course: str, struck: Struck) -> None:
        """What happens to a course between the list and its roster."""
        if "refused" in struck:
            raise RefusedError("PERMISSION_DENIED", "The caller does not have permission")
        if "gone" in struck:
            if struck["gone"] == "deleted":
                self.hidden.add(course)
            raise RefusedError("NOT_FOUND", "Requested entity was not found.")

    def _courses(self, call: Call, struck: Struck) -> list[Record]:
        states = {value for name, value in call.pairs if name == "courseStates"}
        if states - set(get_args(CourseState)):
            raise RefusedError("INVALID_ARGUMENT", "Invalid value at 'course_states'")
        if "hide-states" in struck:
            states = {"ACTIVE"}
        for name, roster in (("studentId", "students"), ("teacherId", "teachers")):
            if name in call.params:
                found = self.world.rosters[roster]
                return [c for c in self.world.listed() if call.params[name] in found[c["id"]]]
        return [
            one
            for one in self.world.listed()
            if (not states or one["courseState"] in states) and one["id"] not in self.hidden
        ]

    def _profile(self, call: Call, scopes: frozenset[str]) -> dict[str, Any]:
        found = self.world.people.get(call.path.rpartition("/")[2])
        if found is None:
            raise RefusedError("NOT_FOUND", "Requested entity was not found.")
        return _seen(found, scopes)

    def _shift(self, name: str, course: str, how: str) -> None:
        """Between two pages somebody works in the domain."""
        if name == "courses":
            newest = self.world.listed()[0]["id"]
            self.world.remove_course(newest) if how == "remove" else self.world.add_course()
            return
        there = self.world.rosters.get(name, self.world.rosters["students"])[course]
        if how == "remove" and there:
            del there[0]
        elif how == "add":
            there.insert(0, self.world.add_person())


def _about(call: Call) -> tuple[str, str]:
    """What is asked for, and of which course."""
    if call.path == TOKEN_PATH:
        return TOKEN, ""
    form = _PATH.fullmatch(call.path)
    if form is None:
        return "", ""
    if form["user"]:
        return "profile", ""
    below = (form["below"] or "").rpartition("/")[2]
    return below or ("course" if form["course"] else "courses"), form["course"] or ""


def _page(call: Call, name: str, rows: Sequence[Record], struck: Struck) -> dict[str, Any]:
    """A page: the list is left out where it is empty, and so is the token on the last page."""
    found = [] if "empty" in struck else rows
    begin, size = _begin(call, struck), min(_size(call, struck), 1 if name in ONE_A_PAGE else LARGEST_PAGE)
    waits = "short-page" in struck and bool(found) and not call.params.get("pageToken", "").endswith(WAITED)
    shown = [] if waits else found[begin : begin + size]
    following = begin + len(shown)
    token = _token_of(call, following) if waits or following < len(found) else ""
    if "token-loop" in struck:
        token = _token_of(call, max(0, begin - size))
    page: dict[str, Any] = {name: spoil.spoilt(shown, struck)} if shown or "empty-list" in struck else {}
    return page | ({"nextPageToken": token + WAITED * waits} if token or "empty-token" in struck else {})


def _begin(call: Call, struck: Struck) -> int:
    """Where a page token leads to.

    Raises:
        RefusedError: it is none, or belongs to other parameters.
    """
    token = call.params.get("pageToken", "").removesuffix(WAITED)
    if not token:
        return 0
    try:
        begin, of = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        begin, of = 0, ""
    if of != _same(call) or "stale-token" in struck:
        raise RefusedError("INVALID_ARGUMENT", "Request contains an invalid argument: page_token.")
    return 0 if "repeat-page" in struck else int(begin)


def _same(call: Call) -> str:
    """What must not change from page to page."""
    kept = sorted((name, value) for name, value in call.pairs if name != "pageToken")
    return hashlib.blake2b(json.dumps([call.path, kept]).encode(), digest_size=8).hexdigest()


def _token_of(call: Call, begin: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([begin, _same(call)]).encode()).decode()


def _size(call: Call, struck: Struck) -> int:
    text = call.params.get("pageSize", "0")
    if not re.fullmatch(r"\d{1,9}", text):
        raise RefusedError("INVALID_ARGUMENT", "Invalid value at 'page_size'")
    size = min(int(text) or USUAL_PAGE, LARGEST_PAGE)
    return min(size, struck.number("clamp")) if "clamp" in struck else size


def _seen(profile: Record, scopes: frozenset[str]) -> Record:
    """A profile as far as the scopes reach."""
    hidden = {"emailAddress": "profile.emails", "photoUrl": "profile.photos"}
    return {name: held for name, held in profile.items() if name not in hidden or f"{SCOPE}{hidden[name]}" in scopes}


def _for(record: Record, scopes: frozenset[str]) -> Record:
    return record | {"profile": _seen(record["profile"], scopes)} if "profile" in record else record


def _wanted(call: Call, record: Record) -> bool:
    """Whether a record of a course's gradebook is asked for: by state, of course work published ones unless told."""
    if "workType" in record:
        states = [value for name, value in call.pairs if name == "courseWorkStates"] or ["PUBLISHED"]
        return record["state"] in states
    return "courseWorkId" not in record or _work(call) in {record["courseWorkId"], "-"}


def _work(call: Call) -> str:
    """The course work below which something is asked for; "-" is all of them, "" none."""
    return "".join(call.path.split("/")[5:6])


def _chosen(call: Call, document: dict[str, Any]) -> Any:
    text = call.params.get("fields")
    if not text or text == "*":
        return document
    try:
        return fields.selected(document, fields.parse(text))
    except ValueError as error:
        raise RefusedError("INVALID_ARGUMENT", str(error)) from None


def _other(one: str, among: Sequence[str] | Any) -> str:
    return next((other for other in sorted(among) if other != one), one)


def _written(document: object, struck: Struck) -> bytes:
    plain = "wrong-charset" not in struck  # letters that are escaped would be in no character set
    return json.dumps(document, ensure_ascii=plain).encode()
