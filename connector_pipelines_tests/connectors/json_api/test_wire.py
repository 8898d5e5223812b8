"""Pages to records: JSON in every shape, JSON lines, XML; and what is no page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connector_pipelines.connectors.json_api.client import streams
from connector_pipelines.connectors.json_api.config import JsonApiConfig
from connector_pipelines.errors import BrokenPage

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.floats(-1e9, 1e9)
RECORDS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1), max_size=5)


def rows(body: bytes, form: str = "json", **vendors: Any) -> list[Any]:
    """The records of a page, decoded."""
    name = {"value": "x"}
    declared = {"path": "things", "id": "@", "mapping": {"name": name}} | vendors
    whole = {"base_url": "https://api.example", "format": form, "entities": {"vendors": declared}}
    [stream] = streams(JsonApiConfig.model_validate(whole))
    return [json.loads(bytes(row)) for row in stream.split(body)]


@examples(deadline=None, max_examples=40)
@given(records=RECORDS)
def test_every_shape_gives_the_same_records(records: list[dict[str, Any]]) -> None:
    """Whatever the records: a list, a nested list, one found by an expression and JSON lines give the same."""
    nested = json.dumps({"result": {"data": records, "other": [1]}}).encode()
    assert rows(json.dumps(records).encode()) == records
    assert rows(nested, records="result.data") == records
    assert rows(nested, records="result.data[?a == a]") == records
    lines = "\n".join(map(json.dumps, records)).encode() + b"\n"
    assert rows(lines, "jsonl") == records


@examples(deadline=None, max_examples=40)
@given(count=st.integers(0, 5), names=st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
def test_columns_are_turned_into_rows(count: int, names: list[str]) -> None:
    """Lists of the same length become as many records, value by value."""
    page = {name: [f"{name}{at}" for at in range(count)] for name in names} | {"count": count}
    expected = [{name: f"{name}{at}" for name in names} for at in range(count)]
    assert rows(json.dumps({"page": page}).encode(), records="page", layout="columns") == expected


def test_columns_of_different_lengths_are_refused() -> None:
    """A list that is shorter than the others is named; no row is made up."""
    page = json.dumps({"id": [1, 2, 3], "name": ["a", "b"], "code": [1, 2, 3]}).encode()
    with pytest.raises(BrokenPage, match="'name' has 2 where others have 3"):
        rows(page, layout="columns")


def test_records_within_records_know_what_they_belong_to() -> None:
    """Each element of an expanded list is a record with the rest of what held it."""
    page = json.dumps([{"id": 7, "day": "d", "lines": [{"n": 1}, {"n": 2}]}, {"id": 8, "lines": []}]).encode()
    parent = {"id": 7, "day": "d"}
    assert rows(page, expand="lines") == [{"n": 1, "_parent": parent}, {"n": 2, "_parent": parent}]
    with pytest.raises(BrokenPage, match="a record without 'lines'"):
        rows(b'[{"id": 7}]', expand="lines")
    assert rows(b'[{"id": 7}]', expand="lines", missing_is_empty=True) == []


def test_columns_of_records_can_be_expanded() -> None:
    """Column-major pages may hold lists of objects, as Finale's orders do."""
    page = json.dumps({"orderId": ["a", "b"], "items": [[{"n": 1}], [{"n": 2}, {"n": 3}]]}).encode()
    found = rows(page, layout="columns", expand="items")
    assert [(row["_parent"]["orderId"], row["n"]) for row in found] == [("a", 1), ("b", 2), ("b", 3)]


def test_large_numbers_keep_their_digits() -> None:
    """Neither slicing nor selecting changes a digit."""
    body = b'{"data": [{"id": 9007199254740993, "price": 12345678901234567890.12}]}'
    split = streams(
        JsonApiConfig.model_validate(
            {
                "base_url": "https://api.example",
                "entities": {
                    "vendors": {"path": "x", "records": "data[:]", "id": "id", "mapping": {"name": {"value": "x"}}}
                },
            }
        )
    )[0].split
    [row] = split(body)
    assert b"9007199254740993" in bytes(row)
    assert b"12345678901234567890.12" in bytes(row)


@pytest.mark.parametrize("page", ["{}", '{"data": null}', "null"])
def test_missing_records_are_an_error_unless_declared(page: str) -> None:
    """A page without its list is refused; where declared, it is a page without records."""
    with pytest.raises(BrokenPage, match="has no list at 'data'"):
        rows(page.encode(), records="data")
    assert rows(page.encode(), records="data", missing_is_empty=True) == []


@pytest.mark.parametrize("missing_is_empty", [True, False])
@pytest.mark.parametrize(
    ("body", "form", "sentence"),
    [
        (b"", "json", "is empty, which is not the same as an empty list"),
        (b'{"data": [{"a": 1}, {"a"', "json", "JSON that breaks off"),
        (b"<html>", "json", "HTML or XML where JSON should be"),
        (b"hello", "json", "is no JSON"),
        (b'{"data": {"a": 1}}', "json", "has no list at 'data'"),
        (b'["a"]', "json", "has no list at 'data'"),
        (b'"data"', "json", "has no list at 'data'"),
        (b'{"a": 1}\n{"a', "jsonl", "breaks off in its last line"),
        (b"<html>\n</html>\n", "jsonl", "HTML or XML where JSON should be"),
        (b"[1, 2]\n", "jsonl", "its first line is no object"),
        (b"<a><b/>", "xml", "is no XML, or breaks off"),
        (b"{}", "xml", "is no XML"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "xml", "is no XML"),
    ],
)
def test_what_is_no_page_is_refused(body: bytes, form: str, sentence: str, missing_is_empty: bool) -> None:  # noqa: FBT001 -- a table
    """What is no page is an error that says what it is instead, also where a missing list means none."""
    where = {"json": {"records": "data"}, "jsonl": {}, "xml": {"records": "a/b"}}[form]
    with pytest.raises(BrokenPage, match=sentence):
        rows(body, form, missing_is_empty=missing_is_empty, **where)


def test_a_byte_order_mark_does_no_harm() -> None:
    """A UTF-8 mark before JSON is no part of it."""
    assert rows(b'\xef\xbb\xbf[{"a": 1}]') == rows(b'\xef\xbb\xbf{"a": 1}\n', "jsonl") == [{"a": 1}]


def test_a_line_that_is_none_is_left_to_validation() -> None:
    """A broken line among good ones stays a record, so that it becomes a dead letter; blank lines are none."""
    [stream] = streams(
        JsonApiConfig.model_validate(
            {
                "base_url": "https://api.example",
                "format": "jsonl",
                "entities": {"vendors": {"path": "x", "id": "a", "mapping": {"name": "a"}}},
            }
        )
    )
    assert list(stream.split(b'{"a": 1}\r\n\r\n{"a"\r\n{"a": 3}')) == [b'{"a": 1}', b'{"a"', b'{"a": 3}']


XML = b"""<?xml version="1.0"?>
<catalog xmlns="urn:x" xmlns:y="urn:y">
  <products total="3">
    <product id="7"><y:name>Chalk &amp; Co</y:name><tag>a</tag><tag>b</tag><price cur="EUR">3</price></product>
    <product id="8"><name/></product>
    <product>bare</product>
  </products>
</catalog>"""


def test_elements_become_objects() -> None:
    """Attributes, children, repeated children and text are fields; namespaces are left out."""
    assert rows(XML, "xml", records="products/product") == [
        {"id": "7", "name": "Chalk & Co", "tag": ["a", "b"], "price": {"cur": "EUR", "_text": "3"}},
        {"id": "8", "name": None},
        {"_text": "bare"},
    ]


def test_an_empty_element_is_an_empty_page() -> None:
    """What holds the records may be there and empty; something else in it, or nothing there, is refused."""
    assert rows(b"<catalog><products/></catalog>", "xml", records="products/product") == []
    with pytest.raises(BrokenPage, match="has no 'product' at 'products/product', but error"):
        rows(b"<catalog><products><error/></products></catalog>", "xml", records="products/product")
    with pytest.raises(BrokenPage, match="has no 'products' below its root 'error'"):
        rows(b"<error>no such tenant</error>", "xml", records="products/product")


def test_one_child_is_expanded_like_many() -> None:
    """XML does not tell one from a list of one; an expanded field takes both."""
    page = b"<o><order id='1'><line n='1'/></order><order id='2'><line n='1'/><line n='2'/></order></o>"
    found = rows(page, "xml", records="order", expand="line")
    assert [(row["_parent"]["id"], row["n"]) for row in found] == [("1", "1"), ("2", "1"), ("2", "2")]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"format": "xml"}, "records is needed"),
        ({"format": "jsonl", "records": "data"}, "leave out records"),
        ({"format": "jsonl", "layout": "columns"}, "is for format json"),
        ({"records": "a["}, "no JMESPath"),
        ({"expand": "a["}, "no JMESPath"),
    ],
)
def test_shapes_that_cannot_be_are_refused(more: dict[str, Any], sentence: str) -> None:
    """A shape that its format cannot have is a mistake of the declaration."""
    form = more.pop("format", "json")
    with pytest.raises(ValueError, match=sentence):
        rows(b"[]", form, **more)
