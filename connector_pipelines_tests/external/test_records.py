"""Ids of records that are ours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.external.records import id_of


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_ids_are_ours_and_differ(words: list[str]) -> None:
    """Different keys have different ids, which are safe in an address and hold no words of people."""
    first, second = (id_of("core", f"outcomes/{word}@sections/1") for word in words)
    assert first != second
    assert first.isascii()
    assert "/" not in first
    assert id_of("core", "assessments/17") == "core-assessments-17"
