"""The records as they travel, one for each row, and how a slice becomes records.

Everything is optional here: what a record must have is said once, in `schemas.py`. Fields that hold numbers are of any
type: a fraction arrives as the text that was sent, since 0.1 is no binary fraction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.finale import columnar
from connector_pipelines.errors import BrokenPage
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from msgspec import Raw


class Price(msgspec.Struct, gc=False):
    """One of a product's prices."""

    productPriceTypeId: str | None = None  # noqa: N815 -- Finale's names, here and below
    price: Any = None
    currencyUomId: str | None = None  # noqa: N815


class Supplier(msgspec.Struct, gc=False):
    """Somebody who sells a product."""

    supplierPartyUrl: str | None = None  # noqa: N815
    supplierPrefOrderId: str | None = None  # noqa: N815


class Product(msgspec.Struct, gc=False):
    """A product, with its stock as we joined it."""

    productId: str | None = None  # noqa: N815
    productUrl: str | None = None  # noqa: N815
    internalName: str | None = None  # noqa: N815
    statusId: str | None = None  # noqa: N815
    category: str | None = None
    cost: Any = None
    universalProductCode: str | int | None = None  # noqa: N815
    supplierList: list[Supplier] | None = None  # noqa: N815
    priceList: list[Price] | None = None  # noqa: N815
    lastUpdatedDate: str | None = None  # noqa: N815
    stockOnHand: str | None = None  # noqa: N815
    stockOnOrder: str | None = None  # noqa: N815
    stockReserved: str | None = None  # noqa: N815
    stockReorderPoint: str | None = None  # noqa: N815


class ContactMech(msgspec.Struct, gc=False):
    """A way to reach somebody."""

    contactMechTypeId: str | None = None  # noqa: N815
    infoString: str | None = None  # noqa: N815
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    stateProvinceGeoId: str | None = None  # noqa: N815
    postalCode: str | None = None  # noqa: N815
    countryGeoId: str | None = None  # noqa: N815


class PartyGroup(msgspec.Struct, gc=False):
    """A supplier, customer or carrier."""

    partyId: str | None = None  # noqa: N815
    partyGroupUrl: str | None = None  # noqa: N815
    groupName: str | None = None  # noqa: N815
    statusId: str | None = None  # noqa: N815
    roleTypeIdList: list[str] | None = None  # noqa: N815
    contactMechList: list[ContactMech] | None = None  # noqa: N815
    lastUpdatedDate: str | None = None  # noqa: N815


class OrderRole(msgspec.Struct, gc=False):
    """Who has to do with an order."""

    roleTypeId: str | None = None  # noqa: N815
    partyId: str | None = None  # noqa: N815


class Item(msgspec.Struct, gc=False):
    """A line as it stands in its order."""

    orderItemUrl: str | None = None  # noqa: N815
    productUrl: str | None = None  # noqa: N815
    quantity: Any = None
    unitPrice: Any = None  # noqa: N815


class Adjustment(msgspec.Struct, gc=False):
    """What is added to an order's sum, or taken from it."""

    amount: Any = None
    perUnitAmount: Any = None  # noqa: N815


class Order(msgspec.Struct, gc=False):
    """An order."""

    orderId: str | None = None  # noqa: N815
    orderUrl: str | None = None  # noqa: N815
    orderTypeId: str | None = None  # noqa: N815
    statusId: str | None = None  # noqa: N815
    orderDate: str | None = None  # noqa: N815
    receiveDate: str | None = None  # noqa: N815
    orderRoleList: list[OrderRole] | None = None  # noqa: N815
    orderItemList: list[Item] | None = None  # noqa: N815
    orderAdjustmentList: list[Adjustment] | None = None  # noqa: N815
    lastUpdatedDate: str | None = None  # noqa: N815


class Line(msgspec.Struct, gc=False):
    """A line with what it needs of its order: composed by `_lines_of`."""

    item: Item
    orderUrl: str | None = None  # noqa: N815
    orderTypeId: str | None = None  # noqa: N815
    statusId: str | None = None  # noqa: N815
    lastUpdatedDate: str | None = None  # noqa: N815
    lineNumber: int | None = None  # noqa: N815


Decode = Callable[[bytes], Any]

_JOINED = ("stockOnHand", "stockOnOrder", "stockReserved", "stockReorderPoint")
PRODUCT_FIELDS = tuple(name for name in Product.__struct_fields__ if name not in _JOINED)
"""What every product collection has. With a field missing we cannot tell nothing from not asked."""

PARTY_FIELDS = tuple(name for name in PartyGroup.__struct_fields__ if name != "partyGroupUrl")
"""Not every account has partyGroupUrl; its tail is the partyId anyway."""

ORDER_FIELDS = Order.__struct_fields__
LINE_FIELDS = ("orderUrl", "orderTypeId", "statusId", "lastUpdatedDate", "orderItemList")

_ORDER = b"%b".join(columnar.keys((*LINE_FIELDS[:4], "lineNumber")))
_items = msgspec.json.Decoder(list[msgspec.Raw] | None)


def _lines_of(columns: Mapping[str, Sequence[Raw]]) -> Sequence[bytes]:
    """A record for each line of each order, numbered from 1. A list that is none makes one record, which is refused."""
    lines: list[bytes] = []
    for *order, listed in zip(*(columns[name] for name in LINE_FIELDS), strict=True):
        try:
            items = _items.decode(listed) or ()
        except msgspec.MsgspecError:
            items = (listed,)
        begun = _ORDER % tuple(order)
        lines += [b'%b%d,"item":%b}' % (begun, number, item) for number, item in enumerate(items, 1)]
    return lines


def whole_orders(body: bytes) -> Sequence[str]:
    """What the orders of a slice are known by whose lines it holds, all of them, each with an address."""
    listed = zip(columnar.column(body, "orderUrl"), columnar.column(body, "orderItemList"), strict=True)
    return [order for url, items in listed if (order := tail(url)) and _all_known(items)]


def _all_known(items: object) -> bool:
    known = isinstance(items, list) and all(isinstance(item, dict) and tail(item.get("orderItemUrl")) for item in items)
    return items is None or known


split_products = columnar.splitter(PRODUCT_FIELDS, columnar.rows_of(Product.__struct_fields__))
split_parties = columnar.splitter(PARTY_FIELDS, columnar.rows_of(PartyGroup.__struct_fields__))
split_orders = columnar.splitter(ORDER_FIELDS, columnar.rows_of(ORDER_FIELDS))
split_lines = columnar.splitter(LINE_FIELDS, _lines_of)


def _decoder(record: type[msgspec.Struct], url: str) -> Decode:
    """A function that decodes one raw record.

    Args:
        record: what it is.
        url: the field whose tail is its key, for dead letters.

    Returns:
        a pure function; it raises `BadRow`, and `BrokenPage` where the bytes are no UTF-8: a wrong character set
        concerns the whole source, not the rows that happen to show it.
    """
    row = msgspec.json.Decoder(record, float_hook=str)

    def decode(raw: bytes) -> Any:
        try:
            return row.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _bad(bytes(raw), url, error) from None

    return decode


decode_product = _decoder(Product, "productUrl")
decode_party = _decoder(PartyGroup, "partyGroupUrl")
decode_order = _decoder(Order, "orderUrl")
decode_line = _decoder(Line, "")


def _bad(raw: bytes, url: str, error: Exception) -> BadRow | BrokenPage:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return BrokenPage("an answer has a row that is not UTF-8.", remedy="Look at the landed page.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = {}
    external_id = tail(found.get(url)) if isinstance(found, dict) else None
    usable = external_id is not None and external_id.isprintable() and 0 < len(external_id) <= 255  # noqa: PLR2004 -- as in schemas
    reason = str(error) if isinstance(error, msgspec.ValidationError) else f"is not readable: {error}"
    return BadRow("wire: wrong type", reason, external_id if usable else None)


def tail(url: object) -> str | None:
    """What an entity is known by: the last part of its address. Ids that people see may be changed by them."""
    return url.strip().rstrip("/").rpartition("/")[2] if isinstance(url, str) else None
