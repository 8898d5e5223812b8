"""For each collection which external columns a record has: what `schemas.py` checks and `transform.py` maps."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.finale.wire import tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.finale import wire

    Column = Callable[[Any], object]

MAIN_SUPPLIER = "10_MAIN_SUPPL"

_EXACT = Context(prec=120, Emax=60, traps=[InvalidOperation, Inexact, Overflow])
"""Numbers an order can have; what is longer or larger is none."""

_number = _EXACT.create_decimal


def _flat(*names: str) -> dict[str, Column]:
    return {name: attrgetter(name) for name in names}


def _tail_of(name: str) -> Column:
    of = attrgetter(name)
    return lambda record: tail(of(record))


def _supplier(product: wire.Product) -> object:
    """The main supplier, else the first."""
    suppliers = product.supplierList
    if not suppliers:
        return None
    for supplier in suppliers:
        if supplier.supplierPrefOrderId == MAIN_SUPPLIER:
            return tail(supplier.supplierPartyUrl)
    return tail(suppliers[0].supplierPartyUrl)


def _price_of(kind: str | None) -> Callable[[wire.Product], wire.Price | None]:
    """The price of a type, or the first."""

    def find(product: wire.Product) -> wire.Price | None:
        for price in product.priceList or ():
            if kind is None or price.productPriceTypeId == kind:
                return price
        return None

    return find


def product_columns(price_type: str | None) -> dict[str, Column]:
    """The columns of a product.

    Args:
        price_type: productPriceTypeId of the price that counts; None for the first.
    """
    price = _price_of(price_type)

    def amount(product: wire.Product) -> object:
        found = price(product)
        return None if found is None or found.price is None else str(found.price)

    def currency(product: wire.Product) -> object:
        found = price(product)
        return found and found.currencyUomId

    return {
        "productUrl": _tail_of("productUrl"),
        **_flat("productId", "internalName", "statusId", "category", "lastUpdatedDate", "universalProductCode", "cost"),
        "price": amount,
        "currency": currency,
        "supplier": _supplier,
        **_flat("stockOnHand", "stockOnOrder", "stockReserved", "stockReorderPoint"),
    }


def _contact(kind: str) -> Column:
    """The first of a party's addresses of a kind."""

    def read(party: wire.PartyGroup) -> object:
        known = (m.infoString for m in party.contactMechList or () if m.contactMechTypeId == kind)
        return next((text for text in known if text), None)

    return read


def _postal(party: wire.PartyGroup) -> object:
    """The first postal address, on one line."""
    found = next((m for m in party.contactMechList or () if m.contactMechTypeId == "POSTAL_ADDRESS"), None)
    if found is None:
        return None
    parts = (found.address1, found.address2, found.city, found.stateProvinceGeoId, found.postalCode, found.countryGeoId)
    return ", ".join(part.strip() for part in parts if part and part.strip())


def _party(party: wire.PartyGroup) -> object:
    return tail(party.partyGroupUrl) or party.partyId


def _roles(party: wire.PartyGroup) -> object:
    return ",".join(party.roleTypeIdList or ())


PARTY_COLUMNS: dict[str, Column] = {
    "partyId": _party,
    **_flat("groupName", "statusId", "lastUpdatedDate"),
    "roles": _roles,
    "email": _contact("EMAIL_ADDRESS"),
    "phone": _contact("TELECOM_NUMBER"),
    "address": _postal,
}


def _order_supplier(order: wire.Order) -> object:
    return next((role.partyId for role in order.orderRoleList or () if role.roleTypeId == "SUPPLIER"), None)


def _times(one: object, other: object) -> Decimal | None:
    """None where one is no number, or none that an order can have. Whole ones, as most quantities are, need no look."""
    try:
        product = _EXACT.multiply(
            one if type(one) is int else _number(str(one)), other if type(other) is int else _number(str(other))
        )
    except ArithmeticError:
        return None
    return product if product.is_finite() else None


def _total(order: wire.Order) -> object:
    """The sum of lines and adjustments, which Finale does not send. None where a part is unknown: no wrong number."""
    parts = [_times(item.quantity, item.unitPrice) for item in order.orderItemList or ()]
    parts += [None if a.perUnitAmount is not None else _times(a.amount, 1) for a in order.orderAdjustmentList or ()]
    known = [part for part in parts if part is not None]
    return str(sum(known, Decimal(0))) if len(known) == len(parts) else None


ORDER_COLUMNS: dict[str, Column] = {
    "orderUrl": _tail_of("orderUrl"),
    **_flat("orderId", "orderTypeId", "statusId", "orderDate", "receiveDate", "lastUpdatedDate"),
    "supplier": _order_supplier,
    "total": _total,
}


def _line_key(line: wire.Line) -> object:
    """Order and line: an item's own tail may be a number within its order."""
    order, item = tail(line.orderUrl), tail(line.item.orderItemUrl)
    return f"{order}/{item}" if order and item else None


def _line_amount(line: wire.Line) -> object:
    amount = _times(line.item.quantity, line.item.unitPrice)
    return None if amount is None else str(amount)


LINE_COLUMNS: dict[str, Column] = {
    "orderItemUrl": _line_key,
    "orderUrl": _tail_of("orderUrl"),
    **_flat("orderTypeId", "statusId", "lastUpdatedDate", "lineNumber"),
    "product": _tail_of("item.productUrl"),
    "quantity": attrgetter("item.quantity"),
    "unitPrice": attrgetter("item.unitPrice"),
    "amount": _line_amount,
}
