"""Tokens that are fetched: held once for all threads, renewed before they die and once when they are refused.

They are fetched over the same transport as all else, so that they obey the same time-outs, redirect rules and retries.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from connector_pipelines.errors import AuthFailed
from connector_pipelines.external import redact
from connector_pipelines.external.messages import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.external.auth import Send
    from connector_pipelines.external.secrets import Secret

FRESH_SHARE = 0.8
"""A token is renewed at 80 % of its life, so that it does not die between signing and arriving."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and when to get another one, on the clock of its holder. It is shown nowhere."""

    value: str = field(repr=False)
    renew_at: float = float("inf")

    def __post_init__(self) -> None:
        redact.remember(self.value)


@dataclass(slots=True)
class Holder:
    """One token for all threads: the first that needs one fetches it, the others wait for that.

    Attributes:
        clock: seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _token: Token | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def current(self, fetch: Callable[[], Token]) -> str:
        """A token that is still fresh."""
        with self._lock:
            if self._token is None or self.clock() >= self._token.renew_at:
                self._token = fetch()
            return self._token.value

    def renew(self, is_refused: Callable[[str], bool], fetch: Callable[[], Token]) -> None:
        """Fetch another token, unless another thread already did since the refused request was signed."""
        with self._lock:
            if self._token is None or is_refused(self._token.value):
                self._token = fetch()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where tokens are issued, and as whom we ask.

    Attributes:
        url: of the token endpoint.
        client_id: None where the grant alone proves who we are, as a signed assertion does.
        send_as: whether client id and secret travel as HTTP Basic or in the form.
    """

    url: str
    client_id: Secret | None = None
    client_secret: Secret | None = None
    send_as: Literal["basic", "body"] = "basic"

    @property
    def credentials(self) -> str:
        """Both references."""
        return f"{self.client_id} and {self.client_secret}"

    def ask(self, form: Mapping[str, str], send: Send, *, look_at: str) -> dict[str, Any]:
        """What the endpoint grants for a form.

        Args:
            form: the grant's fields.
            send: sends without signing.
            look_at: which secrets a person should check when it is refused.

        Raises:
            AuthFailed: it answers anything but a token; the message has its own words, without secrets.
        """
        response = send(self._request(form))
        place, said = redact.url(self.url), redact.excerpt(response.body)
        if response.status >= 300:  # noqa: PLR2004 -- anything but success
            raise AuthFailed(
                f"the token endpoint {place} answered {response.status} ({said}).",
                remedy=f"Check {look_at}, the token URL and the scopes.",
            )
        try:
            told = json.loads(response.body)
            return {**told, "access_token": str(told["access_token"]), "expires_in": _seconds(told.get("expires_in"))}
        except (ValueError, TypeError, KeyError):
            raise AuthFailed(
                f"the token endpoint {place} sent no token ({said}).", remedy="Check the token URL."
            ) from None

    def _request(self, form: Mapping[str, str]) -> Request:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url, body = self.url, urlencode(form)
        if self.client_id and self.client_secret:
            from authlib.oauth2.auth import ClientAuth

            how = "client_secret_basic" if self.send_as == "basic" else "client_secret_post"
            client = ClientAuth(self.client_id.reveal(), self.client_secret.reveal(), how)
            url, headers, body = client.prepare("POST", url, headers, body)
        return Request(url, method="POST", headers=tuple(headers.items()), body=body.encode())


def _seconds(life: object) -> float:
    """How long a token lives; for ever if nobody says."""
    return float(str(life)) if life else float("inf")


def bearer(request: Request, token: str) -> Request:
    """The request with a bearer token (RFC 6750)."""
    return request.with_headers({"Authorization": f"Bearer {token}"})


def carries(request: Request) -> Callable[[str], bool]:
    """Whether a request was signed with a bearer token."""
    return lambda token: request.header("Authorization") == f"Bearer {token}"
