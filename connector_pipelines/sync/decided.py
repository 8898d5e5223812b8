"""What people decided, newest first, from the audit log: who, when, what, where and why.

Of the details only the reason is read; the others may name a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from connector_pipelines.external.sunset import HEARD

if TYPE_CHECKING:
    from datetime import datetime

    from connector_pipelines.database.connection import Connection

NEWEST = 50
"""So many are shown unless somebody asks for more."""

_NOBODY = ["webhook receiver", "declaration", HEARD]
"""Who is no person: refused calls, what a declaration allows, and what a source announces, are in the log, too."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One entry of the audit log that a person caused. Source, entity and reason are empty where there is none."""

    at: datetime
    who: str
    what: str
    source: str
    entity: str
    why: str


def decided_since(connection: Connection, moment: datetime) -> set[str]:
    """The sources that somebody decided about since a moment; an empty name stands for what belongs to none."""
    rows = connection.execute(
        "SELECT DISTINCT coalesce(source, '') FROM connector.integration_audit_logs WHERE who <> ALL(%s) AND at > %s",
        [_NOBODY, moment],
    ).fetchall()
    return {str(source) for (source,) in rows}


def decisions(connection: Connection, source: str | None = None, *, limit: int = NEWEST) -> list[Decided]:
    """The newest decisions, of one source or of all, and of what belongs to none."""
    rows = connection.execute(
        "SELECT at, who, action, coalesce(source, ''), coalesce(entity, ''), coalesce(detail ->> 'why', '')"
        " FROM connector.integration_audit_logs"
        " WHERE who <> ALL(%s) AND (%s::text IS NULL OR source = %s) ORDER BY id DESC LIMIT %s",
        [_NOBODY, source, source, limit],
    ).fetchall()
    return [Decided(*cast("tuple[Any, ...]", row)) for row in rows]
