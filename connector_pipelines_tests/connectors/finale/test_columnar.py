from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.finale import columnar
from connector_pipelines.errors import BrokenPage

FIELDS = ("id", "name")
split = columnar.splitter(FIELDS, columnar.rows_of((*FIELDS, "extra")))

NASTY = [
    None,
    True,
    0,
    -1.5,
    1e300,
    2**70,
    "",
    "a,b",
    '"',
    "\\",
    "]}",
    "é😀\u2028\x00",
    [],
    [[1], {"a": [2, "]"]}],
    {},
    {"x": None},
]
cells = st.sampled_from(NASTY)
tables = st.lists(st.fixed_dictionaries({"id": cells, "name": cells, "extra": cells}), max_size=20)
spaces = st.sampled_from([None, 1])


def columns(rows: list[dict[str, Any]], names: tuple[str, ...] = (*FIELDS, "extra", "ignored")) -> dict[str, list[Any]]:
    """Rows as one list for each field."""
    return {name: [row.get(name) for row in rows] for name in names}


@given(tables, spaces)
def test_rows_are_the_elements_at_one_place(rows: list[dict[str, Any]], indent: int | None) -> None:
    """Row i is made of element i of every array, whatever the values and the white space."""
    body = json.dumps(columns(rows), indent=indent).encode()
    assert [json.loads(raw) for raw in split(body)] == rows


@given(tables, spaces, st.integers(1, 400))
def test_slices_are_the_answer(rows: list[dict[str, Any]], indent: int | None, slice_bytes: int) -> None:
    """However small the slices, their rows together are the answer's, byte by byte, and each stands for itself."""
    body = json.dumps(columns(rows), indent=indent, ensure_ascii=False).encode()
    slices = columnar.cut(BytesIO(body), FIELDS, slice_bytes=slice_bytes)
    assert slices.entities == len(rows)
    assert [bytes(raw) for part in slices for raw in split(part)] == [bytes(raw) for raw in split(body)]
    assert all(json.loads(part).keys() == columns([]).keys() for part in slices)
    assert slices[:] == list(slices)


def test_small_answers_stay_as_they_came() -> None:
    """An answer of one slice is its own slice, down to the white space."""
    body = b' {"id" : [1, 2], "name":["a","b"]}\n'
    assert list(columnar.cut(BytesIO(body), FIELDS)) == [body]


def test_slices_are_about_as_large_as_asked() -> None:
    """A thousand rows of sixty bytes make slices near the size asked for, none much larger."""
    body = json.dumps(columns([{"id": n, "name": "x" * 40, "extra": n} for n in range(1000)])).encode()
    slices = columnar.cut(BytesIO(body), FIELDS, slice_bytes=10_000)
    sizes = [len(part) for part in slices]
    assert len(sizes) > 5
    assert max(sizes) < 11_000


@given(tables.filter(bool), st.sampled_from((*FIELDS, "extra", "ignored")), st.data())
def test_lengths_are_asserted(rows: list[dict[str, Any]], name: str, data: st.DataObject) -> None:
    """One array with an element missing, wherever it is and whether we use it or not, breaks the page."""
    arrays = columns(rows)
    del arrays[name][data.draw(st.integers(0, len(rows) - 1))]
    with pytest.raises(BrokenPage, match="different lengths"):
        split(json.dumps(arrays).encode())


@pytest.mark.parametrize("body", [b"{}", b"[]", b" {}\n", b'{"id":[],"name":[]}'])
def test_an_empty_collection_is_no_error(body: bytes) -> None:
    """Arrays of length 0, and what else Finale calls empty, are no rows."""
    assert columnar.cut(BytesIO(body), FIELDS).entities == 0
    assert list(split(body)) == []
    assert columnar.column(body, "id") == []


BROKEN = {
    b"": "is empty, which is not the same as empty arrays",
    b"<html><body>Log in</body></html>": "is HTML or XML where JSON should be",
    b'{"id":[1,2],"name":["a"': "is JSON that breaks off",
    b"hello": "is no JSON",
    b"null": "is JSON, but not one array for each field",
    b'[{"id":1}]': "is JSON, but not one array for each field",
    b'{"id":[1]}': "lacks the array name",
    b'{"id":[1],"name":null}': "has 'name' that is no array",
    b'{"id":[1],"name":{"a":1}}': "has 'name' that is no array",
    b'{"id":[1,2,3],"name":["a"],"more":[1,2,3]}': r"most have 3 elements, name 1\)",
    b'{"msg":"password=hunter2 is wrong"}': "Finale says: password=\\*\\*\\* is wrong",
    b'{"id":["\xe9"],"name":[1]': "is not UTF-8",
}


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_collection_is_broken(body: bytes) -> None:
    """Anything else is refused in a sentence that says what it is, and never taken for nothing."""
    for function in (split, lambda held: columnar.cut(BytesIO(held), FIELDS)):
        with pytest.raises(BrokenPage, match=BROKEN[body]):
            function(body)


def test_numbers_keep_their_digits() -> None:
    """A column's fractions come as the digits that were sent, not as the binary fraction nearest to them."""
    assert columnar.column(b'{"n":[1.10, 1.0E7, 3, "4.50", null]}', "n") == ["1.10", "1.0E7", 3, "4.50", None]


def test_joined_columns_stand_beside_the_others() -> None:
    """A slice can be given more columns; one without entities stays as it is."""
    assert json.loads(columnar.joined(b'{"id":["a"]} ', {"q": ["1"]})) == {"id": ["a"], "q": ["1"]}
    assert columnar.joined(b"{}", {"q": []}) == b"{}"


def test_columns_that_were_not_sent_are_left_out() -> None:
    """A field that we can do without is not made up."""
    assert [json.loads(raw) for raw in split(b'{"id":[1],"name":[2]}')] == [{"id": 1, "name": 2}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"msg":"No such account"}', "No such account"),
        (b'{"error":"bad filter","message":"x"}', "x; bad filter"),
        (b"Too many requests", "Too many requests"),
        (b"<html>busy</html>", ""),
        (b"[1]", ""),
        (b'{"msg":', ""),
    ],
)
def test_errors_are_explained(body: bytes, words: str) -> None:
    """The source's own words are found where there are any."""
    assert columnar.explained(body) == words
