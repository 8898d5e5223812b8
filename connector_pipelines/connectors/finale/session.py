"""The older log-in: a user and a password for a cookie, which every POST repeats in its body (contract 5, "Auth")."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie
from threading import Lock
from typing import TYPE_CHECKING

from connector_pipelines.errors import AuthFailed
from connector_pipelines.external import redact
from connector_pipelines.external.messages import Request

if TYPE_CHECKING:
    from connector_pipelines.external.auth import Send
    from connector_pipelines.external.messages import Response
    from connector_pipelines.external.secrets import Secret

COOKIE = "JSESSIONID"


@dataclass(slots=True)
class SessionLogin:
    """Logs in with the first request, and once more when Finale forgot the session between two requests.

    Attributes:
        url: where to log in.
    """

    url: str
    username: Secret
    password: Secret
    _session: str = field(default="", repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def credentials(self) -> str:
        """Both references."""
        return f"{self.username} and {self.password}"

    def sign(self, request: Request, send: Send) -> Request:
        """Add the session."""
        with self._lock:  # the others wait for the one log-in
            self._session = self._session or self._log_in(send)
            return with_secret(request.with_headers({"Cookie": f"{COOKIE}={self._session}"}), self._session)

    def refresh(self, refused: Request, send: Send) -> bool:
        """Log in again, unless another thread already did since the refused request was signed."""
        with self._lock:
            if refused.header("Cookie") == f"{COOKIE}={self._session}":
                self._session = self._log_in(send)
            return True

    def _log_in(self, send: Send) -> str:
        pair = {"username": self.username.reveal(), "password": self.password.reveal()}
        headers = (("Content-Type", "application/json"),)
        response = send(Request(self.url, method="POST", headers=headers, body=json.dumps(pair).encode()))
        session = _cookie(response) if response.status < 300 else ""  # noqa: PLR2004 -- success
        if not session:
            raise AuthFailed(
                f"the log-in at {redact.url(self.url)} answered {response.status} and gave no session.",
                remedy=f"Check {self.credentials}.",
            )
        return session


def with_secret(request: Request, session: str) -> Request:
    """A POST with the session in its body, which must be a JSON object; other requests as they are."""
    if request.method != "POST":
        return request
    body = json.loads(request.body or b"{}") | {"sessionSecret": session}
    return replace(request, body=json.dumps(body).encode())


def _cookie(response: Response) -> str:
    try:
        morsel = SimpleCookie(response.headers.get("Set-Cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
