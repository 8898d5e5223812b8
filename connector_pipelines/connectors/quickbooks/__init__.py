"""QuickBooks Online: items, vendors and purchase orders, by the Accounting API v3.

config.py      what a source must say
client.py      one function per endpoint          https://developer.intuit.com/app/developer/qbo/docs/api/accounting
asking.py      what to ask for a window: statements, change data capture and its limits
paging.py      pages that overlap, because rows shift
faults.py      what QuickBooks says when it refuses, in both spellings
wire.py        records as they travel, pages to records
columns.py     wire records to external columns
schemas.py     what we accept
transform.py   accepted records to core columns
webhook.py     is a notification genuine, and what to read again
simulator/     a server that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig
from connector_pipelines.model import Connector, Health, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from connector_pipelines.capabilities import Hook


def _open(config: QuickBooksConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.quickbooks import client

    return client.connect(config)


def _streams(config: QuickBooksConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.quickbooks.streams import streams

    return streams(config)


def _check(client: Any) -> Health:
    from connector_pipelines.connectors.quickbooks.client import check

    return check(client)


class _Batches:
    """Takes several statements in one request (`capabilities.Batch`)."""

    def batch(self, client: Any, requests: Sequence[Any]) -> Iterator[Any]:
        """The answers to statements, in order."""
        from connector_pipelines.connectors.quickbooks.client import batch

        return batch(client, requests)


class _Notified:
    """Is told by Intuit what changed (`capabilities.Webhook`)."""

    def hook(self, config: QuickBooksConfig) -> Hook | None:
        """The company's notifications, where they are configured."""
        from connector_pipelines.connectors.quickbooks.webhook import Notifications

        return Notifications(config, config.webhook) if config.webhook else None


CONNECTOR = Connector(
    name="quickbooks",
    title="QuickBooks Online",
    config=QuickBooksConfig,
    open=_open,
    streams=_streams,
    check=_check,
    abilities=(_Batches(), _Notified()),
)
