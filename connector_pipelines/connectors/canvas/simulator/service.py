"""The service: who may ask, what is asked, and the answer, with the faults that are on."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from connector_pipelines.connectors.canvas.simulator import pages, spoil
from connector_pipelines.connectors.canvas.simulator.bucket import HIGH_WATER, Bucket
from connector_pipelines.connectors.canvas.simulator.exchange import NOT_FOUND, STRUCK, RefusedError, Request, throttled
from connector_pipelines.connectors.canvas.simulator.faults import KNOWN, TOKEN
from connector_pipelines.connectors.canvas.simulator.site import KINDS, Site
from connector_pipelines.simulating.exchange import Call, Reply, as_json
from connector_pipelines.simulating.faults import Struck, Switchboard

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.canvas.simulator.tokens import Issuer
    from connector_pipelines.connectors.canvas.simulator.world import Record, World

TOKEN_PATH = "/login/oauth2/token"  # noqa: S105 -- an address
TEXTUAL = "application/json+canvas-string-ids"
_PATH = re.compile(
    r"/api/v1/(?:(?P<of>accounts)/(?P<account>[^/]+)(?:/(?P<below>sub_accounts|terms|courses|users))?"
    r"|(?P<place>courses|sections)/(?P<id>[^/]+)/(?:students/)?(?P<in>sections|enrollments|assignments|submissions))"
)
_PLAIN_PARAMS = {"page", "per_page"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to: one of a table, and a collection of it; `collection` is "" for the record itself."""

    table: str
    name: str
    collection: str

    @property
    def called(self) -> str:
        """Its name among the targets of faults."""
        return self.collection or "account"


@dataclass(slots=True)
class Service:
    """One site behind HTTP. Calls come one at a time.

    Attributes:
        clock: seconds since 1970, for tokens and buckets.
    """

    world: World
    issuer: Issuer
    clock: Callable[[], float] = time.time
    switchboard: Switchboard = field(default_factory=lambda: Switchboard(KNOWN))
    requests: list[Request] = field(default_factory=list)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)

    @property
    def site(self) -> Site:
        """The world as the API shows it."""
        return Site(self.world)

    def answer(self, call: Call) -> Reply:
        """The answer to a call."""
        with self.lock:
            target = _target(call.raw_path)
            called = TOKEN if call.path == TOKEN_PATH else target.called if target else ""
            struck = self.switchboard.strike({called}) if called else Struck()
            try:
                reply = self._token(call, struck) if called == TOKEN else self._answer(call, target, struck)
            except RefusedError as refused:
                reply = refused.reply
            reply = replace(reply, struck=struck)
            self.requests.append(_noted(call, reply, called))
            return reply

    def _token(self, call: Call, struck: Struck) -> Reply:
        instead = next((STRUCK[name] for name in struck if name in STRUCK), None)
        calls = struck.number("token-expiry") if "token-expiry" in struck else None
        return instead or as_json(
            *self.issuer.issue(call.headers.get("authorization", ""), call.body, self.clock(), calls)
        )

    def _answer(self, call: Call, target: Target | None, struck: Struck) -> Reply:
        now = self.clock()
        token = self.issuer.admit(call.headers.get("authorization", ""), now)
        bucket = self.buckets.setdefault(token, Bucket(at=now))
        high_water = float(struck.get("bucket", HIGH_WATER))
        if bucket.full(now, call.under_way, high_water):
            raise RefusedError(throttled(429))
        for name, instead in STRUCK.items():
            if name in struck:
                raise RefusedError(instead)
        if call.method != "GET" or target is None:
            raise RefusedError(NOT_FOUND)
        reply = self._document(call, target, struck)
        return replace(reply, headers=(*reply.headers, *bucket.charge(reply.rows, high_water)))

    def _document(self, call: Call, target: Target, struck: Struck) -> Reply:
        owner = self.site.found(target.table, target.name)
        textual = TEXTUAL in call.headers.get("accept", "")
        if not target.collection:
            return as_json(200, spoil.sent([owner], struck, textual=textual)[0], rows=1)
        self._shift(target, owner, struck)
        asked = _asked(call) if "ignore-filter" not in struck else _everything(target)
        rows = [] if "empty-list" in struck else self.site.listed(target.collection, owner, asked)
        marked = (target.collection == "enrollments" and "page-numbers" not in struck) or "bookmarks" in struck
        page, links = pages.page_of(rows, call, struck, marked=marked)
        told: Any = spoil.sent(page, struck, textual=textual)
        if "wrapped" in struck or target.collection == "terms":
            name = "enrollment_terms" if target.collection == "terms" else target.collection
            told = {name: told, "meta": {"primaryCollection": name}}
        return as_json(200, told, (("Link", links),) if links else (), rows=len(page))

    def _shift(self, target: Target, owner: Record, struck: Struck) -> None:
        """Between two pages of enrollments somebody works at the site."""
        if "shift" not in struck or target.collection != "enrollments":
            return
        world, every = self.world, self.site.listed("enrollments", owner, {"type[]": ["StudentEnrollment"]})
        if not every:
            return
        match struck["shift"]:
            case "remove":
                world.change(every[0]["id"], "deleted")
            case "insert":
                section = world.tables["sections"][every[0]["course_section_id"]]
                world.enroll(every[-1]["user_id"], section, "StudentEnrollment")
            case _:
                world.put("users", id=every[0]["user_id"], sortable_name="Žžž, Renamed")


def _target(path: str) -> Target | None:
    form = _PATH.fullmatch(path)
    if form is None:
        return None
    table, name = (form["of"], form["account"]) if form["of"] else (form["place"], form["id"])
    return Target(table, unquote(name), form["below"] or form["in"] or "")


def _asked(call: Call) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in call.pairs:
        if name not in _PLAIN_PARAMS:
            found.setdefault(name, []).append(value)
    return found


def _everything(target: Target) -> dict[str, list[str]]:
    """What is answered to whom no filter is heeded."""
    states = ["active", "invited", "creation_pending", "inactive", "completed", "rejected", "deleted", "all"]
    kinds = list(KINDS) if target.collection == "users" else []
    return {
        "state[]": states,
        "workflow_state[]": states,
        "enrollment_type": kinds,
        "include[]": ["email", "rubric_assessment"],
        "student_ids[]": ["all"],
    }


def _noted(call: Call, reply: Reply, called: str) -> Request:
    headers = {name.lower(): value for name, value in call.headers.items() if name.lower() != "authorization"}
    status = 0 if "stall" in reply.struck else reply.status
    struck = tuple(reply.struck)
    return Request(call.method, call.path, call.pairs, headers, status, called, reply.rows, call.under_way, struck)
