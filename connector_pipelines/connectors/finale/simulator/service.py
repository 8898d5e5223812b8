"""The simulator without a network: a call comes in, a reply goes out, and what happened is written down."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.finale.simulator import collections, report
from connector_pipelines.connectors.finale.simulator.access import COOKIE, HOUR, MINUTE, Meter
from connector_pipelines.connectors.finale.simulator.exchange import (
    JSON,
    RefusedError,
    Request,
    Write,
    as_json,
    too_many,
)
from connector_pipelines.connectors.finale.simulator.faults import AUTH, KNOWN, REPORT
from connector_pipelines.connectors.finale.simulator.world import COLLECTIONS, stamp
from connector_pipelines.simulating.exchange import Call, Reply
from connector_pipelines.simulating.faults import Struck, Switchboard

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.finale.simulator.access import Gate
    from connector_pipelines.connectors.finale.simulator.store import Store

REPORT_PATH = re.compile(r"doc/report/pivotTable(Stream)?/\d+/[\w.-]+")
KEPT_BODIES = 6

EARLY = {
    "auth-down": (401, "The log-in service does not answer"),
    "forbidden": (403, "This key may not read here"),
    "404": (404, "Not found"),
    "500": (500, "Internal error"),
    "503": (503, "Try again later"),
}


@dataclass(slots=True)
class Service:
    """Everything a simulator knows and does.

    Attributes:
        clock: seconds, for limits.
        bodies: the latest answers without faults, so that a large collection is made once.
    """

    store: Store
    gate: Gate
    clock: Callable[[], float] = time.monotonic
    switchboard: Switchboard = field(default_factory=lambda: Switchboard(KNOWN))
    meter: Meter = field(default_factory=Meter)
    requests: list[Request] = field(default_factory=list)
    ledger: list[Write] = field(default_factory=list)
    bodies: OrderedDict[Any, tuple[bytes, int]] = field(default_factory=OrderedDict)

    def answer(self, call: Call) -> Reply:
        """Answer a call, whatever happens, and write it down."""
        with self.store.lock:
            collection, rest = self._place(call.path)
            struck = self.switchboard.strike({collection})
            try:
                reply = self._early(call, collection, struck) or self._dispatch(call, collection, rest, struck)
            except RefusedError as refused:
                reply = as_json(refused.status, {"msg": refused.message})
            reply = replace(reply, struck=struck)
            self.requests.append(_noted(call, collection, reply))
        return reply

    def _place(self, path: str) -> tuple[str, str]:
        """What a path is about, and the id behind it; "" where there is nothing."""
        account = f"/{self.store.world.account}/"
        if not path.startswith(account):
            return "", ""
        below = path.removeprefix(account)
        if REPORT_PATH.fullmatch(below):
            return REPORT, ""
        name, _, rest = below.removeprefix("api/").rstrip("/").partition("/")
        known = below.startswith("api/") and name in {*COLLECTIONS, AUTH}
        return (name, rest) if known else ("", "")

    def _early(self, call: Call, collection: str, struck: Struck) -> Reply | None:
        """What is answered before anything is looked at."""
        for name, refusal in EARLY.items():
            if name in struck:
                raise RefusedError(*refusal)
        if "429" in struck:
            return too_many(struck["429"])
        if "429-every" in struck:
            return too_many("1")
        return self._over_limit(call, collection, struck.get("limits"))

    def _over_limit(self, call: Call, collection: str, limits: str | None) -> Reply | None:
        if limits is None:
            return None
        gets, posts, reads = map(int, limits.split(","))
        now, waits = self.clock(), []
        waits.append(self.meter.seconds_to_wait(call.method, gets if call.method == "GET" else posts, MINUTE, now))
        if collection in {*COLLECTIONS, REPORT} and call.method == "GET":
            waits.append(self.meter.seconds_to_wait("reads", reads, HOUR, now))
        return too_many(str(int(max(waits)) + 1)) if max(waits) > 0 else None

    def _dispatch(self, call: Call, collection: str, rest: str, struck: Struck) -> Reply:
        if collection == AUTH:
            return self._log_in(call)
        self.gate.admit(call)
        if not collection:
            raise RefusedError(404, f"There is no {call.path}")
        if collection == REPORT:
            return report.reply(call.params.get("format", "csv"), self._stock(), struck)
        if call.method == "POST":
            return self._write(call, collection, rest)
        if call.method != "GET":
            raise RefusedError(405, f"{call.method} is not served")
        return self._one(collection, rest) if rest else self._collection(call, collection, struck)

    def _log_in(self, call: Call) -> Reply:
        if call.method != "POST":
            raise RefusedError(405, "log in with POST")
        expiry = self.switchboard.value("session-expiry")
        session = self.gate.log_in(call.body, None if expiry is None else int(expiry))
        account = self.store.world.account
        names = {"resourceProduct": "product", "resourceOrder": "order", "resourcePartyGroup": "partygroup"}
        urls = {name: f"/{account}/api/{collection}/" for name, collection in names.items()}
        return as_json(200, urls, (("Set-Cookie", f"{COOKIE}={session}; Path=/; HttpOnly"),))

    def _collection(self, call: Call, collection: str, struck: Struck) -> Reply:
        wanted = None if "ignore-filter" in struck else call.params.get("filter")
        limit = call.params.get("limit")
        key = (collection, wanted, limit, self.store.world.version, self.store.edits)
        if key in self.bodies and not struck:
            body, rows = self.bodies[key]
            return Reply(200, body, content_type=JSON, rows=rows)
        holds = collections.selection(collection, wanted, datetime.now(UTC))
        records = filter(holds, self.store.records(collection)) if wanted else self.store.records(collection)
        body, rows = collections.answer(collection, records, struck, int(limit) if limit else None)
        if not struck:
            self._keep(key, (body, rows))
        return Reply(200, body, content_type=JSON, rows=rows)

    def _keep(self, key: object, made: tuple[bytes, int]) -> None:
        self.bodies[key] = made
        while len(self.bodies) > KEPT_BODIES:
            self.bodies.popitem(last=False)

    def _one(self, collection: str, rest: str) -> Reply:
        """An ordinary object, with the addresses that change its state."""
        url = f"/{self.store.world.account}/api/{collection}/{rest}"
        record = self.store.find(collection, url) if collection in collections.KEYS else None
        if record is None:
            raise RefusedError(404, f"There is no {url}")
        return as_json(200, record | {"actionUrlDeactivate": f"{url}/deactivate"})

    def _write(self, call: Call, collection: str, rest: str) -> Reply:
        """Changed fields, posted to an entity's address."""
        url = f"/{self.store.world.account}/api/{collection}/{rest}"
        record = self.store.find(collection, url) if rest and collection in collections.KEYS else None
        if record is None:
            raise RefusedError(404, f"There is no {url}")
        try:
            changes = dict(json.loads(call.body))
        except (ValueError, TypeError):
            raise RefusedError(400, "the body is no JSON object") from None
        changes.pop("sessionSecret", None)
        changed = record | changes | {"lastUpdatedDate": stamp(datetime.now(UTC))}
        self.store.put(collection, url, changed)
        self.ledger.append(Write(collection, url, changes))
        return as_json(200, changed)

    def _stock(self) -> Any:
        return report.table(self.store.records("product"), self.store.records("inventoryitem"))


def _noted(call: Call, collection: str, reply: Reply) -> Request:
    """The line of the list for a call and its reply."""
    hidden = {"authorization": "…", "cookie": "…"}
    headers = {name.lower(): hidden.get(name.lower(), value) for name, value in call.headers.items()}
    struck = tuple(reply.struck)
    return Request(
        method=call.method,
        path=call.path,
        query={name: _shown(value) if name == "filter" else value for name, value in call.pairs},
        status=0 if "stall" in struck else reply.status,
        collection=collection,
        rows=reply.rows,
        faults=struck,
        headers=headers,
        body=call.body,
    )


def _shown(text: str) -> Any:
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return text
