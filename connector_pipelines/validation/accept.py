"""Splits decoded records into core rows that are accepted and rows that are not. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from connector_pipelines.model import Rejection, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandera.pandas as pa

    from connector_pipelines.model import Page

PLACE = ("page", "row")
"""Where a row came from: the landed page's number, and its position there. They travel with the row to its receipt."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch of pages: rows = len(frame) + len(rejections) + sum(skipped).

    Attributes:
        frame: core columns and references by external id, with `page` and `row`.
        rejections: rows for the dead letters.
        skipped: how many rows belong elsewhere, by reason.
    """

    frame: pd.DataFrame
    rejections: list[Rejection]
    skipped: dict[str, int]


def accept(stream: Stream, pages: Sequence[Page]) -> Accepted:
    """Validate and transform the rows of some pages.

    Returns:
        every row of the pages, exactly once, in one of the three parts.
    """
    rejections = [
        Rejection(page.number, f.row, f.external_id, f.rule, f.reason, f.payload)
        for page in pages
        for f in page.decoded.failures
    ]
    records = [record for page in pages for record in page.decoded.records]
    schema = stream.schema()
    frame = _external_frame(stream, records, schema)
    places = pd.DataFrame(
        {
            "page": [page.number for page in pages for _ in page.decoded.records],
            "row": [position for page in pages for position in page.decoded.positions],
        }
    )
    refused = _failures(schema, frame)
    if refused:
        rejections += _rejections(frame, refused, places, pages)
        kept = frame.index.difference(list(refused))
        frame, places = frame.loc[kept].reset_index(drop=True), places.loc[kept].reset_index(drop=True)
    core = stream.transform(frame)
    core[list(PLACE)] = places[list(PLACE)]
    core, skipped = _without_skipped(core)
    return Accepted(core, rejections, skipped)


def _external_frame(stream: Stream, records: Sequence[Any], schema: pa.DataFrameSchema) -> pd.DataFrame:
    """The external columns; text goes through Arrow, which makes pandas' text columns several times faster."""
    import pyarrow as pa

    types = {name: column.dtype.type if column.dtype else None for name, column in schema.columns.items()}
    values = {name: list(map(stream.columns[name], records)) for name in types}
    texts = {name: _text(values[name]) for name, dtype in types.items() if dtype == "str"}
    frame: pd.DataFrame = pa.table(texts).to_pandas()
    others = {name: pd.Series(values[name], dtype=dtype) for name, dtype in types.items() if name not in texts}
    return frame.assign(**others)[list(types)] if others else frame


def _text(values: list[Any]) -> Any:
    """A text column in Arrow; what a source sends as a number or a real boolean is spelled out."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.large_string())
    except pa.ArrowTypeError:
        return pa.array([value if value is None else str(value) for value in values], pa.large_string())


def _failures(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> dict[int, list[tuple[str, str]]]:
    """For each refused row, the columns and rules it broke."""
    from pandera.errors import SchemaErrors

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        broken: dict[int, list[tuple[str, str]]] = {}
        cases = errors.failure_cases
        if cases["index"].isna().any():
            raise  # about the frame as a whole: the connector's schema and columns disagree, no row is to blame
        for index, column, check in zip(cases["index"], cases["column"], cases["check"], strict=True):
            broken.setdefault(int(index), []).append((str(column), _rule(str(check))))
        return broken
    return {}


def _rule(check: str) -> str:
    return {"not_nullable": "is required", "field_uniqueness": "must be unique"}.get(check, check)


def _rejections(
    frame: pd.DataFrame, refused: dict[int, list[tuple[str, str]]], places: pd.DataFrame, pages: Sequence[Page]
) -> list[Rejection]:
    """One rejection a row, with every rule it broke; the values of personal fields stay in the payload."""
    ids = frame.iloc[:, 0]
    raw = _Payloads(pages)
    found = []
    at = places[list(PLACE)].to_numpy()
    for index, broken in refused.items():
        page, row = (int(number) for number in at[index])
        rules = list(dict.fromkeys(f"{column} {rule}" if column != "None" else rule for column, rule in broken))
        found.append(Rejection(page, row, _usable(ids.iat[index]), rules[0], "; ".join(rules), raw.at(page, row)))
    return found


def _usable(external_id: object) -> str | None:
    """An id that can be stored and looked up; the payload holds any other."""
    return external_id if isinstance(external_id, str) and external_id.strip() and "\x00" not in external_id else None


class _Payloads:
    """The raw record at a place, decoded from its page again: only for the few that were refused."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = {page.number: page for page in pages}
        self._rows: dict[int, list[object]] = {}

    def at(self, number: int, row: int) -> str:
        if number not in self._rows:
            self._rows[number] = _records_of(self._pages[number].body)
        rows = self._rows[number]
        return json.dumps(rows[row], ensure_ascii=False) if row < len(rows) else ""


def _records_of(body: bytes) -> list[object]:
    """The list of records in a JSON page: the page itself, or the longest list in its envelope."""
    page = json.loads(body)
    lists = [page] if isinstance(page, list) else [value for value in page.values() if isinstance(value, list)]
    return max(lists, key=len, default=[])


def _without_skipped(core: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    reasons = core.pop("skip")
    if not reasons.notna().any():
        return core, {}
    counts = reasons.dropna().value_counts()
    return core[reasons.isna()].reset_index(drop=True), {str(reason): int(n) for reason, n in counts.items()}
