"""What records look like, and what of it is new, changed or gone."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.validation import shapes
from connector_pipelines.validation.shapes import Memory, drift, dump, load, remember, shape

MONDAY = date(2026, 11, 2)
PERSON = {"id": "1", "name": "Ada", "age": 36, "lines": [{"no": 1, "price": 2.5}], "home": {"city": None}}


def after(*reads: dict[str, Any] | list[dict[str, Any]], days: int = 0) -> tuple[Memory, str]:
    """What is known after some reads, a day apart, and what the last one, so many days later, is told of."""
    known: Memory = {}
    told = ""
    for number, read in enumerate(reads):
        today = MONDAY + timedelta(days=number + (days if number == len(reads) - 1 else 0))
        now = shape(json.dumps(one).encode() for one in (read if isinstance(read, list) else [read]))
        known = load(json.loads(json.dumps(dump(remember(known, now, today)))))
        told = str(drift(known, now, today))
    return known, told


def test_paths_and_kinds_are_known() -> None:
    """Fields are known by their paths, with what kinds of values they had; null is none."""
    found = shape([json.dumps(PERSON).encode(), b'{"id": 2, "lines": []}'])
    assert found.kinds["id"] == {"text", "number"}
    assert found.kinds["lines[].price"] == {"number"}
    assert found.kinds["home.city"] == set()
    assert found.always == {"id", "lines", "lines[].no", "lines[].price", "home.city"}


@pytest.mark.parametrize(
    ("then", "told"),
    [
        (PERSON, ""),
        (PERSON | {"email": "a@b.example"}, "new: email (text)"),
        (PERSON | {"age": "36"}, "changed: age (text, was number)"),
        (PERSON | {"age": None}, ""),
        (PERSON | {"home": {"city": "Ulm"}}, ""),
        ({name: held for name, held in PERSON.items() if name != "name"}, "gone: name"),
        (PERSON | {"lines": [{"no": 1}]}, "gone: lines[].price"),
        (PERSON | {"lines": []}, ""),
        ([], ""),
    ],
)
def test_what_differs_is_named(then: Any, told: str) -> None:
    """A field that comes, changes its kind or is gone is named; a null, an empty list and an empty read are nothing."""
    assert after(PERSON, then)[1] == told


def test_a_change_is_told_for_a_week() -> None:
    """What was new or gone a week ago is how the source is."""
    other = {"id": "1", "title": "Dr."}
    assert after({"id": "1", "name": "Ada"}, other, other)[1] == "new: title (text); gone: name"
    known, told = after({"id": "1", "name": "Ada"}, other, other, days=7)
    assert told == ""
    assert known.keys() == {"id", "title"}


def test_a_field_that_comes_and_goes_is_not_missed() -> None:
    """Once a record lacked a field, its absence is nothing to tell."""
    whole, without = {"id": "1", "note": "x"}, {"id": "1"}
    assert after([whole, without], without)[1] == ""
    assert after(whole, without)[1] == "gone: note"
    assert after(whole, without, whole, without)[1] == ""


def test_values_in_place_of_names_are_not_kept() -> None:
    """An object by ids or addresses has one field; neither stands in what is kept."""
    by_key = {"ada@school.example x": 1, "20261102": 2, "user12345": 3}
    assert set(shape([json.dumps({"by": by_key}).encode()]).kinds) == {"by", "by.*"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.lists(_JSON, max_size=4), max_size=4))
def test_whatever_comes_is_remembered_and_told_once(reads: list[list[Any]]) -> None:
    """Any records have a shape that can be kept, and the same records again differ in nothing."""
    known: Memory = {}
    for records in reads:
        now = shape(json.dumps(one).encode() for one in records)
        known = load(json.loads(json.dumps(dump(remember(known, now, MONDAY)))))
    if reads:
        now = shape(json.dumps(one).encode() for one in reads[-1])
        week = MONDAY + shapes.TOLD_FOR
        known = remember(known, now, week)
        assert drift(known, now, week).new == ()
        assert drift(known, now, week).changed == ()


def test_what_is_no_record_looks_like_nothing() -> None:
    """Garbage, numbers and lists of numbers among records are passed over, and nothing is told of them."""
    assert shape([b"\xff", b"[", b"1", b'"x"']).kinds == {}
    assert load({"id": {"always": "maybe"}}) == {}
    assert load(None) == {}
