from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines import series
from connector_pipelines.connectors.finale import CONNECTOR
from connector_pipelines.connectors.finale.config import FinaleConfig
from connector_pipelines.pages import Rows
from connector_pipelines.validation.accept import external

if TYPE_CHECKING:
    from collections.abc import Callable

AUTH = {"type": "api_key", "key": "env:KEY", "secret": "env:SECRET"}

PRODUCT = {
    "productId": " B-2 ",
    "productUrl": "/acme/api/product/100002",
    "internalName": "  Bolt M8 ",
    "statusId": "PRODUCT_ACTIVE",
    "category": "",
    "cost": 1.250,
    "universalProductCode": "012345678905",
    "supplierList": [
        {"supplierPartyUrl": "/acme/api/partygroup/10007", "supplierPrefOrderId": "20_BACKUP_SUPPL"},
        {"supplierPartyUrl": "/acme/api/partygroup/10001/", "supplierPrefOrderId": "10_MAIN_SUPPL"},
    ],
    "priceList": [
        {"productPriceTypeId": "LIST_PRICE", "price": "9.90", "currencyUomId": "EUR"},
        {"productPriceTypeId": "WHOLESALE", "price": 7, "currencyUomId": "USD"},
    ],
    "lastUpdatedDate": "2026-01-02T03:04:05",
    "stockOnHand": "1E+3",
    "stockReorderPoint": "-0.0",
}
PARTY = {
    "partyId": "10001",
    "partyGroupUrl": "/acme/api/partygroup/10001",
    "groupName": "Ace Supplies",
    "statusId": "PARTY_DISABLED",
    "roleTypeIdList": ["CARRIER", "SUPPLIER"],
    "contactMechList": [
        {"contactMechTypeId": "EMAIL_ADDRESS", "infoString": None},
        {"contactMechTypeId": "EMAIL_ADDRESS", "infoString": "orders@ace.example"},
        {"contactMechTypeId": "POSTAL_ADDRESS", "address1": "1 Main St", "city": " Basel ", "countryGeoId": "CHE"},
    ],
    "lastUpdatedDate": None,
}
ITEM = {
    "orderItemUrl": "/acme/api/order/200001/orderItem/00001",
    "productUrl": "/acme/api/product/100002",
    "quantity": 3,
    "unitPrice": 0.1,
}
ORDER = {
    "orderId": "PO-1",
    "orderUrl": "/acme/api/order/200001",
    "orderTypeId": "PURCHASE_ORDER",
    "statusId": "ORDER_LOCKED",
    "orderDate": "2026-01-02T23:30:00",
    "receiveDate": None,
    "orderRoleList": [{"roleTypeId": "CUSTOMER", "partyId": "1"}, {"roleTypeId": "SUPPLIER", "partyId": "10001"}],
    "orderItemList": [ITEM, ITEM | {"quantity": "2", "unitPrice": "1.5"}],
    "orderAdjustmentList": [{"amount": -0.05, "description": "Discount"}],
    "lastUpdatedDate": "2026-01-02T03:04:05",
}


def core(entity: str, record: dict[str, Any], **config: Any) -> list[dict[str, Any]]:
    """What becomes of one entity of a collection: its core rows, missing values as None."""
    streams = CONNECTOR.streams(FinaleConfig.model_validate({"account": "acme", "auth": AUTH} | config))
    stream = next(stream for stream in streams if stream.entity == entity)
    body = json.dumps({name: [value] for name, value in record.items()}).encode()
    raw = stream.split(body)
    rows = Rows(1, range(len(raw)), raw, [""] * len(raw))
    result = stream.transform(external(stream, stream.schema(), [rows]).frame).astype(object)
    found: list[dict[str, Any]] = result.where(result.notna(), None).to_dict("records")  # type: ignore[assignment]  # its names are texts
    return found


def test_a_product() -> None:
    """A product is known by its URL, cleaned, with its main supplier, the first price, and plain numbers."""
    assert core("inventory_items", PRODUCT) == [
        {
            "external_id": "100002",
            "modified_at": pd.Timestamp("2026-01-02T03:04:05", tz="UTC"),
            "deleted": False,
            "skip": None,
            "sku": "B-2",
            "name": "Bolt M8",
            "description": None,
            "item_type": None,
            "category": None,
            "barcode": "012345678905",
            "unit_cost": "1.25",
            "unit_price": "9.9",
            "currency": "EUR",
            "quantity_on_hand": "1000",
            "quantity_on_order": None,
            "quantity_reserved": None,
            "reorder_point": "0",
            "status": "active",
            "preferred_vendor": "10001",
        }
    ]


@pytest.mark.parametrize(
    ("changes", "config", "expected"),
    [
        ({"internalName": None}, {}, {"name": "B-2"}),
        ({"internalName": "  "}, {}, {"name": "B-2"}),
        ({"statusId": "PRODUCT_INACTIVE"}, {}, {"status": "inactive"}),
        ({"supplierList": PRODUCT["supplierList"][:1]}, {}, {"preferred_vendor": "10007"}),  # type: ignore[index]  # a list
        ({"supplierList": None}, {}, {"preferred_vendor": None}),
        ({"priceList": []}, {}, {"unit_price": None, "currency": None}),
        ({}, {"price_type": "WHOLESALE"}, {"unit_price": "7", "currency": "USD"}),
        ({}, {"price_type": "SALE"}, {"unit_price": None, "currency": None}),
        ({"cost": 123456789012345678901}, {}, {"unit_cost": "123456789012345678901"}),
        ({"internalName": "Cafe\u0301"}, {}, {"name": "Caf\u00e9"}),
    ],
)
def test_products_that_differ(changes: dict[str, Any], config: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each rule of the README's table for items."""
    (row,) = core("inventory_items", PRODUCT | changes, **config)
    assert {name: row[name] for name in expected} == expected


def test_a_supplier() -> None:
    """A party is known by its URL, with the first address of each kind that says something."""
    (row,) = core("vendors", PARTY)
    assert {name: value for name, value in row.items() if value is not None} == {
        "external_id": "10001",
        "deleted": False,
        "name": "Ace Supplies",
        "contact_email": "orders@ace.example",
        "address": "1 Main St, Basel, CHE",
        "status": "inactive",
    }


@pytest.mark.parametrize("roles", [["CUSTOMER"], [], None, ["SUPPLIERS"]])
def test_other_parties_are_skipped(roles: list[str] | None) -> None:
    """Who is no supplier has no place in core, and the reason says so."""
    (row,) = core("vendors", PARTY | {"roleTypeIdList": roles})
    assert row["skip"] == "is no supplier"


def test_a_party_without_url() -> None:
    """Where an account sends no partyGroupUrl, the partyId is the key."""
    (row,) = core("vendors", {name: value for name, value in PARTY.items() if name != "partyGroupUrl"})
    assert row["external_id"] == "10001"


def test_an_order() -> None:
    """An order has its supplier, the day as written, and the exact sum of lines and adjustments."""
    (row,) = core("purchase_orders", ORDER)
    wanted = {
        "external_id": "200001",
        "skip": None,
        "order_number": "PO-1",
        "order_date": pd.Timestamp("2026-01-02").date(),
        "expected_date": None,
        "total_amount": "3.25",
        "status": "open",
        "vendor": "10001",
    }
    assert {name: row[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        ({"orderItemList": []}, "-0.05"),
        ({"orderItemList": None, "orderAdjustmentList": None}, "0"),
        ({"orderAdjustmentList": [{"perUnitAmount": 1}]}, None),
        ({"orderItemList": [ITEM | {"unitPrice": None}]}, None),
        ({"orderItemList": [ITEM | {"quantity": "many"}]}, None),
        ({"orderItemList": [ITEM | {"quantity": 1e300}]}, None),
    ],
)
def test_totals_are_right_or_missing(changes: dict[str, Any], total: str | None) -> None:
    """Where a part of the sum is not known there is no total, rather than a wrong one."""
    (row,) = core("purchase_orders", ORDER | changes)
    assert row["total_amount"] == total


def test_lines_are_numbered() -> None:
    """Each line of an order is a row with the order's key before its own, its number, amount and the order's status."""
    other = ITEM | {"orderItemUrl": "/acme/api/order/200001/orderItem/00007", "productUrl": None, "unitPrice": None}
    first, second = core("purchase_order_lines", ORDER | {"orderItemList": [ITEM, other]})
    wanted = ("external_id", "line_number", "quantity", "unit_price", "amount", "status", "inventory_item")
    assert [first[name] for name in wanted] == ["200001/00001", 1, "3", "0.1", "0.3", "open", "100002"]
    assert [second[name] for name in wanted] == ["200001/00007", 2, "3", None, None, "open", None]
    assert first["purchase_order"] == second["purchase_order"] == "200001"


@pytest.mark.parametrize("entity", ["purchase_orders", "purchase_order_lines"])
def test_sales_are_skipped(entity: str) -> None:
    """Where a server does not filter by type, sales orders and their lines are told apart here."""
    rows = core(entity, ORDER | {"orderTypeId": "SALES_ORDER"})
    assert {row["skip"] for row in rows} == {"type SALES_ORDER has no place in core"}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_numbers_are_spelled_in_one_way(number: Decimal) -> None:
    """Every spelling of a number gives the same digits, of the same value, without zeros at the end."""
    spellings = pd.Series([f"{number:f}", f"{number:E}", f" {number:f}000", str(number.normalize())], dtype="str")
    said = set(series.number(spellings))
    assert len(said) == 1
    (text,) = said
    assert text == series.plain(text)
    assert Decimal(text) == number
    assert "E" not in text
    assert "." not in text or text[-1] not in "0."


@pytest.fixture
def frame_of() -> Callable[..., pd.DataFrame]:
    """Frames with one column of text."""
    return lambda **columns: pd.DataFrame({name: pd.Series(v, dtype="str") for name, v in columns.items()})


def test_indexes_are_kept(frame_of: Callable[..., pd.DataFrame]) -> None:
    """Rows stay where they are, whatever their index."""
    frame = frame_of(values=["b", "a", None]).iloc[[2, 0]]
    assert list(series.text(frame["values"]).index) == [2, 0]
    assert list(series.number(frame_of(values=["1.0", "2"])["values"].iloc[[1, 0]])) == ["2", "1"]
