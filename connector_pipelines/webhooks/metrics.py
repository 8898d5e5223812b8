"""What Prometheus may read: counters of this receiver, and what PostgreSQL says at the moment it is asked.

The database is asked with a few queries that touch open work and the last day alone, so that a scrape every few seconds
harms nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.external.line import Line

_PREFIX = "connector_pipelines_"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A gauge that is read from the database: its query gives the labels' values and then the number."""

    name: str
    help: str
    labels: tuple[str, ...]
    query: LiteralString


GAUGES = (
    Gauge(
        "reads_last_day",
        "Reads of the last 24 hours, by how they ended.",
        ("source", "entity", "state"),
        "SELECT source, entity, state, count(*) FROM connector.sync_runs"
        " WHERE started_at > now() - interval '1 day' GROUP BY 1, 2, 3",
    ),
    Gauge(
        "read_success_ratio_last_day",
        "The share of the reads of the last 24 hours that came to their end.",
        ("source",),
        "SELECT source, avg((state = 'read')::integer) FROM connector.sync_runs"
        " WHERE started_at > now() - interval '1 day' AND state <> 'reading' GROUP BY 1",
    ),
    Gauge(
        "last_read_timestamp_seconds",
        "When the newest read of the last seven days that came to its end ended, in seconds since 1970.",
        ("source", "entity"),
        "SELECT source, entity, extract(epoch FROM max(finished_at)) FROM connector.sync_runs"
        " WHERE state = 'read' AND started_at > now() - interval '7 days' GROUP BY 1, 2",
    ),
    Gauge(
        "dead_letters",
        "Rows that wait for a person or for their parents, by the rule they broke.",
        ("source", "entity", "state", "rule"),
        "SELECT source, entity, state, rule, count(*) FROM connector.dead_letters"
        " WHERE state <> 'resolved' GROUP BY 1, 2, 3, 4",
    ),
    Gauge(
        "open_conflicts",
        "Fields on which a person must decide.",
        ("source", "entity"),
        "SELECT source, entity, count(*) FROM connector.conflicts WHERE state = 'open' GROUP BY 1, 2",
    ),
    Gauge(
        "conflicts_resolved_last_day",
        "Conflicts that were settled in the last 24 hours, by how, and whether a person or a sync did it.",
        ("source", "entity", "taken", "by"),
        "SELECT source, entity, decision, CASE WHEN decision IN ('agreed', 'rule') THEN 'sync' ELSE 'person' END,"
        " count(*) FROM connector.conflicts"
        " WHERE state = 'resolved' AND decided_at > now() - interval '1 day' GROUP BY 1, 2, 3, 4",
    ),
    Gauge(
        "held_plans",
        "Plans that the mass-change guard holds for a person.",
        ("source", "entity"),
        "SELECT source, entity, count(*) FROM connector.sync_plans WHERE state = 'held' GROUP BY 1, 2",
    ),
    Gauge(
        "budget_left",
        "Requests that a budget still allows at this moment.",
        ("scope", "budget"),
        "SELECT l.scope, l.budget, greatest(0, size.n - count(s.at) FILTER (WHERE s.at > now() - size.span))"
        " FROM connector.rate_limits l CROSS JOIN LATERAL (SELECT named[1]::integer AS n,"
        " named[2]::float8 * interval '1 second' AS span"
        " FROM regexp_match(l.budget, ': ([0-9]+) in ([0-9.e+]+) s$') named WHERE named IS NOT NULL) AS size"
        " LEFT JOIN connector.rate_slots s ON s.scope = l.scope AND s.budget = l.budget"
        " GROUP BY 1, 2, size.n, size.span",
    ),
    Gauge(
        "breaker_open",
        "1 while a source failed so often that nobody asks it.",
        ("scope",),
        "SELECT scope, (coalesce(open_until > now(), false))::integer FROM connector.gates",
    ),
    Gauge(
        "connection_up",
        "1 where the last connection test succeeded.",
        ("source",),
        "SELECT name, (status = 'connected')::integer FROM connector.integrations"
        " WHERE status IN ('connected', 'error')",
    ),
    Gauge(
        "connection_test_seconds",
        "How long the source took to answer its last connection test.",
        ("source",),
        "SELECT i.name, newest.latency_ms / 1000 FROM connector.integrations i CROSS JOIN LATERAL ("
        "SELECT latency_ms FROM connector.integration_status_logs l WHERE l.integration_id = i.id"
        " ORDER BY checked_at DESC LIMIT 1) newest"
        " WHERE newest.latency_ms IS NOT NULL",
    ),
    Gauge(
        "webhook_events",
        "Events that wait, are being answered, or have failed.",
        ("source", "status"),
        "SELECT i.name, e.status, count(*) FROM connector.integration_webhook_events e"
        " JOIN connector.integrations i ON i.id = e.integration_id"
        " WHERE e.status IN ('pending', 'processing', 'failed') GROUP BY 1, 2",
    ),
    Gauge(
        "webhook_oldest_event_seconds",
        "How long the oldest event that is not answered waits.",
        ("source",),
        "SELECT i.name, extract(epoch FROM now() - min(e.received_at)) FROM connector.integration_webhook_events e"
        " JOIN connector.integrations i ON i.id = e.integration_id"
        " WHERE e.status IN ('pending', 'processing') GROUP BY 1",
    ),
    Gauge(
        "webhook_answer_seconds_last_hour",
        "From the arrival of an event to the end of the run that answered it, over the last hour.",
        ("source", "quantile"),
        "SELECT i.name, q::text, percentile_cont(q)"
        " WITHIN GROUP (ORDER BY extract(epoch FROM processed_at - received_at))"
        " FROM connector.integration_webhook_events e JOIN connector.integrations i ON i.id = e.integration_id"
        " CROSS JOIN unnest(ARRAY[0.5, 0.95, 0.99]) AS q WHERE e.status = 'processed'"
        " AND e.received_at > now() - interval '1 hour' GROUP BY 1, q",
    ),
)

_DAGSTER = Gauge(
    "runs_last_day",
    "Dagster's runs of the last 24 hours and those that wait, by job and state.",
    ("job", "state"),
    "SELECT pipeline_name, lower(status), count(*) FROM public.runs"
    " WHERE create_timestamp > now() AT TIME ZONE 'UTC' - interval '1 day'"
    " OR status IN ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED') GROUP BY 1, 2",
)


class FromDatabase(Collector):
    """Asks the database when it is scraped."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge, by one query each."""
        there = self._line.row("SELECT to_regclass('public.runs') IS NOT NULL")
        for gauge in (*GAUGES, _DAGSTER) if there and there[0] else GAUGES:
            family = GaugeMetricFamily(_PREFIX + gauge.name, gauge.help, labels=gauge.labels)
            for *labels, value in self._line.rows(gauge.query):
                family.add_metric([str(label) for label in labels], float(value))
            yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing, so that registering does not ask the database."""
        return []


class Metrics:
    """What a receiver counts, and what it shows.

    Args:
        line: to the database.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, line: Line) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(FromDatabase(line))
        self._deliveries = Counter(
            f"{_PREFIX}webhook_deliveries",
            "Deliveries, by what became of them.",
            ("source", "outcome"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{_PREFIX}webhook_seconds",
            "How long a delivery took to be answered.",
            ("source",),
            registry=self._registry,
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
        )

    def delivered(self, source: str, outcome: str, seconds: float) -> None:
        """Count a delivery."""
        self._deliveries.labels(source, outcome).inc()
        self._seconds.labels(source).observe(seconds)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        return generate_latest(self._registry)
