"""Rows as bodies: JSON in three shapes, JSON lines, XML, CSV; compressed or not."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.declarative.simulator.world import Record

Struck = dict[str, str]

MEDIA = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "xml": "application/xml",
    "csv": "text/csv; charset=utf-8",
    "gz": "application/gzip",
    "zip": "application/zip",
}
BIG = 1_000_000


def spoilt(rows: list[Any], struck: Struck) -> list[Any]:
    """The rows as the faults make them; the second row of a page is the one that is hit."""
    if "unknown-fields" in struck:
        rows = [row | {"vendorExtension": {"internal": [1, 2]}, "": None} for row in rows]
    if "missing-field" in struck:
        rows = [{name: value for name, value in row.items() if name != struck["missing-field"]} for row in rows]
    at = 1 if len(rows) > 1 else 0
    for name, spoil in _ONE_ROW.items():
        if name in struck and rows:
            rows = [*rows[:at], spoil(rows[at], struck[name]), *rows[at + 1 :]]
    if "duplicate-ids" in struck and rows:
        rows = [*rows, rows[at]]
    return rows


def _named(row: Record, text: str) -> Record:
    name = next((name for name in ("supplierName", "name", "lastName") if name in row), "state")
    return row | {name: f"{row.get(name)}{text}"}


_ONE_ROW: dict[str, Any] = {
    "one-missing-field": lambda row, name: {key: value for key, value in row.items() if key != name},
    "null-field": lambda row, name: row | {name: None},
    "wrong-type": lambda row, name: row | {name: {"amount": 3}},
    "not-a-number": lambda row, name: row | {name: "some days"},
    "not-an-object": lambda _row, _: "see next page",
    "nul-byte": lambda row, _: _named(row, "\x00"),
    "big-string": lambda row, _: _named(row, "x" * BIG),
    "year-0001": lambda row, _: row | {"updatedAt": "0001-01-01T00:00:00.000Z"},
}


def as_json(shape: str, rows: Sequence[Any], header: Sequence[str], beside: Record, struck: Struck) -> bytes:
    """Rows in an envelope with what lies beside them, alone, or as an object of lists."""
    if shape == "bare":
        return _dumped(list(rows))
    if shape == "columns":
        lists = {name: [row.get(name) for row in rows] for name in header}
        if "uneven-columns" in struck and rows:
            lists[header[0]] = lists[header[0]][:-1]
        return _dumped(lists)
    if not rows and "empty-omits-key" in struck:
        return _dumped(beside)
    held = None if not rows and "empty-null" in struck else list(rows)
    return _dumped({"data": held} | beside)


def as_lines(rows: Sequence[Any]) -> bytes:
    """A row a line."""
    return b"".join(_dumped(row) + b"\n" for row in rows) or b"\n"


def as_xml(collection: str, rows: Sequence[Record]) -> bytes:
    """Rows as elements, their keys as attributes, lists as repeated elements."""
    inner = "".join(_element(collection.removesuffix("s"), row) for row in rows)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<warehouse xmlns="urn:example:warehouse"><{collection}>{inner}'
        f"</{collection}></warehouse>\n"
    ).encode()


def _element(tag: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_element(tag, item) for item in value)
    if isinstance(value, dict):
        (key, first), *rest = value.items()
        inner = "".join(_element(name, item) for name, item in rest if item is not None)
        return f"<{tag} {key}={quoteattr(str(first))}>{inner}</{tag}>"
    return f"<{tag}>{escape(_cell(value))}</{tag}>"


def as_csv(rows: Sequence[Any], header: Sequence[str], struck: Struck) -> bytes:
    """A table with quoted cells where needed; nested values are left out."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    if "no-header" not in struck:
        writer.writerow(header)
    for at, row in enumerate(rows):
        cells = [_cell(row.get(name)) for name in header] if isinstance(row, dict) else [str(row)]
        writer.writerow(cells[:-1] if "ragged-row" in struck and at == 1 else cells)
    return file.getvalue().encode()


def flat(row: Record) -> Record:
    """A record's own cells: objects with dots, no lists of objects."""
    cells: Record = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells |= {f"{name}.{inner}": item for inner, item in value.items()}
        elif not isinstance(value, list) or not value or not isinstance(value[0], dict):
            cells[name] = value
    return cells


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(_cell, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def packed(body: bytes, how: str, name: str) -> bytes:
    """The body as a gzip or zip file, the same for the same body."""
    if how == "gz":
        return gzip.compress(body, mtime=0)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"export/{name}", (2026, 1, 1, 0, 0, 0)), body)
        archive.writestr(zipfile.ZipInfo("export/README.txt", (2026, 1, 1, 0, 0, 0)), b"see the manual")
    return file.getvalue()


def _dumped(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
