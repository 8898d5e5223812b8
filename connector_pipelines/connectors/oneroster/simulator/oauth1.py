"""OAuth 1.0a, two-legged: is a request signed with the consumer's secret (contract 1.2; RFC 5849 section 3)?"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

DIGESTS: dict[str, Callable[..., hashlib._Hash]] = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
ALLOWED_SKEW_SECONDS = 300


def encode(text: str) -> str:
    """Percent-encoding of RFC 3986: only unreserved characters stay, a space is %20."""
    return quote(text, safe="-._~")


def parse_header(header: str) -> dict[str, str]:
    """The parameters of an `Authorization: OAuth …` header."""
    pairs = (part.strip().partition("=") for part in header.removeprefix("OAuth ").split(","))
    return {unquote(name): unquote(value.strip('"')) for name, _, value in pairs if name}


def base_string(method: str, url: str, parameters: list[tuple[str, str]]) -> str:
    """What is signed; `url` is without its query, `parameters` are decoded and without signature and realm."""
    pairs = sorted((encode(name), encode(value)) for name, value in parameters)
    return "&".join(encode(part) for part in (method.upper(), url, "&".join(f"{n}={v}" for n, v in pairs)))


def sign(text: str, secret: str, method: str) -> str:
    """The signature of a base string; there is no token, so the key ends with `&`."""
    digest = hmac.new(f"{encode(secret)}&".encode(), text.encode(), DIGESTS[method]).digest()
    return base64.b64encode(digest).decode()


@dataclass(slots=True)
class Verifier:
    """Checks signatures and remembers nonces, so that a request cannot be replayed."""

    consumer_key: str
    secret: str
    seen: set[tuple[str, str]] = field(default_factory=set)

    def problem(self, method: str, url: str, query: str, header: str, now: float) -> str | None:
        """Why a signed request is refused; None when it is good.

        Args:
            method: HTTP method.
            url: address without query.
            query: raw query string.
            header: the Authorization header.
            now: seconds since 1970.
        """
        given = parse_header(header)
        algorithm = given.get("oauth_signature_method", "")
        if given.get("oauth_consumer_key") != self.consumer_key:
            return "Unknown oauth_consumer_key"
        if algorithm not in DIGESTS:
            return f"Unsupported oauth_signature_method '{algorithm}'"
        if not given.get("oauth_timestamp", "").isdigit():
            return "oauth_timestamp is missing"
        if abs(now - int(given["oauth_timestamp"])) > ALLOWED_SKEW_SECONDS:
            return "oauth_timestamp is too far from the server's clock"
        signed = [(name, value) for name, value in given.items() if name not in {"oauth_signature", "realm"}]
        text = base_string(method, url, signed + parse_qsl(query, keep_blank_values=True))
        if not hmac.compare_digest(sign(text, self.secret, algorithm), given.get("oauth_signature", "")):
            return "The signature does not match"
        return self._replayed(given)

    def _replayed(self, given: dict[str, str]) -> str | None:
        used = given.get("oauth_nonce", ""), given["oauth_timestamp"]
        if used in self.seen:
            return "The nonce was used before"
        self.seen.add(used)
        return None
