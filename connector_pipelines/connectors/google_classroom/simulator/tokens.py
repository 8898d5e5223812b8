"""Who may ask: signed assertions and refresh tokens become access tokens, which end.

An assertion is taken if it is signed by the service account's key, for an administrator of the domain, addressed to
this endpoint or to Google's own, as Google's client always does, for scopes that were delegated to it, and lives an
hour at most.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from connector_pipelines.connectors.google_classroom.config import COURSEWORK_SCOPE, SCOPE, SCOPES, TOKEN_URL
from connector_pipelines.connectors.google_classroom.simulator.world import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "simulator"
CLIENT_SECRET = "simulator-secret"  # noqa: S105 -- opens nothing but simulated data
REFRESH_TOKEN = "simulated-refresh-token"  # noqa: S105 -- as above
CLIENT_EMAIL = "sync@simulated-project.iam.gserviceaccount.com"
KEY_ID = "simulated-key-1"
ADMIN = f"admin@{DOMAIN}"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_SECONDS = 3_600
SKEW_SECONDS = 300
DELEGATED = frozenset({*SCOPES, COURSEWORK_SCOPE, f"{SCOPE}profile.photos"})

Told = tuple[int, dict[str, Any]]


@cache
def private_key() -> str:
    """The service account's key as PEM: one for the process, for making one takes a while."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@dataclass(slots=True)
class Access:
    """An access token: when it ends, after how many calls (None for any number), and for what it is good."""

    ends: float
    calls: int | None
    scopes: frozenset[str]


@dataclass(slots=True)
class Issuer:
    """The token endpoint. Tokens follow from their number: same requests, same tokens."""

    lifetime_seconds: float = 3_600
    issued: int = 0
    access: dict[str, Access] = field(default_factory=dict)

    def issue(
        self, body: bytes, headers: Mapping[str, str], place: str, now: float, *, calls: int | None = None
    ) -> Told:
        """Status and document for a token request.

        Args:
            body: the form.
            headers: of the request.
            place: the endpoint's own address, which an assertion may name.
            now: seconds since 1970.
            calls: how many calls the access token is good for.
        """
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        match form.get("grant_type"):
            case "refresh_token":
                refused, scopes = _refreshed(form, headers), frozenset(DELEGATED)
            case grant if grant == JWT_BEARER:
                refused, scopes = _asserted(form.get("assertion", ""), place, now)
            case other:
                return 400, {"error": "unsupported_grant_type", "error_description": f"Invalid grant_type: {other}"}
        if refused:
            return refused
        self.issued += 1
        token = f"ya29.{hashlib.blake2b(str(self.issued).encode(), digest_size=24).hexdigest()}"
        self.access[token] = Access(now + self.lifetime_seconds, calls, scopes)
        told = {"access_token": token, "expires_in": int(self.lifetime_seconds), "token_type": "Bearer"}
        return 200, told | ({"scope": " ".join(sorted(scopes))} if form["grant_type"] == "refresh_token" else {})

    def admits(self, authorization: str, now: float) -> frozenset[str] | None:
        """What a bearer token is good for, None for nothing; a call is counted."""
        known = self.access.get(authorization.removeprefix("Bearer "))
        if known is None or now >= known.ends or known.calls == 0:
            return None
        if known.calls is not None:
            known.calls -= 1
        return known.scopes


def _grant(said: str) -> Told:
    return 400, {"error": "invalid_grant", "error_description": said}


def _refreshed(form: Mapping[str, str], headers: Mapping[str, str]) -> Told | None:
    """Why a refresh token is not taken."""
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET) and not _basic(headers):
        return 401, {"error": "invalid_client", "error_description": "The OAuth client was not found."}
    if form.get("refresh_token") != REFRESH_TOKEN:
        return _grant("Token has been expired or revoked.")
    return None


def _basic(headers: Mapping[str, str]) -> bool:
    try:
        pair = base64.b64decode(headers.get("authorization", "").removeprefix("Basic "), validate=True)
    except binascii.Error:
        return False
    return pair == f"{CLIENT_ID}:{CLIENT_SECRET}".encode()


def _asserted(assertion: str, place: str, now: float) -> tuple[Told | None, frozenset[str]]:
    """Why an assertion is not taken, and the scopes it asks for."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    try:
        decoded = jwt.decode(assertion, import_key(private_key().encode(), "RSA"), algorithms=["RS256"])
    except (JoseError, ValueError):
        return _grant("Invalid JWT Signature."), frozenset()
    claims, scopes = decoded.claims, frozenset(str(decoded.claims.get("scope", "")).split())
    judged = (
        (decoded.header.get("kid") in {None, KEY_ID}, "Invalid JWT: kid is unknown."),
        (claims.get("iss") == CLIENT_EMAIL, "Invalid grant: account not found"),
        (claims.get("aud") in {place, TOKEN_URL}, "Invalid JWT: Failed audience check."),
        (_short_lived(claims, now), "Invalid JWT: Token must be a short-lived token (60 minutes)."),
        (claims.get("sub") == ADMIN, "Invalid email or User ID"),
    )
    wrong = next((said for good, said in judged if not good), None)
    if wrong:
        return _grant(wrong), scopes
    if not scopes or scopes - DELEGATED:
        said = "Client is unauthorized to retrieve access tokens, or client not authorized for any of the scopes."
        return (401, {"error": "unauthorized_client", "error_description": said}), scopes
    return None, scopes


def _short_lived(claims: Mapping[str, Any], now: float) -> bool:
    begins, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        return False
    return begins <= now + SKEW_SECONDS and now < ends <= begins + LONGEST_SECONDS
