"""What a QuickBooks source can read, parents before children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines import later
from connector_pipelines.connectors.quickbooks import client, columns, wire
from connector_pipelines.model import Stream
from connector_pipelines.pages import Together

if TYPE_CHECKING:
    from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig


PACKAGE = "connector_pipelines.connectors.quickbooks"


def streams(config: QuickBooksConfig) -> tuple[Stream, ...]:
    """The streams a config switches on."""
    every = (
        Stream(
            entity="vendors",
            read=client.vendors,
            split=columns.split_vendors,
            decode=columns.decode_vendor,
            columns=columns.VENDOR_COLUMNS,
            schema=later.schema(PACKAGE, "Vendors"),
            transform=later.transform(PACKAGE, "vendors"),
            endpoint="query and cdc, Vendor",
        ),
        Stream(
            entity="inventory_items",
            read=client.items,
            split=columns.split_items,
            decode=columns.decode_item,
            columns=columns.ITEM_COLUMNS,
            schema=later.schema(PACKAGE, "Items"),
            transform=later.transform(PACKAGE, "inventory_items", types=config.item_types),
            endpoint="query and cdc, Item",
        ),
        Stream(
            entity="purchase_orders",
            read=client.purchase_orders,
            split=columns.split_orders,
            decode=columns.decode_order,
            columns=columns.ORDER_COLUMNS,
            schema=later.schema(PACKAGE, "PurchaseOrders"),
            transform=later.transform(PACKAGE, "purchase_orders"),
            endpoint="query and cdc, PurchaseOrder",
        ),
        Stream(
            entity="purchase_order_lines",
            read=client.purchase_order_lines,
            split=columns.split_lines,
            decode=columns.decode_line,
            columns=columns.LINE_COLUMNS,
            schema=later.schema(PACKAGE, "Lines"),
            transform=later.transform(PACKAGE, "purchase_order_lines"),
            endpoint="query and cdc, the lines of PurchaseOrder",
            together=Together("purchase_order", wire.whole_orders),
        ),
    )
    return tuple(stream for stream in every if config.provides(stream.entity))
