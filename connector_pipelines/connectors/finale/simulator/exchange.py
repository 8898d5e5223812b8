"""What comes in and what goes out: calls, replies, and the list of requests that tests look at."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import msgspec

from connector_pipelines.connectors.finale.simulator.faults import Active
from connector_pipelines.simulation.exchange import Call

__all__ = ["Call", "Reply"]

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
LOGIN_PAGE = b"<!doctype html><html><head><title>Log in</title></head><body><form>Log in</form></body></html>"
BUSY_PAGE = b"<html><body><h1>429 Too Many Requests</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before the faults of the wire. `rows` is how many entities it carries."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    rows: int = 0
    struck: Active = field(default_factory=Active)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received and answered.

    Attributes:
        query: query parameters, the filter decoded.
        status: status of the answer; 0 when it was never answered.
        collection: what it was about; empty for unknown paths.
        rows: how many entities the answer carried.
        faults: names of the faults that struck it.
        headers: header fields in lower case; of credentials only that they were there.
    """

    method: str
    path: str
    query: dict[str, Any]
    status: int
    collection: str
    rows: int
    faults: tuple[str, ...]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Write:
    """A change that a client made: the entity's address, and what was sent without the session's secret."""

    collection: str
    url: str
    fields: dict[str, Any]


class RefusedError(Exception):
    """A request that is not served: status and the message in the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def as_json(status: int, document: object, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A reply that carries a document."""
    return Reply(status, msgspec.json.encode(document), headers)


def too_many(how: str) -> Reply:
    """A 429 in one of its forms: seconds, a date, or HTML that says nothing."""
    if how == "html":
        return Reply(429, BUSY_PAGE, content_type=HTML)
    told = formatdate(usegmt=True) if how == "date" else how
    return as_json(429, {"msg": "Too many requests"}, (("Retry-After", told),))


def on_the_wire(reply: Reply) -> Reply:
    """The reply as the faults of the wire leave it; those that need time or the connection are the server's."""
    struck, changed = reply.struck, reply
    if "html-200" in struck:
        changed = replace(changed, status=200, body=LOGIN_PAGE, content_type=HTML)
    if "wrong-charset" in struck:
        changed = replace(changed, body=changed.body.decode().encode("latin-1", errors="replace"))
    if "truncated" in struck:
        changed = replace(changed, body=changed.body[: len(changed.body) // 2])
    if "gzip" in struck:
        headers = (*changed.headers, ("Content-Encoding", "gzip"))
        changed = replace(changed, body=gzip.compress(changed.body, 1, mtime=0), headers=headers)
    return changed
