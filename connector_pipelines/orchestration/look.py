"""Looks into the records of reads, plans and receipts, for what the UI shows. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.database.connection import scalar
from connector_pipelines.sync import records

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Plan


@dataclass(frozen=True, slots=True)
class Run:
    """One of the last reads of a source's entity.

    Attributes:
        state: the plan's, or the read's where no plan was made.
        changes: rows the plan writes.
    """

    started_at: datetime
    state: str
    rows: int
    changes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows that wait for their parents.

    Attributes:
        old: how many wait longer than was asked for.
        since: when the oldest came.
    """

    count: int
    old: int
    since: datetime | None


def last_runs(connection: Connection, source: str, entity: str, *, limit: int = 14) -> list[Run]:
    """The last reads of a source's entity, oldest first."""
    rows = connection.execute(
        """
        SELECT DISTINCT ON (r.id) r.started_at, coalesce(p.state, r.state), r.rows,
            coalesce((p.counts ->> 'created')::bigint + (p.counts ->> 'updated')::bigint, 0)
        FROM connector.sync_runs r LEFT JOIN connector.sync_plans p ON p.run_id = r.id
        WHERE r.source = %s AND r.entity = %s ORDER BY r.id DESC, p.id DESC LIMIT %s
        """,
        [source, entity, limit],
    ).fetchall()
    return [Run(*cast("tuple[datetime, str, int, int]", row)) for row in reversed(rows)]


def skipped(connection: Connection, run_id: int) -> dict[str, int]:
    """Why rows of a read belong elsewhere, with counts."""
    return cast("dict[str, int]", scalar(connection, "SELECT skipped FROM connector.sync_runs WHERE id = %s", run_id))


def newest_plan(connection: Connection, source: str, entity: str) -> Plan | None:
    """The newest plan of a source's entity, in whatever state."""
    newest = "SELECT id FROM connector.sync_plans WHERE source = %s AND entity = %s ORDER BY id DESC LIMIT 1"
    plan_id = scalar(connection, newest, source, entity)
    return None if plan_id is None else records.load_plan(connection, cast("int", plan_id))


def held_sources(connection: Connection, entity: str) -> list[str]:
    """The sources whose plan for a core table waits for a person."""
    held = "SELECT DISTINCT source FROM connector.sync_plans WHERE entity = %s AND state = 'held' ORDER BY source"
    return [cast("str", source) for (source,) in connection.execute(held, [entity]).fetchall()]


def waiting(connection: Connection, entity: str, *, older_than: timedelta) -> Waiting:
    """The rows of an entity that wait for their parents, over all sources."""
    row = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE created_at < now() - %s), min(created_at)"
        " FROM connector.dead_letters WHERE entity = %s AND state = 'waiting'",
        [older_than, entity],
    ).fetchone()
    return Waiting(*cast("tuple[int, int, datetime | None]", row))


def core_rows(connection: Connection, entity: str) -> int:
    """How many records of all sources stand in a core table, from the mappings."""
    counted = (
        "SELECT count(*) FROM connector.external_system_mappings WHERE entity_type = %s AND internal_id IS NOT NULL"
    )
    return cast("int", scalar(connection, counted, entity))


def status(connection: Connection, source: str) -> str | None:
    """How the source answered its last connection test: connected, error, …; None before it was registered."""
    known = "SELECT status FROM connector.integrations WHERE name = %s"
    return cast("str | None", scalar(connection, known, source))


def exported_rows(connection: Connection, source: str, entity: str) -> int:
    """How many records of ours stand in a source."""
    there = (
        "SELECT count(*) FROM connector.exports WHERE source = %s AND 'export/' || entity = %s"
        " AND state IN ('sent', 'verified')"
    )
    return cast("int", scalar(connection, there, source, entity))
