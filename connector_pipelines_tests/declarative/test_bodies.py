"""Compressed bodies and what we note before them."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connector_pipelines.declarative import bodies
from connector_pipelines.errors import BrokenPage


def zipped(**files: bytes) -> bytes:
    """A zip of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name.replace("__", "."), body)
    return file.getvalue()


@examples(deadline=None, max_examples=40)
@given(plain=st.binary(max_size=3_000))
def test_packing_is_undone(plain: bytes) -> None:
    """Whatever the body: gzip, joined gzip and zip give it back, declared and by their first bytes."""
    half = len(plain) // 2
    joined = gzip.compress(plain[:half]) + gzip.compress(plain[half:])
    for packed, declared in ((gzip.compress(plain), "gzip"), (joined, "gzip"), (zipped(a=plain), "zip")):
        assert bodies.opened(packed, declared).plain == plain  # type: ignore[arg-type]
        assert bodies.opened(packed).plain == plain


@examples(deadline=None, max_examples=40)
@given(
    plain=st.binary(max_size=300).filter(lambda body: body[:1] != b"\x1e"),
    parent=st.dictionaries(st.text(), st.none() | st.integers() | st.text()),
)
def test_a_parent_travels_with_its_page(plain: bytes, parent: dict[str, object]) -> None:
    """Whatever the parent's fields hold, line ends included: the body behind them is as it came."""
    import json

    found = bodies.opened(bodies.of_parent(parent, plain), "none")
    assert found.plain == plain
    assert json.loads(found.parent) == parent


def test_nothing_stays_nothing() -> None:
    """The note that an answer means nothing is read as such, also behind a parent."""
    assert bodies.opened(bodies.nothing(404)).empty
    assert bodies.opened(bodies.of_parent({"id": "7"}, bodies.nothing(404)), "gzip").empty


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_damaged_package_is_refused(cut: int) -> None:
    """What cannot be unpacked to its end is an error, never a shorter page."""
    plain = bytes(range(256)) * 20
    for packed, declared in ((gzip.compress(plain), "gzip"), (zipped(a=plain), "zip")):
        with pytest.raises(BrokenPage, match=f"is no {declared}, or a damaged one"):
            bodies.opened(packed[:-cut], declared)  # type: ignore[arg-type]
    with pytest.raises(BrokenPage, match="is no gzip"):
        bodies.opened(b"plain text", "gzip")


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that unpacks to more than allowed is refused, whichever way it is packed."""
    monkeypatch.setattr(bodies, "MAX_PLAIN_BYTES", 5_000_000)
    plain = bytes(6_000_000)
    for packed in (gzip.compress(plain), zipped(a=plain)):
        with pytest.raises(BrokenPage, match="unpacks to more than 5,000,000 bytes"):
            bodies.opened(packed)


def test_the_file_that_counts_is_named() -> None:
    """Of several files in a zip the pattern chooses one; none or several are an error that lists them."""
    packed = zipped(data__csv=b"x", readme__txt=b"y", more__csv=b"z")
    assert bodies.opened(packed, member="data.*").plain == b"x"
    with pytest.raises(BrokenPage, match=r"2 files that fit '\*\.csv'; it holds data\.csv, readme\.txt, more\.csv"):
        bodies.opened(packed, member="*.csv")
    with pytest.raises(BrokenPage, match="0 files that fit"):
        bodies.opened(packed, member="*.tsv")
