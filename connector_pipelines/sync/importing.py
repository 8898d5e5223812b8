"""Reads parents that children name and core does not have, by their ids, before the children are planned (G43).

Only where the source's policy says so, the source feeds the parents, and its system can be asked for single records.
Such a read is one like any other: landed, validated, planned, judged by the guard, and applied before the children. It
moves no cursor and proves no absence.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database import staging
from connector_pipelines.database.connection import scalar
from connector_pipelines.database.tables import rows_table
from connector_pipelines.errors import SyncError
from connector_pipelines.mapping import references
from connector_pipelines.model import Mode, Window
from connector_pipelines.sync.pull import pull

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.model import Read, Reference, Source
    from connector_pipelines.sync.context import Context

MOST = 500
"""At most so many parents of one entity are asked for at once: each is a request. The others wait for a full read."""


def read_parents(context: Context, source: Source, child: Read) -> Iterator[Read]:
    """Read what a child's rows name and core does not have; nothing for a read that only looks.

    A parent that the source does not have, or does not give now, is not there: the children wait for it. What stopped
    such a read stands with its run. While the guard holds a plan of the parents nothing is asked for: what it holds as
    a whole must not come in one by one.
    """
    connection, entity = context.connection, core_entity(child.entity)
    if child.trial or not staging.exists(connection, rows_table(child.id)):
        return
    for reference in entity.references:
        if not _may(source, child.entity, reference) or _held(context, source, reference.entity):
            continue
        with connection.transaction():
            ids = references.missing(connection, entity, reference, child, most=MOST)
        if ids:
            now = datetime.now(UTC)
            with suppress(SyncError):
                yield pull(
                    context, source, reference.entity, mode=Mode.INCREMENTAL, span=Window(now, now, ids=tuple(ids))
                )


def _may(source: Source, entity: str, reference: Reference) -> bool:
    parent = reference.entity
    wanted = parent != entity and source.policy.imports(entity, parent)
    return wanted and source.provides(parent) and source.stream(parent).by_id


def _held(context: Context, source: Source, entity: str) -> bool:
    held = "SELECT EXISTS (SELECT FROM connector.sync_plans WHERE source = %s AND entity = %s AND state = 'held')"
    return bool(scalar(context.connection, held, source.name, entity))
