"""The outbox: which rows of core changed since they were last exported, so that many changes take few calls (M12, M39).

Triggers fill it, for the tables that a source's exports are made of and no others. An export compares whole tables
anyway; the outbox only says that there is something to compare. What the triggers miss, the daily export finds.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.core.extracts import extract

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Source


_LOCK = 7_205_759_405


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits to be exported to a source.

    Attributes:
        exports: the exports that are concerned, by their names there.
        rows: how many rows of core changed.
        oldest, newest: when the first and the last of the changes were made.
    """

    exports: tuple[str, ...]
    rows: int
    oldest: datetime
    newest: datetime

    def due(self, now: datetime, *, quiet: timedelta, patience: timedelta) -> bool:
        """Whether to export now: it is quiet again, or has not been for too long. Pure."""
        return now - self.newest >= quiet or now - self.oldest >= patience


def watch(connection: Connection, source: Source) -> None:
    """Let the triggers note changes of what this source's exports are made of; of nothing else any more."""
    wanted = sorted((export.entity, entity) for export in source.exports for entity in extract(export.of).entities)
    known = connection.execute(
        "SELECT export, entity FROM connector.export_watches WHERE source = %s", [source.name]
    ).fetchall()
    if sorted(cast("list[tuple[str, str]]", known)) == wanted:
        return
    names = [export.entity for export in source.exports]
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])  # two would make the same triggers
        connection.execute("DELETE FROM connector.export_watches WHERE source = %s", [source.name])
        connection.execute(
            "INSERT INTO connector.export_watches (source, export, entity)"
            " SELECT %s, * FROM unnest(%s::text[], %s::text[])",
            [source.name, [export for export, _ in wanted], [entity for _, entity in wanted]],
        )
        connection.execute("SELECT connector.follow_watches()")
        connection.execute(
            "DELETE FROM connector.export_outbox WHERE source = %s AND export <> ALL(%s)", [source.name, names]
        )


def pending(connection: Connection, source: str) -> Pending | None:
    """What waits; None where nothing does."""
    row = connection.execute(
        "SELECT array_agg(DISTINCT export ORDER BY export), count(DISTINCT (entity, internal_id)), min(at), max(at)"
        " FROM connector.export_outbox WHERE source = %s",
        [source],
    ).fetchone()
    exports, rows, oldest, newest = cast("tuple[list[str] | None, int, datetime, datetime]", row)
    return Pending(tuple(exports), rows, oldest, newest) if exports else None


@contextmanager
def taken(connection: Connection, source: str, export: str) -> Iterator[None]:
    """Remove what is in the outbox for an export once core was compared within. What comes meanwhile stays.

    How long these changes were on their way is noted, unless they wait for a person now (M131, K21).
    """
    with connection.transaction():
        connection.execute("DROP TABLE IF EXISTS pg_temp.seen_changes")
        connection.execute(
            "CREATE TEMP TABLE seen_changes AS"
            " SELECT id FROM connector.export_outbox WHERE source = %s AND export = %s",
            [source, export],
        )
    yield
    connection.execute(_ARRIVED, {"source": source, "export": export})


_ARRIVED = """
    WITH gone AS (
        DELETE FROM connector.export_outbox o USING seen_changes s WHERE s.id = o.id
        RETURNING extract(epoch FROM clock_timestamp() - o.at)::float8 AS took
    )
    INSERT INTO connector.export_figures (source, entity, changes, seconds, longest)
    SELECT %(source)s, %(export)s, count(*), sum(took), max(took) FROM gone
    WHERE NOT EXISTS (SELECT FROM connector.sync_plans
        WHERE source = %(source)s AND entity = 'export/' || %(export)s AND state = 'held')
    HAVING count(*) > 0
"""
