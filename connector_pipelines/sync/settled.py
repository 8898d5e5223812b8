"""Conflicts that were settled: how often whose value was taken, and by whom (M77)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString, cast

if TYPE_CHECKING:
    from datetime import datetime

    from connector_pipelines.database.connection import Connection

WHOSE = {
    "core": "core's value",
    "source": "the source's value",
    "value": "a value of their own",
    "agreed": "both sides agree by now",
    "rule": "a rule decides by now",
}
"""What became of a conflict, in words; the first three are a person's decision, the others are found by a sync."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Conflicts of one source and entity that were settled in one way by one.

    Attributes:
        how: a key of `WHOSE`.
        who: a person, or `sync`.
    """

    source: str
    entity: str
    how: str
    who: str
    count: int


_SETTLED: LiteralString = """
    SELECT source, entity, decision, decided_by, count(*) FROM connector.conflicts
    WHERE state = 'resolved' AND decided_at > %(since)s AND decided_at <= %(until)s
        AND source = coalesce(%(source)s, source)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def settled(connection: Connection, since: datetime, until: datetime, source: str | None = None) -> list[Settled]:
    """The conflicts that were settled after one moment and until another, of one source or all."""
    rows = connection.execute(_SETTLED, {"since": since, "until": until, "source": source}).fetchall()
    return [Settled(*cast("tuple[str, str, str, str, int]", row)) for row in rows]
