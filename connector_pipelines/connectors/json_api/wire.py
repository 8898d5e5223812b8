"""How a page becomes raw records: JSON, JSON lines, XML; rows, columns, and records within records."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.json_api.xml import document_of_xml, records_of_xml
from connector_pipelines.declarative import paths
from connector_pipelines.declarative.answers import explained_in
from connector_pipelines.declarative.bodies import broken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.connectors.json_api.config import JsonApiConfig, JsonEntity
    from connector_pipelines.declarative.paths import Path

_BOM = b"\xef\xbb\xbf"
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_whole = msgspec.json.Decoder(float_hook=Decimal)
_written = msgspec.json.Encoder(decimal_format="number").encode
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def splitter(config: JsonApiConfig, declared: JsonEntity) -> Callable[[bytes], Sequence[bytes]]:
    """A function that gives the raw records of an unpacked page.

    Returns:
        a pure function; it raises `BrokenPage` for anything that is not a page, in a sentence with its beginning.
    """
    rows = _rows_of(config, declared)
    return _expanding(declared, rows) if declared.expand else rows


def outer(config: JsonApiConfig, declared: JsonEntity) -> Callable[[bytes], Sequence[bytes]] | None:
    """What the source counts where records are expanded: what they are expanded from."""
    return _rows_of(config, declared) if declared.expand else None


def _rows_of(config: JsonApiConfig, declared: JsonEntity) -> Callable[[bytes], Sequence[bytes]]:
    match config.format:
        case "jsonl":
            return _of_lines(declared)
        case "xml":
            return _of_xml(declared)
        case "json":
            return _of_json(declared)


def document(config: JsonApiConfig) -> Callable[[bytes], Any]:
    """A function that gives an unpacked page as one document; None where it is none."""
    read = document_of_xml if config.format == "xml" else _document_of_json

    def give(body: bytes) -> Any:
        try:
            return read(body)
        except (*_ERRORS, ValueError):
            return None

    return give


def adopt(rows: Sequence[bytes], parent: bytes) -> Sequence[bytes]:
    """The records with their parent put before their own fields; what is no object stays as it is."""
    return [_adopted(bytes(row), parent) for row in rows]


def _adopted(row: bytes, parent: bytes) -> bytes:
    inner = row.strip().removeprefix(b"{")
    if len(inner) == len(row.strip()):
        return row
    comma = b"" if inner.lstrip().startswith(b"}") else b","
    return b'{"_parent":' + parent + comma + inner


def _document_of_json(body: bytes) -> Any:
    return msgspec.json.decode(body.removeprefix(_BOM))


def _of_json(declared: JsonEntity) -> Callable[[bytes], Sequence[bytes]]:
    path = None if declared.records == "@" else paths.in_json(declared.records)
    plain = declared.layout == "rows" and (path is None or bool(path.names))

    def split(body: bytes) -> Sequence[bytes]:
        body = body.removeprefix(_BOM)
        try:
            return _sliced(body, path) if plain else _selected(body, path, declared)
        except (KeyError, TypeError, *_ERRORS):
            return _second_look(body, path, declared)

    return split


def _sliced(body: bytes, path: Path | None) -> Sequence[bytes]:
    """The records as slices of the body: what lies beside and in them is not decoded."""
    for name in path.names if path else ():
        body = _fields.decode(body)[name]
    return _rows.decode(body)


def _selected(body: bytes, path: Path | None, declared: JsonEntity) -> Sequence[bytes]:
    """The records that an expression finds, written anew; or those of an object of lists."""
    found = _whole.decode(body)
    found = path.get(found) if path else found
    if declared.layout == "columns":
        return [_written(row) for row in turned(found, body)]
    if not isinstance(found, list):
        raise TypeError
    return [_written(row) for row in found]


def turned(columns: object, body: bytes) -> list[dict[str, object]]:
    """Rows of an object of lists; what is no list in it is about the page, not about a record.

    Raises:
        BrokenPage: the lists differ in length, or there are none.
    """
    held = columns.items() if isinstance(columns, dict) else ()
    lists = {name: cells for name, cells in held if isinstance(cells, list)}
    if not lists:
        raise TypeError
    lengths = {name: len(cells) for name, cells in lists.items()}
    usual = max(lengths.values(), key=[*lengths.values()].count)
    if odd := [f"{name!r} has {length:,}" for name, length in lengths.items() if length != usual]:
        raise broken(body, f"has columns of different lengths: {', '.join(odd[:5])} where others have {usual:,}")
    return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]


def _second_look(body: bytes, path: Path | None, declared: JsonEntity) -> Sequence[bytes]:
    """For a page that is not as it should be: empty by declaration, or a sentence about what is wrong.

    Raises:
        BrokenPage: it is no page.
    """
    try:
        page = _whole.decode(body)
    except _ERRORS:
        raise broken(body, _no_json(body)) from None
    found = path.get(page) if path else page
    if found is None and declared.missing_is_empty and (page is None or isinstance(page, dict)):
        return []
    if isinstance(found, list) and declared.layout == "rows":  # only the whole page could be read, not its slices
        return [_written(row) for row in found]
    said = explained_in(page)
    wanted = "object of lists" if declared.layout == "columns" else "list"
    raise broken(body, f"has no {wanted} at {declared.records!r}" + (f"; the source says: {said}" if said else ""))


def _of_lines(declared: JsonEntity) -> Callable[[bytes], Sequence[bytes]]:
    """One record a line; blank lines are none. A line that is no JSON is a dead letter, unless it is the first or the
    last: then the page is none, or breaks off.
    """

    def split(body: bytes) -> Sequence[bytes]:
        if not body and not declared.missing_is_empty:
            raise broken(body, "is empty, which is not always the same as a page without records")
        lines = [line for line in body.removeprefix(_BOM).splitlines() if line.strip()]
        if lines and not isinstance(_decoded(lines[0], lambda: _no_json(body)), dict):
            raise broken(body, "is no JSON lines: its first line is no object")
        if lines and not body.endswith(b"\n"):
            _decoded(lines[-1], lambda: "breaks off in its last line")
        return lines

    return split


def _decoded(raw: bytes, otherwise: Callable[[], str]) -> Any:
    try:
        return _whole.decode(raw)
    except _ERRORS:
        raise broken(bytes(raw), otherwise()) from None


def _of_xml(declared: JsonEntity) -> Callable[[bytes], Sequence[bytes]]:
    def split(body: bytes) -> Sequence[bytes]:
        return [_written(record) for record in records_of_xml(body, declared.records, declared.missing_is_empty)]

    return split


def _expanding(declared: JsonEntity, rows_of: Callable[[bytes], Sequence[bytes]]) -> Callable[[bytes], Sequence[bytes]]:
    """The elements of a list in each record, as records; the rest of the record is their `_parent`."""
    path = paths.in_json(str(declared.expand))

    def split(body: bytes) -> Sequence[bytes]:
        outer = [_decoded(raw, lambda: "has a record that cannot be read") for raw in rows_of(body)]
        return [_written(inner) for record in outer for inner in _inner(record, path, declared)]

    return split


def _inner(record: Any, path: Path, declared: JsonEntity) -> list[object]:
    """The elements; a field that holds one object instead of a list, as XML has it, has that one."""
    if not isinstance(record, dict) or not (path.has(record) or declared.missing_is_empty):
        raise broken(_written(record), f"has a record without {path.text!r}, which is to be expanded")
    found = path.get(record)
    elements = [] if found is None else found if isinstance(found, list) else [found]
    rest = {name: value for name, value in record.items() if name not in path.names[:1]}
    return [element | {"_parent": rest} if isinstance(element, dict) else element for element in elements]


def _no_json(body: bytes) -> str:
    """What is wrong with what is no JSON."""
    beginning = body.lstrip()[:1]
    if not beginning:
        return "is empty, which is not the same as an empty list"
    if beginning == b"<":
        return "is HTML or XML where JSON should be"
    try:
        _whole.decode(body)
    except _ERRORS as error:
        return "is JSON that breaks off" if "truncated" in str(error) else f"is no JSON ({error})"
    return "is no JSON"
