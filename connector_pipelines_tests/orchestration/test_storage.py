"""Dagster's storage on our database, where its own falls short."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import dagster as dg
import psycopg
import pytest

from connector_pipelines.orchestration.storage import EventLog, with_driver
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def kept(empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance that keeps its records in a database, as in operation."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", empty_database)
    settings.cache_clear()
    (tmp_path / "dagster.yaml").write_text(
        "storage: {custom: {module: connector_pipelines.orchestration.storage, class: Storage}}\n"
        "concurrency: {pools: {granularity: op, default_limit: 1}}\n"
        "telemetry: {enabled: false}\n"
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_two_runs_may_use_a_pool_for_the_first_time_at_once(kept: dg.DagsterInstance, empty_database: str) -> None:
    """The one that comes second takes the pool as the first one made it."""
    log = kept.event_log_storage
    assert isinstance(log, EventLog)
    insert = (
        "INSERT INTO concurrency_limits (concurrency_key, \"limit\", using_default_limit) VALUES ('source_a', 1, true)"
    )
    with psycopg.connect(empty_database) as first, ThreadPoolExecutor(1) as aside:
        first.execute(insert)
        second = aside.submit(log.initialize_concurrency_limit_to_default, "source_a")
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
        with psycopg.connect(empty_database, autocommit=True) as watch:
            while not (second.done() or watch.execute(waiting).fetchall()):
                continue
        first.commit()
        assert second.result()
    assert log.get_concurrency_keys() == {"source_a"}
    assert with_driver(empty_database).startswith("postgresql+psycopg2:")
