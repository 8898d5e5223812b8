"""What was kept long enough is removed by the clock, where the settings say so."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.orchestration import validate
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

NIGHTLY = "30 3 * * *"
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Says what the environment says about retention."""

    def say(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"CONNECTOR_PIPELINES_RETENTION_{name}", value)
        settings.cache_clear()

    yield say
    settings.cache_clear()


def tick(project: Any) -> Any:
    """What the schedule does on a night."""
    repository = project.definitions().get_repository_def()
    context = dg.build_schedule_context(
        instance=project.instance, scheduled_execution_time=datetime(2026, 11, 2, 3, 30, tzinfo=UTC)
    )
    return repository.get_schedule_def("retention_schedule").evaluate_tick(context)


def test_there_is_no_schedule_until_the_settings_name_a_time(project: Any, says: Any) -> None:
    """Deleting by itself is switched on by whoever wants it: days alone do not."""
    project.declare("alpha")
    says(DAYS="30")
    names = {one.name for one in project.definitions().schedules or ()}
    assert "retention_schedule" not in names
    says(CRON=NIGHTLY)
    [schedule] = [one for one in project.definitions().schedules or () if one.name == "retention_schedule"]
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_each_night_it_removes_and_says_who_did(project: Any, students: Any, says: Any) -> None:
    """The tick's run removes the pages of an old read; the audit log names the schedule and the days."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    says(DAYS="30", CRON=NIGHTLY)
    for _ in range(2):
        full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
        assert project.run("sync_alpha", partition_key=TODAY, run_config=full).success
    project.execute("UPDATE connector.sync_runs SET finished_at = finished_at - interval '60 days'")
    [request] = tick(project).run_requests
    assert project.run("retention", run_config=request.run_config).success
    [(who, detail)] = project.rows(
        "SELECT who, detail FROM connector.integration_audit_logs WHERE action LIKE 'records%'"
    )
    assert (who, detail["days"], len(detail["reads"])) == ("retention schedule", 30, 1)
    assert "30 days are over" in json.dumps(detail)


def test_without_days_a_tick_says_why_it_does_nothing(project: Any, says: Any) -> None:
    """Nothing is removed of which nobody said how long to keep it."""
    project.declare("alpha")
    says(CRON=NIGHTLY)
    done = tick(project)
    assert done.run_requests == []
    assert "CONNECTOR_PIPELINES_RETENTION_DAYS is not set" in done.skip_message


def test_a_time_that_is_none_is_refused_by_its_variable(project: Any, says: Any) -> None:
    """A cron that Dagster cannot follow ends the definitions and `check` with the variable's name."""
    project.declare("alpha")
    says(CRON="each night")
    for load in (project.definitions, lambda: validate.invalid_sources(project.folder)):
        with pytest.raises(ConfigurationError, match="CONNECTOR_PIPELINES_RETENTION_CRON: 'each night' is no cron"):
            load()
