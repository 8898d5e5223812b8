"""What Prometheus reads: every gauge from its own table, by its own labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector_pipelines.external.gate import Gate
from connector_pipelines.external.limits import Budget, Rate
from connector_pipelines.webhooks.metrics import GAUGES, Metrics

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection
    from connector_pipelines.external.line import Line

_SYNCED = """
    INSERT INTO connector.sync_runs (source, entity, state, started_at, finished_at) VALUES
        ('a', 'students', 'read', now() - interval '2 hours', to_timestamp(1000)),
        ('a', 'students', 'failed', now() - interval '1 hour', now()),
        ('a', 'students', 'read', now() - interval '1 hour', to_timestamp(2000)),
        ('a', 'students', 'read', now() - interval '1 hour', to_timestamp(1500)),
        ('a', 'students', 'failed', now() - interval '2 days', now());
    INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks) VALUES
        (1, 'a', 'students', 'held', 'h', '{}', 10, 1),
        (1, 'a', 'students', 'applied', 'h', '{}', 10, 1);
    INSERT INTO connector.dead_letters
        (source, entity, external_id, state, rule, reason, first_run_id, last_run_id) VALUES
        ('a', 'students', '1', 'open', 'schema', 'a reason', 1, 1),
        ('a', 'students', '2', 'open', 'schema', 'another one', 1, 1),
        ('a', 'students', '3', 'resolved', 'schema', 'gone', 1, 1);
    INSERT INTO connector.conflicts
        (source, entity, external_id, internal_id, field, core_value, source_value, reason, plan_id, run_id)
        VALUES ('a', 'students', '1', 1, 'email', '"x"', '"y"', 'both', 1, 1);
    INSERT INTO connector.conflicts (source, entity, external_id, internal_id, field, core_value, source_value, reason,
        plan_id, run_id, state, decision, decided_by, decided_at)
        SELECT 'a', 'students', '1', 1, 'email', '"x"', '"y"', 'both', 1, 1, 'resolved', decision, who, now() - age
        FROM (VALUES ('core', 'ann', interval '0'), ('core', 'ben', interval '23 hours'),
            ('core', 'ann', interval '25 hours'), ('agreed', 'sync', interval '0')) was (decision, who, age);
    INSERT INTO connector.integrations (name, connector, title, status) VALUES ('a', 'toy', 'A', 'error');
    INSERT INTO connector.integration_status_logs (integration_id, status, latency_ms, checked_at)
        VALUES (1, 'connected', 900, now() - interval '1 hour'), (1, 'error', 250, now());
    INSERT INTO connector.integration_webhook_events
        (integration_id, event_id, event_type, status, batch, claimed_at, received_at, processed_at) VALUES
        (1, '1', 'x', 'pending', NULL, NULL, now() - interval '40 s', NULL),
        (1, '2', 'x', 'processing', 1, now(), now() - interval '20 s', NULL),
        (1, '3', 'x', 'processed', 1, now(), now() - interval '60 s', now() - interval '52 s'),
        (1, '4', 'x', 'failed', NULL, NULL, now(), NULL);
"""


@pytest.fixture
def shown(connection: Connection, line: Line) -> dict[tuple[object, ...], float]:
    """Every number by its name and the values of its labels, after some syncs."""
    connection.execute(_SYNCED)
    gate = Gate(line, "https://a.example")
    for _ in range(3):
        gate.admit([Budget("GET", (Rate(10, 60.0),))], patience=0)
    text = Metrics(line).text().decode()
    labels = {f"connector_pipelines_{gauge.name}": gauge.labels for gauge in GAUGES}
    return {
        (one.name.removeprefix("connector_pipelines_"), *(one.labels[name] for name in labels[one.name])): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_every_number_comes_from_its_table(shown: dict[tuple[object, ...], float]) -> None:
    """Reads, plans, letters, conflicts, budgets, connections and events are counted as the database has them."""
    waits = shown.pop(("webhook_oldest_event_seconds", "a"))
    assert 40 <= waits < 400
    for quantile in ("0.5", "0.95", "0.99"):
        assert shown.pop(("webhook_answer_seconds_last_hour", "a", quantile)) == pytest.approx(8)
    assert shown.pop(("read_success_ratio_last_day", "a")) == pytest.approx(0.75)
    assert shown == {
        ("reads_last_day", "a", "students", "read"): 3,
        ("reads_last_day", "a", "students", "failed"): 1,
        ("last_read_timestamp_seconds", "a", "students"): 2000,
        ("dead_letters", "a", "students", "open", "schema"): 2,
        ("open_conflicts", "a", "students"): 1,
        ("conflicts_resolved_last_day", "a", "students", "core", "person"): 2,
        ("conflicts_resolved_last_day", "a", "students", "agreed", "sync"): 1,
        ("held_plans", "a", "students"): 1,
        ("budget_left", "https://a.example", "GET: 10 in 60 s"): 7,
        ("breaker_open", "https://a.example"): 0,
        ("connection_up", "a"): 0,
        ("connection_test_seconds", "a"): 0.25,
        ("webhook_events", "a", "pending"): 1,
        ("webhook_events", "a", "processing"): 1,
        ("webhook_events", "a", "failed"): 1,
    }


def test_dagsters_runs_are_counted_where_it_has_any(connection: Connection, line: Line) -> None:
    """Runs of the last day count by job and state, and older ones as long as they are on their way."""
    connection.execute(
        "CREATE TABLE public.runs (pipeline_name text, status text, create_timestamp timestamp);"
        "INSERT INTO public.runs VALUES ('sync_a', 'SUCCESS', now() AT TIME ZONE 'UTC'),"
        " ('sync_a', 'SUCCESS', now() AT TIME ZONE 'UTC' - interval '25 hours'),"
        " ('sync_a', 'QUEUED', now() AT TIME ZONE 'UTC' - interval '25 hours')"
    )
    try:
        lines = Metrics(line).text().decode().splitlines()
    finally:
        connection.execute("DROP TABLE public.runs")
    assert sorted(one for one in lines if one.startswith("connector_pipelines_runs_last_day{")) == [
        'connector_pipelines_runs_last_day{job="sync_a",state="queued"} 1.0',
        'connector_pipelines_runs_last_day{job="sync_a",state="success"} 1.0',
    ]
