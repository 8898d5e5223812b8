"""This project's engine on a Finale account: vendors, items with their stock, purchase orders and their lines.

With `--read-only` the pages are only fetched and split, which shows what reading alone takes in memory.
"""

from __future__ import annotations

import time

from child import as_installed, report, task

as_installed()

from connector_pipelines.garbage import seldom

seldom()  # as our command line does

from connector_pipelines.connectors.finale import CONNECTOR
from connector_pipelines.connectors.finale.config import ApiKey, FinaleConfig
from connector_pipelines.external.secrets import Secret
from connector_pipelines.model import Source, Window
from connector_pipelines.sync import whole
from connector_pipelines.sync.context import open_context

GIVEN = task()
ENTITIES = ("vendors", "inventory_items", "purchase_orders", "purchase_order_lines")


def source() -> Source:
    """The server as a Finale source."""
    secret = Secret.literal("bench")
    auth = ApiKey(type="api_key", key=secret, secret=secret)
    return Source("bench", CONNECTOR, FinaleConfig(account="demo", base_url=GIVEN.url, auth=auth))


def sync() -> None:
    """One sync of all entities."""
    started = time.monotonic()
    with open_context(GIVEN.database) as context:
        outcomes = list(whole.sync(context, source(), entities=ENTITIES))
    report(
        started,
        entities={outcome.entity: outcome.seconds for outcome in outcomes},
        verified=all(outcome.verified for outcome in outcomes),
    )


def read() -> None:
    """Fetch and split everything, and do nothing with it."""
    started = time.monotonic()
    reading = source()
    with CONNECTOR.open(reading.config) as client:
        rows = sum(len(page.rows) for name in ENTITIES for page in reading.stream(name).read(client, Window()).pages)
    report(started, rows=rows)


if __name__ == "__main__":
    (read if GIVEN.read_only else sync)()
