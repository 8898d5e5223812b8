"""Raw pages as they came, before anybody reads them: for replay, for proof, and to look at a page that broke a read.

    <root>/<source>/<entity>/<read id>/page-000001.zst   the body, zstd; sealed, too: see `packing`
                                       manifest.jsonl    one line per page, written after its file
                                       manifest.json     written last: what the pages are together
    <root>/<source>/<entity>/<read id>.removed.json      in their place where they were removed: when, and by what

A page that held records of somebody who was erased is kept as the list of its other records instead of its body: bodies
are of any form, packed or columnar, and name people beside the records, too. Its line says which records are gone.

The root is a folder or anything fsspec knows (`s3://bucket/landing`).
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.external import packing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connector_pipelines.model import Window
    from connector_pipelines.pages import Page

_LINES = "manifest.jsonl"
_WHOLE = "manifest.json"


@dataclass(frozen=True, slots=True)
class LandedPage:
    """A page as it was landed, its checksum verified.

    Attributes:
        url: as it was asked for, without secrets.
        sha256: of the body, in hexadecimal.
        erased: places of records that were erased, from 0; then the body is the list of all others.
    """

    number: int
    url: str
    body: bytes
    sha256: str
    rows: int
    erased: tuple[int, ...] = ()

    def records(self, split: Callable[[bytes], Sequence[bytes]]) -> Sequence[bytes]:
        """Its raw records in order, as the stream's `split` takes them apart; nothing in the place of an erased one."""
        return _unlisted(self.body) if self.erased else split(self.body)


class Landing:
    """Where landed pages lie.

    Args:
        root: a path, or a URL that fsspec knows. Nothing is touched before the first page.
        sealed: whether new pages are sealed. Those that lie there are read in either case.
    """

    def __init__(self, root: str, *, sealed: bool = False) -> None:
        self.root = root
        self.sealed = sealed

    def open(self, source: str, entity: str, read_id: int, *, window: Window | None = None) -> LandingWriter:
        """A writer for the pages of one read. Pages of an earlier try with the same id are forgotten."""
        folder = self._folder(source, entity, read_id)
        return LandingWriter(folder, source, entity, read_id, window, sealed=self.sealed)

    def pages(self, source: str, entity: str, read_id: int) -> Iterator[LandedPage]:
        """The pages of a read, in order, each verified when its turn comes.

        Raises:
            BrokenPage: nothing was landed, or a page is damaged; the message names the file.
        """
        folder = self._folder(source, entity, read_id)
        for line in _lines(folder):
            yield _verified(folder, line)

    def page(self, source: str, entity: str, read_id: int, number: int) -> LandedPage:
        """One page of a read.

        Raises:
            BrokenPage: it was not landed, or is damaged.
        """
        folder = self._folder(source, entity, read_id)
        for line in _lines(folder):
            if line["number"] == number:
                return _verified(folder, line)
        raise BrokenPage(f"{folder} holds no page {number}.", remedy=_READ_AGAIN)

    def manifest(self, source: str, entity: str, read_id: int) -> dict[str, Any]:
        """What was noted when the read ended: pages, rows, window, whether it was complete.

        Raises:
            BrokenPage: the read did not end, or never was.
        """
        path = self._folder(source, entity, read_id) / _WHOLE
        try:
            noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            raise BrokenPage(f"{path} is missing or damaged.", remedy=_READ_AGAIN) from None
        return noted

    def reads(self, source: str, entity: str) -> list[int]:
        """The reads of which anything is landed, oldest first; those that were cut off included."""
        try:
            found = [path for path in self._folder(source, entity, 0).parent.iterdir() if path.name.isdecimal()]
        except (FileNotFoundError, NotADirectoryError):  # the second is what object stores raise
            return []
        return sorted(int(path.name) for path in found if any(path.iterdir()))

    def keep(self, source: str, entity: str, read_id: int, changed: Mapping[int, tuple[str, Sequence[bytes]]]) -> None:
        """Keep of these pages, by their numbers, only this address and these records; nothing where one was erased.

        The new files come first, then the manifest that names them, then the old files go: cut off anywhere, the read
        is whole as it was or as it shall be. What no line names is removed, so doing it again finishes it.
        """
        folder = self._folder(source, entity, read_id)
        lines = [
            line
            | (
                _listed_line(folder, line, *changed[line["number"]], sealed=self.sealed)
                if line["number"] in changed
                else {}
            )
            for line in _lines(folder)
        ]
        if changed:
            _replace(folder / _LINES, "".join(json.dumps(line) + "\n" for line in lines).encode())
        named = {str(line["file"]) for line in lines} | {_LINES, _WHOLE}
        for path in [path for path in folder.iterdir() if path.name not in named]:
            path.unlink()

    def remove(self, source: str, entity: str, read_id: int, *, by: str = "retention") -> None:
        """Remove the pages of a read for good. The note of it comes first: none is ever missing without one."""
        folder = self._folder(source, entity, read_id)
        note = {"read": read_id, "removed_at": _now(), "by": by}
        _note_of(folder).write_text(json.dumps(note) + "\n", encoding="utf-8")
        for path in list(folder.iterdir()):
            path.unlink()
        if "://" not in str(folder):
            folder.rmdir()

    def reseal(self) -> int:
        """Seal all sealed pages with the newest key, and tell how many needed it. Cut off, it goes on when done again.

        Raises:
            ConfigurationError: none of the keys opens one of them; the message names it.
        """
        count = 0
        for path in _path(self.root).glob(f"*/*/*/page-*{packing.SEALED}"):
            with suppress(FileNotFoundError):  # removed meanwhile
                if anew := packing.reseal(path):
                    _replace(path, anew)
                    count += 1
        return count

    def _folder(self, source: str, entity: str, read_id: int) -> Path:
        for name in (source, entity):
            if not name or set(name) & set("/\\\x00") or name.startswith("."):
                raise ConfigurationError(f"{name!r} cannot name a folder.", remedy="Use letters, digits, - and _.")
        return _path(self.root) / source / entity / str(read_id)


class LandingWriter:
    """Writes the pages of one read. Leaving its context without `close` notes that the read is not complete."""

    def __init__(
        self, folder: Path, source: str, entity: str, read_id: int, window: Window | None, *, sealed: bool
    ) -> None:
        self._folder = folder
        self._sealed = sealed
        self._local = "://" not in str(folder)
        self._lines: list[str] = []
        self._log: IO[str] | None = None
        self._rows = 0
        self._closed = False
        self._head = {"read": read_id, "source": source, "entity": entity, "window": window and str(window)}
        self._started_at = _now()
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (folder / _LINES, folder / _WHOLE, _note_of(folder)):
            stale.unlink(missing_ok=True)

    def add(self, page: Page) -> None:
        """Land one page: its file first, then its line, so that a line never names a file that is not there."""
        gone = _erased(page.rows)
        body = _listed(page.rows) if gone else page.body
        file = packing.pack(self._folder, f"page-{page.number:06}", body, sealed=self._sealed)
        line = {
            "number": page.number,
            "file": file,
            "url": page.url,
            "status": page.status,
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "rows": len(page.rows),
            "fetched_at": _now(),
        } | ({"erased": gone} if gone else {})
        self._rows += len(page.rows)
        self._note(json.dumps(line) + "\n")

    def _note(self, line: str) -> None:
        """On disk each line is flushed; an object store has no appending, so there they are kept for the end."""
        self._lines.append(line)
        if self._local:
            self._log = self._log or (self._folder / _LINES).open("w", encoding="utf-8")
            self._log.write(line)
            self._log.flush()

    def close(self, *, complete: bool, snapshot: bool = False, window: Window | None = None) -> None:
        """Note what the pages are together; calling it again changes nothing.

        Args:
            complete: the source was read to its end.
            snapshot: complete, and everything was asked for.
            window: what was asked for, if `open` was not told.
        """
        if self._closed:
            return
        self._closed = True
        if self._log:
            self._log.close()
        else:
            (self._folder / _LINES).write_text("".join(self._lines), encoding="utf-8")
        head = self._head if window is None else self._head | {"window": str(window)}
        whole = head | {
            "started_at": self._started_at,
            "finished_at": _now(),
            "pages": len(self._lines),
            "rows": self._rows,
            "complete": complete,
            "snapshot": snapshot,
        }
        (self._folder / _WHOLE).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(complete=False)


_READ_AGAIN = "Read the entity again; nothing in core was touched."


def _path(root: str) -> Path:
    """What fsspec needs takes longer to import than a small read takes: only for what it is needed for."""
    if "://" not in root:
        return Path(root)
    from upath import UPath

    return cast("Path", UPath(root))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _note_of(folder: Path) -> Path:
    return folder.parent / f"{folder.name}.removed.json"


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    path, note = folder / _LINES, _note_of(folder)
    if note.exists():
        told = json.loads(note.read_text(encoding="utf-8"))
        by, removed = told.get("by", "retention"), told["removed_at"]
        raise BrokenPage(f"the pages of read {folder.name} were removed by {by}, {removed}.", remedy=_READ_AGAIN)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BrokenPage(f"nothing was landed at {folder}.", remedy=_READ_AGAIN) from None
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            raise BrokenPage(f"{path} is damaged.", remedy=_READ_AGAIN) from None


def _verified(folder: Path, line: dict[str, Any]) -> LandedPage:
    path = folder / str(line["file"])
    try:
        body = packing.unpack(path, line["bytes"])
    except (FileNotFoundError, ValueError):
        raise BrokenPage(f"the landed page {path} is missing or damaged.", remedy=_READ_AGAIN) from None
    if hashlib.sha256(body).hexdigest() != line["sha256"]:
        raise BrokenPage(f"the landed page {path} is not what was landed.", remedy=_READ_AGAIN)
    gone = tuple(line.get("erased", ()))
    return LandedPage(int(line["number"]), str(line["url"]), body, str(line["sha256"]), int(line["rows"]), gone)


def _erased(rows: Sequence[bytes]) -> list[int]:
    return [at for at, row in enumerate(rows) if not row]


def _listed(rows: Sequence[bytes]) -> bytes:
    """Records as a JSON list of texts, null where one was erased; bytes that are no text come back as they were."""
    texts = [bytes(row).decode("utf-8", "surrogateescape") if row else None for row in rows]
    return json.dumps(texts).encode()


def _unlisted(body: bytes) -> list[bytes]:
    return [b"" if text is None else text.encode("utf-8", "surrogateescape") for text in json.loads(body)]


def _listed_line(
    folder: Path, line: dict[str, Any], url: str, rows: Sequence[bytes], *, sealed: bool
) -> dict[str, Any]:
    """Write the records of a page to a file of its own, and what its line says of it from then on."""
    gone, body = _erased(rows), _listed(rows)
    file = packing.pack(folder, f"page-{line['number']:06}-{len(gone)}-erased", body, sealed=sealed)
    sha256 = hashlib.sha256(body).hexdigest()
    return {"file": file, "url": url, "bytes": len(body), "sha256": sha256, "erased": gone, "erased_at": _now()}


def _replace(path: Path, content: bytes) -> None:
    """At once: an object store does so by itself."""
    if "://" in str(path):
        path.write_bytes(content)
        return
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
