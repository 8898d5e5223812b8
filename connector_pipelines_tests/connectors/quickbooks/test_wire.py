"""Answers become records, and what is no answer is never taken for an empty one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.quickbooks import columns, wire
from connector_pipelines.errors import BrokenPage
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from decimal import Decimal

CDC = {"CDCResponse": [{"QueryResponse": [{"Item": [{"Id": "1"}, {"Id": "2", "status": "Deleted"}]}, {}]}], "time": "t"}


def test_records_of_both_kinds_of_answers() -> None:
    """The records of a query and of change data capture are the same bytes, without being decoded."""
    query = b'{"QueryResponse":{"Item":[{"Id":"1"},{"Id":"2","x":[1]}],"startPosition":1,"maxResults":2},"time":"t"}'
    assert list(map(bytes, columns.split_items(query))) == [b'{"Id":"1"}', b'{"Id":"2","x":[1]}']
    assert [json.loads(bytes(raw))["Id"] for raw in columns.split_items(json.dumps(CDC).encode())] == ["1", "2"]


EMPTY = [
    b'{"QueryResponse":{},"time":"t"}',
    b'\xef\xbb\xbf{"QueryResponse":{}}',
    b'{"CDCResponse":[{"QueryResponse":[{}]}]}',
]


@pytest.mark.parametrize("body", EMPTY)
def test_an_answer_without_records_is_empty(body: bytes) -> None:
    """An answer that says that there is nothing has no list, and is no error."""
    assert columns.split_items(body) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is empty, which is not the same"),
        (b"<IntuitResponse/>", "HTML or XML"),
        (b'{"QueryResponse":{"Item":[{"Id"', "breaks off"),
        (b"OK", "no JSON"),
        (b"{}", "neither QueryResponse nor CDCResponse"),
        (b'{"QueryResponse":null}', "neither QueryResponse nor CDCResponse"),
        (b'{"CDCResponse":[]}', "neither QueryResponse nor CDCResponse"),
        (b'{"CDCResponse":[{}]}', "not what a query answers"),
        (b'{"QueryResponse":[]}', "not what a query answers"),
        (b'{"QueryResponse":{"Item":{}}}', "something else where its list should be"),
        (b'{"QueryResponse":{"Item":null}}', "something else where its list should be"),
        (b'{"QueryResponse":{"Vendor":[{"Id":"1"}]}}', "has Vendor where Item was asked for"),
        (b'{"QueryResponse":{"Item":[{"Id":"\xff"}]}}', "UTF-8"),
        (b'{"Fault":{"Error":[{"Message":"No","code":"10"}],"type":"SystemFault"}}', "is a refusal (No (code 10))"),
    ],
)
def test_what_is_no_answer_is_refused(body: bytes, says: str) -> None:
    """Nothing but an answer to what was asked is split; the error says what it is and how it begins."""
    with pytest.raises(BrokenPage, match="it begins: ") as caught:
        list(map(columns.decode_item, columns.split_items(body)))
    assert says in str(caught.value)


def test_a_record_is_not_a_fault_for_its_words() -> None:
    """An item that is called Fault is an item."""
    body = b'{"QueryResponse":{"Item":[{"Id":"1","Name":"Fault","x":"\\"fault\\""}]}}'
    assert [columns.decode_item(raw).Name for raw in columns.split_items(body)] == ["Fault"]


def test_lines_carry_their_order() -> None:
    """Each line is a record with its order's id, status and time; an order without lines has none."""
    orders = [
        {"Id": "7", "POStatus": "Open", "MetaData": {"LastUpdatedTime": "t"}, "Line": [{"Id": "1"}, {"Id": "2"}]},
        {"Id": "8"},
        {"Id": "9", "status": "Deleted"},
    ]
    rows = columns.split_lines(json.dumps({"QueryResponse": {"PurchaseOrder": orders}}).encode())
    lines = [columns.decode_line(row) for row in rows]
    assert [columns.LINE_COLUMNS["Id"](line) for line in lines] == ["7:1", "7:2"]
    assert (lines[0].Order.POStatus, lines[0].Order.MetaData.LastUpdatedTime) == ("Open", "t")


def test_orders_come_with_all_their_lines() -> None:
    """An order is whole when its lines can be told apart: also one without any, and a deleted one."""
    orders = [
        {"Id": "1", "Line": [{"Id": "1"}, {"Id": "2"}]},
        {"Id": "2", "Line": []},
        {"Id": "3", "status": "Deleted"},
        {"Id": "4", "Line": [{"Id": "1"}, {"Description": "whose?"}]},
        {"Id": "5", "Line": [{"Id": 1}]},
        {"Id": "6", "Line": "none"},
    ]
    body = json.dumps({"CDCResponse": [{"QueryResponse": [{"PurchaseOrder": orders}]}]}).encode()
    assert wire.whole_orders(body) == ["1", "2", "3"]


@pytest.mark.parametrize("order", [{"Id": "7", "Line": "none"}, {"Line": []}, {"Id": 7}, "order"])
def test_an_order_that_cannot_be_taken_apart_is_one_bad_row(order: object) -> None:
    """Lines of an unreadable order are not lost in silence: they are one dead letter."""
    rows = columns.split_lines(json.dumps({"QueryResponse": {"PurchaseOrder": [order]}}).encode())
    assert len(rows) == 1
    with pytest.raises(BadRow, match="lines of order"):
        columns.decode_line(rows[0])


def test_bad_rows_name_themselves() -> None:
    """A record that cannot be decoded is a bad row with its id, where it has one."""
    with pytest.raises(BadRow, match="Expected `str") as caught:
        columns.decode_item(b'{"Id":"19","Name":[]}')
    assert caught.value.external_id == "19"
    with pytest.raises(BadRow) as caught:
        columns.decode_line(b'{"Order":{"Id":"7"},"Line":{"Id":"2","Amount":"a lot"}}')
    assert caught.value.external_id == "7:2"
    with pytest.raises(BadRow) as caught:
        columns.decode_item(b'{"Id":["19"]}')
    assert caught.value.external_id is None


@pytest.mark.parametrize(
    "body", [b'{"QueryResponse":{}}', b'{"QueryResponse":{"totalCount":"7"}}', b'{"totalCount":7}']
)
def test_a_count_is_a_number_or_an_error(body: bytes) -> None:
    """A count that does not come is no zero."""
    assert wire.total(b'{"QueryResponse":{"totalCount":0},"time":"t"}') == 0
    with pytest.raises(BrokenPage):
        wire.total(body)


@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=7, min_value=-(10**12), max_value=10**12))
def test_numbers_keep_every_digit(number: Decimal) -> None:
    """A number arrives with the digits it was sent with, never as a float."""
    item = columns.decode_item(b'{"Id":"1","UnitPrice":%s}' % format(number, "f").encode())
    assert columns.ITEM_COLUMNS["UnitPrice"](item) == format(number, "f")


@pytest.mark.parametrize("sent", [b"1e999999999", b"1e-999999999", b'"NaN"', b'"Infinity"', b"1E+31"])
def test_absurd_numbers_stay_short(sent: bytes) -> None:
    """A number of absurd size is not written out; it is refused later as no number."""
    text = columns.ITEM_COLUMNS["UnitPrice"](columns.decode_item(b'{"Id":"1","UnitPrice":%b}' % sent))
    assert isinstance(text, str)
    assert len(text) < 20
    assert not text.lstrip("-").replace(".", "").isdigit()


def test_ids_of_a_page() -> None:
    """The ids of a page come in its order; a record without a usable one is told by its bytes."""
    body = b'{"QueryResponse":{"Item":[{"Id":"2"},{"Id":1},{"Id":"10"}]}}'
    assert wire.ids("Item")(body) == ["2", repr(b'{"Id":1}'), "10"]
