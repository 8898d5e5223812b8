"""How an export does: what stands there, what was not taken, how long changes of core were on their way (M130-M132).

What people are promised is about records: of all that should stand there, so many do. What failed while it was sent is
told beside it, and alarms go by that: a failure that stands does not ring again with every export.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.outward import PREFIX

if TYPE_CHECKING:
    from datetime import datetime

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.outward import Export


GOAL = 0.995
"""The share of records that shall come to core, or stand in a source that is written to (M130)."""

USUAL_SECONDS = 2.0
"""A source's API shall answer within, on average (M132, K20)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How one export did since a moment.

    Attributes:
        standing: records that stand there as core says, now.
        missing: those that should, and do not: their dead letters, without what waits for its turn.
        sent, failed: records in calls that write, and those of them that were not taken.
        changes: of rows of core that arrived.
        seconds: from these changes to their arrival, summed; `longest` of one.
        requests: to the source, reading ones and those of other exports included; `answering` is seconds, summed.
    """

    standing: int = 0
    missing: int = 0
    sent: int = 0
    failed: int = 0
    changes: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    requests: int = 0
    answering: float = 0.0

    @property
    def success(self) -> float:
        """The share of records that stand there as they should; 1 where none should."""
        wanted = self.standing + self.missing
        return self.standing / wanted if wanted else 1.0

    @property
    def mean_seconds(self) -> float:
        """From a change to its arrival, on average; 0 where nothing changed."""
        return self.seconds / self.changes if self.changes else 0.0

    @property
    def mean_answer(self) -> float:
        """Seconds of a request, on average; 0 where nothing was asked."""
        return self.answering / self.requests if self.requests else 0.0


def of_export(connection: Connection, source: str, entity: str, since: datetime) -> Figures:
    """The figures of an export ("export/users") since a moment."""
    row = connection.execute(
        """
        SELECT
            (SELECT count(*) FROM connector.exports WHERE source = %(source)s AND entity = %(there)s
                AND state IN ('sent', 'verified') AND stands IS NULL),
            (SELECT count(DISTINCT external_id) FROM connector.dead_letters WHERE source = %(source)s
                AND entity = %(entity)s AND state NOT IN ('resolved', 'waiting')),
            f.*, a.*
        FROM (SELECT coalesce(sum(sent), 0)::bigint, coalesce(sum(failed), 0)::bigint,
                coalesce(sum(changes), 0)::bigint, coalesce(sum(seconds), 0), coalesce(max(longest), 0)
            FROM connector.export_figures WHERE source = %(source)s AND entity = %(there)s AND at > %(since)s) f,
            (SELECT coalesce(sum(requests), 0)::bigint, coalesce(sum(seconds), 0)
            FROM connector.api_calls WHERE source = %(source)s AND at > %(since)s) a
        """,
        {"source": source, "entity": entity, "there": entity.removeprefix(PREFIX), "since": since},
    ).fetchone()
    return Figures(*cast("tuple[int, int, int, int, int, float, float, int, float]", row))


@dataclass(frozen=True, slots=True)
class Lacking:
    """Records that stand in the other system without a field that they need.

    Attributes:
        keys: which rows of core, the first of them.
    """

    field: str
    why: str
    count: int
    keys: tuple[str, ...] = ()


def lacking(connection: Connection, source: str, export: Export, *, named: int = 20) -> list[Lacking]:
    """For each field that an export's records need, who stands there without (M1, N9); nothing where all have it."""
    found = []
    for name, why in export.needs.items():
        row = connection.execute(
            "SELECT count(*), (array_agg(key ORDER BY id))[1:%s] FROM connector.exports"
            " WHERE source = %s AND entity = %s AND state IN ('sent', 'verified') AND coalesce(record ->> %s, '') = ''",
            [named, source, export.entity, name],
        ).fetchone()
        count, keys = cast("tuple[int, list[str] | None]", row)
        if count:
            found.append(Lacking(name, why, count, tuple(keys or ())))
    return found


def note_sent(connection: Connection, source: str, entity: str, *, sent: int, failed: int) -> None:
    """Count a batch, in the caller's transaction."""
    connection.execute(
        "INSERT INTO connector.export_figures (source, entity, sent, failed) VALUES (%s, %s, %s, %s)",
        [source, entity, sent, failed],
    )
