"""The service: who may ask, what is asked, and the answer, with the faults that are on."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks.simulator import query as language
from connector_pipelines.connectors.quickbooks.simulator import spoil
from connector_pipelines.connectors.quickbooks.simulator.exchange import (
    BUSY,
    RefusedError,
    Reply,
    Request,
    throttled,
    unauthorized,
    written,
)
from connector_pipelines.connectors.quickbooks.simulator.switches import KNOWN, TOKEN
from connector_pipelines.connectors.quickbooks.simulator.tokens import HARD_EXPIRY, Issuer
from connector_pipelines.connectors.quickbooks.simulator.world import PACIFIC, TABLES
from connector_pipelines.simulating.exchange import HTML, Call
from connector_pipelines.simulating.faults import Struck, Switchboard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.connectors.quickbooks.simulator.query import Query
    from connector_pipelines.connectors.quickbooks.simulator.world import Record, World
    from connector_pipelines.simulating import exchange

TOKEN_PATH = "/oauth2/v1/tokens/bearer"  # noqa: S105 -- an address
REVOKE_PATH = "/v2/oauth2/tokens/revoke"
DISCOVERY_PATH = "/.well-known/openid_sandbox_configuration"
_OPEN = frozenset({TOKEN, "revoke", "discovery"})  # no access token is needed, and JSON is spoken
CDC_LIMIT = 1_000
CDC_REACH = timedelta(days=30)
MAX_BATCH = 30
MANY = 40

_PATH = re.compile(r"/v3/company/(?P<realm>\d+)/(?P<endpoint>\w+)(?:/(?P<id>\w+))?")
_BY_PATH = {name.lower(): name for name in TABLES}


@dataclass(slots=True)
class Service:
    """One company behind HTTP. Calls come one at a time.

    Attributes:
        clock: seconds since 1970, for `time` in answers and for how far back changes are told.
        recent: when the requests of the last minute came, for `throttle`.
        lists: ids that match a WHERE, by table, its version, WHERE and order: pages of one list are worked out once.
    """

    world: World
    issuer: Issuer
    realm_id: str
    clock: Callable[[], float] = time.time
    switchboard: Switchboard = field(default_factory=lambda: Switchboard(KNOWN))
    requests: list[Request] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)
    recent: deque[float] = field(default_factory=deque)
    lists: dict[tuple[object, ...], list[str]] = field(default_factory=dict)

    def answer(self, call: Call) -> exchange.Reply:
        """The answer to a call."""
        with self.lock:
            endpoint, statement, names = _about(call)
            struck = self.switchboard.strike(names)
            reply = self._answer(call, endpoint, statement, struck)
            trace = hashlib.blake2b(f"{len(self.requests)}".encode(), digest_size=6).hexdigest()
            reply = replace(reply, headers=(*reply.headers, ("intuit_tid", f"1-{trace}")))
            status = 0 if "stall" in struck else 200 if "html-200" in struck else reply.status
            faults = tuple(struck)
            self.requests.append(Request(call.method, call.path, call.params, status, endpoint, statement, faults))
            return written(reply, struck, json_accepted=_wants_json(call) or endpoint in _OPEN)

    def _answer(self, call: Call, endpoint: str, statement: str, struck: Struck) -> Reply:
        try:
            if endpoint in _OPEN:
                return self._signing_in(call, endpoint, struck)
            refused = self._refused(call, struck)
            return refused or self._document(call, endpoint, statement, struck)
        except RefusedError as error:
            return Reply(error.status, {"Fault": error.fault, "time": self._time()})

    def _refused(self, call: Call, struck: Struck) -> Reply | None:
        """What the gateway, or a fault, answers instead of the service."""
        now = int(self.clock() * 1000)
        if "429" in struck or self._over(call, struck):
            return throttled(now, struck.get("429", "none"))
        if "503" in struck:
            return Reply(503, body=BUSY, content_type=HTML)
        if "404" in struck:
            return Reply(404, body=b"")
        if "401" in struck or not self.issuer.admits(call.headers.get("authorization", ""), self.clock()):
            return unauthorized(now)
        form = _PATH.fullmatch(call.path)
        if "403" in struck or (form and form["realm"] != self.realm_id):
            raise _denied(403)
        if "500" in struck:
            raise RefusedError(500, "SystemFault", "10000", "An application error has occurred")
        if "fault-200" in struck:
            raise _with_200(struck["fault-200"])
        return None

    def _over(self, call: Call, struck: Struck) -> bool:
        """Whether there are too many requests, by a sliding minute or at a time; each counts, refused or not."""
        now = time.monotonic()
        self.recent.append(now)
        while self.recent[0] < now - 60:
            self.recent.popleft()
        many = "throttle" in struck and len(self.recent) > struck.number("throttle")
        return many or ("concurrent" in struck and call.under_way > struck.number("concurrent"))

    def _document(self, call: Call, endpoint: str, statement: str, struck: Struck) -> Reply:
        match endpoint:
            case "query" | "count":
                self._shift(statement, struck)
                return Reply(200, self._query(statement, struck) | {"time": self._time()})
            case "cdc":
                return Reply(200, self._cdc(call, struck) | {"time": self._time()})
            case "batch":
                return Reply(200, self._batch(call, struck) | {"time": self._time()})
            case "read":
                return Reply(200, self._read(call) | {"time": self._time()})
        raise RefusedError(404, "ValidationFault", "4", "Unsupported Operation", f"{call.method} {call.path}")

    def _query(self, statement: str, struck: Struck) -> dict[str, Any]:
        asked = language.parse(statement, strict_greater="strict-greater" in struck)
        ids = [] if "empty" in struck else self._list(asked)
        if asked.counts:
            return {"QueryResponse": {"totalCount": len(ids)}}
        first = 0 if "repeat-page" in struck else asked.start - 1
        most = min(asked.most, struck.number("clamp")) if "clamp" in struck else asked.most
        table = self.world.tables[asked.table]
        rows = [row for key in ids[first : first + most] if (row := table.get(key)) is not None]
        rows = [_selected(row, asked.columns, hide_sku="hide-sku" in struck) for row in rows]
        if not rows:
            return {"QueryResponse": {}}
        name = asked.table if "other-table" not in struck else "Customer"
        found = spoil.spoilt(rows, struck)
        return {"QueryResponse": {name: found, "startPosition": asked.start, "maxResults": len(found)}}

    def _list(self, asked: Query) -> list[str]:
        table = self.world.tables[asked.table]
        key = (asked.table, table.version, asked.where, asked.order, asked.descending)
        if key not in self.lists:
            if len(self.lists) > MANY:
                self.lists.clear()
            self.lists[key] = self._worked_out(asked)
        return self.lists[key]

    def _worked_out(self, asked: Query) -> list[str]:
        table = self.world.tables[asked.table]
        if asked.takes_all and asked.order == "Id":
            ids = table.ids()
            return ids[::-1] if asked.descending else ids
        rows = [row for row in table.records() if asked.matches(row)]
        rows.sort(key=lambda row: _key(language.valued(row, asked.order)), reverse=asked.descending)
        return [str(row["Id"]) for row in rows]

    def _cdc(self, call: Call, struck: Struck) -> dict[str, Any]:
        names = [name.strip() for name in call.params.get("entities", "").split(",")]
        since = _moment(call.params.get("changedSince", ""))
        if any(name not in TABLES for name in names):
            raise _invalid("entities must name what change data capture knows")
        if datetime.fromtimestamp(self.clock(), UTC) - since > CDC_REACH:
            raise _invalid("changedSince must be within the last 30 days")
        left = struck.number("cdc-limit") if "cdc-limit" in struck else CDC_LIMIT
        parts = []
        for name in names:
            found = self._changed(name, since)[:left]
            left -= len(found)
            whole = {name: spoil.spoilt(found, struck), "startPosition": 1, "maxResults": len(found)}
            parts.append(whole if found else {})
        return {"CDCResponse": [{"QueryResponse": parts}]}

    def _changed(self, name: str, since: datetime) -> list[Record]:
        """Records in their latest state, and what is left of deleted ones."""
        table = self.world.tables[name]
        key = (name, table.version, "cdc", since)
        if key not in self.lists:
            updated = (row for row in table.records() if _moment(row["MetaData"]["LastUpdatedTime"]) >= since)
            self.lists[key] = [str(row["Id"]) for row in updated]
        rows = [row for one in self.lists[key] if (row := table.get(one)) is not None]
        gone = [(one, at) for one, at in table.gone.items() if _moment(at) >= since]
        return rows + [
            {"domain": "QBO", "status": "Deleted", "Id": one, "MetaData": {"LastUpdatedTime": at}} for one, at in gone
        ]

    def _batch(self, call: Call, struck: Struck) -> dict[str, Any]:
        try:
            asked: list[dict[str, str]] = json.loads(call.body)["BatchItemRequest"]
        except (ValueError, KeyError, TypeError):
            raise _invalid("Request body is no batch") from None
        if len(asked) > MAX_BATCH:
            raise _invalid(f"A batch has at most {MAX_BATCH} items")
        answers: list[dict[str, Any]] = []
        for number, one in enumerate(asked, 1):
            denied = "batch-fault" in struck and number == struck.number("batch-fault")
            try:
                told = {"Fault": _denied(200).fault} if denied else self._query(one["Query"], struck)
            except RefusedError as error:
                told = {"Fault": error.fault}
            answers.append({"bId": one["bId"]} | told)
        return {"BatchItemResponse": answers}

    def _read(self, call: Call) -> dict[str, Any]:
        form = _PATH.fullmatch(call.path)
        name = _BY_PATH[form["endpoint"]] if form else TABLES[0]
        record = self.world.tables[name].get(form["id"] or "") if form else None
        if record is None:
            said = "Object Not Found : Something you're trying to use has been made inactive."
            raise RefusedError(400, "ValidationFault", "610", "Object Not Found", said)
        return {name: record}

    def _shift(self, statement: str, struck: Struck) -> None:
        """Between two pages somebody works in the company."""
        if "shift" not in struck:
            return
        table = self.world.tables[language.parse(statement).table]
        ids, at = table.ids(), datetime.fromtimestamp(self.clock(), UTC)
        if struck["shift"] == "update":
            record = table.get(ids[-1])
            table.put({**record, "PrivateNote": "changed"} if record else {}, at)
            return
        for key in ids[: 1 if struck["shift"] == "remove" else MANY]:
            table.remove(key, at)

    def _signing_in(self, call: Call, endpoint: str, struck: Struck) -> Reply:
        if endpoint == "discovery":
            return Reply(200, _discovery(call.headers.get("host", "")))
        if endpoint == "revoke":
            self.issuer.revoke()
            return Reply(200)
        return self._token(call, struck)

    def _token(self, call: Call, struck: Struck) -> Reply:
        if "500" in struck:
            return Reply(500, {"error": "server_error"})
        if "401" in struck:
            return Reply(401, {"error": "invalid_client"})
        status, told = self.issuer.issue(
            call.headers.get("authorization", ""),
            call.body,
            self.clock(),
            rotate=struck.number("rotate") if "rotate" in struck else None,
            calls=struck.number("token-expiry") if "token-expiry" in struck else None,
            hard=HARD_EXPIRY in call.headers,
        )
        return Reply(status, told)

    def _time(self) -> str:
        return datetime.fromtimestamp(self.clock(), PACIFIC).isoformat(timespec="milliseconds")


def _about(call: Call) -> tuple[str, str, frozenset[str]]:
    """The endpoint, the statement of a query, and the targets by which faults may name this call."""
    fixed = {TOKEN_PATH: TOKEN, REVOKE_PATH: "revoke", DISCOVERY_PATH: "discovery"}.get(call.path)
    if fixed:
        return fixed, "", frozenset({fixed})
    form = _PATH.fullmatch(call.path)
    if form is None:
        return "", "", frozenset()
    if form["endpoint"] in _BY_PATH:
        return "read", "", frozenset({"read", form["endpoint"]})
    if form["endpoint"] != "query":
        tables = call.params.get("entities", "").lower().split(",")
        return form["endpoint"], "", frozenset({form["endpoint"], *tables})
    statement = call.params.get("query") or call.body.decode("utf-8", errors="replace")
    counts = re.match(r"\s*SELECT\s+COUNT\s*\(", statement, re.IGNORECASE)
    table = re.search(r"\sFROM\s+(\w+)", statement, re.IGNORECASE)
    endpoint = "count" if counts else "query"
    return endpoint, statement, frozenset({endpoint, table.group(1).lower() if table else ""})


def _selected(record: Record, columns: Sequence[str], *, hide_sku: bool) -> Record:
    if "*" not in columns:
        wanted = {column.partition(".")[0] for column in columns} | {"domain", "sparse", "Id"}
        return {name: value for name, value in record.items() if name in wanted}
    hidden = {"Sku"} if hide_sku and "Sku" not in columns else set()
    return {name: value for name, value in record.items() if name not in hidden}


def _denied(status: int) -> RefusedError:
    return RefusedError(status, "AuthorizationFault", "3100", "ApplicationAuthorizationFailed")


def _with_200(what: str) -> RefusedError:
    kind, code, said = {
        "system": ("SystemFault", "10000", "An application error has occurred"),
        "validation": ("ValidationFault", "4001", "Invalid query"),
        "throttle": ("ServiceFault", "3001", "ThrottleExceeded"),
        "authentication": ("AuthenticationFault", "3200", "AuthenticationFailed"),
    }[what]
    return RefusedError(200, kind, code, said)


def _discovery(host: str) -> dict[str, Any]:
    base = f"http://{host}"
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/connect/oauth2",
        "token_endpoint": f"{base}{TOKEN_PATH}",
        "revocation_endpoint": f"{base}{REVOKE_PATH}",
        "userinfo_endpoint": f"{base}/v1/openid_connect/userinfo",
        "jwks_uri": f"{base}/op/v1/jwks",
    }


def _wants_json(call: Call) -> bool:
    return "json" in call.headers.get("accept", "")


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"{text!r} is no time") from None
    return at if at.tzinfo else at.replace(tzinfo=PACIFIC)


def _key(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def _invalid(detail: str) -> RefusedError:
    return RefusedError(400, "ValidationFault", "4001", "Invalid query", detail)
