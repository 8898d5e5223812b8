"""A stock report as a person would build it: display labels, formatted numbers, CSV or JSON in two forms."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import msgspec

from connector_pipelines.connectors.finale.simulator.exchange import RefusedError
from connector_pipelines.simulating.exchange import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connector_pipelines.connectors.finale.simulator.world import Record
    from connector_pipelines.simulating.faults import Struck

LABELS = ("Product ID", "Description", "QoH", "On order", "Reserved", "Reorder point")
_OTHER_LABELS = ("Product", "Description", "Units", "Ordered", "Held", "Reorder at")


def reply(form: str, table: Iterable[tuple[str, ...]], struck: Struck) -> Reply:
    """The report as csv, json or jsonObject.

    Raises:
        RefusedError: 400, another form.
    """
    labels = _OTHER_LABELS if "report-labels" in struck else LABELS
    rows = [*table]
    if "report-ragged" in struck and rows:
        rows[0] = rows[0][:-1]
    if form == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([labels, *rows])
        return Reply(200, text.getvalue().encode(), content_type="text/csv; charset=utf-8", rows=len(rows))
    if form == "json":
        return Reply(200, msgspec.json.encode([{"data": [labels, *rows]}]), rows=len(rows))
    if form == "jsonObject":
        return Reply(200, msgspec.json.encode([dict(zip(labels, row, strict=False)) for row in rows]), rows=len(rows))
    raise RefusedError(400, f"there are no reports as {form}")


def table(products: Iterable[Record], items: Iterable[Record]) -> Iterator[tuple[str, ...]]:
    """A row for each product in each place, as people see it; one row for a product without stock."""
    held: dict[str, list[Record]] = {}
    for item in items:
        held.setdefault(item["productUrl"], []).append(item)
    for at, product in enumerate(products):
        name, text = product["productId"], product["internalName"] or ""
        reorder = "--" if at % 2 else "1,000"
        places = held.get(product["productUrl"], [])
        if not places:
            yield name, text, "--", "", "", reorder
        for number, item in enumerate(places):
            on_hand, on_order, reserved = (
                formatted(item[key]) for key in ("quantityOnHand", "quantityOnOrder", "quantityReserved")
            )
            yield name, text, on_hand, on_order, reserved, reorder if number == 0 else ""


def formatted(number: float) -> str:
    """1,234.50 for 1234.5, and a blank for zero."""
    return "" if number == 0 else f"{number:,}" if isinstance(number, int) else f"{number:,.2f}"
