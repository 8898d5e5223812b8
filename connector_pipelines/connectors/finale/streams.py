"""What a Finale source can read, parents before children."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector_pipelines import later
from connector_pipelines.connectors.finale import client, columns, wire
from connector_pipelines.model import Stream
from connector_pipelines.pages import Together

if TYPE_CHECKING:
    from connector_pipelines.connectors.finale.config import FinaleConfig


PACKAGE = "connector_pipelines.connectors.finale"

STREAMS = (
    Stream(
        entity="vendors",
        read=client.vendors,
        split=wire.split_parties,
        decode=wire.decode_party,
        columns=columns.PARTY_COLUMNS,
        schema=later.schema(PACKAGE, "Parties"),
        transform=later.transform(PACKAGE, "vendors"),
        endpoint="GET /partygroup, role SUPPLIER",
    ),
    Stream(
        entity="inventory_items",
        read=client.inventory_items,
        split=wire.split_products,
        decode=wire.decode_product,
        columns=columns.product_columns(None),
        schema=later.schema(PACKAGE, "Products"),
        transform=later.transform(PACKAGE, "inventory_items"),
        endpoint="GET /product",
    ),
    Stream(
        entity="purchase_orders",
        read=client.purchase_orders,
        split=wire.split_orders,
        decode=wire.decode_order,
        columns=columns.ORDER_COLUMNS,
        schema=later.schema(PACKAGE, "Orders"),
        transform=later.transform(PACKAGE, "purchase_orders"),
        endpoint="GET /order, type PURCHASE_ORDER",
    ),
    Stream(
        entity="purchase_order_lines",
        read=client.purchase_order_lines,
        split=wire.split_lines,
        decode=wire.decode_line,
        columns=columns.LINE_COLUMNS,
        schema=later.schema(PACKAGE, "Lines"),
        transform=later.transform(PACKAGE, "purchase_order_lines"),
        endpoint="GET /order, type PURCHASE_ORDER",
        together=Together("purchase_order", wire.whole_orders),
    ),
)


def streams(config: FinaleConfig) -> tuple[Stream, ...]:
    """The streams a config switches on. Stock moves without its product, so items with stock are read whole."""
    return tuple(_as_configured(stream, config) for stream in STREAMS if config.provides(stream.entity))


def _as_configured(stream: Stream, config: FinaleConfig) -> Stream:
    if stream.entity != "inventory_items":
        return stream
    with_stock = {None: "", "inventoryitem": " and GET /inventoryitem", "report": " and a report"}
    return replace(
        stream,
        columns=columns.product_columns(config.price_type),
        filters_by_time=config.quantities is None,
        endpoint=f"{stream.endpoint}{with_stock[config.quantities]}",
    )
