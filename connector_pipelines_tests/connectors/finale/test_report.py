from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.finale import report, stock
from connector_pipelines.connectors.finale.config import Report
from connector_pipelines.errors import BrokenPage

CSV = b'\xef\xbb\xbfProduct ID,Description,"QoH"\r\nA-1,"Bolt, M8","1,234.50"\r\n\r\nB-2,"two\nlines",--\r\n'
JSON = b'[{"data":[["Product ID","Description","QoH"],["A-1","Bolt, M8","1,234.50"],["B-2",null,1.10]]}]'
OBJECTS = b'[{"Product ID":"A-1","Description":"Bolt","QoH":"1,234.50"},{"Product ID":"B-2","QoH":7}]'
LABELS = ("QoH", "Product ID")


@pytest.mark.parametrize(("body", "second"), [(CSV, "--"), (JSON, "1.10"), (OBJECTS, "7")])
def test_reports_are_read_by_label(body: bytes, second: str) -> None:
    """CSV and both forms of JSON give the cells under the labels, in the order asked for."""
    assert list(report.rows(body, LABELS)) == [("1,234.50", "A-1"), (second, "B-2")]


NUMBERS = {
    "1,234.50": "1234.50",
    "1,234,567": "1234567",
    "1234.5": "1234.5",
    "-12": "-12",
    "(12.5)": "-12.5",
    "$1,000": "1000",
    ".5": "0.5",
    " 7 ": "7",
    "": None,
    "--": None,
    "12,34": "12,34",
    "1.234,50": "1.234,50",
    "(12": "(12",
    "4 d": "4 d",
    ".": ".",
}


@pytest.mark.parametrize("text", NUMBERS)
def test_formatted_numbers(text: str) -> None:
    """Thousands, parentheses, blanks and dashes are understood; what is no number stays, so that it is refused."""
    assert report.number(text) == NUMBERS[text]


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=2))
def test_formatting_is_undone(number: Decimal) -> None:
    """Any number with separators is read as the number it was."""
    assert Decimal(str(report.number(f"{number:,}"))) == number


BROKEN = {
    b"": "is empty, without even a header",
    b"<html></html>": "is HTML or XML",
    b"Product,Units\nA,1\n": "has no column 'QoH' and no column 'Product ID'; it has Product, Units",
    b"Product ID,QoH\nA,1\nB\n": "has 1 cells in row 3 and 2 in its header",
    b'Product ID,QoH\n"A,1\n': "is damaged CSV",
    b"Product ID,QoH\n\xe9,1\n": "is not UTF-8",
    b"[]": "is JSON without a header",
    b'{"msg":"no"}': "is JSON, but no table",
    b'[["Product ID","QoH"],{"a":1}]': "is JSON, but no table",
    b'[{"data":[["Product ID"': "is JSON that breaks off",
}


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_report_is_broken(body: bytes) -> None:
    """A report without its labels, or that is none, is refused in a sentence that says why."""
    with pytest.raises(BrokenPage, match=BROKEN[body]):
        list(report.rows(body, LABELS))


def test_rows_of_a_product_are_added_up() -> None:
    """A product in two places has the sum, one that is not mentioned nothing; a total without a product is no one's."""
    told = Report(url="https://x.example/r", quantity_on_hand="QoH", reorder_point="Min")
    body = b'Product ID,QoH,Min\nA,"1,000.25",--\nA,.75,5\nB,--,--\n,"9,999",\n'
    held = stock.of_report(body, told)
    columns = held.columns(b'{"productId":["A","B","C"]}')
    assert columns == {"stockOnHand": ["1001.00", None, None], "stockReorderPoint": ["5", None, None]}


def test_stock_is_added_up_by_product() -> None:
    """Rows of inventoryitem are summed digit by digit, texts like numbers; a product without a row has zero."""
    url = '"/acme/api/product/{}"'
    urls = ",".join(url.format(n) for n in (1, 1, 2))
    body = (
        f'{{"productUrl":[{urls}],"quantityOnHand":[0.1,"0.2",null],"quantityOnOrder":[1,2,3],'
        '"quantityReserved":[0,0,0]}'
    )
    held = stock.of_items([body.encode()])
    products = f'{{"productUrl":[{",".join(url.format(n) for n in (2, 1, 3))}]}}'
    assert held.columns(products.encode()) == {
        "stockOnHand": [None, "0.3", "0"],
        "stockOnOrder": ["3", "3", "0"],
        "stockReserved": ["0", "0", "0"],
    }


@pytest.mark.parametrize("bad", ['"many"', "[1]", "true", '"NaN"', '"Infinity"'])
def test_a_bad_quantity_spoils_its_product_alone(bad: str) -> None:
    """A quantity that is no number makes its product's sum unreadable, and no other's."""
    body = (
        f'{{"productUrl":["/p/1","/p/1","/p/2"],"quantityOnHand":[5,{bad},1],"quantityOnOrder":[0,0,0],'
        '"quantityReserved":[0,0,0]}'
    )
    on_hand = stock.of_items([body.encode()]).columns(b'{"productUrl":["/p/1","/p/2"]}')["stockOnHand"]
    assert on_hand == [stock.UNREADABLE, "1"]


quantities = st.one_of(st.none(), st.integers(-9, 9), st.decimals(places=2, min_value=-9, max_value=9).map(str))


@given(st.lists(st.lists(st.tuples(st.sampled_from("ABC"), quantities), max_size=6), min_size=1, max_size=4))
def test_stock_is_the_same_however_the_answer_is_cut(slices: list[list[tuple[str, int | str | None]]]) -> None:
    """Rows of a product that stand in different slices add up as if they stood in one; nothing known stays nothing."""
    bodies = [
        json.dumps({name: [row[0] if name == "productUrl" else row[1] for row in rows] for name in stock.ITEM_FIELDS})
        for rows in slices
    ]
    held = stock.of_items([body.encode() for body in bodies])
    rows = [row for part in slices for row in part]
    known = {url: [Decimal(value) for name, value in rows if name == url and value is not None] for url, _ in rows}
    sums = held.columns(b'{"productUrl":["A","B","C"]}')["stockReserved"]
    assert [None if said is None else Decimal(str(said)) for said in sums] == [
        (sum(known[url]) if known[url] else None) if url in known else 0 for url in "ABC"
    ]
