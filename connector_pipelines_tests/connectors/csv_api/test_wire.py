"""Tables to records: encodings, dialects, headers, and rows that are none (E58)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connector_pipelines.connectors.csv_api.client import streams
from connector_pipelines.connectors.csv_api.config import CsvApiConfig
from connector_pipelines.errors import BrokenPage, FieldMissing
from connector_pipelines.pages import Rows
from connector_pipelines.validation.accept import Accepted, accept

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
TABLE = b"id,name\n1,Ada\n2,Bo\n"


def stream(**dialect: Any) -> Any:
    """The stream of a source of vendors with the columns id and name."""
    declared = {"path": "things.csv", "id": "id", "mapping": {"name": "name"}}
    whole = {"base_url": "https://api.example", "dialect": dialect, "entities": {"vendors": declared}}
    return streams(CsvApiConfig.model_validate(whole))[0]


def rows(body: bytes, **dialect: Any) -> list[Any]:
    """The records of a page, decoded."""
    return [json.loads(bytes(row)) for row in stream(**dialect).split(body)]


def accepted(body: bytes, **dialect: Any) -> Accepted:
    """What validation says of a page."""
    own = stream(**dialect)
    raw = own.split(body)
    return accept(own, [Rows(1, range(len(raw)), raw, ["0" * 32] * len(raw))])


@examples(deadline=None, max_examples=40)
@given(
    cells=st.lists(st.tuples(CELLS.filter(str.strip), CELLS), max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
)
def test_what_is_written_is_read(cells: list[tuple[str, str]], delimiter: str, quote: str) -> None:
    """Whatever cells hold, delimiters, quotes and line ends included: each comes back as it was written."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quotechar=quote, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "name"), *cells])
    found = rows(file.getvalue().encode(), delimiter=delimiter, quote=quote)
    assert [(row["id"], row["name"]) for row in found] == cells


ENCODED = {
    "utf-8": ({}, "id,name\n1,Müller\n".encode()),
    "utf-8 with a mark": ({}, "id,name\n1,Müller\n".encode("utf-8-sig")),
    "a mark goes before the declaration": ({"encoding": "latin-1"}, "id,name\n1,Müller\n".encode("utf-8-sig")),
    "utf-16 by its mark": ({}, "id,name\n1,Müller\n".encode("utf-16")),
    "windows-1252": ({"encoding": "windows-1252"}, "id,name\n1,Müller\n".encode("cp1252")),
    "semicolons": ({"delimiter": ";"}, "id;name\n1;Müller\n".encode()),
    "tabs": ({"delimiter": "\t"}, "id\tname\n1\tMüller\n".encode()),
    "quotes doubled": ({}, 'id,name\n1,"Müller"\n'.encode()),
    "no quotes": ({"quote": None}, "id,name\n1,Müller".encode()),
    "lines before the header": ({"skip_lines": 2}, "Export of today\n\nid,name\n1,Müller\n".encode()),
    "no header": ({"header": ["id", "name"]}, "1,Müller\n".encode()),
    "blank lines and columns": ({}, "\n id , name ,,\n\n1,Müller,,\n,,,\n".encode()),
    "carriage returns": ({}, "id,name\r1,Müller\r".encode()),
}


@pytest.mark.parametrize(("dialect", "body"), ENCODED.values(), ids=ENCODED)
def test_tables_come_in_many_ways(dialect: dict[str, Any], body: bytes) -> None:
    """Each dialect gives the one record there is."""
    assert rows(body, **dialect) == [{"id": "1", "name": "Müller"}]


def test_quotes_may_be_escaped() -> None:
    """An escape character stands before a quote in a cell."""
    assert rows(b'id,name\n1,"say \\"hi\\""\n', escape="\\") == [{"id": "1", "name": 'say "hi"'}]


def test_null_tokens_are_nothing() -> None:
    """Declared tokens and empty cells are null, in any column, whatever blanks stand around them."""
    found = accepted(b"id,name\n1, N/A \n2,[NULL]\n3,Ada\n", null_tokens=["N/A", "[NULL]"])
    assert list(found.frame["name"]) == ["Ada"]
    assert [row.reason for row in found.rejections] == ["name is required"] * 2


def test_ragged_rows_are_dead_letters() -> None:
    """A row with too few or too many cells is a dead letter with its line; its neighbors go on."""
    found = accepted(b"id,name\n1,Ada\n2\n3,Bo,x\n4,Cy,\n")
    assert list(found.frame["name"]) == ["Ada", "Cy"]
    assert [row.reason for row in found.rejections] == [
        "line 3 has 1 cells where the header has 2",
        "line 4 has 3 cells where the header has 2",
    ]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "has no header with the columns that are mapped"),
        (b"<!doctype html><p>Sign in", "HTML or XML where a table should be"),
        (b'{"error": "no"}', "has no header"),
        (b"a;b\n1;2\n", "has no header"),
        (b"id,name\n1,M\xfcller\n", "is not utf-8"),
        (b"id,name,id\n1,Ada,2\n", "has the column 'id' twice"),
        (b'id,name\n1,"Ada', "is damaged in line 2"),
        (b"id,name\n1,Ada\n2", "breaks off in its last line"),
    ],
)
def test_what_is_no_table_is_refused(body: bytes, sentence: str) -> None:
    """What is no table, or not the one that is mapped, or breaks off, is an error and never an empty page."""
    with pytest.raises(BrokenPage, match=sentence):
        rows(body)


@pytest.mark.parametrize("body", [b"id,naem\n1,Ada\n", b"id,naem\n"])
def test_a_missing_column_is_named(body: bytes) -> None:
    """A table that lacks a mapped column is a MAPPING_ERROR that names both, also without rows."""
    with pytest.raises(FieldMissing, match="'name', which feeds name; it has id, naem"):
        rows(body)


def test_an_empty_table_is_an_empty_page() -> None:
    """A header alone is a page without records."""
    assert rows(b"id,name\n") == []


@pytest.mark.parametrize(
    ("dialect", "sentence"),
    [
        ({"encoding": "klingon"}, "no character set that Python knows"),
        ({"delimiter": ";;"}, "at most 1 character"),
        ({"header": ["id", "title"]}, "has no column name"),
    ],
)
def test_dialects_that_cannot_be_are_refused(dialect: dict[str, Any], sentence: str) -> None:
    """A dialect that cannot be read is a mistake of the declaration."""
    with pytest.raises(ValueError, match=sentence):
        stream(**dialect)


def test_a_table_has_no_places_beside_its_rows() -> None:
    """Paging by a place in the body is refused; a header is told of as the way."""
    declared = {"path": "things.csv", "id": "id", "mapping": {"name": "name"}}
    paging = {"type": "offset", "total": "meta.total"}
    whole = {"base_url": "https://api.example", "paging": paging, "entities": {"vendors": declared}}
    with pytest.raises(ValueError, match=r"no place 'meta.total'; name a header"):
        CsvApiConfig.model_validate(whole)
