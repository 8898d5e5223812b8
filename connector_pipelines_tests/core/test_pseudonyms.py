"""A pseudonym has the form of what it stands for, and nothing else of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.core.pseudonyms import Pseudonyms, seen

KEY = b"a key of a test"


def form(text: str) -> str:
    """What is not to change: where letters, capitals, digits and other signs stand."""
    return re.sub("[0-9]", "0", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", text)))


@given(st.text(max_size=60))
def test_length_and_form_are_kept(value: str) -> None:
    """Every text, in whatever script, has a pseudonym as long as it is, but for the end of an address."""
    if "@" not in value and "://" not in value:
        found = Pseudonyms(KEY).of_value(value)
        assert len(found) == len(value)
        assert form(found) == form(value) or not value.isascii()


@pytest.mark.parametrize(
    ("value", "like"),
    [
        ("N-07001", r"[A-Z]-\d{5}"),
        ("Ada", "[A-Z][a-z]{2}"),
        ("+1 555 0177", r"\+[1-9] \d{3} \d{4}"),
        ("ada.king@school.k12.us", r"[a-z]{3}\.[a-z]{4}@[a-z]{6}\.[a-z]\d{2}\.example"),
        ("https://acme.com/shop", r"https://[a-z]{4}\.example/[a-z]{4}"),
        ("5d1f-A", r"[1-9][a-z][1-9]?\d?[a-z]-[A-Z]"),
    ],
)
def test_what_people_write(value: str, like: str) -> None:
    """Numbers, names and addresses look like what they were; nobody can be reached at one."""
    assert re.fullmatch(like, Pseudonyms(KEY).of_value(value))


def test_equal_values_agree_and_others_differ() -> None:
    """By value, what agreed agrees and what differed differs, to the last free form; in rows equal names differ."""
    names = Pseudonyms(KEY)
    values = [f"{number:03}" for number in range(800)]
    found = [names.of_value(value) for value in values]
    assert found == [names.of_value(value) for value in values]
    assert len(set(found)) == len(values)
    assert len({names.of_row("Margarete", str(row)) for row in range(100)}) == 100
    assert names.of_row("Margarete", "1") == names.of_row("Margarete", "1")


def test_no_pseudonym_is_somebody_s_real_value() -> None:
    """Whatever really is a value is never given, whoever's it is, in whatever case."""
    real = {f"{number:02}" for number in range(50)}
    names = Pseudonyms(KEY, {seen(one) for one in real})
    assert {names.of_row("41", str(row)) for row in range(200)}.isdisjoint(real)
    assert Pseudonyms(KEY, {seen("ADA")}).of_value("ada") != "ada"


def test_another_key_tells_nothing() -> None:
    """Under two keys nothing agrees but the form."""
    values = [f"user{number}name" for number in range(200)]
    one, other = Pseudonyms(b"1"), Pseudonyms(b"2")
    assert [value for value in values if one.of_value(value) == other.of_value(value)] == []
