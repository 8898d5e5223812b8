"""The jobs for after a sync, in process, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.database.connection import connect

if TYPE_CHECKING:
    import dagster as dg

TODAY = datetime.now(UTC).date().isoformat()


def observed(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """What a run observed, by asset."""
    found = {}
    for event in result.get_asset_observation_events():
        observation = event.event_specific_data.asset_observation  # type: ignore[union-attr]  # it is one
        key = observation.asset_key.to_user_string()
        found[key] = {name: value.value for name, value in observation.metadata.items()}
    return found


def launched(project: Any, job: str, op: str, **config: object) -> dg.ExecuteInProcessResult:
    """Launch one of the jobs with this config."""
    done: dg.ExecuteInProcessResult = project.run(job, run_config={"ops": {op: {"config": config}}})
    return done


@pytest.fixture
def synced(project: Any, students: Any) -> Any:
    """A project that synced thirty students, one of whom then changed, and one who is refused."""
    project.declare("alpha", "entities: [students]")
    for name in ("Secretname0", "Changedname"):
        students[0]["family_name"] = name
        project.send("alpha", students=[[*students, {"id": "x" * 300, "given_name": "Bad", "status": "active"}]])
        full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
        assert project.run("sync_alpha", partition_key=TODAY, run_config=full).success
    return project


def test_undo_is_previewed_and_then_done(synced: Any) -> None:
    """Without apply the job shows what would go back and its hash; with both it is done and proven."""
    ((plan,),) = synced.rows("SELECT hash FROM connector.sync_plans ORDER BY id DESC LIMIT 1")
    result = launched(synced, "undo", "undo_now", source="alpha", what=plan)
    shown = observed(result)["alpha/mapping/students"]
    assert (shown["updated"], shown["rows left"]) == (1, 0)
    assert "Secretname0" not in repr(synced.instance.all_logs(result.run_id))
    assert synced.rows("SELECT count(*) FROM core.students WHERE family_name = 'Changedname'") == [(1,)]
    how = {"source": "alpha", "what": plan, "apply": True, "hash": shown["hash to apply"], "why": "a mistake"}
    assert launched(synced, "undo", "undo_now", **how).success
    assert synced.rows("SELECT count(*) FROM core.students WHERE family_name = 'Changedname'") == [(0,)]
    assert not launched(synced, "undo", "undo_now", **how).success


def test_replay_and_explanation_stand_with_their_assets(synced: Any) -> None:
    """A replay is observed at the mapping and an explanation at core, without a value of a person."""
    shown = observed(launched(synced, "replay_read", "replay_now", source="alpha", read=2))["alpha/mapping/students"]
    assert (shown["state"], shown["updated"], shown["unchanged"]) == ("planned", 0, 30)
    ((row,),) = synced.rows("SELECT id FROM core.students WHERE family_name = 'Changedname'")
    result = launched(synced, "explain", "explain_now", entity="students", id=row, field="family_name")
    found = observed(result)["core/students"]
    assert (found["source"], found["external id"], found["read"], found["page"]) == ("alpha", "s0", 2, 1)
    assert found["rule"].endswith("family_name → family_name")
    assert "Changedname" not in repr(synced.instance.all_logs(result.run_id))


def test_reconcile_fails_where_nothing_explains_a_difference(synced: Any) -> None:
    """A clean core is no failure; a row that was spoiled behind everybody's back is one, and is named at its asset."""
    clean = launched(synced, "reconcile", "reconcile_now", source="alpha")
    assert (clean.success, observed(clean)["core/students"]["alarms"]) == (True, 0)
    with connect(synced.url) as connection:
        connection.execute("SET session_replication_role = replica")  # past all triggers
        connection.execute("UPDATE core.students SET phone = 'spoiled' WHERE id = 7")
    result = launched(synced, "reconcile", "reconcile_now", source="alpha")
    shown = observed(result)["core/students"]
    assert (result.success, shown["alarms"], shown["differs"]) == (False, 1, 1)
    assert [row.data["field"] for row in shown["differences"].records] == ["phone"]


def test_dead_letters_are_listed_retried_and_cleared(synced: Any) -> None:
    """The list stands with the external asset, a retry with the mapping, and clearing needs a reason."""
    listed = observed(launched(synced, "list_dead_letters", "list_now", source="alpha"))["alpha/external/students"]
    (letter,) = [row.data for row in listed["dead letters"].records]
    assert (letter["state"], letter["read"], letter["page"]) == ("open", 2, 1)
    shown = observed(launched(synced, "retry_dead_letters", "retry_now", source="alpha", ids=[letter["number"]]))
    assert (shown["alpha/mapping/students"]["letters"], shown["alpha/mapping/students"]["dead_lettered"]) == (1, 1)
    assert launched(synced, "clear_dead_letters", "clear_now", source="alpha", why="a test record").success
    assert synced.rows("SELECT DISTINCT state FROM connector.dead_letters") == [("resolved",)]


def test_a_job_for_an_unknown_source_says_which_there_are(synced: Any) -> None:
    """Naming a source that is not declared fails with the list of those that are."""
    result = launched(synced, "replay_read", "replay_now", source="beta", read=1)
    (failed,) = [event.step_failure_data for event in result.all_node_events if event.is_step_failure]
    assert "Choose one of alpha" in str(failed.user_failure_data)
