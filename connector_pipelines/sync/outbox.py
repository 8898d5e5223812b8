"""The outbox: which rows of core changed since they were last exported, so that many changes take few calls (M12, M39).

Triggers fill it, for the tables that a source's exports are made of and no others. An export compares whole tables
anyway; the outbox only says that there is something to compare. What the triggers miss, the daily export finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.core.extracts import extract

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime, timedelta

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Source
    from connector_pipelines.outward import Export


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits to be exported to a source.

    Attributes:
        entities: the core tables that changed.
        rows: how many rows of them.
        oldest, newest: when the first and the last of the changes were made.
    """

    entities: tuple[str, ...]
    rows: int
    oldest: datetime
    newest: datetime

    def due(self, now: datetime, *, quiet: timedelta, patience: timedelta) -> bool:
        """Whether to export now: it is quiet again, or has not been for too long. Pure."""
        return now - self.newest >= quiet or now - self.oldest >= patience


def made_of(exports: Iterable[Export]) -> set[str]:
    """The core entities that exports are made of."""
    return {entity for export in exports for entity in extract(export.of).entities}


def watch(connection: Connection, source: Source) -> None:
    """Let the triggers note changes of what this source's exports are made of; of nothing else any more."""
    wanted = sorted(made_of(source.exports))
    known = connection.execute(
        "SELECT entity FROM connector.export_watches WHERE source = %s ORDER BY entity", [source.name]
    ).fetchall()
    if [entity for (entity,) in known] == wanted:
        return
    with connection.transaction():
        connection.execute("DELETE FROM connector.export_watches WHERE source = %s", [source.name])
        connection.execute(
            "INSERT INTO connector.export_watches (source, entity) SELECT %s, unnest(%s::text[])"
            " ON CONFLICT DO NOTHING",
            [source.name, wanted],
        )
        connection.execute(
            "DELETE FROM connector.export_outbox WHERE source = %s AND entity <> ALL(%s)", [source.name, wanted]
        )


def pending(connection: Connection, source: str) -> Pending | None:
    """What waits; None where nothing does."""
    row = connection.execute(
        "SELECT array_agg(DISTINCT entity ORDER BY entity), count(DISTINCT (entity, internal_id)), min(at), max(at)"
        " FROM connector.export_outbox WHERE source = %s",
        [source],
    ).fetchone()
    entities, rows, oldest, newest = cast("tuple[list[str] | None, int, datetime, datetime]", row)
    return Pending(tuple(entities), rows, oldest, newest) if entities else None


def remember(connection: Connection, source: str) -> None:
    """Note what is in the outbox before core is compared. What comes later stays for the next export."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.seen_changes")
    connection.execute("CREATE TEMP TABLE seen_changes (id bigint, entity text)")
    connection.execute(
        "INSERT INTO seen_changes SELECT id, entity FROM connector.export_outbox WHERE source = %s", [source]
    )


def forget(connection: Connection, entities: Collection[str]) -> None:
    """Remove what was noted of these core entities: it was compared."""
    connection.execute(
        "DELETE FROM connector.export_outbox o USING seen_changes s WHERE s.id = o.id AND s.entity = ANY(%s)",
        [list(entities)],
    )
