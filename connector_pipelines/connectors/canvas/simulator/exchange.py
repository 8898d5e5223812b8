"""What goes out: answers and refusals as Canvas spells them, and the list of requests that tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_pipelines.simulating.exchange import HTML, Reply, as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = "text/plain; charset=utf-8"
CHALLENGE = (("WWW-Authenticate", 'Bearer realm="canvas-lms"'),)
PAGE_404 = b"<!DOCTYPE html><html><body><h1>Page Not Found</h1></body></html>"
PAGE_503 = b"<!DOCTYPE html><html><body><h1>Service Unavailable</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received and answered.

    Attributes:
        pairs: all parameters of the query, in order.
        status: of the answer; 0 when it was never answered.
        collection: what the path names last, a target of faults; "" for unknown paths.
        rows: how many records the answer carried.
        under_way: how many requests were being answered, this one included.
        faults: names of the faults that struck it.
    """

    method: str
    path: str
    pairs: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    status: int
    collection: str
    rows: int
    under_way: int
    faults: tuple[str, ...]


class RefusedError(Exception):
    """The request is answered with a refusal."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def errors(code: int, message: str, headers: tuple[tuple[str, str], ...] = (), **more: Any) -> Reply:
    """A refusal with one message."""
    return as_json(code, {**more, "errors": [{"message": message}]}, headers)


def throttled(status: int) -> Reply:
    """Too many units in the bucket; nothing says when to come back."""
    words = {429: "Too Many Requests", 403: "Forbidden"}[status]
    headers = (("X-Rate-Limit-Remaining", "0.0"),)
    return Reply(status, f"{status} {words} (Rate Limit Exceeded)\n".encode(), headers, TEXT)


BAD_TOKEN = errors(401, "Invalid access token.", CHALLENGE)
EXPIRED_TOKEN = errors(401, "Expired access token.", CHALLENGE)
NO_TOKEN = errors(401, "user authorization required", status="unauthenticated")
NOT_FOUND = errors(404, "The specified resource does not exist.")
STRUCK: Mapping[str, Reply] = {
    "429": throttled(429),
    "429-every": throttled(429),
    "403-throttle": throttled(403),
    "401": errors(401, "Revoked access token.", CHALLENGE),
    "401-unauthorized": errors(401, "user not authorized to perform that action", status="unauthorized"),
    "403": errors(403, "user not authorized to perform that action", status="unauthorized"),
    "404": Reply(404, PAGE_404, content_type=HTML),
    "500": as_json(
        500,
        {"errors": [{"message": "An error occurred.", "error_code": "internal_server_error"}], "error_report_id": 4711},
    ),
    "503": Reply(503, PAGE_503, content_type=HTML),
}
"""What is answered instead, by the fault that strikes."""
