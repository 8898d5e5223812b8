"""For each table how an answer is split, a record is decoded, and which external columns a record has.

Numbers become text in plain digits, so that nothing is rounded on the way to core.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    Column = Callable[[Any], object]

split_items = wire.splitter("Item")
split_vendors = wire.splitter("Vendor")
split_orders = wire.splitter("PurchaseOrder")
split_lines = wire.split_lines

decode_item = wire.decoder(wire.Item)
decode_vendor = wire.decoder(wire.Vendor)
decode_order = wire.decoder(wire.PurchaseOrder)
decode_line = wire.decoder(wire.OrderLine)

NAMELESS = "(deleted)"
"""Stands in for the name of a deleted record, of which only the id is left; it goes no further than transform."""

_LONGEST_NUMBER = 30


def number(value: Decimal | None) -> str | None:
    """In plain digits; one of absurd size stays as it was written, and is refused as no number."""
    if value is None:
        return None
    plain = value.is_finite() and abs(value.adjusted()) <= _LONGEST_NUMBER
    return format(value, "f") if plain else str(value)


def _number(name: str) -> Column:
    of = attrgetter(name)
    return lambda record: number(of(record))


def _inner(name: str, field: str) -> Column:
    """A field of a part that may be missing: the id that a reference names, an address."""
    of, inner = attrgetter(name), attrgetter(field)

    def read(record: Any) -> object:
        part = of(record)
        return None if part is None else inner(part)

    return read


def _first(*columns: Column) -> Column:
    """The first that is there."""
    return lambda record: next((value for column in columns if (value := column(record))), None)


def _named(*columns: Column) -> Column:
    """A name, or what stands in for that of a deleted record."""
    given = _first(*columns)
    return lambda record: given(record) or (NAMELESS if record.status else None)


def _address(vendor: wire.Vendor) -> object:
    """On one line: street, then city, state and postal code, then country."""
    at = vendor.BillAddr
    if at is None:
        return None
    place = " ".join(word for word in (at.City, at.CountrySubDivisionCode, at.PostalCode) if word)
    lines = (at.Line1, at.Line2, at.Line3, at.Line4, at.Line5, place, at.Country)
    return ", ".join(line.strip() for line in lines if line and line.strip()) or None


def _detail(name: str) -> Column:
    """A field of what a line orders, if it orders an item."""
    return _inner("Line.ItemBasedExpenseLineDetail", name)


def _item_of_line(line: wire.OrderLine) -> object:
    detail = line.Line.ItemBasedExpenseLineDetail
    return detail.ItemRef.value if detail and detail.ItemRef else None


_modified = _inner("MetaData", "LastUpdatedTime")
_ALWAYS: dict[str, Column] = {"Id": attrgetter("Id"), "LastUpdatedTime": _modified, "status": attrgetter("status")}

ITEM_COLUMNS: dict[str, Column] = _ALWAYS | {
    "Name": _named(attrgetter("Name")),
    "Sku": attrgetter("Sku"),
    "Description": attrgetter("Description"),
    "Active": attrgetter("Active"),
    "Type": attrgetter("Type"),
    "Parent": _inner("ParentRef", "name"),
    "UnitPrice": _number("UnitPrice"),
    "PurchaseCost": _number("PurchaseCost"),
    "QtyOnHand": _number("QtyOnHand"),
    "QtyOnPurchaseOrder": _number("QtyOnPurchaseOrder"),
    "QtyOnSalesOrder": _number("QtyOnSalesOrder"),
    "ReorderPoint": _number("ReorderPoint"),
    "PrefVendor": _inner("PrefVendorRef", "value"),
}
VENDOR_COLUMNS: dict[str, Column] = _ALWAYS | {
    "Name": _named(attrgetter("DisplayName"), attrgetter("CompanyName")),
    "Active": attrgetter("Active"),
    "Email": _inner("PrimaryEmailAddr", "Address"),
    "Phone": _first(_inner("PrimaryPhone", "FreeFormNumber"), _inner("Mobile", "FreeFormNumber")),
    "WebAddr": _inner("WebAddr", "URI"),
    "BillAddr": _address,
    "AcctNum": attrgetter("AcctNum"),
    "Currency": _inner("CurrencyRef", "value"),
}
ORDER_COLUMNS: dict[str, Column] = _ALWAYS | {
    "DocNumber": attrgetter("DocNumber"),
    "TxnDate": attrgetter("TxnDate"),
    "ExpectedDate": _first(attrgetter("ExpectedDate"), attrgetter("DueDate")),
    "TotalAmt": _number("TotalAmt"),
    "Currency": _inner("CurrencyRef", "value"),
    "Memo": _first(attrgetter("PrivateNote"), attrgetter("Memo")),
    "POStatus": attrgetter("POStatus"),
    "Vendor": _inner("VendorRef", "value"),
}
LINE_COLUMNS: dict[str, Column] = {
    "Id": lambda line: wire.line_id(line.Order.Id, line.Line.Id),
    "LastUpdatedTime": _inner("Order.MetaData", "LastUpdatedTime"),
    "Order": attrgetter("Order.Id"),
    "POStatus": attrgetter("Order.POStatus"),
    "LineNum": attrgetter("Line.LineNum"),
    "Description": attrgetter("Line.Description"),
    "Amount": _number("Line.Amount"),
    "Received": _number("Line.Received"),
    "DetailType": attrgetter("Line.DetailType"),
    "Qty": lambda line: number(_detail("Qty")(line)),  # type: ignore[arg-type]  # the wire says Decimal
    "UnitPrice": lambda line: number(_detail("UnitPrice")(line)),  # type: ignore[arg-type]
    "Item": _item_of_line,
}
