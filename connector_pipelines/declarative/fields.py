"""Notices a mapping that names a field which the source does not have (requirements E45-E51).

A field that is null, or missing on some records, is data. One that no record of a page has is a mistake in the
mapping, or the source was changed: taken for null, it would quietly empty a column of core.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.errors import FieldMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.declarative.paths import Path
    from connector_pipelines.declarative.settings import Declared

_SHOWN = 20
_REMEDY = "Correct the path, or mark it optional where the source leaves the field out when it has nothing."


def expected(declared: Declared) -> dict[str, Path]:
    """What each path feeds that some record of every page must know."""
    path_in = type(declared).path_in
    feeds = {f"the id ({text})": text for text in declared.id}
    feeds |= {name: one.path for name, one in (("modified", declared.modified), ("deleted", declared.deleted)) if one}
    feeds |= {name: fed.path for name, fed in declared.mapping.items() if fed.path and not fed.optional}
    return {name: path_in(text) for name, text in feeds.items()}


def check(declared: Declared) -> Callable[[Sequence[bytes]], None]:
    """A function that looks at the raw records of a page, mostly at the first one alone.

    Raises:
        FieldMissing: no record knows a field; the message names the column it feeds.
    """
    wanted = expected(declared)

    def look(rows: Sequence[bytes]) -> None:
        missing = dict(wanted)
        first: dict[str, Any] | None = None
        for record in _objects(rows):
            first = record if first is None else first
            missing = {name: path for name, path in missing.items() if not path.has(record)}
            if not missing:
                return
        if first is not None:
            raise lacking(missing, first)

    return look


def lacking(missing: Mapping[str, Path], known: Iterable[str]) -> FieldMissing:
    """The error for fields that are not there.

    Args:
        missing: by what they feed.
        known: the fields that are there.
    """
    named = ", ".join(f"{path.text!r}, which feeds {name}" for name, path in missing.items())
    there = ", ".join(islice(known, _SHOWN))
    return FieldMissing(f"no record of a page has {named}; it has {there}.", remedy=_REMEDY)


def _objects(rows: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder().decode
    for raw in rows:
        try:
            record = decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue  # decoding refuses it and says why
        if isinstance(record, dict):
            yield record
