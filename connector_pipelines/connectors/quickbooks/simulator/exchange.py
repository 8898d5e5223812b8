"""What comes in and what goes out: calls, replies, faults in both spellings, and the list that tests look at."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks.simulator.switches import Struck
from connector_pipelines.connectors.quickbooks.simulator.xml import as_xml

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"
HTML = "text/html; charset=utf-8"
SIGN_IN = b"<!doctype html><html><head><title>Sign in</title></head><body><form>Sign in</form></body></html>"
BUSY = b"<html><body><h1>Service Unavailable</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the service sees it. Header names are in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before the faults of the wire."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str = JSON
    struck: Struck = field(default_factory=Struck)

    @property
    def bytes(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.document, separators=(",", ":")).encode() if self.body is None else self.body


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


def on_the_wire(reply: Reply, *, json_accepted: bool) -> Reply:
    """The reply as accepted and as the faults of the wire leave it; those that need the connection are the server's."""
    struck, body, kind, status = reply.struck, reply.bytes, reply.content_type, reply.status
    if reply.body is None and ("xml" in struck or not json_accepted):
        body, kind = as_xml(reply.document), "application/xml;charset=UTF-8"
    if "html-200" in struck:
        body, kind, status = SIGN_IN, HTML, 200
    if "wrong-charset" in struck:
        body = json.dumps(reply.document, ensure_ascii=False).encode("latin-1", errors="replace")
    if "truncated" in struck:
        body = body[: len(body) // 2]
    headers = reply.headers
    if "gzip" in struck:
        body, headers = gzip.compress(body, mtime=0), (*headers, ("Content-Encoding", "gzip"))
    return replace(reply, status=status, body=body, content_type=kind, headers=headers)
