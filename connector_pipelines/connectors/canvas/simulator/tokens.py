"""Who may ask: a token that an administrator issued, or access tokens for a developer key's refresh token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from connector_pipelines.connectors.canvas.simulator.exchange import BAD_TOKEN, EXPIRED_TOKEN, NO_TOKEN, RefusedError

CLIENT_ID = "10000000000007"
CLIENT_SECRET = "simulator-secret"  # noqa: S105 -- opens nothing but simulated data
REFRESH_TOKEN = "simulated-refresh-token"  # noqa: S105 -- as above
TOKEN = "4021~simulated-token"  # noqa: S105 -- as above


@dataclass(slots=True)
class Access:
    """An access token: when it ends, and after how many calls; None for any number."""

    ends: float
    calls: int | None


@dataclass(slots=True)
class Issuer:
    """The token endpoint. A refresh token stays as it is; the access token before ends with the next one."""

    lifetime_seconds: float = 3_600
    issued: int = 0
    access: dict[str, Access] = field(default_factory=dict)

    def issue(self, authorization: str, body: bytes, now: float, calls: int | None) -> tuple[int, dict[str, Any]]:
        """Status and document for a token request: as Canvas does, without another refresh token."""
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET) and not _basic(
            authorization
        ):
            return 401, {"error": "invalid_client", "error_description": "unknown client"}
        if form.get("grant_type") != "refresh_token":
            return 400, {"error": "unsupported_grant_type", "error_description": "The grant_type is not supported."}
        if not hmac.compare_digest(form.get("refresh_token", "").encode(), REFRESH_TOKEN.encode()):
            return 400, {"error": "invalid_grant", "error_description": "refresh_token not found"}
        self.issued += 1
        token = f"4021~{hashlib.blake2b(str(self.issued).encode(), digest_size=24).hexdigest()}"
        self.access = {token: Access(now + self.lifetime_seconds, calls)}
        person = {"id": 1, "name": "An administrator", "global_id": "40210000000000001"}
        told = {"access_token": token, "token_type": "Bearer", "user": person, "canvas_region": "us-east-1"}
        return 200, told | {"expires_in": int(self.lifetime_seconds)}

    def admit(self, authorization: str, now: float) -> str:
        """The token of a caller; a call is counted.

        Raises:
            RefusedError: 401, in the words that fit.
        """
        if not authorization:
            raise RefusedError(NO_TOKEN)
        token = authorization.removeprefix("Bearer ")
        if token == TOKEN:
            return token
        known = self.access.get(token)
        if known is None:
            raise RefusedError(BAD_TOKEN)
        if now >= known.ends or known.calls == 0:
            raise RefusedError(EXPIRED_TOKEN)
        if known.calls is not None:
            known.calls -= 1
        return token


def _basic(header: str) -> bool:
    scheme, _, text = header.partition(" ")
    try:
        pair = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return scheme.lower() == "basic" and pair == f"{CLIENT_ID}:{CLIENT_SECRET}"
