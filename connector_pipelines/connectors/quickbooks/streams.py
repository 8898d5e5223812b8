"""What a QuickBooks source can read, parents before children."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks import client, columns, wire
from connector_pipelines.model import Stream
from connector_pipelines.pages import Together

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas import DataFrame
    from pandera.pandas import DataFrameModel, DataFrameSchema

    from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig

    Transform = Callable[[DataFrame], DataFrame]


def _schema(pick: Callable[[Any], type[DataFrameModel]]) -> Callable[[], DataFrameSchema]:
    """A schema, imported when it is needed: pandera and pandas take longer to import than all the rest."""

    def give() -> DataFrameSchema:
        from connector_pipelines.connectors.quickbooks import schemas

        return pick(schemas).to_schema()

    return give


def _transform(pick: Callable[[Any], Transform]) -> Transform:
    """A transform, imported when it is needed."""

    def run(frame: DataFrame) -> DataFrame:
        from connector_pipelines.connectors.quickbooks import transform

        return pick(transform)(frame)

    return run


def streams(config: QuickBooksConfig) -> tuple[Stream, ...]:
    """The streams a config switches on."""
    every = (
        Stream(
            entity="vendors",
            read=client.vendors,
            split=columns.split_vendors,
            decode=columns.decode_vendor,
            columns=columns.VENDOR_COLUMNS,
            schema=_schema(lambda schemas: schemas.Vendors),
            transform=_transform(lambda transform: transform.vendors),
            endpoint="query and cdc, Vendor",
        ),
        Stream(
            entity="inventory_items",
            read=client.items,
            split=columns.split_items,
            decode=columns.decode_item,
            columns=columns.ITEM_COLUMNS,
            schema=_schema(lambda schemas: schemas.Items),
            transform=_transform(lambda transform: partial(transform.inventory_items, types=config.item_types)),
            endpoint="query and cdc, Item",
        ),
        Stream(
            entity="purchase_orders",
            read=client.purchase_orders,
            split=columns.split_orders,
            decode=columns.decode_order,
            columns=columns.ORDER_COLUMNS,
            schema=_schema(lambda schemas: schemas.PurchaseOrders),
            transform=_transform(lambda transform: transform.purchase_orders),
            endpoint="query and cdc, PurchaseOrder",
        ),
        Stream(
            entity="purchase_order_lines",
            read=client.purchase_order_lines,
            split=columns.split_lines,
            decode=columns.decode_line,
            columns=columns.LINE_COLUMNS,
            schema=_schema(lambda schemas: schemas.Lines),
            transform=_transform(lambda transform: transform.purchase_order_lines),
            endpoint="query and cdc, the lines of PurchaseOrder",
            together=Together("purchase_order", wire.whole_orders),
        ),
    )
    return tuple(stream for stream in every if config.provides(stream.entity))
