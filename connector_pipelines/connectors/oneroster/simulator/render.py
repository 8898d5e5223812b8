"""Pages rendered to bytes beforehand, so that a benchmark measures the reader and not the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.connectors.oneroster.simulator.world import World


def render_pages(world: World, collection: str, limit: int) -> Iterator[bytes]:
    """The bodies that a full read of a collection receives, page by page, in 1.2.

    Args:
        world: which version.
        collection: e.g. `enrollments`.
        limit: records a page, at least 1.
    """
    rows = world.rows(collection)
    for first in range(0, len(rows), limit):
        yield msgspec.json.encode({collection: world.records(collection, rows[first : first + limit])})
