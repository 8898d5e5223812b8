"""Where the elements of a large answer lie, found block by block, so that the answer itself can stay in a file.

An answer has one array after the other, and a row needs an element of each: so either all of it is in memory, or it is
known where to look. What ends within a block is decided by decoding: text up to a comma, closed with a bracket, is an
array exactly when that comma stands between two of our elements and not inside one.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from msgspec import Raw

BLOCK_BYTES = 256 * 1024
"""How much of an array is looked at at once; twice as much, and so on, where one element is larger than that."""

_NEAR_BYTES = 8 * 1024
_TRIES = 32  # commas that are tried as the last one between elements, before more is read
_KEY_BYTES = 16 * 1024
_KEY = re.compile(rb'\s*(?P<before>[{,])\s*(?P<name>"(?:[^"\\]|\\.)*")\s*:\s*\[', re.DOTALL)
_END = re.compile(rb"\s*\}\s*\Z")
_BEHIND = re.compile(r"trailing characters \(byte (\d+)\)")
_ANYTHING = rb'["\[{\-0-9tfn]'
_ALIKE = {
    first: re.compile(rb",(?=\s*[%bn])" % re.escape(kind))
    for kind in (b'"', b"[", b"{", b"-0123456789", b"tf")
    for first in kind
}
_ANY = re.compile(rb",(?=\s*%b)" % _ANYTHING)
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Column:
    """One array of an answer.

    Attributes:
        length: how many elements it has.
        marks: the place in the answer where every so-many-th element begins, and last the place of the closing bracket.
    """

    length: int
    marks: array[int]


@dataclass(frozen=True, slots=True)
class _Front:
    """The elements a block begins with: where each begins, where we have to go on, and whether that is the end."""

    begins: Iterable[int]
    length: int
    used: int
    ended: bool


def index(answer: IO[bytes], step: int, *, block_bytes: int = BLOCK_BYTES) -> dict[str, Column] | None:
    """The arrays of an answer by name.

    Args:
        answer: a file with JSON.
        step: how many elements apart the marks are.
        block_bytes: how much is read at once.

    Returns:
        None where it is no object of arrays, or breaks off.
    """
    columns: dict[str, Column] = {}
    at = 0
    while True:
        ahead = _read(answer, at, _KEY_BYTES)
        if columns and _END.match(ahead):
            return columns
        key = _KEY.match(ahead)
        if key is None or (key["before"] == b"{") == bool(columns):
            return None
        try:
            name = msgspec.json.decode(key["name"], type=str)
            column = _column(answer, at + key.end(), step, block_bytes)
        except _UNREADABLE:
            return None
        if column is None:
            return None
        columns[name], at = column, column.marks[-1] + 1


def _column(answer: IO[bytes], at: int, step: int, block_bytes: int) -> Column | None:
    """The array whose first element begins here; None where the answer ends before it does."""
    marks, length, size = array("Q"), 0, block_bytes
    while True:
        block = _read(answer, at, size)
        front = _front(block, -length % step, step)
        if front is None and len(block) < size:
            return None
        if front is None:
            size *= 2
            continue
        marks.extend(at + begin for begin in front.begins)
        length, at, size = length + front.length, at + front.used, block_bytes
        if front.ended:
            marks.append(at)
            return Column(length, marks)


def _front(block: bytes, first: int, step: int) -> _Front | None:
    """As many whole elements as there are. None where not even one ends within the block."""
    for text, ended in _texts(block):
        try:
            elements = _elements.decode(text)
        except msgspec.DecodeError as error:
            behind = _BEHIND.search(str(error))
            if behind is None:
                continue
            text, ended = text[: int(behind[1]) - 1], True  # noqa: PLW2901 -- the array ends before the text does
            elements = _elements.decode(text)
        start = _address(text) + 1
        begins = [_address(elements[n]) - start for n in range(first, len(elements), step)]
        return _Front(begins, len(elements), len(text.rstrip()) - (2 if ended else 1), ended)
    return None


def _texts(block: bytes) -> Iterator[tuple[bytes, bool]]:
    """What may be an array: the text up to one of the last commas with a bracket in its place, or all of it, which then
    is the array's end.

    Commas are looked for near the end first: an array of numbers has a hundred thousand in a block.
    """
    opened = b"[" + block
    alike = _ALIKE.get(block.lstrip()[:1][0] if block.strip() else 0, _ANY)
    for pattern in dict.fromkeys((alike, _ANY)):
        for back in (_NEAR_BYTES, len(opened)):
            commas = [found.start() for found in pattern.finditer(opened, max(0, len(opened) - back))]
            yield from ((opened[:comma] + b"]", False) for comma in reversed(commas[-_TRIES:]))
    yield opened, True


def _read(answer: IO[bytes], at: int, size: int) -> bytes:
    answer.seek(at)
    return answer.read(size)


def _address(view: bytes | Raw) -> int:
    """Where bytes lie in memory: raw elements are views of what was decoded, so the difference is their place in it."""
    import numpy as np

    place: int = np.frombuffer(view, dtype=np.uint8).__array_interface__["data"][0]
    return place
