"""Whether a delivery is genuine: HMAC over its very bytes, compared in constant time, within a window of time (G80).

The settings fit what most systems do: GitHub's `X-Hub-Signature-256: sha256=<hex>` over the body, Standard Webhooks'
`webhook-signature: v1,<base64>` over id, time and body (https://www.standardwebhooks.com), and plain variants of both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from connector_pipelines.external.secrets import Secret
from connector_pipelines.notices import HookOptions

if TYPE_CHECKING:
    from datetime import datetime

    from connector_pipelines.notices import Delivery

_MILLISECONDS_SINCE = 10_000_000_000
"""From here on a number of seconds would be in the year 2286: it is milliseconds."""


class SignedHook(HookOptions):
    """A webhook that signs with a shared secret."""

    secret: Secret = Field(description="The shared secret, as {{ env.NAME }} or vault:NAME.")
    previous_secret: Secret | None = Field(
        default=None, description="The secret before, while the system is being told the new one: both are good."
    )
    header: str = Field(default="X-Signature", min_length=1, description="The header with the signature.")
    prefix: str = Field(default="", description="What stands before the signature, e.g. sha256= or v1, with the comma.")
    algorithm: Literal["sha256", "sha512", "sha1"] = Field(default="sha256", description="The hash of the HMAC.")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="How the signature is written.")
    signed: tuple[Literal["id", "timestamp", "body"], ...] = Field(
        default=("body",),
        description="What is signed, joined by dots: [body], [timestamp, body], [id, timestamp, body].",
    )
    id_header: str = Field(default="webhook-id", description="The header with the delivery's id, where it is signed.")
    timestamp_header: str = Field(
        default="webhook-timestamp", description="The header with the time in seconds since 1970, where it is signed."
    )
    tolerance_seconds: int = Field(
        default=300, ge=1, le=86_400, description="How far a signed time may be from ours, in seconds."
    )

    @model_validator(mode="after")
    def _covers_the_body(self) -> Self:
        if "body" not in self.signed:
            message = "what is signed must hold the body"
            raise ValueError(message)
        return self

    def genuine(self, delivery: Delivery, now: datetime) -> bool:
        """Whether the holder of the secret sent this, and not long ago where the time is signed.

        Raises:
            SecretMissing: the secret is not set.
        """
        content = self._content(delivery, now)
        if content is None:
            return False
        secrets = [one.reveal() for one in (self.secret, self.previous_secret) if one]
        expected = [hmac.new(secret.encode(), content, self.algorithm).digest() for secret in secrets]
        return any([hmac.compare_digest(one, mine) for one in self._given(delivery) for mine in expected])  # noqa: C419 -- all are compared, so that time tells nothing

    def _content(self, delivery: Delivery, now: datetime) -> bytes | None:
        """The bytes that were signed; None where a part is missing or too old."""
        parts: list[bytes] = []
        for part in self.signed:
            name = self.id_header if part == "id" else self.timestamp_header
            value = delivery.body if part == "body" else _latin(delivery.headers.get(name.lower(), ""))
            if part != "body" and not value:
                return None
            if part == "timestamp" and not _recent(value, now, self.tolerance_seconds):
                return None
            parts.append(value)
        return b".".join(parts)

    def _given(self, delivery: Delivery) -> list[bytes]:
        """Every signature in the header: a system that changes its key sends several, with spaces between."""
        given = delivery.headers.get(self.header.lower(), "").split()
        named = [one.removeprefix(self.prefix) for one in given[:8] if one.startswith(self.prefix)]
        return [signature for one in named if (signature := decoded(one, self.encoding)) is not None]


def decoded(text: str, encoding: Literal["hex", "base64"]) -> bytes | None:
    """A signature's bytes; None for what is none."""
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def hmac_of(secret: str, content: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.new(secret.encode(), content, hashlib.sha256).digest()


def _latin(value: str) -> bytes:
    return value.encode("latin-1", errors="replace")


def _recent(value: bytes, now: datetime, tolerance: int) -> bool:
    if not value.isdigit() or len(value) > 15:  # noqa: PLR2004 -- more digits are no time
        return False
    seconds = int(value) / 1_000 if int(value) >= _MILLISECONDS_SINCE else int(value)
    return abs(now.timestamp() - seconds) <= tolerance
