"""What goes out: replies, faults in both spellings, and the list of requests that tests look at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks.simulator.xml import as_xml
from connector_pipelines.simulating import exchange
from connector_pipelines.simulating.exchange import HTML, JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.simulating.faults import Struck

BUSY = b"<html><body><h1>Service Unavailable</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is written down, as JSON or XML."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received and answered.

    Attributes:
        endpoint: query, count, cdc, batch, read or token; "" for an unknown path.
        statement: of a query.
        faults: names of the faults that struck it.
    """

    method: str
    path: str
    params: Mapping[str, str]
    status: int
    endpoint: str
    statement: str
    faults: tuple[str, ...]


class RefusedError(Exception):
    """The request is answered with a fault.

    Args:
        status: HTTP status.
        kind: ValidationFault, AuthenticationFault, AuthorizationFault or SystemFault.
        code: Intuit's number.
        message: what is wrong.
        detail: what exactly.
    """

    def __init__(self, status: int, kind: str, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.fault = {"Error": [{"Message": message, "Detail": detail or message, "code": code}], "type": kind}


def gateway(status: int, kind: str, code: str, message: str, now_ms: int) -> Reply:
    """A fault as the gateway before the service spells it."""
    error = {"message": message, "detail": "", "code": code, "element": None}
    told: dict[str, Any] = {
        "warnings": None,
        "intuitObject": None,
        "fault": {"error": [error], "type": kind},
        "report": None,
        "queryResponse": None,
        "batchItemResponse": [],
        "attachableResponse": [],
        "syncErrorResponse": None,
        "requestId": None,
        "time": now_ms,
        "status": None,
        "cdcresponse": [],
    }
    return Reply(status, told)


def unauthorized(now_ms: int) -> Reply:
    """401 from the gateway."""
    said = "message=AuthenticationFailed; errorCode=003200; statusCode=401"
    return gateway(401, "AUTHENTICATION", "3200", said, now_ms)


def throttled(now_ms: int, how: str) -> Reply:
    """429 from the gateway, with what is said about when to come back."""
    if how == "html":
        return Reply(429, body=b"<html><body>Too Many Requests</body></html>", content_type=HTML)
    said = "message=ThrottleExceeded; errorCode=003001; statusCode=429"
    reply = gateway(429, "SERVICE", "3001", said, now_ms)
    when = {"seconds": "7", "date": formatdate(now_ms / 1000 + 9, usegmt=True)}.get(how)
    return replace(reply, headers=(("Retry-After", when),)) if when else reply


def written(reply: Reply, struck: Struck, *, json_accepted: bool) -> exchange.Reply:
    """The reply in the language that is accepted, or that a fault demands."""
    kind, body = reply.content_type, reply.body
    if body is None and ("xml" in struck or not json_accepted):
        kind, body = "application/xml;charset=UTF-8", as_xml(reply.document)
    elif body is None:
        plain = "wrong-charset" not in struck  # letters that are escaped would be in no character set
        body = json.dumps(reply.document, separators=(",", ":"), ensure_ascii=plain).encode()
    return exchange.Reply(reply.status, body, reply.headers, kind, struck=struck)
