"""How requests prove who we are. Each scheme signs a request, and may renew what it signs with.

OAuth 1.0a and OAuth 2 are signed by Authlib; tokens are fetched over the same transport as all else, so that they
obey the same time-outs, redirect rules and retries.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlencode

from connector_pipelines.errors import AuthFailed
from connector_pipelines.external import redact
from connector_pipelines.external.messages import Request, Response

if TYPE_CHECKING:
    from connector_pipelines.external.secrets import Secret

Send = Callable[[Request], Response]
"""Sends a request without signing it; a 4xx comes back as an answer."""

_FRESH_SHARE = 0.8  # a token is renewed at 80 % of its life, so that it does not die between signing and arriving


class Auth(Protocol):
    """A way to sign requests."""

    @property
    def credentials(self) -> str:
        """Which secrets a person should look at when we are refused."""

    def sign(self, request: Request, send: Send) -> Request:
        """The request, signed."""

    def refresh(self, refused: Request, send: Send) -> bool:
        """Renew what a refused request was signed with; False where there is nothing to renew."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that a person issued."""

    token: Secret

    @property
    def credentials(self) -> str:
        """The token's reference."""
        return str(self.token)

    def sign(self, request: Request, _send: Send) -> Request:
        """Add the token."""
        return request.with_headers({"Authorization": f"Bearer {self.token.reveal()}"})

    def refresh(self, _refused: Request, _send: Send) -> bool:
        """It cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password (RFC 7617)."""

    user: Secret
    password: Secret

    @property
    def credentials(self) -> str:
        """Both references."""
        return f"{self.user} and {self.password}"

    def sign(self, request: Request, _send: Send) -> Request:
        """Add both, in base64."""
        pair = f"{self.user.reveal()}:{self.password.reveal()}".encode()
        return request.with_headers({"Authorization": f"Basic {base64.b64encode(pair).decode()}"})

    def refresh(self, _refused: Request, _send: Send) -> bool:
        """It cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header or, where a system knows no better, in the query."""

    key: Secret
    name: str = "X-API-Key"
    place: Literal["header", "query"] = "header"

    @property
    def credentials(self) -> str:
        """The key's reference."""
        return str(self.key)

    def sign(self, request: Request, _send: Send) -> Request:
        """Add the key."""
        pair = {self.name: self.key.reveal()}
        return request.with_headers(pair) if self.place == "header" else request.with_params(pair)

    def refresh(self, _refused: Request, _send: Send) -> bool:
        """It cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class OAuth1:
    """OAuth 1.0a without a token: every request is signed with key and secret (OneRoster 1.1, RFC 5849)."""

    key: Secret
    secret: Secret
    method: Literal["HMAC-SHA1", "HMAC-SHA256"] = "HMAC-SHA256"

    @property
    def credentials(self) -> str:
        """Both references."""
        return f"{self.key} and {self.secret}"

    def sign(self, request: Request, _send: Send) -> Request:
        """Add the Authorization header; the signature covers method, URL and query."""
        from authlib.oauth1 import ClientAuth

        signer = ClientAuth(self.key.reveal(), self.secret.reveal(), signature_method=self.method)
        signer.SIGNATURE_METHODS = {**signer.SIGNATURE_METHODS, "HMAC-SHA256": _hmac_sha256}
        _, headers, _ = signer.sign(request.method, request.full_url, {}, b"")
        return request.with_headers({"Authorization": headers["Authorization"]})

    def refresh(self, _refused: Request, _send: Send) -> bool:
        """Each request is signed anew anyway."""
        return False


def _hmac_sha256(client: object, request: object) -> str:
    """HMAC-SHA256 as RFC 5849 builds HMAC-SHA1: the 1EdTech security framework asks for it, Authlib lacks it."""
    import hashlib
    import hmac

    from authlib.oauth1.rfc5849.signature import generate_signature_base_string
    from authlib.oauth1.rfc5849.util import escape

    key = f"{escape(getattr(client, 'client_secret', '') or '')}&"
    base = generate_signature_base_string(request)
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()).decode()


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    renew_at: float  # on the monotonic clock


@dataclass(slots=True)
class ClientCredentials:
    """OAuth 2 client credentials (RFC 6749, 4.4): one token for all threads, renewed before it dies and once on a 401.

    Attributes:
        token_url: where tokens are issued.
        scopes: what we ask for; the source may grant less.
        send_as: whether client id and secret travel as HTTP Basic or in the form.
        clock: seconds, monotonic.
    """

    token_url: str
    client_id: Secret
    client_secret: Secret
    scopes: tuple[str, ...] = ()
    send_as: Literal["basic", "body"] = "basic"
    clock: Callable[[], float] = time.monotonic
    _token: _Token | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def credentials(self) -> str:
        """Both references."""
        return f"{self.client_id} and {self.client_secret}"

    def sign(self, request: Request, send: Send) -> Request:
        """Add a token that is still fresh."""
        with self._lock:  # the others wait for the one fetch
            if self._token is None or self.clock() >= self._token.renew_at:
                self._token = self._fetch(send)
            return request.with_headers({"Authorization": f"Bearer {self._token.value}"})

    def refresh(self, refused: Request, send: Send) -> bool:
        """Get a new token, unless another thread already did since the refused request was signed."""
        with self._lock:
            if self._token is None or refused.header("Authorization") == f"Bearer {self._token.value}":
                self._token = self._fetch(send)
            return True

    def _fetch(self, send: Send) -> _Token:
        asked_at = self.clock()
        response = send(self._token_request())
        if response.status >= 300:  # noqa: PLR2004 -- anything but success
            said = redact.excerpt(response.body)
            raise AuthFailed(
                f"the token endpoint {redact.url(self.token_url)} answered {response.status} ({said}).",
                remedy=f"Check {self.credentials}, the token URL and the scopes.",
            )
        try:
            told = json.loads(response.body)
            value, life = str(told["access_token"]), float(told.get("expires_in") or "inf")
        except (ValueError, TypeError, KeyError, AttributeError):
            said = redact.excerpt(response.body)
            raise AuthFailed(
                f"the token endpoint {redact.url(self.token_url)} sent no token ({said}).",
                remedy="Check the token URL.",
            ) from None
        return _Token(value, asked_at + _FRESH_SHARE * life)

    def _token_request(self) -> Request:
        from authlib.oauth2.auth import ClientAuth

        form = {"grant_type": "client_credentials"} | ({"scope": " ".join(self.scopes)} if self.scopes else {})
        client = ClientAuth(
            self.client_id.reveal(),
            self.client_secret.reveal(),
            "client_secret_basic" if self.send_as == "basic" else "client_secret_post",
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url, headers, body = client.prepare("POST", self.token_url, headers, urlencode(form))
        return Request(url, method="POST", headers=tuple(headers.items()), body=body.encode())
