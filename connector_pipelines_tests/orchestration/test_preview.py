"""The preview as a job: what the UI shows, and that nothing personal stays in the event log."""

from __future__ import annotations

from typing import Any

from connector_pipelines.orchestration.previewing import What


def config(**what: Any) -> dict[str, Any]:
    """Run config of the job."""
    return {"ops": {"look": {"config": what}}}


def test_the_job_shows_a_page(project: Any, school: Any) -> None:
    """The job shows how many records there are, what they feed and what validation says, without anybody's name."""
    project.declare("alpha")
    project.send("alpha", **school)
    run = project.run("preview_source", run_config=config(source="alpha", entity="students", rows=2))
    [shown] = [event for event in run.all_node_events if event.is_successful_output]
    metadata = shown.step_output_data.metadata
    assert metadata["records on the page"].value == 30
    assert metadata["records accepted"].value == 30
    assert len(metadata["first records"].records) == 2
    assert "external_id: s0" in metadata["first records"].records[0].data["feeds"]
    assert "Secretname" not in repr(project.instance.all_logs(run.run_id))
    assert project.rows("SELECT count(*) FROM connector.sync_runs") == [(0,)]


def test_an_unknown_source_is_named(project: Any) -> None:
    """A source that is not declared fails the run with the names of those that are."""
    project.declare("alpha")
    run = project.run("preview_source", run_config=config(source="beta", entity="students"))
    [failed] = [event for event in run.all_node_events if event.is_step_failure]
    assert "no source 'beta' is declared" in failed.step_failure_data.user_failure_data.description
    assert "alpha" in failed.step_failure_data.user_failure_data.description


def test_every_field_of_the_job_is_described() -> None:
    """What the job asks for is described in the UI."""
    assert [name for name, field in What.model_fields.items() if not field.description] == []
