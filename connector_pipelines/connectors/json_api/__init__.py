"""JSON APIs, declared in YAML alone: any system that sends JSON, JSON lines or XML over HTTP, or takes JSON.

config.py      what a source must say, beside what declarative/settings.py asks of all declared sources
client.py      the open source
outgoing.py    what it takes from core, and the records that makes
writing.py     looks for, sends and reads back those records
wire.py        pages to records: JSON and JSON lines, rows and columns, records within records
xml.py         pages to records: XML
schemas.py     what we accept
transform.py   accepted records to core columns
simulator.py   a server that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.json_api.config import JsonApiConfig
from connector_pipelines.declarative.events import Events
from connector_pipelines.model import Connector, Health, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from connector_pipelines.outward import Export


def _open(config: JsonApiConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.json_api import client, writing

    return writing.connect(config) if config.exports else client.connect(config)


def _streams(config: JsonApiConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.json_api import client

    return client.streams(config)


def _exports(config: JsonApiConfig) -> Sequence[Export]:
    from connector_pipelines.connectors.json_api import writing

    return writing.exports(config)


def _check(api: Any) -> Health:
    from connector_pipelines.connectors.json_api import client, writing

    return client.check(api) if api.settings.entities else writing.check(api)


CONNECTOR = Connector(
    name="json_api",
    title="JSON API",
    config=JsonApiConfig,
    open=_open,
    streams=_streams,
    check=_check,
    exports=_exports,
    abilities=(Events(),),
)
