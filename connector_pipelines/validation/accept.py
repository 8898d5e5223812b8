"""Turns raw records into core rows that are accepted and rows that are not. Pure."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from connector_pipelines.pages import BadRow, Rejection, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pandera.pandas import DataFrameSchema

    from connector_pipelines.model import Stream

# Arrow's own allocator keeps what is freed: 25 MB of the 300 that a first sync takes, 40 where rows are large.
pa.set_memory_pool(pa.system_memory_pool())

PLACE = ("page", "row", "fingerprint")
"""Where a row came from: the landed page's number, its position there, and the hash of its raw record. They travel with
the row to its receipt.
"""

PIECE = 1_000
"""Records that are decoded and turned into columns at once. What a processor's cache does not hold takes three times as
long to go through.
"""

LONGEST_ID = 500
"""Characters of an id that a dead letter is found by: an index of PostgreSQL takes no more than 2,704 bytes."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of some records: records = len(frame) + len(rejections) + sum(skipped).

    Attributes:
        frame: core columns and references by external id, with `page` and `row`.
        rejections: rows for the dead letters.
        skipped: how many rows belong elsewhere, by reason.
    """

    frame: pd.DataFrame
    rejections: list[Rejection]
    skipped: dict[str, int]


def accept(stream: Stream, parts: Sequence[Rows]) -> Accepted:
    """Decode, validate and transform raw records.

    Returns:
        every record, exactly once, in one of the three parts.

    Raises:
        BrokenPage: a record shows that the whole page is not what it should be.
    """
    schema = stream.schema()
    found = external(stream, schema, parts)
    frame, places, rejections = found.frame, found.places, found.rejections
    refused = _failures(schema, frame)
    if refused:
        rejections += _rejections(frame, refused, places, parts)
        kept = frame.index.difference(list(refused))
        frame, places = frame.loc[kept].reset_index(drop=True), places.loc[kept].reset_index(drop=True)
    core = stream.transform(frame)
    core[list(PLACE)] = places
    core, skipped = _without_skipped(core)
    return Accepted(core, rejections, skipped)


@dataclass(frozen=True, slots=True)
class Trace:
    """How one field of one record came about.

    Attributes:
        value: what the transform makes of the record: a core value, or the external id of a reference's target.
        columns: the external columns it depends on, with what the record says in them.
    """

    value: object
    columns: dict[str, object]


def trace(stream: Stream, rows: Rows, field: str) -> Trace:
    """Follow one field of one accepted record back to what the source said.

    A transform is any function; what it depends on is found by leaving out one external column after the other.

    Args:
        stream: whose record it is.
        rows: the one record.
        field: a core column, or the name of a reference.
    """
    frame = external(stream, stream.schema(), [rows]).frame
    value = _plain(stream.transform(frame)[field].iat[0])
    fed = {}
    for name in frame.columns:
        missing = frame.assign(**{name: pd.Series([None], dtype=frame[name].dtype)})
        try:
            changed = _plain(stream.transform(missing)[field].iat[0])
        except (TypeError, ValueError, KeyError):
            changed = None  # a transform may rely on what the schema requires
        if changed != value:
            fed[str(name)] = _plain(frame[name].iat[0])
    return Trace(value, fed)


def _plain(value: Any) -> object:
    """A value without pandas' ways to say that there is none."""
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value


@dataclass(frozen=True, slots=True)
class External:
    """What could be decoded of some records, and what could not.

    Attributes:
        frame: the external columns, of the schema's types.
        places: where each row came from, see `PLACE`.
        rejections: the records that cannot be decoded, for the dead letters.
    """

    frame: pd.DataFrame
    places: pd.DataFrame
    rejections: list[Rejection]


def external(stream: Stream, schema: DataFrameSchema, parts: Sequence[Rows]) -> External:
    """Decode raw records into columns, a piece at a time.

    Text goes through Arrow, which makes pandas' text columns several times faster.

    Raises:
        BrokenPage: a record shows that the whole page is not what it should be.
    """
    types = {name: column.dtype.type if column.dtype else None for name, column in schema.columns.items()}
    texts = [name for name, dtype in types.items() if dtype == "str"]
    values: dict[str, list[Any]] = {name: [] for name in types if name not in texts}
    tables = [pa.table({name: _text([]) for name in texts})]
    kept: list[Rows] = []
    rejections: list[Rejection] = []
    for records in _records(stream, parts, kept, rejections):
        tables.append(pa.table({name: _text(list(map(stream.columns[name], records))) for name in texts}))
        for name, held in values.items():
            held.extend(map(stream.columns[name], records))
    frame: pd.DataFrame = pa.concat_tables(tables).combine_chunks().to_pandas()
    others = {name: pd.Series(held, dtype=types[name]) for name, held in values.items()}
    return External(frame.assign(**others)[list(types)] if others else frame, _places(kept), rejections)


def _records(
    stream: Stream, parts: Sequence[Rows], kept: list[Rows], rejections: list[Rejection]
) -> Iterator[list[Any]]:
    """The wire records, about a piece at a time. What could be decoded goes to `kept`, the others to `rejections`."""
    records: list[Any] = []
    for piece in _pieces(parts):
        decoded, good, bad = _decoded(stream, piece)
        records += decoded
        kept.append(good)
        rejections += bad
        if len(records) >= PIECE:
            yield records
            records = []
    if records:
        yield records


def _pieces(parts: Sequence[Rows]) -> Iterator[Rows]:
    for part in parts:
        for first in range(0, len(part.raw), PIECE):
            piece = slice(first, first + PIECE)
            yield Rows(part.page, part.positions[piece], part.raw[piece], part.fingerprints[piece])


def _places(kept: Sequence[Rows]) -> pd.DataFrame:
    every = chain.from_iterable
    lengths = [len(part.raw) for part in kept]
    return pd.DataFrame(
        {
            "page": np.repeat(np.array([part.page for part in kept], np.int64), lengths),
            "row": np.fromiter(every(part.positions for part in kept), np.int64),
            "fingerprint": pa.array(every(part.fingerprints for part in kept), pa.large_string()).to_pandas(),
        }
    )


def _decoded(stream: Stream, piece: Rows) -> tuple[list[Any], Rows, list[Rejection]]:
    """The wire records of those that can be decoded, which these are, and the others."""
    try:
        return list(map(stream.decode, piece.raw)), piece, []
    except BadRow:
        pass
    records, good, bad = [], [], []
    for at, (position, raw) in enumerate(zip(piece.positions, piece.raw, strict=True)):
        try:
            records.append(stream.decode(raw))
            good.append(at)
        except BadRow as row:
            bad.append(Rejection(piece.page, position, _usable(row.external_id), row.rule, row.reason, _text_of(raw)))
    return records, _picked(piece, good), bad


def _picked(part: Rows, kept: Sequence[int]) -> Rows:
    return Rows(
        part.page,
        [part.positions[at] for at in kept],
        [part.raw[at] for at in kept],
        [part.fingerprints[at] for at in kept],
    )


def _text_of(raw: bytes) -> str:
    return bytes(raw).decode("utf-8", errors="replace")


def _text(values: list[Any]) -> Any:
    """A text column in Arrow; what a source sends as a number or a real boolean is spelled out."""
    try:
        return pa.array(values, pa.large_string())
    except pa.ArrowTypeError:
        return pa.array([value if value is None else str(value) for value in values], pa.large_string())


def _failures(schema: DataFrameSchema, frame: pd.DataFrame) -> dict[int, list[tuple[str, str]]]:
    """For each refused row, the columns and rules it broke."""
    from pandera.errors import SchemaErrors

    try:
        _untyped(schema).validate(frame, lazy=True)
    except SchemaErrors as errors:
        broken: dict[int, list[tuple[str, str]]] = {}
        cases = errors.failure_cases
        if cases["index"].isna().any():
            raise  # about the frame as a whole: the connector's schema and columns disagree, no row is to blame
        for index, column, check in zip(cases["index"], cases["column"], cases["check"], strict=True):
            broken.setdefault(int(index), []).append((str(column), _rule(str(check))))
        return broken
    return {}


def _untyped(schema: DataFrameSchema) -> DataFrameSchema:
    """The same schema, which does not look at types: columns are of them because `external` makes them so, and looking
    takes a third of validating. Pandera's `update_columns` copies every check, for each batch anew.
    """
    other = copy(schema)
    other.columns = {name: copy(column) for name, column in schema.columns.items()}
    for column in other.columns.values():
        column.dtype = None
    return other


def _rule(check: str) -> str:
    return {"not_nullable": "is required", "field_uniqueness": "must be unique"}.get(check, check)


def _rejections(
    frame: pd.DataFrame, refused: dict[int, list[tuple[str, str]]], places: pd.DataFrame, parts: Sequence[Rows]
) -> list[Rejection]:
    """One rejection a row, with every rule it broke; the values of personal fields stay in the payload."""
    ids = frame.iloc[:, 0]
    raw = {(part.page, at): record for part in parts for at, record in zip(part.positions, part.raw, strict=True)}
    at = [*zip(places["page"].tolist(), places["row"].tolist(), strict=True)]
    found = []
    for index, broken in refused.items():
        page, row = at[index]
        rules = list(dict.fromkeys(f"{column} {rule}" if column != "None" else rule for column, rule in broken))
        found.append(
            Rejection(page, row, _usable(ids.iat[index]), rules[0], "; ".join(rules), _text_of(raw[page, row]))
        )
    return found


def _usable(external_id: object) -> str | None:
    """An id that can be stored and looked up; the payload holds any other."""
    if not isinstance(external_id, str) or not external_id.strip() or "\x00" in external_id:
        return None
    return external_id if len(external_id) <= LONGEST_ID else None


def _without_skipped(core: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    reasons = core.pop("skip")
    if not reasons.notna().any():
        return core, {}
    counts = reasons.dropna().value_counts()
    return core[reasons.isna()].reset_index(drop=True), {str(reason): int(n) for reason, n in counts.items()}
