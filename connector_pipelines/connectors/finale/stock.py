"""How much there is of each product: the rows of inventoryitem, or of a report, added up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from connector_pipelines.connectors.finale import columnar, report
from connector_pipelines.connectors.finale.wire import tail

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

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
"""A number in digits."""


@dataclass(frozen=True, slots=True)
class Stock:
    """Quantities by product, in columns: an account has as many as 120,000 products, and all of them are kept.

    Attributes:
        by_url: products are named by the tail of their productUrl; else by their productId, as in a report.
        names: the joined columns, in the order of the sums.
        absent: what a product has that is not mentioned: zeros where every product with stock is, else nothing.
        products: each one that has stock, once.
        sums: for each joined column the products' totals, as text.
    """

    by_url: bool
    names: tuple[str, ...]
    absent: Total
    products: pa.Array
    sums: tuple[pa.Array, ...]

    def columns(self, body: bytes) -> dict[str, Sequence[object]]:
        """The joined columns of a slice of products."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.by_url:
            keys = [tail(url) or "" for url in columnar.column(body, "productUrl")]
        else:
            keys = [str(name or "").strip() for name in columnar.column(body, "productId")]
        at = pc.index_in(pa.array(keys, pa.string()), value_set=self.products)
        absent, missing = pa.scalar(self.absent, pa.string()), pc.is_null(at)
        totals = (pc.if_else(missing, absent, sums.take(at)).to_pylist() for sums in self.sums)
        return dict(zip(self.names, totals, strict=True))


def of_items(slices: Iterable[bytes]) -> Stock:
    """The sums of a collection of inventoryitem, whole and checked."""
    parts = []
    for part in slices:
        products, *quantities = (columnar.column(part, name) for name in ITEM_FIELDS)
        parts.append(_texts([tail(product) or "" for product in products], quantities))
    return Stock(True, tuple(JOINED.values())[:3], "0", *_summed(parts))


def of_report(body: bytes, told: Report) -> Stock:
    """The sums of a report.

    Raises:
        BrokenPage: it is no table, or lacks a label.
    """
    labels = {core: label for core in JOINED if (label := getattr(told, core)) is not None}
    rows = [row for row in report.rows(body, (told.product, *labels.values())) if row[0]]  # a line of totals has none
    products, *cells = zip(*rows, strict=True) if rows else [()] * (1 + len(labels))
    quantities = [[report.number(cell) for cell in column] for column in cells]
    return Stock(False, tuple(JOINED[core] for core in labels), None, *_summed([_texts(products, quantities)]))


def _texts(products: Sequence[str], quantities: Iterable[Sequence[object]]) -> list[pa.Array]:
    """Columns of text. Quantities are numbers or texts of numbers, and repeat: each is looked at once."""
    import pyarrow as pa

    columns = [pa.array(products, pa.string())]
    for values in quantities:
        texts = [None if value is None or value == "" else str(value) for value in values]
        coded = pa.array(texts, pa.string()).dictionary_encode()
        columns.append(pa.array(map(_number, coded.dictionary.to_pylist()), pa.string()).take(coded.indices))
    return columns


def _summed(parts: Sequence[Sequence[pa.Array]]) -> tuple[pa.Array, tuple[pa.Array, ...]]:
    """Each product once, and its sums. Where it comes again, its row is added to the first."""
    import numpy as np
    import pyarrow as pa

    products, *columns = (pa.chunked_array(arrays).combine_chunks() for arrays in zip(*parts, strict=True))
    coded = products.dictionary_encode()
    if len(coded.dictionary) == len(products):
        return products, tuple(columns)
    codes = coded.indices.to_numpy()
    first, again = np.empty(len(coded.dictionary), np.int64), np.ones(len(codes), bool)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of a place that is written more than once, the last stays
    again[first] = False
    sums = []
    for column in columns:
        totals = column.take(pa.array(first)).to_pylist()
        for code, more in zip(codes[again].tolist(), column.filter(pa.array(again)).to_pylist(), strict=True):
            totals[code] = _plus(totals[code], more)
        sums.append(pa.array(totals, pa.string()))
    return coded.dictionary, tuple(sums)


def _number(text: str) -> str:
    try:
        return text if Decimal(text).is_finite() else UNREADABLE
    except InvalidOperation:
        return UNREADABLE


def _plus(one: Total, other: Total) -> Total:
    if UNREADABLE in (one, other):
        return UNREADABLE
    return other if one is None else one if other is None else str(Decimal(one) + Decimal(other))
