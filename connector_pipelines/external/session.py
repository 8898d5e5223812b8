"""Session log-in: user and password once, then a cookie, until the source forgets it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from connector_pipelines.errors import AuthFailed
from connector_pipelines.external import redact
from connector_pipelines.external.messages import Request
from connector_pipelines.external.tokens import Holder, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.external.auth import Send
    from connector_pipelines.external.messages import Response
    from connector_pipelines.external.secrets import Secret


def _unchanged(request: Request, _session: str) -> Request:
    return request


@dataclass(slots=True)
class SessionLogin:
    """Logs in with the first request, and once more when the session was forgotten between two pages.

    Attributes:
        url: where to log in.
        cookie: the cookie that carries the session; without `find`, the log-in's answer sets it.
        fields: what user and password are called there.
        as_json: whether they travel as JSON or as a form.
        find: the session in the log-in's answer, where it is no cookie that is set; "" if there is none.
        adorn: what a request needs on top of the cookie. Finale wants the session in the body of each POST, too.
    """

    url: str
    user: Secret
    password: Secret
    cookie: str
    fields: tuple[str, str] = ("username", "password")
    as_json: bool = True
    find: Callable[[Response], str] | None = None
    adorn: Callable[[Request, str], Request] = _unchanged
    holder: Holder = field(default_factory=Holder, repr=False)

    @property
    def credentials(self) -> str:
        """Both references."""
        return f"{self.user} and {self.password}"

    def sign(self, request: Request, send: Send) -> Request:
        """Add the session."""
        session = self.holder.current(lambda: self._log_in(send))
        return self.adorn(request.with_headers({"Cookie": f"{self.cookie}={session}"}), session)

    def refresh(self, refused: Request, send: Send) -> bool:
        """Log in again."""
        self.holder.renew(
            lambda session: refused.header("Cookie") == f"{self.cookie}={session}", lambda: self._log_in(send)
        )
        return True

    def _log_in(self, send: Send) -> Token:
        pair = dict(zip(self.fields, (self.user.reveal(), self.password.reveal()), strict=True))
        body = json.dumps(pair) if self.as_json else urlencode(pair)
        kind = "application/json" if self.as_json else "application/x-www-form-urlencoded"
        response = send(Request(self.url, method="POST", headers=(("Content-Type", kind),), body=body.encode()))
        found = (self.find or self._set_cookie)(response) if response.status < 300 else ""  # noqa: PLR2004 -- success
        if not found:
            raise AuthFailed(
                f"the log-in at {redact.url(self.url)} answered {response.status} and gave no session.",
                remedy=f"Check {self.credentials}.",
            )
        return Token(found)

    def _set_cookie(self, response: Response) -> str:
        return cookies(response.headers).get(self.cookie, "")


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies an answer sets, by name; one that is malformed counts as none."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("Set-Cookie", "")).items()}
    except CookieError:
        return {}
