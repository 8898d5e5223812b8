"""The open source: `declarative.client`, with pages that are tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.connectors.csv_api import wire
from connector_pipelines.declarative import client
from connector_pipelines.declarative.api import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from connector_pipelines.connectors.csv_api.config import CsvApiConfig
    from connector_pipelines.declarative.api import Api
    from connector_pipelines.model import Stream

KIND = Kind(
    splitter=wire.splitter,
    document=wire.document,
    adopt=wire.adopt,
    outer=lambda _, __: None,
    null_tokens=lambda config: config.dialect.null_tokens,
    media="text/csv, text/plain;q=0.5, */*;q=0.1",
)

check = client.check


def connect(config: CsvApiConfig) -> AbstractContextManager[Api]:
    """A client; nothing is asked before the first read."""
    return client.connect(KIND, config)


def streams(config: CsvApiConfig) -> Sequence[Stream]:
    """What a source can read, parents before children."""
    return client.streams(KIND, config)
