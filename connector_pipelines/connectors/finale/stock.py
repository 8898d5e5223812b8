"""How much there is of each product: the rows of inventoryitem, or of a report, added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from sys import intern
from typing import TYPE_CHECKING

from connector_pipelines.connectors.finale import columnar, report
from connector_pipelines.connectors.finale.wire import tail

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connector_pipelines.connectors.finale.config import Report

JOINED = {
    "quantity_on_hand": "stockOnHand",
    "quantity_on_order": "stockOnOrder",
    "quantity_reserved": "stockReserved",
    "reorder_point": "stockReorderPoint",
}
"""What the columns are called that we join to a product's own, by core column."""

ITEM_FIELDS = ("productUrl", "quantityOnHand", "quantityOnOrder", "quantityReserved")
"""What of inventoryitem is read. It has a row for each product, place, lot, packing and order."""

UNREADABLE = "unreadable"
"""Instead of a sum with a part that is no number: the product becomes a dead letter, and no other does."""

Total = str | None
"""A number in digits. There are many and they repeat, so each different one is kept once."""


@dataclass(frozen=True, slots=True)
class Stock:
    """Quantities by product.

    Attributes:
        by_url: products are named by the tail of their productUrl; else by their productId, as in a report.
        names: the joined columns, in the order of the sums.
        sums: of each product that has stock.
        absent: what a product has that is not mentioned: zeros where every product with stock is, else nothing.
    """

    by_url: bool
    names: tuple[str, ...]
    absent: Total
    sums: dict[str, tuple[Total, ...]] = field(default_factory=dict)

    def add(self, product: str, values: Iterable[object]) -> None:
        """Count one row."""
        row = tuple(map(_number, values))
        held = self.sums.get(product)
        self.sums[product] = row if held is None else tuple(map(_plus, held, row))

    def columns(self, body: bytes) -> dict[str, Sequence[object]]:
        """The joined columns of a slice of products."""
        nothing = (self.absent,) * len(self.names)
        if self.by_url:
            keys = [tail(url) or "" for url in columnar.column(body, "productUrl")]
        else:
            keys = [str(name or "").strip() for name in columnar.column(body, "productId")]
        rows = [self.sums.get(key, nothing) for key in keys]
        return {name: [row[at] for row in rows] for at, name in enumerate(self.names)}


def of_items(slices: Iterable[bytes]) -> Stock:
    """The sums of a collection of inventoryitem, whole and checked."""
    stock = Stock(by_url=True, names=tuple(JOINED.values())[:3], absent="0")
    for part in slices:
        columns = [columnar.column(part, name) for name in ITEM_FIELDS]
        for product, *quantities in zip(*columns, strict=True):
            stock.add(tail(product) or "", quantities)
    return stock


def of_report(body: bytes, told: Report) -> Stock:
    """The sums of a report.

    Raises:
        BrokenPage: it is no table, or lacks a label.
    """
    labels = {core: label for core in JOINED if (label := getattr(told, core)) is not None}
    stock = Stock(by_url=False, names=tuple(JOINED[core] for core in labels), absent=None)
    for product, *cells in report.rows(body, (told.product, *labels.values())):
        if product:  # a line of totals has none
            stock.add(product, map(report.number, cells))
    return stock


def _number(value: object) -> Total:
    """Of a number, or the text of one; inventoryitem has both."""
    if value is None or value == "":
        return None
    text = str(value)
    try:
        return intern(text) if Decimal(text).is_finite() else UNREADABLE
    except InvalidOperation:
        return UNREADABLE


def _plus(one: Total, other: Total) -> Total:
    if UNREADABLE in (one, other):
        return UNREADABLE
    return other if one is None else one if other is None else intern(str(Decimal(one) + Decimal(other)))
