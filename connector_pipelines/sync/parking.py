"""Backfills that wait for a source's budget outside of any run, and are launched again by themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.database.connection import Connection


KEPT = timedelta(days=90)
"""So long a parked run is remembered after it was launched again: for whoever looks why a backfill came in parts."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A run that is to be launched again.

    Attributes:
        assets: their keys, as people write them.
        tags: what says which days it fills.
    """

    run_id: str
    source: str
    until: datetime
    assets: tuple[str, ...]
    tags: dict[str, str]


def park(connection: Connection, parked: Parked) -> None:
    """Remember a run that ended without having asked anything."""
    connection.execute(
        "INSERT INTO connector.parked (run_id, source, until, assets, tags) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (run_id) DO NOTHING",
        [parked.run_id, parked.source, parked.until, list(parked.assets), json.dumps(parked.tags)],
    )


def due(connection: Connection, source: str, now: datetime) -> list[Parked]:
    """The parked runs of a source whose time has come, those that were due first first."""
    rows = connection.execute(
        "SELECT run_id, source, until, assets, tags FROM connector.parked"
        " WHERE source = %s AND resumed_at IS NULL AND until <= %s ORDER BY until",
        [source, now],
    ).fetchall()
    found = cast("list[tuple[str, str, datetime, Sequence[str], Mapping[str, str]]]", rows)
    return [Parked(run, source, until, tuple(assets), dict(tags)) for run, source, until, assets, tags in found]


def resumed(connection: Connection, run_ids: Sequence[str], now: datetime) -> None:
    """Note that runs were launched again."""
    connection.execute(
        "UPDATE connector.parked SET resumed_at = %s WHERE run_id = ANY(%s) AND resumed_at IS NULL",
        [now, list(run_ids)],
    )


def forget(connection: Connection, source: str, now: datetime) -> None:
    """Remove what was launched again long ago."""
    connection.execute("DELETE FROM connector.parked WHERE source = %s AND resumed_at < %s", [source, now - KEPT])


def parked(connection: Connection, run_ids: Sequence[str]) -> set[str]:
    """Which of these runs ended because they were parked."""
    rows = connection.execute("SELECT run_id FROM connector.parked WHERE run_id = ANY(%s)", [list(run_ids)]).fetchall()
    return {str(run_id) for (run_id,) in rows}
