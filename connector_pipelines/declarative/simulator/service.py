"""Answers requests: who asks, for which rows, in which shape, and what goes wrong."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode

from connector_pipelines.declarative.simulator import rendering
from connector_pipelines.declarative.simulator.faults import KNOWN
from connector_pipelines.declarative.simulator.reports import Reports
from connector_pipelines.declarative.simulator.world import COLLECTIONS, KEYS, LINE_COLUMNS
from connector_pipelines.simulating.exchange import HTML, Call, Reply, as_json
from connector_pipelines.simulating.faults import Struck, Switchboard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_pipelines.declarative.simulator.world import Record, World

USER, SECRET = "simulator", "simulator-secret"
PAGE_ROWS = 100
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_PATH = re.compile(
    r"/(?P<shape>api|bare|columns)/(?P<collection>\w+)(?:/(?P<key>[^/]+)/lines)?"
    r"(?:\.(?P<format>jsonl|json|xml|csv))?(?:\.(?P<packed>gz|zip))?"
)
_KEPT = re.compile(r"/api/kept/(?P<kind>\w+)/(?P<key>[^/]+)")
_FILTER = re.compile(r"updatedAt\s*(>=|<)\s*'([^']+)'")


@dataclass(slots=True)
class Service:
    """The API on a world.

    Attributes:
        kept: records that others put here, by kind and id.
        ledger: every PUT that was taken, in order: kind, id, record.
        refused: a text that nothing put here may hold; "" for none.
    """

    world: World
    switchboard: Switchboard = field(default_factory=lambda: Switchboard(KNOWN))
    tokens: dict[str, int] = field(default_factory=dict)
    refresh_token: str = SECRET
    reports: Reports = field(default_factory=Reports)
    kept: dict[tuple[str, str], Record] = field(default_factory=dict)
    ledger: list[tuple[str, str, Record]] = field(default_factory=list)
    refused: str = ""

    def answer(self, call: Call) -> Reply:
        """Answer a call, as the faults that are on demand."""
        found = _PATH.fullmatch(call.path)
        collection = call.path[1:] if call.path in {"/token", "/login"} else found["collection"] if found else ""
        if (kept := _KEPT.fullmatch(call.path)) is not None:
            collection = kept["kind"]
        if call.path.startswith("/api/reports"):
            collection = "reports"
        struck = self.switchboard.strike({"lines" if found and found["key"] else collection})
        if "shift" in struck and collection in COLLECTIONS:
            self.world.shift(collection, struck["shift"])
        reply = _early(struck)
        if reply is None and call.path in {"/token", "/login"}:
            reply = self._token(call, struck) if call.path == "/token" else self._login(call)
        if reply is None and not self._knows(call):
            reply = _error(401, "The credentials are missing, wrong or old")
        if reply is None and kept:
            reply = self._keep(call, (kept["kind"], unquote(kept["key"])))
        if reply is None:
            reply = self._listed(call, struck) or self.reports.answer(call, _asked(call), struck, self._of_report)
        reply = reply or _error(404, f"No endpoint {call.path}")
        body = _lettered(reply.body) if "wrong-charset" in struck else reply.body
        return replace(reply, body=body, struck=struck)

    def _token(self, call: Call, struck: Struck) -> Reply:
        """Grants a token. A refresh token is good once, and its successor comes with the access token."""
        form = _asked(call)
        pair = _basic(call.headers) or (form.get("client_id", ""), form.get("client_secret", ""))
        grant, person = form.get("grant_type", ""), (form.get("username"), form.get("password"))
        known = {
            "client_credentials": pair == (USER, SECRET),
            "password": person == (USER, SECRET),
            "refresh_token": form.get("refresh_token") == self.refresh_token,
            _ASSERTION: _signed(form.get("assertion", "")),
        }
        if not known.get(grant):
            return Reply(400, json.dumps({"error": "invalid_grant" if grant in known else "invalid_client"}).encode())
        token = secrets.token_urlsafe(12)
        self.tokens[token] = int(struck["token-expiry"]) if "token-expiry" in struck else self._calls()
        document = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        if grant == "refresh_token":
            self.refresh_token = document["refresh_token"] = secrets.token_urlsafe(12)
        return Reply(200, json.dumps(document).encode())

    def _keep(self, call: Call, place: tuple[str, str]) -> Reply:
        """A record at an address of its own: a PUT creates or replaces it."""
        if call.method == "PUT":
            try:
                told = json.loads(call.body)
            except ValueError:
                told = None
            if not isinstance(told, dict):
                return _error(400, "The body is no object")
            if self.refused and self.refused in call.body.decode():
                return _error(422, f"Nothing here may say {self.refused}")
            self.kept[place] = told
            self.ledger.append((*place, told))
        if call.method not in {"GET", "PUT"}:
            return _error(405, f"{call.method} is not served here")
        return as_json(200, self.kept[place]) if place in self.kept else _error(404, "Nothing here")

    def _login(self, call: Call) -> Reply:
        """A session, in a cookie and in the body."""
        if (_asked(call).get("username"), _asked(call).get("password")) != (USER, SECRET):
            return _error(401, "Wrong name or password")
        session = secrets.token_urlsafe(12)
        self.tokens[session] = self._calls()
        return Reply(200, json.dumps({"auth": {"token": session}}).encode(), (("Set-Cookie", f"session={session}"),))

    def _calls(self) -> int:
        return int(self.switchboard.value("token-expiry") or 1_000_000_000)

    def _knows(self, call: Call) -> bool:
        """Any scheme will do: the secret as key or bearer token, both as Basic, a token, session or JWT, OAuth 1.0a."""
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        cookie = call.headers.get("cookie", "").removeprefix("session=")
        for token in (value if scheme == "Bearer" else "", cookie):
            if self.tokens.get(token, 0) > 0:
                self.tokens[token] -= 1
                return True
        return (
            (scheme == "Bearer" and (value == SECRET or _signed(value)))
            or _basic(call.headers) == (USER, SECRET)
            or call.headers.get("x-api-key") == SECRET
            or _asked(call).get("api_key") == SECRET
            or f"api_key={SECRET}" in call.headers.get("cookie", "")
            or (scheme == "OAuth" and f'oauth_consumer_key="{USER}"' in value and "oauth_signature=" in value)
        )

    def _listed(self, call: Call, struck: Struck) -> Reply | None:
        """What a collection answers; None where there is none."""
        found = _PATH.fullmatch(call.path)
        known = found is not None and found["collection"] in {*COLLECTIONS, "lines"}
        return self._listing(call, found, struck) if known and found else None

    def _of_report(self, call: Call, struck: Struck) -> Reply:
        return self._listed(call, struck) or _error(400, "There is no such report")

    def _listing(self, call: Call, found: re.Match[str], struck: Struck) -> Reply:
        asked = _asked(call)
        if "span-limit" in struck and _hours(asked) > struck.number("span-limit"):
            return _error(400, "The span is too large")
        chosen = self._chosen(found, {} if "ignore-filter" in struck else asked)
        if chosen is None:
            return _error(404, f"There is no {found['collection']} {found['key']}")
        if "forgotten" in struck and {"sync_token", "updated_since", "since_sequence"} & asked.keys():
            return _error(410, "What changed since then is not known any more")
        if "page-limit" in struck and _size(asked) > struck.number("page-limit"):
            return _error(413, "The page is too large")
        begin, end = _slice(asked, chosen, struck)
        rows = [] if "empty-list" in struck else [self._made(found, one) for one in chosen[begin:end]]
        header = [name for name in self._header(found) if name != struck.get("missing-field")]
        faults = dict(struck)
        spoilt = rendering.spoilt(rows, faults)
        beside, headers = _beside(call, begin, end, chosen, struck)
        if "sync" in asked and end >= len(chosen) and "no-sync-token" not in struck:
            token = _token(self.world.latest(found["collection"]))
            beside["sync"], headers = {"token": token}, (*headers, ("X-Sync-Token", token))
        form = found["format"] or "json"
        body = {
            "json": lambda: rendering.as_json(found["shape"], spoilt, header, beside, faults),
            "jsonl": lambda: rendering.as_lines(spoilt),
            "xml": lambda: rendering.as_xml("lines" if found["key"] else found["collection"], spoilt),
            "csv": lambda: rendering.as_csv(
                [rendering.flat(r) if isinstance(r, dict) else r for r in spoilt], header, faults
            ),
        }[form]()
        if found["packed"]:
            body = rendering.packed(body, found["packed"], f"{found['collection']}.{form}")
        return Reply(200, body, headers, rendering.MEDIA[found["packed"] or form])

    def _header(self, found: re.Match[str]) -> list[str]:
        """The columns of a table, also of one without rows."""
        if found["key"] or found["collection"] == "lines":
            own = list(LINE_COLUMNS)
            return own if found["key"] else ["orderId", *own]
        return list(rendering.flat(self.world.record(found["collection"], 0)))

    def _chosen(self, found: re.Match[str], asked: Mapping[str, str]) -> Sequence[Any] | None:
        """What is listed, before paging: numbers of records, or lines."""
        collection = found["collection"]
        if found["key"]:
            number = self._number(collection, found["key"])
            return None if number is None else self.world.record(collection, number)["lines"]
        if collection == "lines":
            orders = self.world.records("orders")
            wanted = set(filter(None, asked.get("orders", "").split(",")))
            return [
                {"orderId": o["orderId"]} | line
                for o in orders
                for line in o["lines"]
                if o["orderId"] in wanted or not wanted
            ]
        numbers = self._within(collection, asked)
        if asked.get("sort") == "-updatedAt":
            numbers = sorted(numbers, key=lambda number: self.world.changed(collection, number), reverse=True)
        if "active" in asked:
            numbers = [
                n for n in numbers if str(self.world.record(collection, n).get("active")).lower() == asked["active"]
            ]
        if "supplier" in asked:
            numbers = [n for n in numbers if self.world.record(collection, n).get("supplierId") == asked["supplier"]]
        return numbers

    def _within(self, collection: str, asked: Mapping[str, str]) -> Sequence[int]:
        numbers = self._counted(collection, asked)
        since, until = _instant(asked.get("updated_since")), _instant(asked.get("updated_before"))
        for sign, text in _FILTER.findall(_unpacked(asked.get("filter", ""))):
            since, until = (_instant(text), until) if sign == ">=" else (since, _instant(text))
        if since is None and until is None:
            return numbers
        return [
            number
            for number in numbers
            if (since is None or self.world.changed(collection, number) >= since)
            and (until is None or self.world.changed(collection, number) < until)
        ]

    def _counted(self, collection: str, asked: Mapping[str, str]) -> Sequence[int]:
        """Records by the number of their last change, from a number or token on where one is asked for."""
        numbers = self.world.numbers(collection)
        known = asked.get("since_sequence") or _plain(asked.get("sync_token", ""))
        if not known and asked.get("sort") != "sequence":
            return numbers
        sequence = partial(self.world.sequence, collection)
        return sorted((one for one in numbers if not known or sequence(one) > int(known)), key=sequence)

    def _number(self, collection: str, key: str) -> int | None:
        digits = re.sub(r"\D", "", key)
        number = int(digits) if digits else -1
        known = 0 <= number < self.world.sizes.get(collection, 0)
        return number if known and self.world.record(collection, number).get(KEYS[collection]) == key else None

    def _made(self, found: re.Match[str], one: Any) -> Record:
        record: Record = one if isinstance(one, dict) else self.world.record(found["collection"], one)
        return record


def _token(number: int) -> str:
    """A number that nobody should read."""
    return f"t:{base64.urlsafe_b64encode(str(number).encode()).decode()}"


def _plain(token: str) -> str:
    return base64.urlsafe_b64decode(token.removeprefix("t:")).decode()


def _hours(asked: Mapping[str, str]) -> float:
    """How long the span is that is asked for; 0 where none is."""
    since, until = _instant(asked.get("updated_since")), _instant(asked.get("updated_before"))
    return ((until or datetime.now(UTC)) - since).total_seconds() / 3600 if since else 0.0


def _size(asked: Mapping[str, str]) -> int:
    return int(asked.get("limit") or asked.get("per_page") or PAGE_ROWS)


def _slice(asked: Mapping[str, str], chosen: Sequence[Any], struck: Struck) -> tuple[int, int]:
    """The first row of the page, and the first behind it."""
    size = _size(asked)
    size = min(size, int(struck["clamp"])) if "clamp" in struck else size
    if "repeat-page" in struck:
        begin = 0
    elif "cursor" in asked:
        begin = int(base64.urlsafe_b64decode(asked["cursor"] + "=="))
    elif "after" in asked:
        digits = re.sub(r"\D", "", asked["after"])
        begin = next((at for at, one in enumerate(chosen) if isinstance(one, int) and one > int(digits)), len(chosen))
    elif "page" in asked:
        begin = (int(asked["page"]) - 1) * size
    else:
        begin = int(asked.get("offset", "0"))
    return begin, max(begin, min(begin + size, len(chosen)))


def _beside(
    call: Call, begin: int, end: int, chosen: Sequence[Any], struck: Struck
) -> tuple[Record, tuple[tuple[str, str], ...]]:
    """What the answer says beside its rows, in the body and in headers."""
    total = len(chosen) + int(struck.get("total", "0"))
    more = end < len(chosen)
    size = max(end - begin, 1)
    meta: Record = {} if "no-total" in struck else {"total": total, "pages": -(-total // size)}
    headers = [] if "no-total" in struck else [("X-Total-Count", str(total))]
    if "no-next" in struck:
        return {"meta": meta}, tuple(headers)
    meta["has_more"] = more
    following = 0 if "cursor-loop" in struck else end
    token = base64.urlsafe_b64encode(str(following).encode()).decode().rstrip("=") if more else None
    link = _link(call, token, struck) if token else None
    headers += [("X-Next-Cursor", token), ("Link", f'<{link}>; rel="next"')] if token and link else []
    return {"meta": meta | {"next_cursor": token}, "links": {"next": link}}, tuple(headers)


def _link(call: Call, token: str, struck: Struck) -> str:
    asked = {name: value for name, value in call.pairs if name not in {"page", "offset", "after", "api_key"}}
    query = urlencode(asked | {"cursor": token})
    host = f"https://{struck['link-other-host']}" if "link-other-host" in struck else call.origin
    return f"{host}{call.raw_path}?{query}"


def _error(status: int, message: str, *headers: tuple[str, str]) -> Reply:
    return Reply(status, json.dumps({"error": {"message": message}}).encode(), headers)


def _early(struck: Struck) -> Reply | None:
    """What is answered before anything is looked at."""
    for name, value in struck.items():
        if name == "429-reset":
            return _error(429, "Too many requests", ("X-RateLimit-Reset", str(int(time.time()) + int(value))))
        if name == "429-body":
            return Reply(429, json.dumps({"error": {"message": "Slow down", "wait": int(value)}}).encode())
        if name in {"429", "429-date"}:
            lifted = format_datetime(datetime.now(UTC) + timedelta(seconds=int(value)), usegmt=True)
            return _error(429, "Too many requests", ("Retry-After", value if name == "429" else lifted))
    return next((_EARLY[name] for name in struck if name in _EARLY), None)


_WORDS = {401: "Who are you?", 403: "Not for you", 404: "Nothing here", 500: "Oh dear", 503: "Come back later"}
_EARLY = {
    "429-html": Reply(429, b"<html><body><h1>Too Many Requests</h1></body></html>", content_type=HTML),
    "403-throttle": Reply(403, b"403 Forbidden (Rate Limit Exceeded)", content_type="text/plain"),
    "error-200": Reply(200, b'{"success":false,"error":{"code":17,"message":"The quota of this tenant is used up"}}'),
} | {str(status): _error(status, words) for status, words in _WORDS.items()}


def _lettered(body: bytes) -> bytes:
    """With a letter that every character set has in another place."""
    return body.replace(b'"name":"', b'"name":"\xe9').replace(b"S000000", b"S\xe900000")


def _signed(token: str) -> bool:
    """Whether a JSON web token was signed with our secret."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    try:
        return "iss" in jwt.decode(token, OctKey.import_key(SECRET * 2), algorithms=["HS256"]).claims
    except (JoseError, ValueError):
        return False


def _basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return None
    user, _, secret = base64.b64decode(value).decode().partition(":")
    return user, secret


def _asked(call: Call) -> dict[str, str]:
    """Parameters of the query and of a JSON or form body, those of objects in it by their own names."""
    if call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return call.params | dict(parse_qsl(call.body.decode()))
    return call.params | _leaves(json.loads(call.body) if call.body else {})


def _leaves(document: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in document.items() if isinstance(document, dict) else ():
        found |= _leaves(value) if isinstance(value, dict) else {name: str(value)}
    return found


def _unpacked(text: str) -> str:
    """A filter in base64, or as it is."""
    if not text or "'" in text:
        return text
    return base64.b64decode(text).decode()


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    if text.isdecimal():
        return datetime.fromtimestamp(int(text) / (1000 if len(text) > 11 else 1), UTC)  # noqa: PLR2004 -- milliseconds
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
