"""A world as a OneRoster CSV zip: 1.1 or 1.2, all of it or the changes since a version, clean or as the wild has it.

Rows are streamed from the world into the zip; nothing is held but a block of records.
"""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from connector_pipelines.connectors.oneroster.simulator import csv_columns, v1p1
from connector_pipelines.connectors.oneroster.simulator.world import STREAM_BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connector_pipelines.connectors.oneroster.simulator.csv_columns import File
    from connector_pipelines.connectors.oneroster.simulator.hashing import Indices
    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record
    from connector_pipelines.connectors.oneroster.simulator.world import World

CsvVersion: TypeAlias = Literal["1.1", "1.2"]
FIXED_DATE = (2025, 9, 1, 0, 0, 0)  # a zip of the same world is the same bytes
TEXTS = {True: "true", False: "false"}
RENAMED = {"preferredGivenName": "preferredFirstName", "preferredFamilyName": "preferredLastName"}
PLURALS = {"termSourcedIds": "terms", "agentSourcedIds": "agents", "orgSourcedIds": "orgs"}
OWNERS = {"users": "userSourcedId", "classes": "classSourcedId", "courses": "courseSourcedId"}


def write_zip(
    world: World,
    target: Path | IO[bytes],
    *,
    version: CsvVersion = "1.2",
    since: int | None = None,
    dirty: bool = False,
    gradebook: bool = True,
) -> None:
    """Write a world as a CSV zip.

    Args:
        world: which version of which world.
        target: where to.
        version: of the CSV binding.
        since: a version of the world: only what changed after it, as `delta`; None for everything, as `bulk`.
        dirty: with the mistakes of a public sample zip: misspelled headers, trailing empty columns, a misnamed file
            with the columns of roles.csv, a byte order mark, a manifest without values.
        gradebook: with categories, line items, results and score scales; a district has millions of results.
    """
    files = [file for file in csv_columns.FILES[version] if gradebook or file.name not in csv_columns.GRADEBOOK]
    present = [file for file in files if file.collection and (since is None or file.collection in csv_columns.EVOLVING)]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        _write(archive, "manifest.csv", ("propertyName", "value"), manifest(version, present, since, dirty=dirty))
        for file in present:
            rows = _rows(world, file, version, since)
            name, header = _misspelled(file) if dirty else (file.name, file.header)
            trailing = ("", "") if dirty else ()
            _write(archive, f"{name}.csv", (*header, *trailing), ((*row, *trailing) for row in rows), marked=dirty)


def manifest(
    version: CsvVersion, present: list[File], since: int | None, *, dirty: bool = False
) -> Iterator[tuple[str, str]]:
    """The rows of manifest.csv: every file of the binding, whether it is there or not."""
    yield "manifest.version", "1.0"
    yield "oneroster.version", version
    names = {file.name for file in present}
    for file in sorted(csv_columns.FILES[version], key=lambda file: file.name):
        state = ("bulk" if since is None else "delta") if file.name in names else "absent"
        yield f"file.{file.name}", "" if dirty and state == "absent" else state
    if not dirty:
        yield "source.systemName", "OneRoster simulator"
        yield "source.systemCode", "simulator"


def _misspelled(file: File) -> tuple[str, tuple[str, ...]]:
    if file.name in csv_columns.MISNAMED:
        roles = next(other for other in csv_columns.V1P2 if other.name == "roles")
        return csv_columns.MISNAMED[file.name], roles.header
    return file.name, tuple(csv_columns.TYPOS.get(column, column) for column in file.header)


def _write(
    archive: zipfile.ZipFile,
    name: str,
    header: tuple[str, ...],
    rows: Iterator[tuple[str, ...]],
    *,
    marked: bool = False,
) -> None:
    info = zipfile.ZipInfo(name, FIXED_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    encoding = "utf-8-sig" if marked else "utf-8"
    with archive.open(info, "w") as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        writer = csv.writer(text)  # RFC 4180: CRLF, quotes where needed
        writer.writerow(header)
        writer.writerows(rows)


def _rows(world: World, file: File, version: CsvVersion, since: int | None) -> Iterator[tuple[str, ...]]:
    """The rows of one file. In bulk, status and date are blank, and what is deleted is left out."""
    for record in _records(world, file.collection or "", since):
        if since is None:
            if record["status"] != "active":
                continue
            record |= {"status": "", "dateLastModified": ""}
        for row in _parts(record, file) if file.part else (_adapted(record, file, version),):
            yield tuple(cell(row, column) for column in file.header)


def _records(world: World, collection: str, since: int | None) -> Iterator[Record]:
    rows = world.rows(collection)
    for first in range(0, len(rows), STREAM_BLOCK):
        block = np.asarray(rows[first : first + STREAM_BLOCK], dtype=np.int64)
        yield from world.records(collection, block if since is None else _changed(world, collection, block, since))


def _changed(world: World, collection: str, indices: Indices, since: int) -> Indices:
    before = replace(world, steps=world.steps[:since]).now_ms
    return indices[world.timeline(collection, indices).modified > before]


def _adapted(record: Record, file: File, version: CsvVersion) -> Record:
    return v1p1.convert(file.collection or "", record) if version == "1.1" else record


def _parts(record: Record, file: File) -> Iterator[Record]:
    """Roles, profiles and resources of a record as rows of their own, with ids made from both."""
    for number, entry in enumerate(record.get(file.part, []), start=1):
        yield entry | {
            "sourcedId": f"{record['sourcedId']}-{file.name}-{number}",
            "status": record["status"],
            "dateLastModified": record["dateLastModified"],
            "title": "",
            OWNERS[file.collection or ""]: record["sourcedId"],
            "resourceSourcedId": entry.get("sourcedId", ""),
        }


def cell(record: Record, column: str) -> str:
    """The text of one cell: lists joined by commas, references by their sourcedId, booleans as true and false."""
    if column in record:
        return _text(record[column])
    if column in PLURALS:
        return ",".join(reference["sourcedId"] for reference in record.get(PLURALS[column], []))
    if column.endswith("SourcedId"):
        reference = record.get(column.removesuffix("SourcedId"))
        return str(reference["sourcedId"]) if isinstance(reference, dict) else ""
    return _text(record.get(RENAMED.get(column, column)))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return TEXTS[value]
    if isinstance(value, list):
        return ",".join(_pair(entry) if isinstance(entry, dict) else str(entry) for entry in value)
    return str(value)


def _pair(entry: dict[str, str]) -> str:
    """`{type:identifier}`, the form of userIds and of score scale values."""
    left, right = list(entry.values())[:2]
    return f"{{{left}:{right}}}"
