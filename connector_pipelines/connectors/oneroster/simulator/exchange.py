"""What comes in and what goes out: calls, replies, and the list of requests that tests look at."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from connector_pipelines.connectors.oneroster.simulator.faults import Active

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"
LOGIN_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><form>Sign in</form></body></html>"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the service sees it. `origin` is scheme and host as the client wrote them."""

    method: str
    origin: str
    path: str
    raw_path: str
    query: str
    params: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before the faults of the wire. `rows` is how many records it carries."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    rows: int = 0
    struck: Active = field(default_factory=lambda: Active({}))


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received and answered.

    Attributes:
        method: HTTP method.
        path: decoded path without query.
        query: query parameters, the last of each name.
        status: status of the answer; 0 when it was never answered.
        collection: the collection it was about, as the path names it last; empty for tokens and unknown paths.
        rows: how many records the answer carried.
        faults: names of the faults that struck it.
        headers: header fields in lower case; of the authorization only the scheme.
        body: the body that was sent.
    """

    method: str
    path: str
    query: dict[str, str]
    status: int
    collection: str
    rows: int
    faults: tuple[str, ...]
    headers: dict[str, str]
    body: bytes


def as_json(status: int, document: object, headers: tuple[tuple[str, str], ...] = (), rows: int = 0) -> Reply:
    """A reply that carries a document."""
    return Reply(status, msgspec.json.encode(document), headers, rows=rows)


def on_the_wire(reply: Reply) -> Reply:
    """The reply as the faults of the wire leave it; those that need time or the connection are the server's."""
    struck, changed = reply.struck, reply
    if "html-200" in struck:
        changed = replace(changed, status=200, body=LOGIN_PAGE, content_type="text/html; charset=utf-8")
    if "wrong-charset" in struck:
        text = changed.body.decode().encode("latin-1", errors="replace")
        changed = replace(changed, body=text, content_type=f"{JSON}; charset=utf-8")
    if "truncated" in struck:
        changed = replace(changed, body=changed.body[: len(changed.body) // 2])
    if "gzip" in struck:
        headers = (*changed.headers, ("Content-Encoding", "gzip"))
        changed = replace(changed, body=gzip.compress(changed.body, mtime=0), headers=headers)
    return changed


def request_of(call: Call, reply: Reply, collection: str) -> Request:
    """The line of the list for a call and its reply."""
    headers = {name.lower(): value for name, value in call.headers.items()}
    if "authorization" in headers:
        headers["authorization"] = headers["authorization"].partition(" ")[0]
    struck = tuple(reply.struck.faults)
    return Request(
        method=call.method,
        path=call.path,
        query=dict(call.params),
        status=0 if "stall" in struck else reply.status,
        collection=collection,
        rows=reply.rows,
        faults=struck,
        headers=headers,
        body=call.body,
    )
