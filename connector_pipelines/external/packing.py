"""How a landed page lies in its file: compressed, and sealed where somebody wants it (requirement M62).

page-000001.zst          zstd
page-000001.zst.fernet   the same, sealed: a Fernet token, as bytes
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from connector_pipelines.external import sealing

if TYPE_CHECKING:
    from pathlib import Path

PACKED = ".zst"
SEALED = ".zst.fernet"
_LEVEL = 1  # on roster JSON, higher levels cost several times the time for a few per cent
_WHAT = "landed pages"


def pack(folder: Path, stem: str, body: bytes, *, sealed: bool) -> str:
    """Write a page; the name of its file.

    Raises:
        ConfigurationError: it is to be sealed, and there is no key.
    """
    import pyarrow as pa

    packed: bytes = pa.Codec("zstd", _LEVEL).compress(body, asbytes=True)
    if sealed:
        packed = _sealed(packed)
    file = f"{stem}{SEALED if sealed else PACKED}"
    (folder / file).write_bytes(packed)
    return file


def unpack(path: Path, size: int) -> bytes:
    """The body of a page, of so many bytes.

    Raises:
        ConfigurationError: it is sealed, and none of the keys opens it.
        FileNotFoundError: it is not there.
        ValueError: it is damaged.
    """
    import pyarrow as pa

    packed = path.read_bytes()
    if path.name.endswith(SEALED):
        packed = _opened(path, packed)
    try:
        body: bytes = pa.Codec("zstd").decompress(packed, size, asbytes=True)
    except (OSError, pa.ArrowException):
        raise ValueError from None
    return body


def reseal(path: Path) -> bytes | None:
    """A sealed page as it is sealed with the newest key; None where that one opens it already.

    Raises:
        ConfigurationError: none of the keys opens it.
    """
    sealed = path.read_bytes()
    if sealing.newest_opens(urlsafe_b64encode(sealed), what=_WHAT):
        return None
    return _sealed(_opened(path, sealed))


def _sealed(packed: bytes) -> bytes:
    return urlsafe_b64decode(sealing.seal(packed, what=_WHAT))


def _opened(path: Path, sealed: bytes) -> bytes:
    """What was sealed; of a damaged file nobody can tell it from one that is sealed with another key."""
    remedy = "let retention remove it; the source can be read again."
    return sealing.unseal(urlsafe_b64encode(sealed), what=f"the landed page {path}", remedy=remedy)
