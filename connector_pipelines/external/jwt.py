"""JSON web tokens (RFC 7519): signed by us and sent as they are, or exchanged for an access token (RFC 7523)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.oauth import Granted
from connector_pipelines.external.tokens import FRESH_SHARE, Endpoint, Holder, Token, bearer, carries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.external.auth import Send
    from connector_pipelines.external.messages import Request
    from connector_pipelines.external.secrets import Secret

_KEY_TYPES: Mapping[str, Literal["oct", "EC", "RSA"]] = {"HS": "oct", "ES": "EC"}
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes signed tokens.

    Attributes:
        key: a shared secret for HS*, a private key as PEM for all others.
        claims: what the token says besides its times, such as `iss`, `aud`, `scope`, `sub`.
        algorithm: how it is signed.
        key_id: the header's `kid`, where the source knows several of our keys.
        life_seconds: how long it is good for; an hour at most for Google.
    """

    key: Secret
    claims: Mapping[str, str]
    algorithm: str = "RS256"
    key_id: str | None = None
    life_seconds: int = 3_600

    def token(self, now: float) -> str:
        """A token that is good from now, given in seconds since 1970.

        Raises:
            ConfigurationError: the key does not fit the algorithm.
        """
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import import_key

        header = {"alg": self.algorithm, "typ": "JWT"} | ({"kid": self.key_id} if self.key_id else {})
        claims = {**self.claims, "iat": int(now), "exp": int(now) + self.life_seconds}
        raw = self.key.reveal().encode()
        try:
            key = import_key(raw, _KEY_TYPES.get(self.algorithm[:2], "RSA"))
            return jwt.encode(header, claims, key, algorithms=[self.algorithm])
        except (JoseError, ValueError, TypeError):
            raise ConfigurationError(
                f"{self.key} cannot sign with {self.algorithm}.", remedy="Put the whole private key there, as PEM."
            ) from None


@dataclass(slots=True)
class Jwt:
    """A token that we sign ourselves and send as a bearer token."""

    signer: Signer
    clock: Callable[[], float] = time.time
    _holder: Holder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._holder = Holder(self.clock)

    @property
    def credentials(self) -> str:
        """The key's reference."""
        return str(self.signer.key)

    def sign(self, request: Request, _send: Send) -> Request:
        """Add a token that is still fresh."""
        return bearer(request, self._holder.current(self._signed))

    def refresh(self, refused: Request, _send: Send) -> bool:
        """Sign another one."""
        self._holder.renew(carries(refused), self._signed)
        return True

    def _signed(self) -> Token:
        now = self.clock()
        return Token(self.signer.token(now), now + FRESH_SHARE * self.signer.life_seconds)


def service_account(token_url: str, signer: Signer, *, clock: Callable[[], float] = time.time) -> Granted:
    """A token that we sign ourselves and exchange for an access token, as Google's service accounts do."""
    return Granted(
        Endpoint(token_url),
        lambda: {"grant_type": _GRANT, "assertion": signer.token(clock())},
        str(signer.key),
        Holder(clock),
    )
