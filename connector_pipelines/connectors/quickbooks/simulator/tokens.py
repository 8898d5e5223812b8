"""Who may ask: refresh tokens become access tokens, which end; a replaced refresh token is worthless at once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

CLIENT_ID = "simulator"
CLIENT_SECRET = "simulator-secret"  # noqa: S105 -- opens nothing but simulated data
FIRST_REFRESH_TOKEN = "simulated-refresh-token-1"  # noqa: S105 -- as above
CODE = "simulated-code"
HARD_EXPIRY = "x-include-refresh-token-hard-expires-in"


@dataclass(slots=True)
class Access:
    """An access token: when it ends, and after how many calls; None for any number."""

    ends: float
    calls: int | None


@dataclass(slots=True)
class Issuer:
    """The token endpoint of one app and company. Tokens follow from their number: same requests, same bytes."""

    lifetime_seconds: float = 3_600
    refresh_token: str = FIRST_REFRESH_TOKEN
    refreshed: int = 0
    access: dict[str, Access] = field(default_factory=dict)

    def issue(
        self, authorization: str, body: bytes, now: float, *, rotate: int | None, calls: int | None, hard: bool
    ) -> tuple[int, dict[str, Any]]:
        """Status and document for a token request.

        Args:
            authorization: the header; the app proves itself by HTTP Basic.
            body: the form.
            now: seconds.
            rotate: replace the refresh token at every so-manieth refresh; None for never.
            calls: how many calls the access token is good for.
            hard: tell the hard end of the refresh token, too.
        """
        if not _is_app(authorization):
            return 401, {"error": "invalid_client"}
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        match form.get("grant_type"):
            case "authorization_code":
                good = form.get("code") == CODE
            case "refresh_token":
                good = hmac.compare_digest(form.get("refresh_token", "").encode(), self.refresh_token.encode())
            case _:
                return 400, {"error": "unsupported_grant_type"}
        if not good:
            return 400, {"error": "invalid_grant", "error_description": "Incorrect or expired token"}
        self.refreshed += 1
        if rotate and self.refreshed % rotate == 0:
            self.refresh_token = f"simulated-refresh-token-{self.refreshed + 1}"
        token = hashlib.blake2b(f"{self.refresh_token}{self.refreshed}".encode(), digest_size=24).hexdigest()
        self.access[token] = Access(now + self.lifetime_seconds, calls)
        told = {
            "access_token": token,
            "expires_in": int(self.lifetime_seconds),
            "refresh_token": self.refresh_token,
            "x_refresh_token_expires_in": 8_726_400,
            "token_type": "bearer",
        }
        return 200, told | ({"x_refresh_token_hard_expires_in": 157_680_000} if hard else {})

    def admits(self, authorization: str, now: float) -> bool:
        """Whether a bearer token is good; a call is counted."""
        known = self.access.get(authorization.removeprefix("Bearer "))
        if known is None or now >= known.ends or known.calls == 0:
            return False
        if known.calls is not None:
            known.calls -= 1
        return True

    def revoke(self) -> None:
        """End every token there is; a person must sign in again."""
        self.access.clear()
        self.refresh_token = f"signed-in-again-{self.refreshed + 1}"


def _is_app(header: str) -> bool:
    scheme, _, text = header.partition(" ")
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    told = (unquote_plus(user), unquote_plus(password))
    return scheme.lower() == "basic" and told == (CLIENT_ID, CLIENT_SECRET)
