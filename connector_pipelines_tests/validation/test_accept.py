from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from connector_pipelines.model import Decoded, Page, Rejection, Stream
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
        "decode": None,
        "columns": {"id": lambda record: record.get("id"), "kind": lambda record: record.get("kind")},
        "schema": External.to_schema,
        "transform": transform,
    }
    return Stream(**(parts | changes))


def page(number: int, records: Sequence[dict[str, Any]], failures: Sequence[Rejection] = ()) -> Page:
    """A page in which undecodable rows come first."""
    body = json.dumps({"total": 1, "users": [None] * len(failures) + list(records)}).encode()
    positions = range(len(failures), len(failures) + len(records))
    return Page(number, "toy://", 200, body, Decoded(records, positions, failures))


def test_bad_rows_are_split_from_good_ones() -> None:
    """A bad row is named with its place, every rule it broke and its raw record; good rows keep their place."""
    bad = {"id": "toolong", "kind": "x"}
    found = accept(stream(), [page(1, [{"id": "1"}, bad]), page(2, [{"id": "2", "kind": "a"}])])
    assert found.frame.to_dict("records") == [
        {"external_id": "1", "page": 1, "row": 0},
        {"external_id": "2", "page": 2, "row": 0},
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


def test_undecodable_rows_get_their_page() -> None:
    """What the decoder could not read becomes a rejection of its page; its neighbors keep their positions."""
    failure = Rejection(0, 0, None, "not a record", "is null", "null")
    found = accept(stream(), [page(7, [{"id": "1"}], [failure])])
    assert found.rejections == [Rejection(7, 0, None, "not a record", "is null", "null")]
    assert found.frame.to_dict("records") == [{"external_id": "1", "page": 7, "row": 1}]


@pytest.mark.parametrize("pages", [[], [page(1, [])], [page(1, []), page(2, [])]])
def test_nothing_is_nothing(pages: list[Page]) -> None:
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


RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from(["", "1", "22", "toolong"]), "kind": st.sampled_from(["a", "b", "c"])})
)


@settings(max_examples=25, deadline=None, database=None)
@given(st.lists(RECORDS, max_size=3))
def test_every_row_is_in_exactly_one_part(batches: list[list[dict[str, Any]]]) -> None:
    """Whatever rows come, each is accepted, rejected or skipped, and no place is named twice."""
    pages = [page(number, records) for number, records in enumerate(batches, 1)]
    found = accept(stream(), pages)
    assert sum(map(len, batches)) == len(found.frame) + len(found.rejections) + sum(found.skipped.values())
    places = [*zip(found.frame["page"], found.frame["row"], strict=True), *((r.page, r.row) for r in found.rejections)]
    assert len(set(places)) == len(places)
