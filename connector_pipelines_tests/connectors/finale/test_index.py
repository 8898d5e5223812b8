from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.finale.index import index

VALUES = [None, True, -1.5, 12, "", "a,b", '","', '"', "\\", "]}", "é\u2028", [], [[1], {"a": [2, "],["]}], {"x": None}]
arrays = st.dictionaries(
    st.sampled_from(["id", 'na"me', "x:[", "é"]), st.lists(st.sampled_from(VALUES), max_size=12), min_size=1
)


@given(arrays, st.sampled_from([None, 1]), st.integers(1, 60), st.integers(1, 4))
def test_every_mark_is_where_an_element_begins(
    held: dict[str, list[Any]], indent: int | None, block_bytes: int, step: int
) -> None:
    """However small the blocks, between one mark and the next stand exactly so many elements, in order."""
    body = json.dumps(held, indent=indent, ensure_ascii=False).encode()
    found = index(BytesIO(body), step, block_bytes=block_bytes)
    assert found is not None
    assert found.keys() == held.keys()
    for name, column in found.items():
        parts = [
            body[a:b].decode().rstrip().removesuffix(",") for a, b in zip(column.marks, column.marks[1:], strict=False)
        ]
        assert [json.loads(f"[{part}]") for part in parts] == [
            held[name][at : at + step] for at in range(0, len(held[name]), step)
        ]
        assert column.length == len(held[name])


@given(arrays, st.integers(1, 60), st.data())
def test_what_breaks_off_has_no_marks(held: dict[str, list[Any]], block_bytes: int, data: st.DataObject) -> None:
    """An answer that ends anywhere before its last bracket is not taken for a shorter one."""
    body = json.dumps(held).encode()
    assert index(BytesIO(body[: data.draw(st.integers(0, len(body) - 1))]), 1, block_bytes=block_bytes) is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1,2]", b'{"id":null}', b'{"id":[1],}', b'{"id":[1]} x', b'{"id":[nope]}']
)
def test_what_is_no_object_of_arrays_has_none(body: bytes) -> None:
    """Anything else is left to whoever can say what it is."""
    assert index(BytesIO(body), 1) is None


class Watched(BytesIO):
    """A file that notes how much was read at once."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read, and note it."""
        found = super().read(size)
        self.most = max(self.most, len(found))
        return found


def test_a_large_answer_is_never_in_memory() -> None:
    """A file of two megabytes, nested and plain, is indexed while no more than a few blocks of it are held."""
    rows = [[{"url": f"/a/{n}", "price": n / 7, "of": [n, None]}] for n in range(20_000)]
    file = Watched(json.dumps({"id": list(range(20_000)), "list": rows, "mixed": [1, "a,b"] * 10_000}).encode())
    found = index(file, 100, block_bytes=10_000)
    assert found is not None
    assert {column.length for column in found.values()} == {20_000}
    assert file.most <= 20_000
