"""CSV APIs, declared in YAML alone: any system that sends tables as text over HTTP.

config.py      what a source must say, beside what declarative/settings.py asks of all declared sources
client.py      the open source
wire.py        pages to records
schemas.py     what we accept
transform.py   accepted records to core columns
simulator.py   a server that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.csv_api.config import CsvApiConfig
from connector_pipelines.declarative.events import Events
from connector_pipelines.model import Connector, Health, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager


def _open(config: CsvApiConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.csv_api import client

    return client.connect(config)


def _streams(config: CsvApiConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.csv_api import client

    return client.streams(config)


def _check(api: Any) -> Health:
    from connector_pipelines.connectors.csv_api import client

    return client.check(api)


CONNECTOR = Connector(
    name="csv_api",
    title="CSV API",
    config=CsvApiConfig,
    open=_open,
    streams=_streams,
    check=_check,
    abilities=(Events(),),
)
