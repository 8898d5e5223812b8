"""Some records of a read as they came, for whoever wants to know what the source sends."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from connector_pipelines.errors import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.model import Read, Source
    from connector_pipelines.sync.context import Context

RECORDS = 500
PER_PAGE = 100


def sample(context: Context, source: Source, read: Read) -> list[bytes]:
    """The first records of a read's first pages, from the landed ones; none where they are not there any more."""
    try:
        return list(islice(_records(context, source, read), RECORDS))
    except BrokenPage:
        return []


def _records(context: Context, source: Source, read: Read) -> Iterator[bytes]:
    split = source.stream(read.entity).split
    for page in context.landing.pages(read.source, read.entity, read.landed):
        yield from map(bytes, filter(None, page.records(split)[:PER_PAGE]))
