"""How requests prove who we are. Each scheme signs a request, and may renew what it signs with.

Schemes whose credentials stand still are here; those that fetch a token are in `oauth.py`, `jwt.py` and `session.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from connector_pipelines.external import redact
from connector_pipelines.external.messages import Request, Response

if TYPE_CHECKING:
    from connector_pipelines.external.secrets import Secret

Send = Callable[[Request], Response]
"""Sends a request without signing it; a 4xx comes back as an answer."""


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
        sent = redact.remember(base64.b64encode(pair).decode())
        return request.with_headers({"Authorization": f"Basic {sent}"})

    def refresh(self, _refused: Request, _send: Send) -> bool:
        """It cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header, a cookie or, where a system knows no better, in the query or in a JSON body."""

    key: Secret
    name: str = "X-API-Key"
    place: Literal["header", "query", "cookie", "body"] = "header"

    @property
    def credentials(self) -> str:
        """The key's reference."""
        return str(self.key)

    def sign(self, request: Request, _send: Send) -> Request:
        """Add the key."""
        key = self.key.reveal()
        match self.place:
            case "header":
                return request.with_headers({self.name: key})
            case "query":
                return request.with_params({self.name: key})
            case "body":
                told = json.loads(request.body or b"{}") | {self.name: key}
                return replace(request, body=json.dumps(told).encode()).with_headers(
                    {"Content-Type": "application/json"}
                )
        return request.with_headers({"Cookie": f"{self.name}={key}"})

    def refresh(self, _refused: Request, _send: Send) -> bool:
        """It cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class Custom:
    """Whatever a system invented: a function that signs.

    Attributes:
        signer: the request, signed. Called for every try, also after a redirect.
        credentials: which secrets a person should look at when we are refused.
    """

    signer: Callable[[Request], Request]
    credentials: str = ""

    def sign(self, request: Request, _send: Send) -> Request:
        """What the function makes of it."""
        return self.signer(request)

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
