"""Health, secrets and configurations through Dagster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from connector_pipelines.database.connection import connect
from connector_pipelines.external import vault
from connector_pipelines.settings import settings

TODAY = datetime.now(UTC).date().isoformat()


def tick(project: Any, sensor: str) -> Any:
    """What a sensor does when its time has come."""
    found = project.definitions().resolve_sensor_def(sensor)
    resources = {"engine": project.engine()}
    return found.evaluate_tick(dg.build_sensor_context(instance=project.instance, resources=resources))


def test_health_shows_as_an_asset_check(project: Any) -> None:
    """The sensor's answer stands at the source's first asset, red while it is down and green when it is back."""
    project.declare("alpha")
    data = project._pages("alpha")
    data.rename(data.with_suffix(".away"))
    down = tick(project, "health_alpha").asset_events
    data.with_suffix(".away").rename(data)
    back = tick(project, "health_alpha").asset_events
    shown = [(e.asset_key.to_user_string(), e.check_name, e.passed) for e in (*down, *back)]
    assert shown == [("alpha/external/organizations", "connection", passed) for passed in (False, True)]
    assert project.rows("SELECT status FROM connector.integration_status_logs ORDER BY id") == [
        ("error",),
        ("connected",),
    ]


def test_a_read_and_a_test_show_it_too(project: Any, school: Any) -> None:
    """Whoever talked to the source successfully says so at the same check."""
    project.declare("alpha")
    project.send("alpha", **school)
    evaluations = project.run("sync_alpha", partition_key=TODAY).get_asset_check_evaluations()
    assert [e.passed for e in evaluations if e.check_name == "connection"] == [True]
    assert project.run("test_connection_alpha").success


def test_keys_are_rotated_by_a_job(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job seals every secret with the first key and says how many; without a key it says what to do."""
    old, new = vault.new_key(), vault.new_key()
    with connect(project.url) as connection:
        for keys in (old, f"{new},{old}", new):
            monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", keys)
            settings.cache_clear()
            if keys == old:
                vault.put(connection, "a", "value", who="ada")
            elif keys != new:
                done = project.run("rotate_keys", run_config={"ops": {"seal_anew": {"config": {"who": "ada"}}}})
                assert done.success
        assert vault.get(connection, "a") == "value"
    assert project.rows("SELECT who FROM connector.integration_audit_logs WHERE action = 'keys rotated'") == [("ada",)]


@pytest.mark.parametrize(("version", "pinned"), [(1, 1), (0, None)])
def test_configurations_are_rolled_back_by_a_job(project: Any, version: int, pinned: int | None) -> None:
    """The job pins a version, or lifts the pin; a version that does not exist fails it with those there are."""
    project.declare("alpha")
    assert project.run("test_connection_alpha").success

    def back(number: int) -> Any:
        config = {"who": "ada", "source": "alpha", "version": number}
        return project.run("roll_back_configuration", run_config={"ops": {"go_back": {"config": config}}})

    assert back(version).success
    assert project.rows("SELECT pinned_version FROM connector.integrations") == [(pinned,)]
    failed = back(7).get_step_failure_events()[0].event_specific_data.error_display_string
    assert "has no version 7 of its configuration. What to do: Choose one of: 1." in failed
