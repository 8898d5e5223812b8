"""Finale Inventory: items with their stock, suppliers, purchase orders and their lines.

config.py      what a source must say
client.py      one function per collection, and what a whole read is
answers.py     one answer after the other, in files
windows.py     which spans of time a read asks for: 30 days at most, 120,000 entities at most
columnar.py    arrays to rows
index.py       where the elements of a large answer lie, without holding it
stock.py       quantities from inventoryitem, or from a report (report.py)
wire.py        records as they travel, and their columns
schemas.py     what we accept
transform.py   accepted records to core columns
simulator/     a server that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.finale.config import FinaleConfig
from connector_pipelines.model import Connector, Health, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager


def _open(config: FinaleConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.finale import client

    return client.connect(config)


def _streams(config: FinaleConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.finale.streams import streams

    return streams(config)


def _check(client: Any) -> Health:
    from connector_pipelines.connectors.finale import client as rest

    return rest.check(client)


CONNECTOR = Connector(
    name="finale",
    title="Finale Inventory",
    config=FinaleConfig,
    open=_open,
    streams=_streams,
    check=_check,
)
