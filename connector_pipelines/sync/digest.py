"""What people read once a day: what changed, what went wrong, and what waits for one of them (G77, M85)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString, cast

from connector_pipelines.mapping.cases import RULES
from connector_pipelines.sync.alarms import Level, Message
from connector_pipelines.sync.figures import GOAL, USUAL_SECONDS
from connector_pipelines.sync.settled import WHOSE, Settled, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.database.connection import Connection

SPAN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Changed:
    """What syncs did to one entity of a source."""

    source: str
    entity: str
    created: int
    updated: int
    dropped: int
    refused: int


@dataclass(frozen=True, slots=True)
class Runs:
    """How the runs of a source ended."""

    source: str
    succeeded: int
    failed: int
    cancelled: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a person: how often, where, and what to do."""

    what: str
    source: str
    entity: str
    count: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a source's day was like beside what people are promised (K17).

    Attributes:
        rows, refused: records of its plans.
        requests, seconds: to it, and how long all of them took.
    """

    source: str
    rows: int
    refused: int
    requests: int
    seconds: float

    @property
    def missed(self) -> tuple[str, ...]:
        """What was promised and not kept, in words; also where it is not bad enough for an alert."""
        share, mean = self.refused / max(self.rows, 1), self.seconds / max(self.requests, 1)
        records = f"{share:.1%} of {self.rows:,} records were refused, more than {1 - GOAL:.1%}"
        answers = f"its answers took {mean:.1f} s on average, more than {USUAL_SECONDS:g} s"
        return tuple(said for said, is_so in ((records, share > 1 - GOAL), (answers, mean > USUAL_SECONDS)) if is_so)


@dataclass(frozen=True, slots=True)
class Digest:
    """A day, and what happened in it.

    Attributes:
        until: when it ended; its date is that of its own time zone.
    """

    until: datetime
    changed: tuple[Changed, ...]
    runs: tuple[Runs, ...]
    waiting: tuple[Waiting, ...]
    kept: tuple[Kept, ...] = ()
    settled: tuple[Settled, ...] = ()


TO_DO = {
    "held plans": "approve_plan or reject_plan",
    "open conflicts": "resolve_conflicts",
    "cases of identity": "accept_identity",
    "dead letters": "list_dead_letters, then retry_dead_letters or clear_dead_letters",
}
"""For everything that waits, the job with which a person decides."""

_CHANGED: LiteralString = """
    SELECT source, entity, sum((counts ->> 'created')::bigint)::bigint, sum((counts ->> 'updated')::bigint)::bigint,
        sum((counts ->> 'dropped')::bigint)::bigint,
        sum((counts ->> 'dead_lettered')::bigint - (counts ->> 'waiting')::bigint)::bigint
    FROM connector.sync_plans WHERE state = 'applied' AND applied_at > %(since)s AND applied_at <= %(until)s
    GROUP BY source, entity ORDER BY source, entity
"""
_RUNS: LiteralString = """
    SELECT source, count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'),
        count(*) FILTER (WHERE state = 'cancelled'),
        (array_agg(error ORDER BY ended_at DESC) FILTER (WHERE state = 'failed'))[1]
    FROM connector.job_runs WHERE ended_at > %(since)s AND ended_at <= %(until)s AND job <> 'reconcile'
    GROUP BY source ORDER BY source
"""
_KEPT: LiteralString = """
    SELECT source, coalesce(p.rows, 0), coalesce(p.refused, 0), coalesce(a.requests, 0), coalesce(a.seconds, 0)
    FROM (
        SELECT source, sum((counts ->> 'fetched')::bigint + (counts ->> 'retried')::bigint)::bigint AS rows,
            sum((counts ->> 'dead_lettered')::bigint - (counts ->> 'waiting')::bigint)::bigint AS refused
        FROM connector.sync_plans
        WHERE state <> 'superseded' AND created_at > %(since)s AND created_at <= %(until)s GROUP BY source
    ) p FULL JOIN (
        SELECT source, sum(requests)::bigint AS requests, sum(seconds) AS seconds
        FROM connector.api_calls WHERE at > %(since)s AND at <= %(until)s GROUP BY source
    ) a USING (source) ORDER BY source
"""
_WAITING: LiteralString = """
    SELECT 'held plans', source, entity, count(*) FROM connector.sync_plans WHERE state = 'held' GROUP BY 2, 3
    UNION ALL
    SELECT 'open conflicts', source, entity, count(*) FROM connector.conflicts WHERE state = 'open' GROUP BY 2, 3
    UNION ALL
    SELECT CASE WHEN rule = ANY(%(identity)s) THEN 'cases of identity' ELSE 'dead letters' END, source, entity, count(*)
    FROM connector.dead_letters WHERE state = 'open' GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
"""


def waiting(connection: Connection) -> list[Waiting]:
    """What waits for a person now."""
    rows = connection.execute(_WAITING, {"identity": list(RULES)}).fetchall()
    return [Waiting(*cast("tuple[Any, ...]", row)) for row in rows]


def digest(connection: Connection, until: datetime) -> Digest:
    """The day that ends at a moment."""
    span = {"since": until - SPAN, "until": until}
    changed = connection.execute(_CHANGED, span).fetchall()
    runs = connection.execute(_RUNS, span).fetchall()
    kept = connection.execute(_KEPT, span).fetchall()
    return Digest(
        until,
        tuple(Changed(*cast("tuple[Any, ...]", row)) for row in changed),
        tuple(Runs(*cast("tuple[Any, ...]", row)) for row in runs),
        tuple(waiting(connection)),
        tuple(Kept(*cast("tuple[Any, ...]", row)) for row in kept),
        tuple(settled(connection, span["since"], until)),
    )


def message(day: Digest) -> Message:
    """The digest as people read it; the same day is told once. Pure. It holds no values of records."""
    failed = sum(one.failed for one in day.runs)
    missed = [f"WARNING {one.source}: {said}" for one in day.kept for said in one.missed]
    parts = [
        _part("What waits for a person", [_to_do(one) for one in day.waiting], "nothing"),
        *([_part("What was promised and missed", missed, "")] if missed else []),
        _part("Runs", [_ran(one) for one in day.runs], "none"),
        _part("What changed", [_did(one) for one in day.changed], "nothing"),
        *([_part("Conflicts that were resolved", [_settled(one) for one in day.settled], "")] if day.settled else []),
    ]
    title = f"{day.until:%Y-%m-%d}: {failed:,} failed runs, {sum(one.count for one in day.waiting):,} things wait"
    return Message(Level.INFO, title, "\n\n".join(parts), key=f"digest {day.until:%Y-%m-%d}")


def _part(title: str, lines: Sequence[str], otherwise: str) -> str:
    return "\n".join([title, *(f"- {line}" for line in lines or [otherwise])])


def _to_do(one: Waiting) -> str:
    return f"{one.source}/{one.entity}: {one.count:,} {one.what} ({TO_DO[one.what]})"


def _ran(one: Runs) -> str:
    why = f"; the last failure: {one.error}" if one.error else ""
    return f"{one.source}: {one.succeeded:,} succeeded, {one.failed:,} failed, {one.cancelled:,} cancelled{why}"


def _did(one: Changed) -> str:
    did = f"{one.created:,} created, {one.updated:,} updated, {one.dropped:,} dropped, {one.refused:,} refused"
    return f"{one.source}/{one.entity}: {did}"


def _settled(one: Settled) -> str:
    return f"{one.source}/{one.entity}: {one.count:,} by {one.who[:200]} ({WHOSE[one.how]})"
