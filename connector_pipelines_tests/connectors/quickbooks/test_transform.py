"""Accepted records become core columns."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_pipelines.connectors.quickbooks import transform

META = {"CreateTime": "2026-01-02T03:04:05-08:00", "LastUpdatedTime": "2026-01-02T03:04:05-08:00"}
MODIFIED = datetime(2026, 1, 2, 11, 4, 5, tzinfo=UTC)
ITEM = {
    "Id": "19",
    "MetaData": META,
    "Name": " Pump ",
    "Sku": "P-1",
    "Description": "Rock Fountain",
    "Active": True,
    "ParentRef": {"value": "2", "name": "Water"},
    "UnitPrice": 275.10,
    "Type": "Inventory",
    "PurchaseCost": 125,
    "PrefVendorRef": {"value": "41"},
    "QtyOnHand": 25.5,
    "QtyOnPurchaseOrder": 3,
    "ReorderPoint": 5,
}
VENDOR = {
    "Id": "41",
    "MetaData": META,
    "CompanyName": "Hicks Hardware Inc.",
    "DisplayName": "Hicks Hardware",
    "Active": False,
    "PrimaryPhone": {"FreeFormNumber": "(650) 555-0101"},
    "PrimaryEmailAddr": {"Address": "sales@example.com"},
    "WebAddr": {"URI": "https://hicks.example.com"},
    "BillAddr": {"Line1": "42 Main St.", "Line2": " ", "City": "Middlefield", "CountrySubDivisionCode": "OH"},
    "AcctNum": "A-1",
    "CurrencyRef": {"value": "USD"},
}
ORDER = {
    "Id": "105",
    "MetaData": META,
    "DocNumber": "1002",
    "TxnDate": "2026-01-05",
    "DueDate": "2026-02-05",
    "POStatus": "Open",
    "TotalAmt": 250.0,
    "VendorRef": {"value": "41", "name": "Hicks Hardware"},
    "CurrencyRef": {"value": "USD"},
    "Memo": "Thanks",
    "Line": [
        {
            "Id": "1",
            "LineNum": 1,
            "Description": "Pump",
            "Amount": 250.0,
            "Received": 20,
            "DetailType": "ItemBasedExpenseLineDetail",
            "ItemBasedExpenseLineDetail": {"ItemRef": {"value": "19"}, "UnitPrice": 10, "Qty": 25},
        }
    ],
}


def test_an_item(core_of: Any) -> None:
    """Every field of an item has its place, trimmed and unrounded; what QuickBooks does not know is missing."""
    assert core_of("inventory_items", ITEM) == [
        {
            "external_id": "19",
            "modified_at": MODIFIED,
            "deleted": False,
            "skip": None,
            "sku": "P-1",
            "name": "Pump",
            "description": "Rock Fountain",
            "item_type": "Inventory",
            "category": "Water",
            "barcode": None,
            "unit_cost": "125",
            "unit_price": "275.1",
            "currency": None,
            "quantity_on_hand": "25.5",
            "quantity_on_order": "3",
            "quantity_reserved": None,
            "reorder_point": "5",
            "status": "active",
            "preferred_vendor": "41",
        }
    ]


def test_a_vendor(core_of: Any) -> None:
    """Every field of a vendor has its place; the address is one line."""
    assert core_of("vendors", VENDOR) == [
        {
            "external_id": "41",
            "modified_at": MODIFIED,
            "deleted": False,
            "skip": None,
            "name": "Hicks Hardware",
            "contact_email": "sales@example.com",
            "phone": "(650) 555-0101",
            "website": "https://hicks.example.com",
            "address": "42 Main St., Middlefield OH",
            "account_number": "A-1",
            "lead_time_days": None,
            "currency": "USD",
            "status": "inactive",
        }
    ]


def test_an_order(core_of: Any) -> None:
    """Every field of an order has its place."""
    assert core_of("purchase_orders", ORDER) == [
        {
            "external_id": "105",
            "modified_at": MODIFIED,
            "deleted": False,
            "skip": None,
            "order_number": "1002",
            "order_date": date(2026, 1, 5),
            "expected_date": date(2026, 2, 5),
            "total_amount": "250.0",
            "currency": "USD",
            "memo": "Thanks",
            "status": "open",
            "vendor": "41",
        }
    ]


def test_a_line(core_of: Any) -> None:
    """Every field of a line has its place; its id is unique over all orders."""
    assert core_of("purchase_order_lines", ORDER) == [
        {
            "external_id": "105:1",
            "modified_at": MODIFIED,
            "deleted": False,
            "skip": None,
            "line_number": 1,
            "description": "Pump",
            "quantity": "25",
            "quantity_received": "20",
            "unit_price": "10",
            "amount": "250.0",
            "status": "open",
            "purchase_order": "105",
            "inventory_item": "19",
        }
    ]


def test_second_best_fields(core_of: Any) -> None:
    """Where a field is missing its second best is taken: company name, mobile, expected date, private note."""
    vendor = {"Id": "1", "CompanyName": "Acme", "Mobile": {"FreeFormNumber": "1"}, "PrimaryPhone": {}}
    row = core_of("vendors", vendor)[0]
    assert (row["name"], row["phone"], row["address"], row["status"]) == ("Acme", "1", None, "active")
    order = {"Id": "1", "ExpectedDate": "2026-03-01", "DueDate": "2026-02-01", "PrivateNote": "p", "Memo": "m"}
    row = core_of("purchase_orders", order)[0]
    assert (row["expected_date"], row["memo"], row["status"]) == (date(2026, 3, 1), "p", "open")


@pytest.mark.parametrize("entity", ["vendors", "inventory_items", "purchase_orders"])
def test_deleted_records_say_their_status_alone(core_of: Any, entity: str) -> None:
    """A record of which nothing but the id is left is out of use, and every other field is left open."""
    deleted = {"domain": "QBO", "status": "Deleted", "Id": "20", "MetaData": META}
    row = core_of(entity, deleted)[0]
    status = "cancelled" if entity == "purchase_orders" else "inactive"
    said = {name: value for name, value in row.items() if value is not None}
    assert said.pop("modified_at")
    assert said == {"external_id": "20", "deleted": True, "status": status}


def test_item_types(core_of: Any) -> None:
    """Items of the declared types and those without any feed core; others say why they do not."""
    items = [{"Id": str(n), "Name": "x", "Type": kind} for n, kind in enumerate(("Inventory", "Service", "Category"))]
    reasons = [row["skip"] for row in core_of("inventory_items", *items, {"Id": "9", "Name": "x"})]
    assert reasons == [None, None, "type Category is not among item_types", None]
    narrow = [row["skip"] for row in core_of("inventory_items", *items, item_types=["Service"])]
    assert narrow == ["type Inventory is not among item_types", None, "type Category is not among item_types"]


def test_lines_that_order_nothing(core_of: Any) -> None:
    """A line for an account has no item and no quantity; subtotals and lines of unknown kind are skipped."""
    account = {"Id": "1", "Amount": 5, "DetailType": "AccountBasedExpenseLineDetail"}
    order = {"Id": "7", "Line": [account, {"Id": "2", "DetailType": "SubTotalLineDetail"}, {"Id": "3"}]}
    rows = core_of("purchase_order_lines", order)
    assert [row["skip"] for row in rows] == [
        None,
        "SubTotalLineDetail orders nothing",
        "without DetailType orders nothing",
    ]
    assert (rows[0]["amount"], rows[0]["inventory_item"], rows[0]["quantity"]) == ("5", None, None)


@settings(max_examples=30)
@given(words=st.lists(st.sampled_from(["Open", "closed", " CLOSED ", "", None]), min_size=1, max_size=20))
def test_status_follows_the_word_alone(words: list[str | None]) -> None:
    """An order is closed exactly if it says so, whatever its neighbors say; rows stay in order and number."""
    status = transform._order_status(pd.Series(words, dtype="str")).tolist()
    assert status == ["closed" if word and word.strip().lower() == "closed" else "open" for word in words]


@settings(max_examples=30)
@given(flags=st.lists(st.sampled_from([True, False, None]), max_size=20))
def test_activity_follows_the_flag_alone(flags: list[bool | None]) -> None:
    """A record is inactive exactly if it says so."""
    status = transform._active(pd.Series(flags, dtype="boolean")).tolist()
    assert status == ["inactive" if flag is False else "active" for flag in flags]
