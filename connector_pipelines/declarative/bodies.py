"""Bodies of pages: compressed ones, and the lines we put before a body so that a replay needs nothing else.

A page of a child collection is landed behind a line that names its parent; an answer that a rule calls empty is landed
as a line that says so. Both lines begin with a character that no format of ours can begin with.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Literal

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

Compression = Literal["auto", "none", "gzip", "zip"]

MAX_PLAIN_BYTES = 512 * 1024 * 1024
"""A body that unpacks to more is a mistake or an attack."""

LOOK = "Look at the landed page; tell the system's vendor, or correct this source's declaration."

_PARENT, _NOTHING = b"\x1eparent ", b"\x1enothing "
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """A page's body, unpacked.

    Attributes:
        plain: the source's own bytes.
        parent: what its records get as `_parent`, as JSON; empty where there is none.
        empty: the source answered in a way that means that there is nothing.
    """

    plain: bytes
    parent: bytes = b""
    empty: bool = False


def nothing(status: int) -> bytes:
    """What stands for an answer that means that there is nothing."""
    return _NOTHING + str(status).encode()


def of_parent(parent: Mapping[str, object], body: bytes) -> bytes:
    """A body with its parent noted before it."""
    return _PARENT + json.dumps(parent, separators=(",", ":")).encode() + b"\n" + body


def opened(body: bytes, compression: Compression = "auto", member: str = "*") -> Body:
    """A landed body, unpacked.

    Args:
        body: as it was landed.
        compression: as declared; auto looks at the first bytes.
        member: in a zip, a pattern for the one file that counts.

    Raises:
        BrokenPage: it cannot be unpacked, or unpacks to too much.
    """
    parent = b""
    if body.startswith(_PARENT):
        line, _, body = body.partition(b"\n")
        parent = line.removeprefix(_PARENT)
    if body.startswith(_NOTHING):
        return Body(b"", parent, empty=True)
    if compression == "gzip" or (compression == "auto" and body.startswith(_GZIP)):
        return Body(_gunzipped(body), parent)
    if compression == "zip" or (compression == "auto" and body.startswith((_ZIP, _EMPTY_ZIP))):
        return Body(_unzipped(body, member), parent)
    return Body(body, parent)


def broken(body: bytes, what: str) -> BrokenPage:
    """The error for a page that is not what it should be."""
    return BrokenPage(f"a page {what}; it begins: {redact.excerpt(body)!r}.", remedy=LOOK)


def _gunzipped(body: bytes) -> bytes:
    blocks, size, rest = [], 0, body
    while rest:  # gzip files may be joined
        unpacker = zlib.decompressobj(wbits=31)
        while not unpacker.eof:
            try:
                block = unpacker.decompress(rest, _BLOCK)
            except zlib.error:
                raise _damaged("gzip") from None
            rest = unpacker.unconsumed_tail
            if not block and not unpacker.eof:
                raise _damaged("gzip")
            size += len(block)
            _check(size)
            blocks.append(block)
        rest = unpacker.unused_data.lstrip(b"\x00")  # tape padding
    return b"".join(blocks)


def _unzipped(body: bytes, member: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            name = _member(archive, member)
            _check(archive.getinfo(name).file_size)
            with archive.open(name) as file:
                plain = file.read(MAX_PLAIN_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError, EOFError):
        raise _damaged("zip") from None
    _check(len(plain))
    return plain


def _member(archive: zipfile.ZipFile, pattern: str) -> str:
    files = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    fitting = [name for name in files if fnmatch(name.rpartition("/")[2], pattern) or fnmatch(name, pattern)]
    if len(fitting) == 1:
        return fitting[0]
    held = f"holds {', '.join(files[:10]) or 'nothing'}"
    raise BrokenPage(
        f"a zip has {len(fitting)} files that fit {pattern!r}; it {held}.", remedy="Say in `member` which one counts."
    )


def _check(size: int) -> None:
    if size > MAX_PLAIN_BYTES:
        raise BrokenPage(f"a page unpacks to more than {MAX_PLAIN_BYTES:,} bytes.", remedy="Ask for less.")


def _damaged(kind: str) -> BrokenPage:
    return BrokenPage(f"a page is no {kind}, or a damaged one.", remedy=LOOK)
