from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.finale import CONNECTOR
from connector_pipelines.connectors.finale.config import FinaleConfig
from connector_pipelines.errors import BrokenPage
from connector_pipelines.pages import Rows
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from connector_pipelines.pages import Rejection

AUTH = {"type": "api_key", "key": "env:KEY", "secret": "env:SECRET"}
STREAMS = {s.entity: s for s in CONNECTOR.streams(FinaleConfig.model_validate({"account": "acme", "auth": AUTH}))}
ITEM = {"orderItemUrl": "/acme/api/order/1/item/2", "productUrl": None, "quantity": 1, "unitPrice": 1}
_ORDER: dict[str, Any] = {
    "orderId": "PO-1",
    "orderUrl": "/acme/api/order/1",
    "orderTypeId": "PURCHASE_ORDER",
    "statusId": "ORDER_CREATED",
    "orderDate": None,
    "receiveDate": None,
    "orderRoleList": None,
    "orderItemList": [ITEM],
    "orderAdjustmentList": None,
    "lastUpdatedDate": None,
}
GOOD: dict[str, dict[str, Any]] = {
    "vendors": {
        "partyId": "1",
        "groupName": "Ace",
        "statusId": None,
        "roleTypeIdList": None,
        "contactMechList": None,
        "lastUpdatedDate": None,
    },
    "inventory_items": {
        "productId": "A",
        "productUrl": "/acme/api/product/1",
        "internalName": None,
        "statusId": "PRODUCT_ACTIVE",
        "category": None,
        "cost": None,
        "universalProductCode": None,
        "supplierList": None,
        "priceList": None,
        "lastUpdatedDate": None,
    },
    "purchase_orders": _ORDER,
    "purchase_order_lines": _ORDER,
}


def refused(entity: str, record: dict[str, Any]) -> list[Rejection]:
    """What is refused of a collection of one entity."""
    stream = STREAMS[entity]
    rows = stream.split(json.dumps({name: [value] for name, value in record.items()}).encode())
    accepted = accept(stream, [Rows(1, range(len(rows)), rows, ["0" * 32] * len(rows))])
    assert len(accepted.frame) + len(accepted.rejections) + sum(accepted.skipped.values()) == len(rows)
    return accepted.rejections


@pytest.mark.parametrize("entity", GOOD)
def test_bare_records_are_accepted(entity: str) -> None:
    """A record with what it must have, and null for all else, passes."""
    assert refused(entity, GOOD[entity]) == []


ID, LONG = "must have at most 255 characters and no NUL", "must have at most 1,000 characters and no NUL"
TIME = "must be an ISO 8601 time from 1900 to 2200"
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("vendors", {"partyId": None}, "partyId is required"),
    ("vendors", {"groupName": " "}, "groupName must not be blank"),
    ("vendors", {"groupName": "x" * 1_001}, f"groupName {LONG}"),
    ("vendors", {"lastUpdatedDate": "0001-01-01T00:00:00"}, f"lastUpdatedDate {TIME}"),
    (
        "vendors",
        {"contactMechList": [{"contactMechTypeId": "EMAIL_ADDRESS", "infoString": "x" * 300}]},
        f"email {ID}",
    ),
    ("inventory_items", {"productUrl": None}, "productUrl is required"),
    ("inventory_items", {"productUrl": "/"}, "productUrl must not be blank"),
    ("inventory_items", {"productId": None}, "productId is required"),
    ("inventory_items", {"internalName": "A\x00"}, f"internalName {LONG}"),
    ("inventory_items", {"statusId": "gone"}, "statusId must be a constant such as PRODUCT_ACTIVE"),
    ("inventory_items", {"cost": "1,25"}, "cost must be a number"),
    ("inventory_items", {"cost": [1]}, "cost must be a number"),
    ("inventory_items", {"cost": True}, "cost must be a number"),
    ("inventory_items", {"cost": "1e999"}, "cost must be a number"),
    ("inventory_items", {"stockOnHand": "unreadable"}, "stockOnHand must be a number"),
    ("inventory_items", {"priceList": [{"price": "free"}]}, "price must be a number"),
    ("purchase_orders", {"orderUrl": None}, "orderUrl is required"),
    (
        "purchase_orders",
        {"statusId": "ORDER_LOST"},
        "statusId must be one of ORDER_CREATED, ORDER_LOCKED, ORDER_COMPLETED, ORDER_CANCELLED",
    ),
    ("purchase_orders", {"orderDate": "02.01.2026"}, "orderDate must be a day from 1900 to 2200, as YYYY-MM-DD"),
    ("purchase_orders", {"orderTypeId": None}, "orderTypeId is required"),
    ("purchase_order_lines", {"orderItemList": [ITEM | {"orderItemUrl": None}]}, "orderItemUrl is required"),
    ("purchase_order_lines", {"orderItemList": [ITEM | {"quantity": "two"}]}, "quantity must be a number"),
]


@pytest.mark.parametrize(("entity", "changes", "reason"), BAD)
def test_bad_values(entity: str, changes: dict[str, Any], reason: str) -> None:
    """A value that core must not take is refused, in a sentence that does not repeat it."""
    (rejection,) = refused(entity, GOOD[entity] | changes)
    assert rejection.reason == reason


WRONG_TYPES: list[tuple[str, dict[str, Any], str | None]] = [
    ("vendors", {"groupName": 5}, None),
    ("vendors", {"contactMechList": {"a": 1}}, None),
    ("inventory_items", {"internalName": ["x"]}, "1"),
    ("inventory_items", {"supplierList": "none"}, "1"),
    ("purchase_orders", {"orderItemList": 7}, "1"),
    ("purchase_order_lines", {"orderItemList": 7}, None),
    ("purchase_order_lines", {"orderItemList": ["line"]}, None),
]


@pytest.mark.parametrize(("entity", "changes", "key"), WRONG_TYPES)
def test_wrong_types_are_bad_rows(entity: str, changes: dict[str, Any], key: str | None) -> None:
    """A value of another type is a dead letter under its key, with the record as it came."""
    (rejection,) = refused(entity, GOOD[entity] | changes)
    assert rejection.rule == "wire: wrong type"
    assert rejection.external_id == key
    assert json.loads(rejection.payload)


def test_values_that_finale_sends() -> None:
    """Numbers as texts, with exponents or blank, and codes as numbers, are fine."""
    odd = {"cost": "1.0E7", "universalProductCode": 12345, "stockOnHand": "", "category": ""}
    assert refused("inventory_items", GOOD["inventory_items"] | odd) == []


def test_another_character_set_breaks_the_page() -> None:
    """Bytes that are no UTF-8 concern the whole answer, and the message repeats none of them."""
    body = json.dumps({name: [value] for name, value in GOOD["vendors"].items()}).encode()
    (row,) = STREAMS["vendors"].split(body.replace(b"Ace", b"A\xe9e"))
    with pytest.raises(BrokenPage, match="has a row that is not UTF-8"):
        STREAMS["vendors"].decode(row)
