"""Canvas: a site's accounts, terms, courses, sections, people and who is in what; what is handed in and graded there.

config.py      what a source must say
client.py      one function per kind of record    https://developerdocs.instructure.com/services/canvas
paging.py      the next page is where the Link header says
refusals.py    what Canvas says when it refuses, and what that means
wire.py        records as they travel, pages to records
rubrics.py     scores by rubrics, composed of submissions and the rubrics of assignments
columns.py     wire records to external columns
schemas.py     what we accept
transform.py   accepted records to core columns
simulator/     a site that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.canvas.config import CanvasConfig
from connector_pipelines.model import Connector, Health, Stream
from connector_pipelines.policy import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager


def _open(config: CanvasConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.canvas import client

    return client.connect(config)


def _streams(config: CanvasConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.canvas.streams import streams

    return streams(config)


def _check(canvas: Any) -> Health:
    from connector_pipelines.connectors.canvas import client

    return client.check(canvas)


CONNECTOR = Connector(
    name="canvas",
    title="Canvas",
    config=CanvasConfig,
    open=_open,
    streams=_streams,
    check=_check,
    conflicts={"grades": {"*": Rule.CORE_FINAL}},  # K8: an override that somebody set in core stays
)
