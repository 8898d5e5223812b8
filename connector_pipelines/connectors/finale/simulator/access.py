"""Who may ask, and how often (contract 5, "Auth" and "Limits")."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections import deque
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from connector_pipelines.connectors.finale.simulator.exchange import RefusedError

if TYPE_CHECKING:
    from connector_pipelines.simulating.exchange import Call

COOKIE = "JSESSIONID"
MINUTE, HOUR = 60.0, 3_600.0


@dataclass(slots=True)
class Gate:
    """Credentials, and the sessions they opened.

    Attributes:
        sessions: how many calls each session is still good for; None for any number.
    """

    api_key: str
    api_secret: str
    username: str
    password: str
    sessions: dict[str, int | None] = field(default_factory=dict)
    opened: int = 0

    def log_in(self, body: bytes, calls: int | None) -> str:
        """A new session.

        Raises:
            RefusedError: 401, or 400 where the body is no JSON.
        """
        try:
            told = json.loads(body)
            pair = (str(told["username"]), str(told["password"]))
        except (ValueError, KeyError, TypeError):
            raise RefusedError(400, "username and password are missing") from None
        if not _same(pair, (self.username, self.password)):
            raise RefusedError(401, "Wrong user name or password")
        self.opened += 1
        session = f"simulated-session-{self.opened}"
        self.sessions[session] = calls
        return session

    def admit(self, call: Call) -> None:
        """Let a call pass; one of a session is counted.

        Raises:
            RefusedError: 401; or 403 for a POST whose body does not repeat the session.
        """
        if _same(_basic(call.headers.get("authorization", "")), (self.api_key, self.api_secret)):
            return
        session = _session(call.headers.get("cookie", ""))
        if self.sessions.get(session, 0) == 0:
            raise RefusedError(401, "Not logged in")
        left = self.sessions[session]
        self.sessions[session] = None if left is None else left - 1
        if call.method == "POST" and _told_secret(call.body) != session:
            raise RefusedError(403, "sessionSecret is missing or wrong")


def _same(given: tuple[str, str], known: tuple[str, str]) -> bool:
    pairs = zip(given, known, strict=True)
    return all(hmac.compare_digest(one.encode(), other.encode()) for one, other in pairs)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, text = header.partition(" ")
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, password) if scheme.lower() == "basic" else ("", "")


def _session(cookie: str) -> str:
    try:
        morsel = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _told_secret(body: bytes) -> object:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told.get("sessionSecret") if isinstance(told, dict) else None


@dataclass(slots=True)
class Meter:
    """Counts requests in sliding spans, refused ones, too."""

    times: dict[str, deque[float]] = field(default_factory=dict)

    def seconds_to_wait(self, name: str, most: int, span: float, now: float) -> float:
        """Count a request; how long it should have waited, 0 for not at all."""
        seen = self.times.setdefault(name, deque())
        while seen and seen[0] <= now - span:
            seen.popleft()
        seen.append(now)
        return 0.0 if len(seen) <= most else seen[-most - 1] + span - now
