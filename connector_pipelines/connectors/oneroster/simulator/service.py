"""The simulator without a network: a call comes in, a reply goes out, and what happened is written down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl

from connector_pipelines.connectors.oneroster.simulator import auth, pages, refusals, routes, writes
from connector_pipelines.connectors.oneroster.simulator.exchange import Request, request_of
from connector_pipelines.connectors.oneroster.simulator.faults import KNOWN, TOKEN
from connector_pipelines.connectors.oneroster.simulator.instants import format_ms
from connector_pipelines.connectors.oneroster.simulator.refusals import RefusedError, not_found
from connector_pipelines.simulating.exchange import Call, Reply, as_json
from connector_pipelines.simulating.faults import Struck, Switchboard

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.oneroster.simulator.auth import Gate
    from connector_pipelines.connectors.oneroster.simulator.store import Store

Flavour: TypeAlias = Literal["standard", "timeback"]
TOKEN_PATHS = ("/oauth/token", "/oauth2/token", "/auth/1.0/token")
BUSY_PAGE = b"Too many requests, please try again later."


@dataclass(slots=True)
class Service:
    """Everything a simulator knows and does.

    Attributes:
        store: the rows.
        gate: credentials and tokens.
        flavour: `timeback` for its deviations (contract 1.4).
        clock: milliseconds since 1970 for the records that consumers write; None counts seconds on from the version.
    """

    store: Store
    gate: Gate
    flavour: Flavour = "standard"
    clock: Callable[[], int] | None = None
    switchboard: Switchboard = field(default_factory=lambda: Switchboard(KNOWN))
    requests: list[Request] = field(default_factory=list)
    ledger: list[writes.Write] = field(default_factory=list)

    @property
    def timeback(self) -> bool:
        """Whether this is TimeBack's dialect."""
        return self.flavour == "timeback"

    def answer(self, call: Call) -> Reply:
        """Answer a call, whatever happens, and write it down."""
        target = routes.locate(call.raw_path)
        with self.store.lock:
            struck = self._struck(call, target)
            try:
                reply = self._early(call, target, struck) or self._dispatch(call, target, struck)
            except RefusedError as refused:
                reply = self._refusal(refused, target, struck)
            reply = replace(reply, struck=struck)
            self.requests.append(request_of(call, reply, target.names[-1] if target else ""))
        return reply

    def _struck(self, call: Call, target: routes.Target | None) -> Struck:
        """The faults of a call; discovery and unknown paths have none."""
        if target is not None:
            listing = target.listing
            return self.switchboard.strike({target.names[-1], *({listing.collection} if listing else ())})
        return self.switchboard.strike({TOKEN}) if call.path in TOKEN_PATHS else Struck()

    def _refusal(self, refused: RefusedError, target: routes.Target | None, struck: Struck) -> Reply:
        old = target is not None and target.old
        if "error-spelling" in struck:
            spelling = refusals.SPELLINGS[struck["error-spelling"]]
            document = spelling(refused.minor, refused.description)
        else:
            document = refusals.status_info(refused.minor, refused.description, old=old)
        if self.timeback:
            document["imsx_error_details"] = [{"message": refused.description}]
        headers = (("WWW-Authenticate", 'Bearer realm="oneroster"'),) if refused.status == 401 else ()  # noqa: PLR2004
        return as_json(refused.status, document, headers)

    def _early(self, call: Call, target: routes.Target | None, struck: Struck) -> Reply | None:
        """What is answered before anything is looked at."""
        for name, refusal in EARLY.items():
            if name in struck and not (name == "forbidden" and target is None):
                raise RefusedError(*refusal)
        if "429" in struck or "429-every" in struck:
            seconds = struck.get("429", "1")
            limits = (("Retry-After", seconds), ("RateLimit-Limit", "100"), ("RateLimit-Remaining", "0"))
            return Reply(429, BUSY_PAGE, (*limits, ("RateLimit-Reset", seconds)), "text/html; charset=utf-8")
        if "trailing-slash-redirect" in struck and target and not target.single and not target.slash:
            location = f"{call.origin}{call.raw_path}/" + (f"?{call.query}" if call.query else "")
            return Reply(301, headers=(("Location", location),))
        return None

    def _dispatch(self, call: Call, target: routes.Target | None, struck: Struck) -> Reply:
        if call.path in TOKEN_PATHS:
            return self._token(call, struck)
        service = routes.discovery(call.path)
        if service is not None:
            return as_json(200, {"openapi": "3.0.0", "info": {"title": f"OneRoster {service}"}, "paths": {}})
        if target is None:
            raise RefusedError(404, "unknownobject", f"There is no endpoint {call.path}")
        scopes = self._admit(call, target)
        handlers = {"GET": self._get, "PUT": self._put, "POST": self._post, "DELETE": self._delete}
        if call.method not in handlers:
            raise RefusedError(405, "invaliddata", f"{call.method} is not served here")
        return handlers[call.method](call, target, struck, scopes)

    def _token(self, call: Call, struck: Struck) -> Reply:
        form = dict(parse_qsl(call.body.decode("utf-8", errors="replace")))
        calls = struck.number("token-expiry") if "token-expiry" in struck else self._token_calls()
        answer = self.gate.issue(call.headers.get("authorization", ""), form, time.monotonic(), calls)
        return as_json(answer.status, answer.body, (("Cache-Control", "no-store"),))

    def _token_calls(self) -> int | None:
        """A token-expiry fault limited to collections still concerns the token that is issued now."""
        given = self.switchboard.value("token-expiry")
        return None if given is None else int(given)

    def _admit(self, call: Call, target: routes.Target) -> frozenset[str]:
        """The scopes of the caller. A request signed with OAuth 1.0a may do everything, in 1.1 alone."""
        header = call.headers.get("authorization", "")
        scheme, _, value = header.partition(" ")
        if target.old and scheme.lower() == "oauth":
            problem = self.gate.verifier.problem(
                call.method, f"{call.origin}{call.raw_path}", call.query, header, time.time()
            )
            if problem:
                raise RefusedError(401, "unauthorisedrequest", problem)
            return frozenset(auth.ALL_SCOPES)
        return self.gate.admit(value if scheme.lower() == "bearer" else "", time.monotonic())

    def _listing(self, call: Call, target: routes.Target, scopes: frozenset[str]) -> routes.Listing:
        """The endpoint, when it exists and the caller may use it."""
        listing = self._created(target) if call.method == "POST" else target.listing
        if listing is None:
            raise RefusedError(404, "unknownobject", f"There is no endpoint {call.path}")
        slash_missing = self.timeback and len(target.names) == 1 and not target.single and not target.slash
        if slash_missing:
            raise RefusedError(404, "unknownobject", f"There is no endpoint {call.path}; {call.path}/ is one")
        if not self.timeback and not scopes & auth.opening(target, listing, call.method):
            raise RefusedError(403, "forbidden", f"The token has no scope for {listing.service}")
        return listing

    def _created(self, target: routes.Target) -> routes.Listing | None:
        """What a POST to this path creates."""
        if target.old or target.single:
            return None
        if self.timeback and len(target.names) == 1:
            return target.listing
        return routes.Listing("gradebook", routes.POSTS[target.names]) if target.names in routes.POSTS else None

    def _get(self, call: Call, target: routes.Target, struck: Struck, scopes: frozenset[str]) -> Reply:
        listing = self._listing(call, target, scopes)
        if "shift" in struck and not target.single:
            self._shift(target, listing, struck["shift"])
        reading = pages.Reading(self.store, call, target, listing, struck, self.timeback)
        return pages.single(reading) if target.single else pages.collection(reading)

    def _shift(self, target: routes.Target, listing: routes.Listing, how: str) -> None:
        """Change a collection under its reader: the first record goes, or a new one comes before it."""
        rows = (
            listing.relation(self.store, list(target.ids)) if listing.relation else self.store.rows(listing.collection)
        )
        if len(rows) == 0:
            return
        first = self.store.fetch(listing.collection, rows[:1])[0]
        if how == "remove":
            self.store.remove(listing.collection, first["sourcedId"])
            return
        fresh = {"sourcedId": f"{first['sourcedId']}-shift-{len(self.requests)}"}
        stamp = {"dateLastModified": format_ms(self._instant())}
        self.store.put(listing.collection, first | fresh | stamp, front=True)

    def _writable(self, target: routes.Target) -> bool:
        allowed = routes.WRITABLE_1P1 if target.old else routes.WRITABLE
        return target.single and (target.names[0] in allowed or (self.timeback and target.listing is not None))

    def _put(self, call: Call, target: routes.Target, _struck: Struck, scopes: frozenset[str]) -> Reply:
        listing = self._listing(call, target, scopes)
        if not self._writable(target):
            raise RefusedError(405, "invaliddata", f"PUT is not served for {target.names[-1]}")
        name = routes.envelope(target, listing.collection, timeback=self.timeback)
        given = writes.decode(call.body, name, dict)
        created = self.store.find(listing.collection, target.ids[0]) is None
        record = writes.complete(self.store, listing.collection, given, target.ids[0], self._instant())
        self.store.put(listing.collection, record)
        self.ledger.append(writes.Write("PUT", listing.collection, target.ids[0], record, created))
        return as_json(201, {name: record}) if self.timeback else Reply(201)

    def _post(self, call: Call, target: routes.Target, _struck: Struck, scopes: frozenset[str]) -> Reply:
        listing = self._listing(call, target, scopes)
        context = self._context(target)
        pairs = []
        for given in writes.decode(call.body, listing.collection, list):
            allocated = writes.allocate(listing.collection, len(self.ledger))
            record = writes.complete(self.store, listing.collection, given | context, allocated, self._instant())
            self.store.put(listing.collection, record)
            self.ledger.append(writes.Write("POST", listing.collection, allocated, record, created=True))
            pairs.append({"suppliedSourcedId": str(given.get("sourcedId", "")), "allocatedSourcedId": allocated})
        return as_json(201, {"sourcedIdPairs": pairs[0] if self.timeback and pairs else pairs})

    def _context(self, target: routes.Target) -> dict[str, dict[str, str]]:
        """What the path of a POST says about each record: its class, its school, its line item.

        Raises:
            RefusedError: 404, the path leads through an unknown record.
        """
        for name, sourced_id in zip(target.names, target.ids, strict=False):
            if self.store.find({"schools": "orgs"}.get(name, name), sourced_id) is None:
                raise not_found(name, sourced_id)
        words = {"classes": "class", "schools": "school", "lineItems": "lineItem"}
        named = zip(target.names, target.ids, strict=False)
        return {words[name]: {"sourcedId": sourced_id} for name, sourced_id in named if name in words}

    def _delete(self, call: Call, target: routes.Target, _struck: Struck, scopes: frozenset[str]) -> Reply:
        listing = self._listing(call, target, scopes)
        if not self._writable(target):
            raise RefusedError(405, "invaliddata", f"DELETE is not served for {target.names[-1]}")
        if self.store.find(listing.collection, target.ids[0]) is None:
            raise not_found(target.names[0], target.ids[0])
        self.store.remove(listing.collection, target.ids[0])
        self.ledger.append(writes.Write("DELETE", listing.collection, target.ids[0], None, created=False))
        return Reply(204)

    def _instant(self) -> int:
        if self.clock is not None:
            return self.clock()
        return self.store.world.now_ms + (len(self.ledger) + 1) * 1000


EARLY = {
    "auth-down": (401, "unauthorisedrequest", "The identity service does not answer"),
    "forbidden": (403, "forbidden", "This client may not read here"),
    "500": (500, "internal_server_error", "An internal error happened"),
    "503": (503, "server_busy", "The server is busy"),
}
