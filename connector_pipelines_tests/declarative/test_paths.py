"""Paths into records: our short cut for plain names, and JMESPath for the rest."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connector_pipelines.declarative.paths import in_csv, in_json

NAMES = st.sampled_from(["a", "b", "c1", "_d"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


@examples(deadline=None, max_examples=40)
@given(names=st.lists(NAMES, min_size=1, max_size=3), document=DOCUMENTS)
def test_the_short_cut_is_jmespath(names: list[str], document: Any) -> None:
    """A path of plain names finds exactly what JMESPath finds, in whatever document."""
    text = ".".join(names)
    assert in_json(text).get(document) == jmespath.search(text, document)


@pytest.mark.parametrize(
    ("record", "there"),
    [
        ({"a": {"b": 1}}, True),
        ({"a": {"b": None}}, True),
        ({"a": None}, True),
        ({"a": {}}, False),
        ({}, False),
        ({"a": []}, False),
        ([], False),
    ],
)
def test_missing_is_not_null(record: Any, there: bool) -> None:  # noqa: FBT001 -- a table
    """A field with null is there, also further down; one that is absent is not."""
    assert in_json("a.b").has(record) == there


def test_expressions_are_computed() -> None:
    """JMESPath's functions, filters and flattening work; what cannot be computed is nothing."""
    record = {"tags": [{"k": "x", "v": 1}, {"k": "y", "v": 2}], "first": "Ada", "last": "Lovelace"}
    assert in_json("join(' ', [first, last])").get(record) == "Ada Lovelace"
    assert in_json("tags[?k=='y'].v | [0]").get(record) == 2
    assert in_json("missing || first").get(record) == "Ada"
    assert in_json("sum(first)").get(record) is None
    assert in_json('"first"').get(record) == "Ada"


@pytest.mark.parametrize("text", ["a..b", "a[", "", "foo(", "a b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    """A path that JMESPath cannot read is an error that quotes it."""
    with pytest.raises(ValueError, match="is no JMESPath expression"):
        in_json(text)


def test_a_column_is_named_as_it_is() -> None:
    """In a table a path is a column's name, dots and blanks included."""
    path = in_csv("Unit Cost (net.)")
    assert path.get({"Unit Cost (net.)": "3"}) == "3"
    assert path.has({"Unit Cost (net.)": ""})
    assert not path.has({"Unit Cost": "3"})
