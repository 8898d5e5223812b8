"""Looks at the dead letters: how many, of what, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


@dataclass(frozen=True, slots=True)
class Letters:
    """Unsettled dead letters of one entity that share a rule."""

    entity: str
    state: str
    rule: str
    count: int
    example: str


def by_reason(connection: Connection, source: str, entity: str | None = None) -> list[Letters]:
    """Open and waiting dead letters of a source, most frequent first, with one reason as an example."""
    rows = connection.execute(
        "SELECT entity, state, rule, count(*), min(reason) FROM connector.dead_letters"
        " WHERE source = %s AND (%s::text IS NULL OR entity = %s) AND state <> 'resolved'"
        " GROUP BY entity, state, rule ORDER BY count(*) DESC, entity, rule",
        [source, entity, entity],
    ).fetchall()
    return [Letters(*cast("tuple[str, str, str, int, str]", row)) for row in rows]
