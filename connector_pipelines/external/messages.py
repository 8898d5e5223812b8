"""What is asked and what comes back, and which URLs may be asked at all."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. Equal requests are the same page.

    Attributes:
        url: absolute, or relative to the client's base URL.
        params: the query in the order it is sent; percent-encoded by RFC 3986, a space as %20.
        into: a file for the body of a good answer, 2xx, which then is not in the response: for answers that are too
            large for memory. Each try begins it anew.
        counts_as: what it is in the statistics, where one path serves for everything: "core_user_get_users".
    """

    url: str
    params: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    into: IO[bytes] | None = field(default=None, repr=False, compare=False)
    counts_as: str = field(default="", repr=False, compare=False)

    def with_params(self, changes: Mapping[str, str]) -> Request:
        """The same request with parameters replaced where they stand, new ones at the end."""
        kept = tuple((name, changes.get(name, value)) for name, value in self.params)
        known = {name for name, _ in kept}
        return replace(self, params=kept + tuple((n, v) for n, v in changes.items() if n not in known))

    def param(self, name: str) -> str | None:
        """The value of a query parameter."""
        return next((value for key, value in self.params if key == name), None)

    def with_headers(self, changes: Mapping[str, str]) -> Request:
        """The same request with headers replaced or added."""
        return replace(self, headers=tuple((dict(self.headers) | dict(changes)).items()))

    def header(self, name: str) -> str | None:
        """The value of a header that we set."""
        return dict(self.headers).get(name)

    @property
    def full_url(self) -> str:
        """URL with query."""
        if not self.params:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.params, quote_via=quote, safe='')}"


@dataclass(frozen=True, slots=True)
class Response:
    """What came.

    Attributes:
        headers: names in any case.
        body: decompressed; empty where the request named a file for it.
        url: as asked, without secrets.
        seconds: from sending to the last byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    seconds: float = 0.0


def is_loopback(url: str) -> bool:
    """Whether a URL stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_url(url: str) -> str:
    """The URL, if we may send credentials there.

    Raises:
        ConfigurationError: it is no URL, or plain http to another machine.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that does not close
        usable = False
    if not usable:
        raise ConfigurationError(f"{redact.url(url)!r} is no http(s) URL.", remedy="Write https://host/path.")
    if parts.scheme == "http" and not is_loopback(url):
        raise ConfigurationError(
            f"{redact.url(url)} would send credentials unencrypted.", remedy="Use https; http is for this machine only."
        )
    return url


def same_origin(here: str, there: str) -> bool:
    """Whether credentials for one URL may go to another: the same scheme, host and port, or http turned https."""
    ours, theirs = urlsplit(here), urlsplit(there)
    if ours.hostname != theirs.hostname:
        return False
    if (ours.scheme, theirs.scheme) == ("http", "https"):
        return True
    return (ours.scheme, ours.port or _PORTS.get(ours.scheme)) == (
        theirs.scheme,
        theirs.port or _PORTS.get(theirs.scheme),
    )


_PORTS = {"http": 80, "https": 443}
"""Some proxies name them in links, and no request needs to."""
