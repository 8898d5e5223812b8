"""When sources are read by themselves, and how their connections are watched."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._utils.schedules import schedule_execution_time_iterator

from connector_pipelines.orchestration.health import ask
from connector_pipelines.orchestration.schedules import request
from connector_pipelines.orchestration.sources import declared_source
from connector_pipelines.orchestration.timetable import Timetable
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    import pytest

NEW_YORK = ZoneInfo("America/New_York")


def launched(timetable: Timetable, at: datetime, *, daily: bool = True) -> dg.RunRequest:
    """The run that a tick launches."""
    run = request(timetable, at, daily=daily)
    assert isinstance(run, dg.RunRequest)
    return run


def test_schedules_are_stopped_until_they_are_enabled(declared: Any) -> None:
    """A declared source does nothing by itself; with `enabled: true` its schedules and its health sensor run."""
    declared.declare("alpha")
    declared.declare("beta", "schedule: {enabled: true, full_cron: null}")
    repository = declared.definitions().get_repository_def()
    status = {found.name: found.default_status.value for found in repository.schedule_defs}
    assert status == {
        "sync_alpha_schedule": "STOPPED",
        "full_sync_alpha_schedule": "STOPPED",
        "sync_beta_schedule": "RUNNING",
    }
    assert {found.name: found.default_status.value for found in repository.sensor_defs} == {
        "health_alpha": "STOPPED",
        "health_beta": "RUNNING",
    }


def test_a_tick_launches_the_day_it_lies_in() -> None:
    """A tick launches the partition of its own day in the source's time zone, not yesterday's and not UTC's."""
    late = datetime(2026, 11, 5, 23, tzinfo=NEW_YORK)
    assert launched(Timetable(timezone="America/New_York"), late).partition_key == "2026-11-05"
    assert launched(Timetable(timezone="UTC"), late).partition_key == "2026-11-06"


def test_each_tick_has_a_run_key_of_its_own() -> None:
    """Two ticks of one day launch two runs, the same tick evaluated twice one (P18)."""
    first, second, again = (launched(Timetable(), datetime(2026, 11, 5, hour, tzinfo=UTC)) for hour in (8, 9, 9))
    assert first.partition_key == second.partition_key
    assert first.run_key != second.run_key
    assert again.run_key == second.run_key


def test_before_the_first_day_nothing_is_launched() -> None:
    """A tick before the start date is skipped."""
    skipped = request(Timetable(start_date=date(2026, 12, 1)), datetime(2026, 11, 5, 2, tzinfo=UTC), daily=True)
    assert isinstance(skipped, dg.SkipReason)


def test_a_source_without_days_is_launched_without_one(declared: Any) -> None:
    """Where no stream filters by time, a tick launches an unpartitioned run."""
    declared.declare("alpha", "entities: [organizations]")
    schedule = declared.definitions().resolve_schedule_def("sync_alpha_schedule")
    at = datetime(2026, 11, 5, 2, tzinfo=UTC)
    [run] = schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at)).run_requests
    assert run.partition_key is None
    assert launched(Timetable(), at, daily=False).partition_key is None


def test_two_o_clock_is_once_a_day_also_when_clocks_change() -> None:
    """A nightly run at 2:00 happens exactly once on every day, also on those with no 2:00 or with two of them (G75)."""
    nightly = Timetable(cron="0 2 * * *", timezone="America/New_York")
    for noon, days in (
        (datetime(2026, 3, 6, 12, tzinfo=NEW_YORK), ["2026-03-07", "2026-03-08", "2026-03-09"]),
        (datetime(2026, 10, 30, 12, tzinfo=NEW_YORK), ["2026-10-31", "2026-11-01", "2026-11-02"]),
    ):
        ticks = schedule_execution_time_iterator(noon.timestamp(), nightly.cron, nightly.timezone)
        assert [launched(nightly, tick).partition_key for tick in itertools.islice(ticks, 3)] == days


def test_the_interval_of_health_checks_is_in_milliseconds(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """INTEGRATION_HEALTH_CHECK_INTERVAL=300000 is a sensor every 300 seconds (F59)."""
    monkeypatch.setenv("INTEGRATION_HEALTH_CHECK_INTERVAL", "300000")
    declared.declare("alpha")
    sensor = declared.definitions().resolve_sensor_def("health_alpha")
    assert sensor.minimum_interval_seconds == 300


def test_a_source_that_is_back_says_so(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that was down and answers again is connected without a restart, unless a person must try (F13, F62)."""
    project.declare("alpha")
    source, data = declared_source("alpha", project.folder), project._pages("alpha")
    data.rename(data.with_suffix(".away"))
    assert ask(source, project.engine())[1] == "looked for the file"
    data.with_suffix(".away").rename(data)
    monkeypatch.setenv("INTEGRATION_AUTO_RECONNECT", "false")
    settings.cache_clear()
    assert "launch test_connection_alpha" in ask(source, project.engine())[1]
    monkeypatch.setenv("INTEGRATION_AUTO_RECONNECT", "true")
    settings.cache_clear()
    assert ask(source, project.engine())[1].startswith("is back: ")
    logged = "SELECT status FROM connector.integration_status_logs ORDER BY id"
    assert project.rows(logged) == [("error",), ("connected",)]
