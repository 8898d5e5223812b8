"""What became of the newest runs, from the records: the table a person reads after a sync."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.model import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from connector_pipelines.database.connection import Connection


@dataclass(frozen=True, slots=True)
class Line:
    """One entity of one sync.

    Attributes:
        state: the plan's, or the run's where no plan was made ("failed", "reading").
        reasons: why it is held, or the error that ended the read.
        verified: applied, accounted for, and core read back equal.
        seconds: from the start of reading to the end of applying.
    """

    entity: str
    state: str
    counts: Counts
    verified: bool
    seconds: float
    reasons: tuple[str, ...] = ()


def newest_run(connection: Connection) -> int:
    """The id of the newest run, 0 before the first: what `since` starts from."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM connector.sync_runs").fetchone()
    return cast("tuple[int]", row)[0]


def since(connection: Connection, source: str, run_id: int) -> list[Line]:
    """The lines of all runs of a source after `run_id`, parents before children."""
    rows = connection.execute(
        """
        SELECT DISTINCT ON (r.id) r.entity, coalesce(p.state, r.state), coalesce(t.counts, p.counts, '{}'),
            coalesce(t.verified, false), coalesce(p.reasons, '[]'), r.error, r.started_at,
            coalesce(p.applied_at, r.finished_at, now())
        FROM connector.sync_runs r
        LEFT JOIN connector.sync_plans p ON p.run_id = r.id
        LEFT JOIN connector.sync_receipts t ON t.plan_id = p.id
        WHERE r.source = %s AND r.id > %s ORDER BY r.id, p.id DESC
        """,
        [source, run_id],
    ).fetchall()
    order = {entity: place for place, entity in enumerate(ENTITIES)}
    return sorted((_line(row) for row in rows), key=lambda line: order.get(line.entity, len(order)))


def _line(row: tuple[object, ...]) -> Line:
    entity, state, counts, verified, reasons, error, started, ended = cast(
        "tuple[str, str, dict[str, int], bool, list[str], str | None, datetime, datetime]", row
    )
    return Line(
        entity=entity,
        state=state,
        counts=Counts(**counts),
        verified=verified,
        seconds=(ended - started).total_seconds(),
        reasons=(*reasons, *([error] if error else [])),
    )


def total(lines: Iterable[Line]) -> Counts:
    """The sum of all lines."""
    sums: dict[str, int] = {}
    for line in lines:
        for name, count in asdict(line.counts).items():
            sums[name] = sums.get(name, 0) + count
    return Counts(**sums)
