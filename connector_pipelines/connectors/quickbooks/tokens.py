"""Refresh tokens that change when they are used: QuickBooks replaces them about once a day.

A replaced token is worthless a little later, and losing its successor means that a person must sign in again. So there
is one writer at a time over all processes; what it was given is kept before the new access token is used; and all
processes use that one. Two that refresh at once would leave one of them with `invalid_grant`.
https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/faq
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from connector_pipelines.errors import AuthFailed, ConfigurationError
from connector_pipelines.external import redact
from connector_pipelines.external.messages import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from connector_pipelines.connectors.quickbooks.config import OAuth2
    from connector_pipelines.external.auth import Send
    from connector_pipelines.external.secrets import Secret

FRESH_SHARE = 0.8
"""An access token is renewed at 80 % of its life, so that it does not die between signing and arriving."""


class Slot(Protocol):
    """Where one changing secret is kept, while nobody else may change it."""

    def read(self) -> dict[str, Any] | None:
        """What is kept; None before the first time."""

    def write(self, held: dict[str, Any]) -> None:
        """Keep it; it is durable when this returns."""


class Keep(Protocol):
    """Keeps one changing secret for all processes."""

    def alone(self) -> AbstractContextManager[Slot]:
        """The slot, for one process at a time."""


@dataclass(frozen=True, slots=True)
class FileKeep:
    """Keeps a changing secret in a file on this machine, sealed with a key that is made of another secret.

    Attributes:
        path: of the file; beside it lies the lock that lets one process change it.
        seal: a secret that is in no file, the app's client secret.
    """

    path: Path
    seal: Secret

    @contextmanager
    def alone(self) -> Iterator[Slot]:
        """The slot, when all others are done with it.

        Raises:
            ConfigurationError: the folder cannot be written to; noticed before a token is spent.
        """
        from fasteners import InterProcessLock

        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            writable = os.access(self.path.parent, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            raise ConfigurationError(
                f"tokens cannot be kept in {self.path.parent}.",
                remedy="Let CONNECTOR_PIPELINES_LOCAL_DIR name a folder that can be written to.",
            )
        with InterProcessLock(self.path.with_suffix(".lock")):
            yield self

    def read(self) -> dict[str, Any] | None:
        """What is kept; None before the first time, and for what was sealed with another client secret."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            opened = Fernet(self._key()).decrypt(self.path.read_bytes())
        except (FileNotFoundError, InvalidToken):
            return None
        held: dict[str, Any] = json.loads(opened)
        return held

    def write(self, held: dict[str, Any]) -> None:
        """Keep it: written beside, flushed to disk, and put in place at once."""
        from cryptography.fernet import Fernet

        beside = self.path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(Fernet(self._key()).encrypt(json.dumps(held).encode()))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def _key(self) -> bytes:
        digest = hashlib.sha256(b"connector_pipelines quickbooks tokens\0" + self.seal.reveal().encode()).digest()
        return base64.urlsafe_b64encode(digest)


@dataclass(slots=True)
class RotatingToken:
    """OAuth 2 with a refresh token that is replaced when it is used (RFC 6749, 6).

    Attributes:
        oauth: the app's keys, and the refresh token a person obtained. Once that is replaced the kept one counts,
            until a person obtains another.
        keep: where tokens are kept.
        clock: seconds since 1970, for what is kept outlives the process.
    """

    oauth: OAuth2
    keep: Keep
    clock: Callable[[], float] = time.time
    _held: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def credentials(self) -> str:
        """The references."""
        return f"{self.oauth.refresh_token}, {self.oauth.client_id} and {self.oauth.client_secret}"

    def sign(self, request: Request, send: Send) -> Request:
        """Add a token that is still fresh."""
        with self._lock:  # the other threads wait for the one renewal
            if not self._fresh(self._held):
                self._held = self._renewed(send, refused="")
            return request.with_headers({"Authorization": f"Bearer {self._held['access_token']}"})

    def refresh(self, refused: Request, send: Send) -> bool:
        """Get a new token, unless another thread or process already did since the refused request was signed."""
        signed = (refused.header("Authorization") or "").removeprefix("Bearer ")
        with self._lock:
            if not self._held or self._held["access_token"] == signed:
                self._held = self._renewed(send, refused=signed)
            return True

    def _fresh(self, held: Mapping[str, Any]) -> bool:
        return bool(held) and self.clock() < float(held["renew_at"])

    def _renewed(self, send: Send, *, refused: str) -> Mapping[str, Any]:
        """What another process was given already, or what we are given now, kept before it is used."""
        first = self.oauth.refresh_token.reveal()
        origin = hashlib.sha256(first.encode()).hexdigest()
        with self.keep.alone() as slot:
            held = slot.read() or {}
            if held.get("origin") != origin:  # nothing is kept yet, or a person signed in again
                held = {"origin": origin, "refresh_token": first, "access_token": "", "renew_at": 0.0}
            if self._fresh(held) and held["access_token"] != refused:
                return held
            held |= self._granted(str(held["refresh_token"]), send)
            slot.write(held)
            return held

    def _granted(self, refresh_token: str, send: Send) -> dict[str, Any]:
        asked_at = self.clock()
        response = send(self._token_request(refresh_token))
        place, said = redact.url(self.oauth.token_url), redact.excerpt(response.body)
        if b"invalid_grant" in response.body:
            raise AuthFailed(
                f"QuickBooks does not take our refresh token any more (invalid_grant from {place}): it was replaced"
                " elsewhere, unused for 100 days, or the app was disconnected.",
                remedy=f"Let a person connect the app to the company again and put the new token into "
                f"{self.oauth.refresh_token}.",
            )
        if response.status >= 300:  # noqa: PLR2004 -- anything but success
            raise AuthFailed(
                f"the token endpoint {place} answered {response.status} ({said}).",
                remedy=f"Check {self.credentials}, and that they belong to this environment.",
            )
        try:
            told = json.loads(response.body)
            life = float(told.get("expires_in") or 3_600)
            granted = {"access_token": str(told["access_token"]), "renew_at": asked_at + FRESH_SHARE * life}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise AuthFailed(f"the token endpoint {place} sent no token.", remedy="Check the token URL.") from None
        return granted | {"refresh_token": str(told.get("refresh_token") or refresh_token)}

    def _token_request(self, refresh_token: str) -> Request:
        from authlib.oauth2.auth import ClientAuth

        client = ClientAuth(self.oauth.client_id.reveal(), self.oauth.client_secret.reveal(), "client_secret_basic")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        form = urlencode({"grant_type": "refresh_token", "refresh_token": refresh_token})
        url, headers, body = client.prepare("POST", self.oauth.token_url, headers, form)
        return Request(url, method="POST", headers=tuple(headers.items()), body=body.encode())
