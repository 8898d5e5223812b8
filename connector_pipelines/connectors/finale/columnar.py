"""Finale's collections: one array for each field, row i being element i of every array (contract 5, "Reading").

An array that is short shifts everything behind the gap into the wrong rows, so lengths are asserted before a single
row is made. An answer may hold the whole collection, 120,000 entities at most: it is cut into slices that are column-
major themselves, without being copied or decoded, and rows are made from one slice at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import msgspec

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from msgspec import Raw

SLICE_BYTES = 4 * 1024 * 1024
"""About how large a slice is. Rows of 500 bytes make 8,000; smaller ones are no quicker to copy into PostgreSQL."""

EMPTY_ANSWERS = frozenset((b"{}", b"[]"))
"""What stands for a collection without entities, besides arrays of length 0 (contract 5, "Reading")."""

_arrays = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_values = msgspec.json.Decoder(list[Any], float_hook=str)  # digits as they came: 0.1 is no binary fraction
_LOOK = "Look at the landed page; tell Finale's support."

Compose = Callable[[Mapping[str, Sequence["Raw"]]], Sequence[bytes]]
"""Makes a slice's records of its columns."""


class Slices(Sequence[bytes]):
    """An answer cut into slices, each composed from the answer's own bytes when it is asked for.

    Attributes:
        entities: how many there are together.
    """

    def __init__(self, body: bytes, entities: int, cuts: Mapping[str, Sequence[tuple[int, int]]], length: int) -> None:
        self.entities = entities
        self._body = body
        self._cuts = cuts
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        if len(self) == 1:
            return self._body  # as it came
        ends = ((name, *spans[at]) for name, spans in self._cuts.items())
        return _object({name: self._body[begin:end] for name, begin, end in ends})


def cut(body: bytes, fields: Sequence[str], *, slice_bytes: int = SLICE_BYTES) -> Slices:
    """Cut an answer into slices.

    Args:
        body: column-major JSON.
        fields: arrays that must be there.
        slice_bytes: about how large a slice may be.

    Returns:
        at least one slice; an answer that is small enough is one as it came.

    Raises:
        BrokenPage: it is not column-major JSON, an array is missing, or their lengths differ.
    """
    arrays = _checked(body, fields)
    count = next(iter(arrays.values()))[1] if arrays else 0
    rows = max(1, count * slice_bytes // max(1, len(body)))
    if rows >= count:
        return Slices(body, count, {}, 1)
    start = _address(body)
    cuts = {name: _spans(raw, start, rows) for name, (raw, _) in arrays.items()}
    return Slices(body, count, cuts, -(-count // rows))


def splitter(fields: Sequence[str], compose: Compose) -> Callable[[bytes], Sequence[bytes]]:
    """The `split` of a stream.

    Args:
        fields: arrays that must be there.
        compose: makes records of the columns, all of them of the same length.

    Returns:
        a pure function of a slice; it raises `BrokenPage` as `cut` does.
    """

    def split(body: bytes) -> Sequence[bytes]:
        columns = {name: _elements.decode(raw) for name, (raw, _) in _checked(body, fields).items()}
        return compose(columns) if columns else []

    return split


def rows_of(fields: Sequence[str]) -> Compose:
    """A record for each row, with these fields; the ones that were not sent are left out."""

    def compose(columns: Mapping[str, Sequence[Raw]]) -> Sequence[bytes]:
        sent = [name for name in fields if name in columns]
        row = template(sent)
        return [row % cells for cells in zip(*(columns[name] for name in sent), strict=True)]

    return compose


def template(fields: Sequence[str]) -> bytes:
    """A JSON object with a place for the raw value of each field."""
    return b"{" + b",".join(b'"%b":%%b' % name.encode() for name in fields) + b"}"


def column(body: bytes, name: str) -> list[Any]:
    """The values of one array; numbers with a fraction are texts with the digits that were sent. Empty if not there.

    Raises:
        BrokenPage: it is no array.
    """
    if _is_empty(body):
        return []
    try:
        held = _arrays.decode(body).get(name)
        return [] if held is None else _values.decode(held)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _broken(body, f"has {name!r} that cannot be read") from None


def joined(body: bytes, columns: Mapping[str, Sequence[object]]) -> bytes:
    """A slice with more columns. A slice without entities stays as it is."""
    if _is_empty(body):
        return body
    more = (b"," + msgspec.json.encode(name) + b":" + msgspec.json.encode(values) for name, values in columns.items())
    return body.rstrip()[:-1] + b"".join(more) + b"}"


def explained(body: bytes) -> str:
    """The source's own words in an error answer: `{"msg": "…"}` or the like, which is not documented; "" for none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return "" if body.lstrip()[:1] in {b"<", b"{", b"["} else redact.excerpt(body)
    words = (told.get(name) for name in ("msg", "message", "error")) if isinstance(told, dict) else ()
    return redact.text("; ".join(word for word in words if isinstance(word, str)))[:300]


def _is_empty(body: bytes) -> bool:
    return len(body) < 100 and body.strip() in EMPTY_ANSWERS  # noqa: PLR2004 -- a long one would be hashed for nothing


def _checked(body: bytes, fields: Sequence[str]) -> dict[str, tuple[Raw, int]]:
    """Every array with its length, which is the same for all; nothing for an empty answer."""
    if _is_empty(body):
        return {}
    try:
        raw = _arrays.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _broken(body, _no_columns(body)) from None
    if missing := [name for name in fields if name not in raw]:
        said = explained(body)
        raise _broken(body, f"lacks the array {', '.join(missing)}" + (f"; Finale says: {said}" if said else ""))
    arrays = {name: (held, _length(body, name, held)) for name, held in raw.items()}
    lengths = {name: length for name, (_, length) in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise _broken(body, f"has arrays of different lengths ({_odd(lengths)}), so that rows cannot be told apart")
    return arrays


def _length(body: bytes, name: str, held: Raw) -> int:
    try:
        return len(_elements.decode(held))
    except msgspec.MsgspecError:
        raise _broken(body, f"has {name!r} that is no array") from None


def _odd(lengths: Mapping[str, int]) -> str:
    """The length most arrays have, and those that have another."""
    found = list(lengths.values())
    usual = max(found, key=found.count)
    others = [f"{name} {length:,}" for name, length in lengths.items() if length != usual]
    return f"most have {usual:,} elements, {', '.join(others[:5])}"


def _spans(array: Raw, start: int, rows: int) -> list[tuple[int, int]]:
    """Where in the body the elements of each slice begin and end."""
    elements = _elements.decode(array)
    firsts = range(0, len(elements), rows)
    lasts = (elements[min(first + rows, len(elements)) - 1] for first in firsts)
    begins = (_address(elements[first]) - start for first in firsts)
    return [(begin, _address(last) - start + len(memoryview(last))) for begin, last in zip(begins, lasts, strict=True)]


def _address(view: bytes | Raw) -> int:
    """Where bytes lie in memory: raw elements are views of the body, so the difference is their place in it."""
    import numpy as np

    place: int = np.frombuffer(view, dtype=np.uint8).__array_interface__["data"][0]
    return place


def _object(arrays: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join(b"%b:[%b]" % (msgspec.json.encode(name), held) for name, held in arrays.items()) + b"}"


def _no_columns(body: bytes) -> str:
    beginning = body.lstrip()[:1]
    if not beginning:
        return "is empty, which is not the same as empty arrays"
    if beginning == b"<":
        return "is HTML or XML where JSON should be"
    try:
        json.loads(body)
    except UnicodeDecodeError:
        return "is not UTF-8"
    except (ValueError, RecursionError):
        return "is JSON that breaks off" if beginning in b"{[" else "is no JSON"
    return "is JSON, but not one array for each field"


def _broken(body: bytes, what: str) -> BrokenPage:
    return BrokenPage(f"an answer {what}; it begins: {redact.excerpt(body)!r}.", remedy=_LOOK)
