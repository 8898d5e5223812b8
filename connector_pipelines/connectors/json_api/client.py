"""The open source: `declarative.client`, with pages of JSON, JSON lines or XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.connectors.json_api import wire
from connector_pipelines.declarative import client
from connector_pipelines.declarative.api import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from connector_pipelines.connectors.json_api.config import JsonApiConfig
    from connector_pipelines.declarative.api import Api
    from connector_pipelines.model import Stream

KIND = Kind(
    splitter=wire.splitter,
    document=wire.document,
    adopt=wire.adopt,
    outer=wire.outer,
    null_tokens=lambda _: (),
    media="application/json, application/x-ndjson, application/xml;q=0.9, */*;q=0.1",
)

check = client.check


def connect(config: JsonApiConfig) -> AbstractContextManager[Api]:
    """A client; nothing is asked before the first read."""
    return client.connect(KIND, config)


def streams(config: JsonApiConfig) -> Sequence[Stream]:
    """What a source can read, parents before children."""
    return client.streams(KIND, config)
