"""Zips of CSV files: bulk and delta, versions 1.1 and 1.2 (contract 1.3).

Rows are composed into the JSON of the REST service, in pages of their own, so that everything behind a page is shared.
A file that a bulk zip's manifest calls absent is not provided: that is an error, never an empty collection. A delta zip
without it had no changes of it. Only a file that the manifest calls bulk proves that a record is gone.
"""

from __future__ import annotations

import csv
import io
import time
import zipfile
import zlib
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.oneroster import columns, tables
from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.external import redact
from connector_pipelines.model import Health
from connector_pipelines.pages import Page, Reading, Stability

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from connector_pipelines.connectors.oneroster.config import OneRosterConfig
    from connector_pipelines.connectors.oneroster.tables import Table
    from connector_pipelines.model import Window

ROWS_PER_PAGE = 10_000
_LONGEST_CELL = 16 * 1024 * 1024
_EXPORT_AGAIN = "Have the zip exported again."

Row = tuple[int, list[str]]
"""Line number and cells."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An open zip.

    Attributes:
        path: for messages and page URLs, without secrets.
        members: member names by lower-case file name; folders within the zip are ignored.
        manifest: "file.orgs" → "bulk", and the like, both in lower case.
    """

    path: str
    zip: zipfile.ZipFile
    members: dict[str, str]
    manifest: dict[str, str]

    @property
    def only_changes(self) -> bool:
        """Whether the zip holds what changed: then a file that it does not provide had no changes."""
        return "delta" in self.manifest.values()

    def mode(self, file: str) -> str:
        """bulk, delta or absent. A blank entry proves nothing: a file that is there counts as delta."""
        said = self.manifest.get(f"file.{file.removesuffix('.csv')}", "")
        return said or ("delta" if file in self.members else "absent")


@contextmanager
def connect(config: OneRosterConfig) -> Iterator[Archive]:
    """Open the zip and read its manifest.

    Raises:
        ConfigurationError: there is no such file.
        BrokenPage: it is no zip, or has no manifest.
    """
    with ExitStack() as stack:
        yield _with_misnamed_roles(_opened(str(config.path), stack))


def _opened(path: str, stack: ExitStack) -> Archive:
    from upath import UPath

    shown = redact.url(path)
    try:
        stream = stack.enter_context(UPath(path).open("rb"))
        opened = stack.enter_context(zipfile.ZipFile(stream))
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigurationError(f"there is no file {shown}.", remedy="Check the path.") from None
    except zipfile.BadZipFile as error:
        raise BrokenPage(f"{shown} is no usable zip ({error}).", remedy=_EXPORT_AGAIN) from None
    members = {name.rpartition("/")[2].lower(): name for name in opened.namelist()}
    if "manifest.csv" not in members:
        raise BrokenPage(f"{shown} has no manifest.csv, so nothing says what it holds.", remedy=_EXPORT_AGAIN)
    bare = Archive(shown, opened, members, {})
    return replace(bare, manifest=_told(bare))


def _told(archive: Archive) -> dict[str, str]:
    rows = _rows(archive, "manifest.csv")
    return {cells[0].strip().lower(): cells[1].strip().lower() for _, cells in rows if len(cells) > 1}


def _with_misnamed_roles(archive: Archive) -> Archive:
    """A real export had its roles in a file called userprofiles.csv (contract 1.3, "Traps")."""
    misnamed = archive.members.get("userprofiles.csv")
    if "roles.csv" in archive.members or misnamed is None:
        return archive
    with closing(_rows(archive, "userprofiles.csv")) as rows:
        if not {"usersourcedid", "role"} <= set(tables.header_of(next(rows, (0, []))[1]).at):
            return archive
    manifest = archive.manifest | {"file.roles": archive.manifest.get("file.userprofiles", "")}
    return replace(archive, members=archive.members | {"roles.csv": misnamed}, manifest=manifest)


def reader(entity: str) -> Callable[[Archive, Window], Reading]:
    """The `read` of an entity's stream."""

    def read(archive: Archive, _: Window) -> Reading:
        table = tables.TABLES[entity]
        modes = {file: archive.mode(file) for file in _files(archive, table)}
        return Reading(
            _pages(archive, table), snapshot=set(modes.values()) == {"bulk"}, stability=lambda: Stability.STABLE
        )

    return read


def file_of(entity: str) -> str:
    """The file an entity is read from, for the docs."""
    return tables.TABLES[entity].file


def check(archive: Archive) -> Health:
    """Whether the manifest can be read and names files that are there."""
    started = time.monotonic()
    promised = [
        f"{key.removeprefix('file.')}.csv" for key, mode in archive.manifest.items() if mode in {"bulk", "delta"}
    ]
    missing = [file for file in promised if file not in archive.members]
    version = archive.manifest.get("oneroster.version", "of unknown version")
    found = f"lacks {', '.join(missing)}" if missing else f"{len(promised)} files"
    return Health(not missing, f"OneRoster CSV {version}: {found}.", time.monotonic() - started)


def _files(archive: Archive, table: Table) -> tuple[str, ...]:
    """The files an entity is read from. Roles have a file of their own since 1.2."""
    with_roles = table.role is not None and table.file == "users.csv" and archive.mode("roles.csv") != "absent"
    return (table.file, "roles.csv") if with_roles else (table.file,)


def _provided(archive: Archive, table: Table) -> tuple[str, ...]:
    files = _files(archive, table)
    for file in files:
        if archive.mode(file) == "absent":
            raise ConfigurationError(
                f"{archive.path} does not provide {file}: its manifest calls it absent.",
                remedy="Have it exported, or list only the other entities in this source's `entities`.",
            )
        if file not in archive.members:
            raise BrokenPage(f"{archive.path} lacks {file}, which its manifest promises.", remedy=_EXPORT_AGAIN)
    return files


def _pages(archive: Archive, table: Table) -> Iterator[Page]:
    if archive.only_changes and archive.mode(table.file) == "absent":
        return  # nothing of it changed
    files = _provided(archive, table)
    roles = _roles(archive, table) if "roles.csv" in files else None
    split = columns.SPLITTERS[table.envelope]
    for number, records in enumerate(_batches(_records(archive, table, roles)), 1):
        body = msgspec.json.encode({table.envelope: records})
        yield Page(number, f"{archive.path}/{table.file}#page={number}", 200, body, split(body))


def _batches(records: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """At least one, so that an empty collection leaves a page that proves it."""
    batch: list[dict[str, Any]] = []
    sent = False
    for record in records:
        batch.append(record)
        if len(batch) == ROWS_PER_PAGE:
            yield batch
            batch, sent = [], True
    if batch or not sent:
        yield batch


def _records(archive: Archive, table: Table, roles: tables.Roles | None) -> Iterator[dict[str, Any]]:
    with closing(_rows(archive, table.file)) as rows:
        header = tables.header_of(next(rows, (0, []))[1], table)
        needed = ("sourcedId", "role") if table.role and roles is None else ("sourcedId",)
        if missing := [name for name in needed if name.lower() not in header.at]:
            problem = f"{table.file} in {archive.path} has no column {' and no column '.join(missing)}."
            raise BrokenPage(problem, remedy=_EXPORT_AGAIN)
        for line, cells in rows:
            ragged = tables.raggedness(header, cells)
            if ragged:
                yield tables.unreadable(f"line {line} {ragged}", cells)
                continue
            record = tables.record_of(table, header, cells, roles)
            if record is not None:
                yield record
            elif roles is not None and roles.cannot_tell(cells[header.at["sourcedid"]].strip()):
                yield tables.unreadable(f"line {line} is of a user whose role roles.csv does not tell", cells)


def _roles(archive: Archive, table: Table) -> tables.Roles:
    """Who has the table's role, and in which organization."""
    roles = tables.Roles(str(table.role), partial=archive.mode("roles.csv") != "bulk")
    rows = _rows(archive, "roles.csv")
    header = tables.header_of(next(rows, (0, []))[1])
    for _, cells in rows:
        if not tables.raggedness(header, cells):  # else its user has no role, which is said there
            roles.note(header.row(cells))
    return roles


def _rows(archive: Archive, file: str) -> Generator[Row]:
    """Every line that is not blank, with its number.

    Raises:
        BrokenPage: the file is damaged or not UTF-8.
    """
    csv.field_size_limit(_LONGEST_CELL)
    try:
        with archive.zip.open(archive.members[file]) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
            lines = csv.reader(text)
            for cells in lines:
                if any(cells):
                    yield lines.line_num, cells
    except UnicodeDecodeError:
        raise BrokenPage(f"{file} in {archive.path} is not UTF-8.", remedy=_EXPORT_AGAIN) from None
    except (zipfile.BadZipFile, zlib.error, csv.Error, EOFError, RuntimeError, OSError) as error:
        raise BrokenPage(f"{file} in {archive.path} is damaged ({error}).", remedy=_EXPORT_AGAIN) from None
