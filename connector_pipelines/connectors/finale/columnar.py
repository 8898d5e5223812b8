"""Finale's collections: one array for each field, row i being element i of every array (contract 5, "Reading").

An array that is short shifts everything behind the gap into the wrong rows, so lengths are asserted before a single
row is made. An answer may hold the whole collection, 120,000 entities at most: it stays in a file, is cut into slices
that are column-major themselves (`index.py`), and rows are made from one slice at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from os import SEEK_END
from typing import IO, TYPE_CHECKING, Any, overload

import msgspec

from connector_pipelines.connectors.finale.index import index
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Container

    from msgspec import Raw

SLICE_BYTES = 4 * 1024 * 1024
"""About how large a slice is. Rows of 500 bytes make 8,000; smaller ones are no quicker to copy into PostgreSQL."""

_LARGE_ROW_BYTES = 64 * 1024  # rows larger than this make larger slices
_EXCERPT_BYTES = 1_000

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

    def __init__(self, answer: IO[bytes], entities: int, cuts: Mapping[str, Sequence[int]], length: int) -> None:
        self.entities = entities
        self._answer = answer
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
            return whole(self._answer)  # as it came
        return _object({name: self._elements(*ends[at : at + 2]) for name, ends in self._cuts.items()})

    def _elements(self, begin: int, end: int) -> bytes:
        """What stands there, without the comma that parts it from what follows."""
        self._answer.seek(begin)
        return self._answer.read(end - begin).rstrip().removesuffix(b",")


def cut(answer: IO[bytes], fields: Sequence[str], *, slice_bytes: int = SLICE_BYTES) -> Slices:
    """Cut an answer into slices.

    Args:
        answer: a file with column-major JSON; it is read piece by piece, and must stay open as long as the slices.
        fields: arrays that must be there.
        slice_bytes: about how large a slice may be.

    Returns:
        at least one slice; an answer that is small enough is one as it came.

    Raises:
        BrokenPage: it is not column-major JSON, an array is missing, or their lengths differ.
    """
    size = answer.seek(0, SEEK_END)
    step = max(1, slice_bytes // _LARGE_ROW_BYTES)
    columns = index(answer, step) if size > slice_bytes else None
    if columns is None:  # small, or broken: then all of it is needed to say how
        arrays = _checked(whole(answer), fields)
        return Slices(answer, len(next(iter(arrays.values()), ())), {}, 1)
    answer.seek(0)
    lengths = {name: column.length for name, column in columns.items()}
    _check(lengths, fields, answer.read(_EXCERPT_BYTES))
    count = next(iter(lengths.values()))
    marks = max(1, count * slice_bytes // size // step)
    cuts = {name: [*column.marks[:-1:marks], column.marks[-1]] for name, column in columns.items()}
    return Slices(answer, count, cuts, max(1, len(next(iter(cuts.values()))) - 1))


def whole(answer: IO[bytes]) -> bytes:
    """All of a file."""
    answer.seek(0)
    return answer.read()


def splitter(fields: Sequence[str], compose: Compose) -> Callable[[bytes], Sequence[bytes]]:
    """The `split` of a stream.

    Args:
        fields: arrays that must be there.
        compose: makes records of the columns, all of them of the same length.

    Returns:
        a pure function of a slice; it raises `BrokenPage` as `cut` does.
    """

    def split(body: bytes) -> Sequence[bytes]:
        columns = _checked(body, fields)
        return compose(columns) if columns else []

    return split


def rows_of(fields: Sequence[str]) -> Compose:
    """A record for each row, with these fields; the ones that were not sent are left out."""

    def compose(columns: Mapping[str, Sequence[Raw]]) -> Sequence[bytes]:
        sent = [name for name in fields if name in columns]
        pieces = chain.from_iterable((repeat(key), columns[name]) for key, name in zip(keys(sent), sent, strict=True))
        return list(map(b"".join, zip(*pieces, repeat(b"}"))))  # twice as fast as formatting row after row

    return compose


def keys(fields: Sequence[str]) -> Sequence[bytes]:
    """What stands before each value of a JSON object with these fields."""
    return [b'%b"%b":' % (b"," if at else b"{", name.encode()) for at, name in enumerate(fields)]


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


def _checked(body: bytes, fields: Sequence[str]) -> dict[str, list[Raw]]:
    """Every array, all of the same length; nothing for an empty answer."""
    if _is_empty(body):
        return {}
    try:
        raw = _arrays.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _broken(body, _no_columns(body)) from None
    _check_names(raw, fields, body)
    arrays = {name: _array(body, name, held) for name, held in raw.items()}
    _check({name: len(array) for name, array in arrays.items()}, fields, body)
    return arrays


def _check(lengths: Mapping[str, int], fields: Sequence[str], body: bytes) -> None:
    """Whether the arrays make rows; the body, or its beginning, is for the message."""
    _check_names(lengths, fields, body)
    if len(set(lengths.values())) > 1:
        raise _broken(body, f"has arrays of different lengths ({_odd(lengths)}), so that rows cannot be told apart")


def _check_names(sent: Container[str], fields: Sequence[str], body: bytes) -> None:
    if missing := [name for name in fields if name not in sent]:
        said = explained(body)
        raise _broken(body, f"lacks the array {', '.join(missing)}" + (f"; Finale says: {said}" if said else ""))


def _array(body: bytes, name: str, held: Raw) -> list[Raw]:
    try:
        return _elements.decode(held)
    except msgspec.MsgspecError:
        raise _broken(body, f"has {name!r} that is no array") from None


def _odd(lengths: Mapping[str, int]) -> str:
    """The length most arrays have, and those that have another."""
    found = list(lengths.values())
    usual = max(found, key=found.count)
    others = [f"{name} {length:,}" for name, length in lengths.items() if length != usual]
    return f"most have {usual:,} elements, {', '.join(others[:5])}"


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
