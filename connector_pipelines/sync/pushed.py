"""What became of the newest exports, from the records: the table a person reads after core was written elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, cast

from connector_pipelines.outward import PREFIX, is_export
from connector_pipelines.sync import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.sync.summary import Line


@dataclass(frozen=True, slots=True)
class Pushed:
    """One export, however many rounds it took.

    wanted = created + updated + unchanged + dead_lettered; what is withdrawn is not wanted any more.

    Attributes:
        entity: what it is called there: "users".
        wanted: how many records should stand there.
        dead_lettered: of these, those that could not be written, or wait for what they refer to.
        verified: accounted for, and read back as it was sent.
        calls: requests to the source, reading ones included.
        reasons: why it is held, or the error that ended it.
    """

    entity: str
    wanted: int
    created: int
    updated: int
    unchanged: int
    withdrawn: int
    dead_lettered: int
    verified: bool
    calls: int
    seconds: float
    reasons: tuple[str, ...] = ()


def since(connection: Connection, source: str, run_id: int) -> list[Pushed]:
    """The exports of a source after the run `run_id`, in their order."""
    lines = [line for line in summary.since(connection, source, run_id) if is_export(line.entity)]
    calls = _calls(connection, source, run_id)
    return [_merged(list(rounds), calls[name]) for name, rounds in groupby(lines, key=lambda line: line.entity)]


def _merged(rounds: Sequence[Line], calls: int) -> Pushed:
    """The rounds of one export as one: each plans all records anew, so that the last one knows how many there are."""
    counts = rounds[-1].counts
    wanted = counts.created + counts.updated + counts.unchanged + counts.conflicts + counts.dead_lettered
    created, updated, withdrawn = (
        sum(getattr(line.counts, name) for line in rounds) for name in ("created", "updated", "dropped")
    )
    return Pushed(
        entity=rounds[0].entity.removeprefix(PREFIX),
        wanted=wanted,
        created=created,
        updated=updated,
        unchanged=wanted - created - updated - counts.dead_lettered,
        withdrawn=withdrawn,
        dead_lettered=counts.dead_lettered,
        verified=all(line.verified for line in rounds),
        calls=calls,
        seconds=sum(line.seconds for line in rounds),
        reasons=tuple(reason for line in rounds if not line.verified for reason in line.reasons or (line.state,)),
    )


def _calls(connection: Connection, source: str, run_id: int) -> dict[str, int]:
    """Requests by export: each has a client of its own, whose requests are written before the next one begins."""
    rows = connection.execute(
        """
        SELECT e.entity, coalesce(sum(c.requests), 0)
        FROM (SELECT entity, min(started_at) AS began, lead(min(started_at)) OVER (ORDER BY min(started_at)) AS ended
            FROM connector.sync_runs WHERE source = %s AND id > %s GROUP BY entity) e
        LEFT JOIN connector.api_calls c ON c.source = %s AND c.at >= e.began AND (e.ended IS NULL OR c.at < e.ended)
        GROUP BY e.entity
        """,
        [source, run_id, source],
    ).fetchall()
    return {entity: int(count) for entity, count in cast("list[tuple[str, int]]", rows)}
