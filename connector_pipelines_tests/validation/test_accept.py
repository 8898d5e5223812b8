from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest import mock

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from connector_pipelines.model import Stream
from connector_pipelines.pages import BadRow, Rejection, Rows
from connector_pipelines.validation import accept as accepting
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from collections.abc import Sequence


class External(pa.DataFrameModel):
    """Two columns with one rule each."""

    id: str = pa.Field(str_length={"min_value": 1, "max_value": 5}, description="their key")
    kind: str = pa.Field(isin=["a", "b"], nullable=True)


def transform(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of kind b belong elsewhere."""
    return pd.DataFrame({"external_id": frame["id"], "skip": frame["kind"].map({"b": "is a b"}).astype(object)})


def stream(**changes: Any) -> Stream:
    """A stream over dicts."""
    parts: dict[str, Any] = {
        "entity": "students",
        "read": None,
        "split": None,
        "decode": decode,
        "columns": {"id": lambda record: record.get("id"), "kind": lambda record: record.get("kind")},
        "schema": External.to_schema,
        "transform": transform,
    }
    return Stream(**(parts | changes))


def decode(raw: bytes) -> dict[str, Any]:
    """A record; null is none."""
    record: dict[str, Any] | None = json.loads(raw)
    if record is None:
        raise BadRow("not a record", "is null")
    return record


def page(number: int, records: Sequence[dict[str, Any] | None]) -> Rows:
    """The raw records of a page."""
    raw = [json.dumps(record).encode() for record in records]
    return Rows(number, range(len(raw)), raw, [f"{at:032x}" for at in range(len(raw))])


def test_bad_rows_are_split_from_good_ones() -> None:
    """A bad row is named with its place, every rule it broke and its raw record; good rows keep their place."""
    bad = {"id": "toolong", "kind": "x"}
    found = accept(stream(), [page(1, [{"id": "1"}, bad]), page(2, [{"id": "2", "kind": "a"}])])
    assert found.frame.to_dict("records") == [
        {"external_id": "1", "page": 1, "row": 0, "fingerprint": f"{0:032x}"},
        {"external_id": "2", "page": 2, "row": 0, "fingerprint": f"{0:032x}"},
    ]
    (rejection,) = found.rejections
    assert (rejection.page, rejection.row, rejection.external_id) == (1, 1, "toolong")
    assert rejection.rule.startswith("id ")
    assert [part.split()[0] for part in rejection.reason.split("; ")] == ["id", "kind"]
    assert json.loads(rejection.payload) == bad


def test_missing_required_value_is_named() -> None:
    """A row without its id is refused as such and has none in the letter."""
    (rejection,) = accept(stream(), [page(1, [{"kind": "a"}])]).rejections
    assert (rejection.rule, rejection.external_id) == ("id is required", None)


def test_rows_that_belong_elsewhere_are_counted() -> None:
    """Rows that the transform sends away are gone from the frame and counted by reason."""
    found = accept(stream(), [page(1, [{"id": "1", "kind": "b"}, {"id": "2"}, {"id": "3", "kind": "b"}])])
    assert (found.skipped, list(found.frame["external_id"])) == ({"is a b": 2}, ["2"])


def test_undecodable_rows_leave_their_neighbors_alone() -> None:
    """A record that cannot be decoded becomes a rejection with its bytes; its neighbors keep their places."""
    found = accept(
        stream(), [page(6, [{"id": "0"}]), page(7, [{"id": "1"}, None, {"id": "2"}]), page(8, [{"id": "3"}])]
    )
    assert found.rejections == [Rejection(7, 1, None, "not a record", "is null", "null")]
    places = found.frame[["external_id", "page", "row", "fingerprint"]].to_numpy().tolist()
    assert places == [
        ["0", 6, 0, f"{0:032x}"],
        ["1", 7, 0, f"{0:032x}"],
        ["2", 7, 2, f"{2:032x}"],
        ["3", 8, 0, f"{0:032x}"],
    ]


@pytest.mark.parametrize("pages", [[], [page(1, [])], [page(1, []), page(2, [])]])
def test_nothing_is_nothing(pages: list[Rows]) -> None:
    """Pages without rows give no rows of any kind."""
    found = accept(stream(), pages)
    assert (len(found.frame), found.rejections, found.skipped) == (0, [], {})


def test_schema_that_is_wrong_as_a_whole_is_an_error() -> None:
    """When schema and columns disagree, no row is blamed: the connector is broken."""

    class TwoColumns(External):
        @pa.dataframe_check(error="never")
        def never(cls, _: pd.DataFrame) -> bool:  # noqa: N805 -- pandera's protocol
            return False

    with pytest.raises(SchemaErrors):
        accept(stream(schema=TwoColumns.to_schema), [page(1, [{"id": "1"}])])


RECORD = st.fixed_dictionaries(
    {"id": st.sampled_from(["", "1", "22", "toolong"]), "kind": st.sampled_from(["a", "b", "c"])}
)
RECORDS = st.lists(RECORD)


@settings(max_examples=25, deadline=None, database=None)
@given(st.lists(st.lists(st.none() | RECORD), max_size=3), st.integers(1, 4))
def test_records_may_be_cut_into_any_pieces(batches: list[list[dict[str, Any] | None]], piece: int) -> None:
    """However few records are decoded at once, each becomes what it becomes when all of them are."""
    pages = [page(number, records) for number, records in enumerate(batches, 1)]
    found = []
    for records in (1_000, piece):
        with mock.patch.object(accepting, "PIECE", records):
            found.append(accept(stream(), pages))
    whole, cut = found
    pd.testing.assert_frame_equal(cut.frame, whole.frame)
    assert (cut.rejections, cut.skipped) == (whole.rejections, whole.skipped)


@settings(max_examples=25, deadline=None, database=None)
@given(st.lists(RECORDS, max_size=3))
def test_every_row_is_in_exactly_one_part(batches: list[list[dict[str, Any]]]) -> None:
    """Whatever rows come, each is accepted, rejected or skipped, and no place is named twice."""
    pages = [page(number, records) for number, records in enumerate(batches, 1)]
    found = accept(stream(), pages)
    assert sum(map(len, batches)) == len(found.frame) + len(found.rejections) + sum(found.skipped.values())
    places = [*zip(found.frame["page"], found.frame["row"], strict=True), *((r.page, r.row) for r in found.rejections)]
    assert len(set(places)) == len(places)
