"""Access: client credentials become tokens with scopes and an end; what a request may see follows from its token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from connector_pipelines.connectors.oneroster.simulator.oauth1 import Verifier
from connector_pipelines.connectors.oneroster.simulator.refusals import RefusedError

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.routes import Listing, Target

SCOPE = {
    False: "https://purl.imsglobal.org/spec/or/v1p2/scope/",
    True: "https://purl.imsglobal.org/spec/or/v1p1/scope/",
}
READING = ("roster", "roster-core", "roster-demographics", "gradebook", "gradebook-core", "assessment", "resource")
SCOPE_WORDS = (
    *(f"{service}.readonly" for service in (*READING, "resource-core")),
    *(f"gradebook.{action}" for action in ("createput", "createpost", "delete")),
    *(f"assessment.{action}" for action in ("createput", "delete")),
)
ALL_SCOPES = tuple(f"{prefix}{word}" for prefix in SCOPE.values() for word in SCOPE_WORDS)
ACTIONS = {"PUT": "createput", "POST": "createpost", "DELETE": "delete"}


@dataclass(slots=True)
class Token:
    """An access token: what it opens, when it ends, and after how many calls; no number is no limit."""

    scopes: frozenset[str]
    ends: float
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The answer of the token endpoint: status and body (RFC 6749 sections 5.1 and 5.2)."""

    status: int
    body: dict[str, str | int]


@dataclass(slots=True)
class Gate:
    """Issues and checks credentials of one simulator. Tokens follow from their number: same requests, same bytes."""

    client_id: str
    client_secret: str
    lifetime_seconds: float = 3600
    tokens: dict[str, Token] = field(default_factory=dict)
    issued: int = 0
    verifier: Verifier = field(init=False)

    def __post_init__(self) -> None:
        self.verifier = Verifier(self.client_id, self.client_secret)

    def issue(self, authorization: str, form: dict[str, str], now: float, calls: int | None = None) -> TokenAnswer:
        """Answer a token request; the client identifies itself by Basic authentication or in the body."""
        client = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        good = hmac.compare_digest(client[0].encode(), self.client_id.encode())
        if not (hmac.compare_digest(client[1].encode(), self.client_secret.encode()) and good):
            return TokenAnswer(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials":
            return TokenAnswer(400, {"error": "unsupported_grant_type"})
        asked = form.get("scope", "").split() or list(ALL_SCOPES)
        if any(scope not in ALL_SCOPES for scope in asked):
            return TokenAnswer(400, {"error": "invalid_scope"})
        self.issued += 1
        token = hashlib.blake2b(f"{self.client_secret}{self.issued}".encode(), digest_size=16).hexdigest()
        self.tokens[token] = Token(frozenset(asked), now + self.lifetime_seconds, calls)
        return TokenAnswer(
            200,
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": int(self.lifetime_seconds),
                "scope": " ".join(asked),
            },
        )

    def expire(self) -> None:
        """End every token that was issued."""
        self.tokens.clear()

    def admit(self, token: str, now: float) -> frozenset[str]:
        """The scopes of a bearer token; a call is counted.

        Raises:
            RefusedError: 401, unknown or expired.
        """
        known = self.tokens.get(token)
        if known is None or now >= known.ends or known.calls == 0:
            raise RefusedError(401, "unauthorisedrequest", "The access token is missing, unknown or expired")
        if known.calls is not None:
            known.calls -= 1
        return known.scopes


def _basic(header: str) -> tuple[str, str] | None:
    """User and password of a Basic header, which a careful client has form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(user), unquote_plus(password)


def opening(target: Target, listing: Listing, method: str) -> set[str]:
    """The scopes that open an endpoint; one of them suffices."""
    prefix, service = SCOPE[target.old], listing.service
    if method in ACTIONS:
        return {f"{prefix}{service}.{ACTIONS[method]}"}
    words = {f"{prefix}{service}.readonly"}
    return words | {f"{prefix}{service}-core.readonly"} if listing.core and len(target.names) == 1 else words
