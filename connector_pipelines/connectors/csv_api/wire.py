"""How a page becomes raw records: each line an object of its cells by column, as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.declarative.bodies import broken
from connector_pipelines.declarative.decoding import unreadable
from connector_pipelines.declarative.fields import expected, lacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.csv_api.config import CsvApiConfig, CsvEntity, Dialect
    from connector_pipelines.declarative.paths import Path

LONGEST_CELL = 16 * 1024 * 1024
PARENT = "_parent."
"""What the columns begin with that come from a parent."""

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_written = msgspec.json.Encoder().encode


def splitter(config: CsvApiConfig, declared: CsvEntity) -> Callable[[bytes], Sequence[bytes]]:
    """A function that gives the raw records of an unpacked page.

    Returns:
        a pure function. It raises `BrokenPage` for what is no table, and `FieldMissing` for one that lacks a mapped
        column, also where it has no rows.
    """
    wanted = {name: path for name, path in expected(declared).items() if not path.text.startswith(PARENT)}
    dialect = config.dialect

    def split(body: bytes) -> Sequence[bytes]:
        lines = _lines(body, dialect)
        header = list(dialect.header) or next(lines, (0, []))[1]
        names = _checked(body, [name.strip() for name in header], wanted)
        records = [_record(names, line, cells) for line, cells in lines]
        if records and records[-1].startswith(b"[") and not body.endswith((b"\n", b"\r")):
            raise broken(body, "breaks off in its last line")
        return records

    return split


def document(_config: CsvApiConfig) -> Callable[[bytes], Any]:
    """A table has no place beside its rows."""
    return lambda _: None


def adopt(rows: Sequence[bytes], parent: bytes) -> Sequence[bytes]:
    """The records with their parent's fields as columns; what is no record stays as it is."""
    columns = {f"{PARENT}{name}": value for name, value in json.loads(parent).items()}
    before = json.dumps(columns, separators=(",", ":")).encode()[:-1]
    return [before + b"," + row[1:] if row.startswith(b"{") else row for row in rows]


def _lines(body: bytes, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Each line that is not blank, with its number; lines within quotes are one.

    Raises:
        BrokenPage: it cannot be read as text, or not as a table.
    """
    text = _text(body, dialect)
    if text.lstrip()[:1] == "<":
        raise broken(body, "is HTML or XML where a table should be")
    csv.field_size_limit(LONGEST_CELL)
    file = io.StringIO(text, newline="")
    for _ in range(dialect.skip_lines):
        file.readline()
    reader = csv.reader(
        file,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        doublequote=dialect.escape is None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num + dialect.skip_lines, cells
    except csv.Error as error:
        raise broken(body, f"is damaged in line {reader.line_num + dialect.skip_lines} ({error})") from None


def _text(body: bytes, dialect: Dialect) -> str:
    encoding = next((encoding for mark, encoding in _MARKS.items() if body.startswith(mark)), dialect.encoding)
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        raise broken(body, f"is not {encoding}") from None


def _checked(body: bytes, names: Sequence[str], wanted: Mapping[str, Path]) -> Sequence[str]:
    """The header, if it is one.

    Raises:
        BrokenPage: it names a column twice, or none of those that are mapped: then it is another table, or none.
        FieldMissing: it lacks a mapped column.
    """
    missing = {name: path for name, path in wanted.items() if path.text not in names}
    if not names or (wanted and len(missing) == len(wanted)):
        raise broken(body, "has no header with the columns that are mapped")
    mapped = {path.text for path in wanted.values()}
    twice = sorted({name for name in names if name in mapped and list(names).count(name) > 1})
    if twice:
        raise broken(body, f"has the column {twice[0]!r} twice")
    if missing:
        raise lacking(missing, filter(None, names))
    return names


def _record(names: Sequence[str], line: int, cells: Sequence[str]) -> bytes:
    """The record of a line. Blank cells too many are none; any other difference from the header is a dead letter."""
    if len(cells) != len(names):
        if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
            return unreadable(line, f"has {len(cells)} cells where the header has {len(names)}", cells)
        cells = cells[: len(names)]
    return _written({name: cell for name, cell in zip(names, cells, strict=True) if name})
