"""What goes out: Google's errors, and the list of requests that tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSY = b"<html><title>Error 503 (Service Unavailable)</title></html>"

_CODES = {
    "INVALID_ARGUMENT": (400, "badRequest"),
    "UNAUTHENTICATED": (401, "authError"),
    "PERMISSION_DENIED": (403, "forbidden"),
    "NOT_FOUND": (404, "notFound"),
    "RESOURCE_EXHAUSTED": (429, "rateLimitExceeded"),
    "INTERNAL": (500, "backendError"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received and answered.

    Attributes:
        endpoint: courses, course, students, teachers, courseWork, studentSubmissions, rubrics, profile or token; "" for
            an unknown path.
        course: whose roster.
        faults: names of the faults that struck it.
    """

    method: str
    path: str
    params: Mapping[str, str]
    status: int
    endpoint: str
    course: str
    faults: tuple[str, ...]


class RefusedError(Exception):
    """The request is answered with an error.

    Args:
        status: Google's word for it.
        message: what is wrong.
        reason: the old word for it, where it is not the usual one.
        info: the new word for it, in `details`.
    """

    def __init__(self, status: str, message: str, reason: str = "", info: str = "") -> None:
        super().__init__(message)
        self.code, usual = _CODES[status]
        told: dict[str, Any] = {
            "code": self.code,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": reason or usual}],
            "status": status,
        }
        if info:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            told["details"] = [{"@type": kind, "reason": info, "domain": "googleapis.com"}]
        self.document = {"error": told}


def exhausted() -> RefusedError:
    """429."""
    said = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'"
    return RefusedError("RESOURCE_EXHAUSTED", said, info="RATE_LIMIT_EXCEEDED")


def unauthenticated() -> RefusedError:
    """401."""
    said = "Request had invalid authentication credentials. Expected OAuth 2 access token."
    return RefusedError("UNAUTHENTICATED", said)
