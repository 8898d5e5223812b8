"""OAuth 2 (RFC 6749): client credentials, password, and refresh tokens that change whenever they are used."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector_pipelines.external import redact
from connector_pipelines.external.tokens import FRESH_SHARE, Endpoint, Holder, Token, bearer, carries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_pipelines.external.auth import Send
    from connector_pipelines.external.messages import Request
    from connector_pipelines.external.secrets import Secret
    from connector_pipelines.external.vault import Keep


@dataclass(slots=True)
class Granted:
    """An access token for a form that can be sent again and again; see the functions below for the grants there are.

    Attributes:
        endpoint: where tokens are issued, and as whom we ask.
        form: the grant's fields, made anew for every token.
        credentials: which secrets a person should look at when we are refused.
        holder: keeps the token for all threads.
    """

    endpoint: Endpoint
    form: Callable[[], Mapping[str, str]]
    credentials: str
    holder: Holder = field(default_factory=Holder, repr=False)

    def sign(self, request: Request, send: Send) -> Request:
        """Add a token that is still fresh."""
        return bearer(request, self.holder.current(lambda: self._fetch(send)))

    def refresh(self, refused: Request, send: Send) -> bool:
        """Get a new token."""
        self.holder.renew(carries(refused), lambda: self._fetch(send))
        return True

    def _fetch(self, send: Send) -> Token:
        asked_at = self.holder.clock()
        told = self.endpoint.ask(self.form(), send, look_at=self.credentials)
        return Token(told["access_token"], asked_at + FRESH_SHARE * told["expires_in"])


def client_credentials(
    endpoint: Endpoint,
    scopes: Sequence[str] = (),
    *,
    more: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Granted:
    """Our own id and secret (RFC 6749, 4.4): one token for all threads, renewed before it dies and once on a 401.

    Args:
        endpoint: with client id and secret.
        scopes: what we ask for; the source may grant less.
        more: other fields of the form, such as `audience`.
        clock: seconds, monotonic.
    """
    form = {"grant_type": "client_credentials"} | _scope(scopes) | dict(more or {})
    return Granted(endpoint, lambda: form, endpoint.credentials, Holder(clock))


def password(endpoint: Endpoint, user: Secret, secret: Secret, scopes: Sequence[str] = ()) -> Granted:
    """A person's name and password (RFC 6749, 4.3): for systems that offer nothing better."""

    def form() -> dict[str, str]:
        return {"grant_type": "password", "username": user.reveal(), "password": secret.reveal()} | _scope(scopes)

    return Granted(endpoint, form, f"{user} and {secret}")


def _scope(scopes: Sequence[str]) -> dict[str, str]:
    return {"scope": " ".join(scopes)} if scopes else {}


@dataclass(slots=True)
class RefreshToken:
    """OAuth 2 with a refresh token that may be replaced whenever it is used, as QuickBooks does about once a day.

    A replaced token is worthless, and losing its successor means that a person must authorize us anew. So there is a
    single writer at a time over all processes; what it was given is kept, encrypted, before the new access token is
    used; and all processes use that access token.

    Attributes:
        endpoint: where tokens are issued, and as whom we ask.
        first: the refresh token a person obtained. Once it is replaced, the kept one counts, until a person obtains
            another.
        keep: where tokens are kept.
        clock: seconds since 1970: what is kept outlives the process.
    """

    endpoint: Endpoint
    first: Secret
    keep: Keep
    clock: Callable[[], float] = time.time
    _holder: Holder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._holder = Holder(self.clock)

    @property
    def credentials(self) -> str:
        """The references."""
        return f"{self.first}, {self.endpoint.credentials}"

    def sign(self, request: Request, send: Send) -> Request:
        """Add a token that is still fresh."""
        return bearer(request, self._holder.current(lambda: self._fetch(send, lambda _: False)))

    def refresh(self, refused: Request, send: Send) -> bool:
        """Get a new token, unless another thread or process already did."""
        is_refused = carries(refused)
        self._holder.renew(is_refused, lambda: self._fetch(send, is_refused))
        return True

    def _fetch(self, send: Send, is_refused: Callable[[str], bool]) -> Token:
        first = self.first.reveal()
        origin = hashlib.sha256(first.encode()).hexdigest()
        with self.keep.alone() as slot:
            held = slot.read()
            if held is None or held["origin"] != origin:  # nothing yet, or a person obtained another one
                held = {"origin": origin, "refresh_token": first, "renew_at": 0.0, "access_token": ""}
            if self.clock() < held["renew_at"] and not is_refused(held["access_token"]):
                return Token(held["access_token"], held["renew_at"])
            held = held | self._granted(held, send)
            slot.write(held)
        return Token(held["access_token"], held["renew_at"])

    def _granted(self, held: Mapping[str, Any], send: Send) -> dict[str, Any]:
        asked_at = self.clock()
        form = {"grant_type": "refresh_token", "refresh_token": redact.remember(held["refresh_token"])}
        told = self.endpoint.ask(form, send, look_at=self.credentials)
        return {
            "access_token": told["access_token"],
            "refresh_token": redact.remember(str(told.get("refresh_token") or held["refresh_token"])),
            "renew_at": asked_at + FRESH_SHARE * min(told["expires_in"], 86_400.0),
        }
