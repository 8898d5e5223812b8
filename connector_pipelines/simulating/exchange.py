"""What comes in and what goes out, and what the faults of the wire make of it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from connector_pipelines.simulating.faults import Struck

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"
HTML = "text/html; charset=utf-8"
LOGIN_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><form>Sign in</form></body></html>"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a service sees it.

    Attributes:
        path: decoded; `raw_path` is as it was sent.
        pairs: all parameters of the query, in order.
        headers: found by name in any case; iterated in lower case.
        origin: scheme and host as the client wrote them.
        under_way: how many requests are being answered, this one included.
    """

    method: str
    path: str
    pairs: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    origin: str = ""
    raw_path: str = ""
    query: str = ""
    under_way: int = 1

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters, the last of each name."""
        return dict(self.pairs)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before the faults of the wire. `rows` is how many records it carries."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    rows: int = 0
    struck: Struck = field(default_factory=Struck)


def as_json(status: int, document: object, headers: tuple[tuple[str, str], ...] = (), rows: int = 0) -> Reply:
    """A reply that carries a document."""
    return Reply(status, msgspec.json.encode(document), headers, rows=rows)


def on_the_wire(reply: Reply) -> Reply:
    """The reply as the faults of the wire leave it; those that need time or the connection are the server's."""
    struck, changed = reply.struck, reply
    if "html-200" in struck:
        changed = replace(changed, status=200, body=LOGIN_PAGE, content_type=HTML)
    if "wrong-charset" in struck:
        kind = changed.content_type.partition(";")[0]
        changed = replace(changed, body=_latin(changed.body), content_type=f"{kind}; charset=utf-8")
    if "truncated" in struck:
        changed = replace(changed, body=changed.body[: len(changed.body) // 2])
    if "gzip" in struck:
        headers = (*changed.headers, ("Content-Encoding", "gzip"))
        changed = replace(changed, body=gzip.compress(changed.body, 1, mtime=0), headers=headers)
    return changed


def _latin(body: bytes) -> bytes:
    """Latin-1 of what is UTF-8; anything else is wrong enough."""
    try:
        return body.decode().encode("latin-1", errors="replace")
    except UnicodeDecodeError:
        return body
