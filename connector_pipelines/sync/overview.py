"""How the syncs do: rates, durations, queues, latencies, budgets, from the records (M74-M82, M130-M132, K20, K22).

A success rate is told twice: of runs, and of records. A run that refuses three rows of a thousand succeeded; a record
that was refused did not. Reads only; every number is one set-based query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, cast

from connector_pipelines.external.latency import added, percentile
from connector_pipelines.external.sunset import ANNOUNCED, Announcement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from connector_pipelines.database.connection import Connection


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of a source's runs and records in a span of time."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    records: int = 0
    refused: int = 0

    @property
    def run_rate(self) -> float:
        """The share of runs that succeeded; 1 where none ended. Cancelled runs are neither."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else 1.0

    @property
    def record_rate(self) -> float:
        """The share of records that were not refused; 1 where there were none (K22: what the goal of 99.5 % means)."""
        return 1 - self.refused / self.records if self.records else 1.0


@dataclass(frozen=True, slots=True)
class Queue:
    """What is on its way: reads without a plan, accepted plans that are not applied, events that nobody took up."""

    reads: int = 0
    plans: int = 0
    events: int = 0
    waiting_rows: int = 0

    @property
    def depth(self) -> int:
        """All but the rows that wait for their parents."""
        return self.reads + self.plans + self.events


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The requests to one endpoint: how many, how they failed, and how long they took in seconds."""

    source: str
    name: str
    requests: int
    failed: int
    refused: int
    limited: int
    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """How much of a budget is left in its current span."""

    scope: str
    budget: str
    size: int
    used: int


@dataclass(frozen=True, slots=True)
class Duration:
    """How long the runs of a job took, in seconds."""

    job: str
    runs: int
    mean: float
    longest: float


@dataclass(frozen=True, slots=True)
class Synced:
    """One run of a source with what it changed: a line of its history."""

    started_at: datetime
    job: str
    state: str
    seconds: float
    created: int
    updated: int
    dropped: int
    refused: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Fresh:
    """When an entity was last read to its end, and its plan applied."""

    entity: str
    read_at: datetime


_TOTALS: LiteralString = """
    SELECT source, sum(succeeded)::int, sum(failed)::int, sum(cancelled)::int,
        sum(records)::bigint, sum(refused)::bigint
    FROM (
        SELECT source, (state = 'succeeded')::int AS succeeded, (state = 'failed')::int AS failed,
            (state = 'cancelled')::int AS cancelled, 0 AS records, 0 AS refused
        FROM connector.job_runs WHERE ended_at > %(since)s AND job <> 'reconcile'
        UNION ALL
        SELECT source, 0, 0, 0, (counts ->> 'fetched')::bigint + (counts ->> 'retried')::bigint,
            (counts ->> 'dead_lettered')::bigint - (counts ->> 'waiting')::bigint
        FROM connector.sync_plans WHERE state <> 'superseded' AND created_at > %(since)s
    ) x GROUP BY source
"""


def totals(connection: Connection, since: datetime) -> dict[str, Totals]:
    """What became of runs and records since a moment, by source."""
    rows = connection.execute(_TOTALS, {"since": since}).fetchall()
    return {str(source): Totals(*cast("tuple[Any, ...]", counts)) for source, *counts in rows}


_QUEUES: LiteralString = """
    SELECT source, sum(reads)::int, sum(plans)::int, sum(events)::int, sum(waiting)::int FROM (
        SELECT r.source, 1 AS reads, 0 AS plans, 0 AS events, 0 AS waiting FROM connector.sync_runs r
        WHERE r.state = 'reading' OR r.state = 'read' AND r.kind = 'read'
            AND NOT EXISTS (SELECT FROM connector.sync_plans p WHERE p.run_id = r.id)
        UNION ALL
        SELECT source, 0, 1, 0, 0 FROM connector.sync_plans WHERE state = 'accepted'
        UNION ALL
        SELECT i.name, 0, 0, 1, 0 FROM connector.integration_webhook_events e
        JOIN connector.integrations i ON i.id = e.integration_id WHERE e.status = 'pending'
        UNION ALL
        SELECT source, 0, 0, 0, 1 FROM connector.dead_letters WHERE state = 'waiting'
    ) x GROUP BY source
"""


def queues(connection: Connection) -> dict[str, Queue]:
    """What is on its way, by source."""
    return {
        str(source): Queue(*cast("tuple[Any, ...]", counts))
        for source, *counts in connection.execute(_QUEUES).fetchall()
    }


def endpoints(connection: Connection, since: datetime, source: str | None = None) -> list[Endpoint]:
    """The requests since a moment by endpoint, the most used first."""
    rows = connection.execute(
        "SELECT source, endpoint, sum(requests)::int, sum(failed)::int, sum(refused)::int, sum(limited)::int,"
        " sum(seconds), jsonb_agg(histogram) FROM connector.api_calls"
        " WHERE at > %s AND (%s::text IS NULL OR source = %s) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        [since, source, source],
    ).fetchall()
    return [_endpoint(row) for row in rows]


def _endpoint(row: tuple[object, ...]) -> Endpoint:
    source, name, requests, failed, refused, limited, seconds, histograms = cast(
        "tuple[str, str, int, int, int, int, float, list[Mapping[str, int]]]", row
    )
    p50, p95, p99 = (percentile(added(histograms), share) for share in (0.5, 0.95, 0.99))
    return Endpoint(source, name, requests, failed, refused, limited, seconds / requests, p50, p95, p99)


_ANNOUNCED: LiteralString = """
    SELECT DISTINCT ON (detail ->> 'endpoint') detail ->> 'endpoint', (detail ->> 'since')::date,
        (detail ->> 'until')::date, detail ->> 'link'
    FROM connector.integration_audit_logs WHERE action = %s AND source = %s AND at > %s
    ORDER BY detail ->> 'endpoint', at DESC
"""


def announced(connection: Connection, source: str, since: datetime) -> list[Announcement]:
    """What a source announced of its endpoints since a moment: that they are deprecated, or when they end (M124)."""
    rows = connection.execute(_ANNOUNCED, [ANNOUNCED, source, since]).fetchall()
    return [Announcement(*cast("tuple[Any, ...]", row)) for row in rows]


_LEFT: LiteralString = r"""
    SELECT scope, budget, size, least(size, count(at) FILTER (
        WHERE at > clock_timestamp() - make_interval(secs => span) AND at <= clock_timestamp()))::int
    FROM (
        SELECT l.scope, l.budget, substring(l.budget FROM ': (\d+) in')::int AS size,
            substring(l.budget FROM ' in ([\d.]+) s$')::float8 AS span, s.at
        FROM connector.rate_limits l JOIN connector.rate_slots s USING (scope, budget)
    ) x
    WHERE size IS NOT NULL AND split_part(scope, ' / ', 1) IN (
        SELECT c.scope FROM connector.api_calls c WHERE %(source)s::text IS NULL OR c.source = %(source)s)
    GROUP BY scope, budget, size ORDER BY scope, budget
"""


def budgets(connection: Connection, source: str | None = None) -> list[BudgetLeft]:
    """The budgets that requests were taken from, all of them or those a source spends."""
    rows = connection.execute(_LEFT, {"source": source}).fetchall()
    return [BudgetLeft(*cast("tuple[Any, ...]", row)) for row in rows]


def durations(connection: Connection, source: str, since: datetime) -> list[Duration]:
    """How long the runs of a source took since a moment, by job."""
    rows = connection.execute(
        "SELECT job, count(*)::int, avg(extract(epoch FROM ended_at - started_at))::float8,"
        " max(extract(epoch FROM ended_at - started_at))::float8 FROM connector.job_runs"
        " WHERE source = %s AND ended_at > %s AND started_at IS NOT NULL GROUP BY job ORDER BY job",
        [source, since],
    ).fetchall()
    return [Duration(*cast("tuple[Any, ...]", row)) for row in rows]


_HISTORY: LiteralString = """
    SELECT coalesce(j.started_at, j.ended_at), j.job, j.state,
        coalesce(extract(epoch FROM j.ended_at - j.started_at), 0)::float8,
        coalesce(d.created, 0), coalesce(d.updated, 0), coalesce(d.dropped, 0), coalesce(d.refused, 0), j.error
    FROM connector.job_runs j
    LEFT JOIN LATERAL (
        SELECT sum((p.counts ->> 'created')::bigint)::bigint AS created,
            sum((p.counts ->> 'updated')::bigint)::bigint AS updated,
            sum((p.counts ->> 'dropped')::bigint)::bigint AS dropped,
            sum((p.counts ->> 'dead_lettered')::bigint - (p.counts ->> 'waiting')::bigint)::bigint AS refused
        FROM connector.sync_runs r JOIN connector.sync_plans p ON p.run_id = r.id AND p.state = 'applied'
        WHERE r.source = j.source AND r.launched_by = 'dagster run ' || j.run_id
    ) d ON true
    WHERE j.source = %s ORDER BY j.ended_at DESC LIMIT %s
"""


def history(connection: Connection, source: str, *, limit: int = 30) -> list[Synced]:
    """The last runs of a source with what each changed, newest first."""
    rows = connection.execute(_HISTORY, [source, limit]).fetchall()
    return [Synced(*cast("tuple[Any, ...]", row)) for row in rows]


def by_day(connection: Connection, source: str, days: int = 14) -> list[tuple[int, int]]:
    """How many runs succeeded and failed on each of the last days, in UTC, oldest first."""
    rows = connection.execute(
        "SELECT count(*) FILTER (WHERE state = 'succeeded')::int, count(*) FILTER (WHERE state = 'failed')::int"
        " FROM generate_series(current_date - %s::int + 1, current_date, interval '1 day') day"
        " LEFT JOIN connector.job_runs ON source = %s AND ended_at >= day AND ended_at < day + interval '1 day'"
        " GROUP BY day ORDER BY day",
        [days, source],
    ).fetchall()
    return cast("list[tuple[int, int]]", rows)


def freshness(connection: Connection, source: str) -> list[Fresh]:
    """When each entity of a source was last read to its end and applied; single records say nothing of the others."""
    rows = connection.execute(
        "SELECT r.entity, max(r.started_at) FROM connector.sync_runs r JOIN connector.sync_plans p ON p.run_id = r.id"
        " WHERE r.source = %s AND r.kind = 'read' AND r.ids IS NULL AND p.state = 'applied'"
        " GROUP BY r.entity ORDER BY r.entity",
        [source],
    ).fetchall()
    return [Fresh(*cast("tuple[Any, ...]", row)) for row in rows]


def begun(connection: Connection, source: str) -> dict[str, datetime]:
    """When each entity of a source was last asked for, whatever became of it; looks of a person do not count."""
    rows = connection.execute(
        "SELECT entity, max(started_at) FROM connector.sync_runs"
        " WHERE source = %s AND kind = 'read' AND ids IS NULL GROUP BY entity",
        [source],
    ).fetchall()
    return dict(cast("list[tuple[str, datetime]]", rows))


def stale(found: list[Fresh], entities: list[str], now: datetime, within: timedelta) -> list[str]:
    """The entities that were not read for so long, or never. Pure."""
    fresh = {one.entity for one in found if now - one.read_at <= within}
    return [entity for entity in entities if entity not in fresh]
