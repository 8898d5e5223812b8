"""The jobs for after a sync, in process, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.database.connection import connect
from connector_pipelines.sync.receipts import kept

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
    assert not launched(synced, "undo", "undo_now", **how | {"why": ""}).success
    assert synced.rows("SELECT count(*) FROM core.students WHERE family_name = 'Changedname'") == [(1,)]
    assert launched(synced, "undo", "undo_now", **how).success
    assert synced.rows("SELECT count(*) FROM core.students WHERE family_name = 'Changedname'") == [(0,)]
    assert not launched(synced, "undo", "undo_now", **how).success


def test_an_undo_beyond_the_limits_waits_for_an_approval(synced: Any) -> None:
    """The preview of an undo that the guard holds turns the mapping's check red; it is done by approve_plan alone."""
    ((first,),) = synced.rows("SELECT hash FROM connector.sync_plans ORDER BY id LIMIT 1")
    result = launched(synced, "undo", "undo_now", source="alpha", what=first)
    shown = observed(result)["alpha/mapping/students"]
    assert (shown["state"], shown["updated"], "hash to apply" in shown) == ("held", 29, False)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("mass_change", False)
    assert "approve_plan" in (check.description or "")
    how = {"source": "alpha", "hash": shown["plan hash"], "why": "a mistake"}
    assert not launched(synced, "undo", "undo_now", what=first, apply=True, **how).success
    assert synced.rows("SELECT DISTINCT status FROM core.students") == [("active",)]
    assert launched(synced, "approve_plan", "approve", **how).success
    states = "SELECT status, count(*) FROM core.students GROUP BY 1 ORDER BY 1"
    assert synced.rows(states) == [("active", 1), ("inactive", 29)]


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
    ((then,),) = synced.rows("SELECT applied_at FROM connector.sync_plans ORDER BY id LIMIT 1")
    asked = {"entity": "students", "id": row, "field": "family_name", "at": then.isoformat()}
    found = observed(launched(synced, "explain", "explain_now", **asked))["core/students"]
    assert (found["read"], found["page"], found["same version today"]) == (1, 1, True)
    assert found["as of"] == then.isoformat()


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


def test_reconcile_names_as_many_differences_as_it_is_asked_for(synced: Any) -> None:
    """A limit bounds what is named and says how many are not; 0 names more than the hundred of a launch without."""
    with connect(synced.url) as connection:
        connection.execute("SET session_replication_role = replica")  # past all triggers
        connection.execute(
            "UPDATE core.students SET phone = 'spoiled', email = 'spoiled', grades = 'spoiled', notes = 'spoiled',"
            " given_name = 'spoiled', family_name = 'spoiled'"
        )
    named = []
    for how in ({"limit": 3}, {"limit": 0}, {}):
        shown = observed(launched(synced, "reconcile", "reconcile_now", source="alpha", **how))["core/students"]
        named.append((len(shown["differences"].records), shown.get("not named", "").partition(";")[0]))
    everything = shown["differs"]
    assert everything > 100
    assert named == [(3, f"{everything - 3} more"), (everything, ""), (100, f"{everything - 100} more")]


def test_a_receipt_is_shown_and_held_against_dagster_s_own_record(synced: Any) -> None:
    """The job shows the accounting at core's asset; a receipt that was changed, signature and all, differs from what
    the run materialized, and the job fails; so it does where core was spoiled since.
    """
    ((plan,),) = synced.rows("SELECT hash FROM connector.sync_plans ORDER BY id DESC LIMIT 1")
    result = launched(synced, "show_receipt", "show_now", source="alpha", what=plan)
    shown = observed(result)["core/students"]
    assert (result.success, shown["verified"], shown["seal"]) == (True, True, "as it was written")
    assert shown["accounting"] == (
        "31 fetched + 0 retried = 0 created + 1 updated + 29 unchanged + 0 skipped + 0 conflicts + 1 dead-lettered"
    )
    assert shown["in Dagster's record of the run"] == "as it was written"
    behind = "SET session_replication_role = replica"
    synced.execute(behind, "UPDATE core.students SET phone = 'spoiled' WHERE id = 7")
    spoiled = launched(synced, "show_receipt", "show_now", source="alpha", what=plan, check=True)
    assert (spoiled.success, observed(spoiled)["core/students"]["now: differs"]) == (False, 1)
    synced.execute(behind, "UPDATE connector.sync_receipts SET seconds = 0")
    with connect(synced.url) as connection:
        (found,) = kept(connection, "alpha", plan)
    synced.execute(behind, f"UPDATE connector.sync_runs SET receipt = '{found.found}' WHERE id = {found.run}")
    result = launched(synced, "show_receipt", "show_now", source="alpha", what=plan)
    shown = observed(result)["core/students"]
    assert (result.success, shown["seal"]) == (False, "as it was written")
    assert shown["in Dagster's record of the run"] == "changed since it was written"


def test_dead_letters_are_listed_retried_and_cleared(synced: Any) -> None:
    """The list stands with the external asset, a retry with the mapping; clearing only looks until told to apply."""
    listed = observed(launched(synced, "list_dead_letters", "list_now", source="alpha"))["alpha/external/students"]
    (letter,) = [row.data for row in listed["dead letters"].records]
    assert (letter["state"], letter["rule"]) == ("open", "id must have 1 to 255 characters")
    assert (letter["read"], letter["page"], letter["row"], listed["dead letters in all"]) == (2, 1, 30, 1)
    assert letter["record"] == '{"id": "text", "given_name": "text", "status": "text"}'
    again = {"source": "alpha", "ids": [letter["number"]], "who": "ada", "why": "mended"}
    shown = observed(launched(synced, "retry_dead_letters", "retry_now", **again))
    assert (shown["alpha/mapping/students"]["letters"], shown["alpha/mapping/students"]["dead_lettered"]) == (1, 1)
    logged = "SELECT who, action, entity, detail ->> 'why' FROM connector.integration_audit_logs"
    assert synced.rows(logged) == [("ada", "dead letters retried", "students", "mended")]
    states = "SELECT DISTINCT state FROM connector.dead_letters"
    looked = launched(synced, "clear_dead_letters", "clear_now", source="alpha")
    (would_go,) = observed(looked)["alpha/external/students"]["dead letters"].records
    assert (would_go.data["number"], synced.rows(states)) == (letter["number"], [("open",)])
    assert not launched(synced, "clear_dead_letters", "clear_now", source="alpha", apply=True).success
    assert synced.rows(states) == [("open",)]
    cleared = launched(synced, "clear_dead_letters", "clear_now", source="alpha", apply=True, why="a test record")
    assert (cleared.success, synced.rows(states)) == (True, [("resolved",)])


def test_dead_letters_are_listed_page_by_page(synced: Any, students: Any) -> None:
    """A list says how many there are in all and where it goes on; 0 lists all, those that wait for parents, too."""
    bad = [{"id": f"{n}{'x' * 300}", "given_name": "Bad", "status": "active"} for n in range(120)]
    orphan = students[3] | {"family_name": "Orphan", "organization": "nowhere"}
    synced.send("alpha", students=[[*students[:3], orphan, *students[4:], *bad]])
    assert synced.run("sync_alpha", partition_key=TODAY).success

    def listed(**how: int) -> list[dict[str, Any]]:
        found = observed(launched(synced, "list_dead_letters", "list_now", source="alpha", **how))
        shown = found["alpha/external/students"]
        assert shown["dead letters in all"] == 122
        return [row.data for row in shown["dead letters"].records]

    first, everything = listed(), listed(limit=0)
    rest = listed(after=first[-1]["number"])
    assert (len(first), len(rest), first + rest == everything) == (100, 22, True)
    assert {row["state"] for row in everything} == {"open", "waiting"}


def test_a_job_for_an_unknown_source_says_which_there_are(synced: Any) -> None:
    """Naming a source that is not declared fails with the list of those that are."""
    result = launched(synced, "replay_read", "replay_now", source="beta", read=1)
    (failed,) = [event.step_failure_data for event in result.all_node_events if event.is_step_failure]
    assert "Choose one of alpha" in str(failed.user_failure_data)
