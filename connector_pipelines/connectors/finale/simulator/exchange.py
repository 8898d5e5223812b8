"""What tests look at, requests and writes, and how an account says no."""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from connector_pipelines.simulating import exchange
from connector_pipelines.simulating.exchange import HTML, Reply

JSON = "application/json; charset=utf-8"
BUSY_PAGE = b"<html><body><h1>429 Too Many Requests</h1></body></html>"


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
    return replace(exchange.as_json(status, document, headers), content_type=JSON)


def too_many(how: str) -> Reply:
    """A 429 in one of its forms: seconds, a date, or HTML that says nothing."""
    if how == "html":
        return Reply(429, BUSY_PAGE, content_type=HTML)
    told = formatdate(usegmt=True) if how == "date" else how
    return as_json(429, {"msg": "Too many requests"}, (("Retry-After", told),))
