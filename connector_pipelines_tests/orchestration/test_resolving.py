"""Conflicts in the UI: shown without values, decided by a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from connector_pipelines.orchestration import operations
from connector_pipelines.orchestration.sources import Declaration, read
from connector_pipelines.sync.digest import digest, message

FULL = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
TODAY = "2026-11-05"
TORN = """
    connector.external_system_mappings m
    WHERE s.id = m.internal_id AND m.entity_type = 'students' AND m.external_id IN ('s0', 's1')
"""


def shown(result: dg.ExecuteInProcessResult, key: str) -> dict[str, Any]:
    """The metadata of an asset's materialization."""
    (event,) = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization and event.asset_key and event.asset_key.to_user_string() == key
    ]
    return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def torn(project: Any, students: Any) -> Any:
    """A project in which two students' family names are in conflict."""
    project.declare("alpha", "entities: [students]", "policy: {conflicts: {students: {family_name: manual}}}")
    project.send("alpha", students=[students])
    assert project.run("sync_alpha", partition_key=TODAY, run_config=FULL).success
    project.execute(f"UPDATE core.students s SET family_name = 'Editedname' FROM {TORN}")
    return project


def test_open_conflicts_are_shown(torn: Any) -> None:
    """Core's asset shows what waits as soon as it is found, mapping's from the next run on, without any value."""
    result = torn.run("sync_alpha", partition_key=TODAY, run_config=FULL)
    assert result.success
    assert shown(result, "alpha/mapping/students")["conflicts"] == 2
    assert shown(result, "core/students")["open conflicts"] == 2
    later = shown(torn.run("sync_alpha", partition_key=TODAY, run_config=FULL), "alpha/mapping/students")
    assert (later["conflicts"], later["open conflicts"]) == (2, 2)
    assert "resolve_conflicts" in later["how to decide"]
    first, _ = [record.data for record in later["conflicts that wait"].records]
    assert (first["conflict"], first["external id"], first["field"]) == ("1-1", "s0", "family_name")
    assert "name" not in str([first[key] for key in first if key != "field"])


def test_the_job_carries_out_decisions(torn: Any) -> None:
    """Decisions from the launchpad are applied with a receipt; one that cannot be carried out fails the run by name."""
    torn.run("sync_alpha", partition_key=TODAY, run_config=FULL)
    choices = [
        {"conflict": "1-1", "take": "core", "why": "married"},
        {"conflict": "2-1", "take": "value", "value": "Third", "why": "asked"},
    ]
    config = {"ops": {"resolve": {"config": {"decisions": choices, "who": "ann"}}}}
    result = torn.run("resolve_conflicts", run_config=config)
    assert result.success
    assert shown(result, "core/students")["verified"] is True
    names = torn.rows(f"SELECT family_name FROM core.students s, {TORN} ORDER BY external_id")
    assert names == [("Editedname",), ("Third",)]
    again = torn.run("resolve_conflicts", run_config=config)
    (failure,) = [event.step_failure_data.user_failure_data for event in again.all_events if event.is_step_failure]
    assert "1-1: it is settled already; 2-1: it is settled already" in failure.description


def test_a_decision_that_cannot_be_meant(torn: Any) -> None:
    """The launchpad refuses a decision that takes nobody's value; one without a why fails before anything is done."""

    def decide(**decision: str) -> Any:
        config = {"ops": {"resolve": {"config": {"decisions": [{"conflict": "1-1"} | decision]}}}}
        return torn.run("resolve_conflicts", run_config=config)

    with pytest.raises(dg.DagsterInvalidConfigError, match="nobody"):
        decide(take="nobody", why="because")
    assert not decide(take="core", why="").success
    assert torn.rows("SELECT 1 FROM connector.integration_audit_logs") == []


def test_what_was_settled_is_counted_beside_what_waits(torn: Any, students: Any) -> None:
    """After a decision, and where both sides came to agree, pages and digest say how often, how and by whom (M77)."""
    torn.run("sync_alpha", partition_key=TODAY, run_config=FULL)
    decision = {"decisions": [{"conflict": "1-1", "take": "core", "why": "married"}], "who": "ann"}
    assert torn.run("resolve_conflicts", run_config={"ops": {"resolve": {"config": decision}}}).success
    students[1]["family_name"] = "Editedname"
    torn.send("alpha", students=[students])
    torn.run("sync_alpha", partition_key=TODAY, run_config=FULL)
    declared = read(torn.folder / "alpha" / "defs.yaml")
    assert isinstance(declared, Declaration)
    now = datetime.now(UTC) + timedelta(minutes=1)
    with torn.engine().open(launched_by="a test", report=lambda _: None) as surroundings:
        connection = surroundings.connection
        pages = (
            operations.of_all(connection, [declared], now),
            operations.of_source(connection, declared, now),
        )
        later = operations.of_all(connection, [declared], now + timedelta(days=8))
        told = message(digest(connection, now)).body
    for page in pages:
        assert (page["open conflicts"], page["conflicts resolved, last 7 days"]) == (0, 2)
        rows = [record.data for record in page["how conflicts were resolved, last 7 days"].records]
        assert [(row["taken"], row["by"], row["count"]) for row in rows] == [
            ("both sides agree by now", "sync", 1),
            ("core's value", "ann", 1),
        ]
    assert later["conflicts resolved, last 7 days"] == 0
    assert "- alpha/students: 1 by ann (core's value)" in told
    assert "- alpha/students: 1 by sync (both sides agree by now)" in told
