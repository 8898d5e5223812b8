"""A source's job from reading to core, in process, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from connector_pipelines.model import Progress

TODAY = datetime.now(UTC).date().isoformat()


def metadata(result: dg.ExecuteInProcessResult, key: str) -> dict[str, Any]:
    """The metadata of the newest materialization of an asset in a run."""
    found = [event for event in result.get_asset_materialization_events() if event.asset_key == asset(key)]
    return {name: value.value for name, value in found[-1].materialization.metadata.items()}


def asset(key: str) -> dg.AssetKey:
    """The asset key of a path."""
    return dg.AssetKey(key.split("/"))


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    """What a run materialized."""
    events = result.get_asset_materialization_events()
    return {event.asset_key.to_user_string() for event in events if event.asset_key}


def red(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckSeverity]:
    """The checks that failed in a run."""
    checks = result.get_asset_check_evaluations()
    return {f"{c.asset_key.to_user_string()}:{c.check_name}": c.severity for c in checks if not c.passed}


def failures(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What the steps that failed said, by step."""
    return {
        event.step_key: event.step_failure_data.user_failure_data
        for event in result.all_node_events
        if event.is_step_failure and event.step_key
    }


def test_first_run_creates_and_second_changes_nothing(project: Any, school: Any) -> None:
    """The first run creates every record, the second creates and updates none; all is verified."""
    project.declare("alpha")
    project.send("alpha", **school)
    first = project.run("sync_alpha", partition_key=TODAY)
    second = project.run("sync_alpha", partition_key=TODAY)
    assert first.success
    assert second.success
    assert (red(first), red(second)) == ({}, {})
    created = [metadata(first, f"core/{entity}")["created"] for entity in school]
    assert created == [1, 1, 30, 30]
    for entity in school:
        shown = metadata(second, f"core/{entity}")
        assert (shown["created"], shown["updated"], shown["verified"]) == (0, 0, True)


def test_metadata_says_what_happened(project: Any, school: Any) -> None:
    """Materializations carry counts, window, plan hash, schema and history, and the counts add up (G40, G48)."""
    project.declare("alpha")
    project.send("alpha", **school)
    project.run("sync_alpha", partition_key=TODAY)
    school["students"][0][0]["status"] = "inactive"
    school["students"][0][1]["family_name"] = "Changedname"
    school["students"][0].append({"id": "", "given_name": "No", "family_name": "Id", "status": "active"})
    project.send("alpha", **school)
    result = project.run("sync_alpha", partition_key=TODAY)
    read = metadata(result, "alpha/external/students")
    assert (read["dagster/row_count"], read["pages"], read["rejected"], read["endpoint"]) == (31, 1, 1, "GET /students")
    assert {column.name for column in read["dagster/column_schema"].columns} >= {"id", "given_name"}
    assert "must have 1 to 255 characters" in read["dead letters by reason"]
    plan = metadata(result, "alpha/mapping/students")
    assert (plan["created"], plan["updated"], plan["unchanged"], plan["dead_lettered"]) == (0, 2, 28, 1)
    assert (len(plan["plan hash"]), plan["state"]) == (12, "accepted")
    assert [list(row.data.values()) for row in plan["sample of changes"].records] == [
        ["students", "s0", "update", "status", "active", "inactive", "differs"],
        ["students", "s1", "update", "family_name", "•••", "•••", "differs"],
    ]
    assert "applied" in plan["last runs"]
    core = metadata(result, "core/students")
    outcomes = ("created", "updated", "unchanged", "skipped", "conflicts", "dead_lettered")
    assert core["fetched"] + core["retried"] == sum(core[name] for name in outcomes)
    assert core["proof"].records[0].data["verified"] is True
    assert red(result) == {
        "alpha/external/students:schema": dg.AssetCheckSeverity.WARN,
        "alpha/mapping/students:dead_letters": dg.AssetCheckSeverity.WARN,
    }


def test_no_personal_value_reaches_the_event_log(project: Any, school: Any) -> None:
    """Names of people are in core, and in no event of the runs that brought them there (M62)."""
    project.declare("alpha")
    for _ in range(2):
        project.send("alpha", **school)
        result = project.run("sync_alpha", partition_key=TODAY)
        for student in school["students"][0][:10]:
            student["family_name"] = student["family_name"].replace("Secret", "Secrett")
    logged = project.instance.all_logs(result.run_id)
    assert len(logged) > 50
    assert not [entry for entry in logged if "Secretname" in repr(entry) or "Secrettname" in repr(entry)]
    assert project.rows("SELECT count(*) FROM core.students WHERE family_name LIKE 'Secrettname%'") == [(10,)]


def test_a_range_of_days_is_one_read_of_one_window(project: Any, students: Any) -> None:
    """A run over several days reads each entity once, from the first day's start to the last day's end."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    start = (datetime.now(UTC) - timedelta(days=9)).date()
    days = {
        "dagster/asset_partition_range_start": f"{start}",
        "dagster/asset_partition_range_end": f"{start + timedelta(4)}",
    }
    result = project.run("sync_alpha", tags=days)
    assert result.success
    events = result.get_asset_materialization_events()
    assert len([event for event in events if event.asset_key == asset("alpha/external/students")]) == 5
    [(since, until)] = project.rows("SELECT since, until FROM connector.sync_runs")
    assert since == datetime.combine(start, datetime.min.time(), UTC) - timedelta(minutes=5)
    assert until == datetime.combine(start + timedelta(5), datetime.min.time(), UTC)


def test_full_mode_reads_everything_and_sees_what_is_gone(project: Any, students: Any) -> None:
    """The full job takes a snapshot whatever the day, and counts what the source does not hold any more."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    project.run("sync_alpha", partition_key=TODAY)
    project.send("alpha", students=[students[:29]])
    config = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    result = project.run("full_sync_alpha", partition_key=TODAY, run_config=config)
    assert result.success
    assert metadata(result, "alpha/external/students")["snapshot"] is True
    assert metadata(result, "alpha/mapping/students")["absent"] == 1


def test_a_held_plan_stops_core_of_this_run_alone(project: Any, school: Any) -> None:
    """An empty list is held: its core and what depends on it are not touched, other entities go on."""
    project.declare("alpha")
    project.send("alpha", **school)
    project.run("sync_alpha", partition_key=TODAY)
    school["sections"][0][0]["title"] = "Algebra 2"
    project.send("alpha", **(school | {"students": []}))
    config = {"ops": {f"alpha__external__{entity}": {"config": {"mode": "full"}} for entity in school}}
    result = project.run("sync_alpha", partition_key=TODAY, run_config=config)
    assert not result.success
    assert red(result) == {"alpha/mapping/students:mass_change": dg.AssetCheckSeverity.ERROR}
    assert "core/sections" in materialized(result)
    assert not {"core/students", "alpha/mapping/enrollments", "core/enrollments"} & materialized(result)
    assert project.rows("SELECT title FROM core.sections") == [("Algebra 2",)]
    assert project.rows("SELECT count(*) FROM core.students") == [(30,)]
    plan = metadata(result, "alpha/mapping/students")
    assert "the source sent nothing" in " ".join(plan["reasons"].split())
    assert plan["plan hash"][:12] in plan["what to do"]


def test_a_person_approves_or_rejects_a_held_plan(project: Any, students: Any) -> None:
    """The decision jobs take the hash of a held plan: approving applies it to core, rejecting leaves core as it is."""
    project.declare("alpha", "entities: [students]")
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    project.send("alpha", students=[students])
    project.run("sync_alpha", partition_key=TODAY, run_config=full)
    for job, absent in (("reject_plan", 0), ("approve_plan", 20)):
        project.send("alpha", students=[students[:10]])
        held = metadata(project.run("sync_alpha", partition_key=TODAY, run_config=full), "alpha/mapping/students")
        assert held["state"] == "held"
        op = job.removesuffix("_plan")
        decision = {"source": "alpha", "hash": held["plan hash"][:12], "who": "ada", "why": "they left"}
        assert project.run(job, run_config={"ops": {op: {"config": decision}}}).success
        marked = "SELECT count(*) FROM connector.alpha_mappings WHERE absent_since IS NOT NULL"
        assert project.rows(marked) == [(absent,)]
    assert project.rows("SELECT who, action FROM connector.integration_audit_logs ORDER BY id") == [
        ("ada", "plan refused"),
        ("ada", "plan accepted"),
    ]


@pytest.mark.parametrize("job", ["approve_plan", "reject_plan"])
def test_a_decision_without_a_reason_is_refused(project: Any, job: str) -> None:
    """The decision jobs are not launched without why, and fail at once where it is empty."""
    project.declare("alpha", "entities: [students]")
    decision, op = {"source": "alpha", "hash": "0123456789"}, job.removesuffix("_plan")
    with pytest.raises(dg.DagsterInvalidConfigError, match="why"):
        project.run(job, run_config={"ops": {op: {"config": decision}}})
    result = project.run(job, run_config={"ops": {op: {"config": decision | {"why": ""}}}})
    (failed,) = result.get_step_failure_events()
    assert "why" in failed.event_specific_data.error_display_string


def test_a_person_says_whose_a_record_is(project: Any, students: Any) -> None:
    """A record that looks like another person is shown without a value, and passes once the job accepts its letter."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    project.run("sync_alpha", partition_key=TODAY)
    students[3] |= {"given_name": "Zoe", "family_name": "Othername"}
    project.send("alpha", students=[students])
    shown = metadata(project.run("sync_alpha", partition_key=TODAY), "alpha/mapping/students")
    [case] = [record.data for record in shown["whose is it"].records]
    assert (case["external id"], "differ: given name, family name" in case["reason"]) == ("s3", True)
    assert case["candidates"].endswith(", score 0 (differ: given name, family name; its own row)")
    assert "name3" not in str(shown)
    assert "Othername" not in str(shown)
    decision = {"letter": case["letter"], "why": "asked the school", "who": "ada"}
    assert project.run("accept_identity", run_config={"ops": {"accept": {"config": decision}}}).success
    assert metadata(project.run("sync_alpha", partition_key=TODAY), "core/students")["updated"] == 1
    assert not project.run("accept_identity", run_config={"ops": {"accept": {"config": decision}}}).success


def test_an_older_held_plan_warns_and_lets_newer_ones_pass(project: Any, students: Any) -> None:
    """While a full plan waits for a person, an incremental one is applied, and the check stays yellow."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    project.run("sync_alpha", partition_key=TODAY, run_config=full)
    project.send("alpha", students=[])
    project.run("sync_alpha", partition_key=TODAY, run_config=full)
    students[0]["status"] = "inactive"
    project.send("alpha", students=[students])
    result = project.run("sync_alpha", partition_key=TODAY)
    assert result.success
    assert metadata(result, "core/students")["updated"] == 1
    assert red(result) == {"alpha/mapping/students:mass_change": dg.AssetCheckSeverity.WARN}


def test_a_broken_page_is_explained_and_not_retried(project: Any, school: Any) -> None:
    """What a person must mend fails at once, with category, place and remedy; nothing is planned from it."""
    project.declare("alpha", "entities: [organizations, students]")
    project.send("alpha", students=[*school["students"], "broken"], organizations=school["organizations"])
    result = project.run("sync_alpha", partition_key=TODAY)
    [(step, told)] = failures(result).items()
    assert step == "alpha__external__students"
    shown = {name: value.value for name, value in told.metadata.items()}
    assert (shown["category"], shown["source"], shown["entity"]) == ("DATA_ERROR", "alpha", "students")
    assert shown["what to do"] == "Show it to the owner of the source."
    assert not [event for event in result.all_node_events if event.is_step_up_for_retry]
    assert materialized(result) == {"alpha/external/organizations", "alpha/mapping/organizations", "core/organizations"}
    assert project.rows("SELECT count(*) FROM core.students") == [(0,)]


def test_of_two_runs_at_once_one_proceeds(project: Any, students: Any, connection: Any) -> None:
    """While another run holds the lock, a run fails as a conflict after its retries; afterwards it works (G76)."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    with hold(connection, "alpha/students"):
        refused = project.run("sync_alpha", partition_key=TODAY)
    assert not refused.success
    assert len([event for event in refused.all_node_events if event.is_step_up_for_retry]) == 1
    assert failures(refused)["alpha__external__students"].metadata["category"].value == "CONFLICT"
    assert project.run("sync_alpha", partition_key=TODAY).success


class Cancelled(Engine):
    """Ends the run after the second chunk, the way a termination from the UI does."""

    def listen(self, progress: Progress) -> None:
        """Hear of the second chunk."""
        if progress.step == "apply" and progress.done == 2:
            raise KeyboardInterrupt


def test_a_cancelled_run_goes_on_at_the_next_chunk(project: Any, students: Any) -> None:
    """What was applied before a cancellation stays, and the next run applies the chunks that are left alone (G62)."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    project.chunk_rows = 10
    given = {name: getattr(project.engine(), name) for name in ("database_url", "landing_url", "chunk_rows")}
    cancelled = project.run("sync_alpha", partition_key=TODAY, engine=Cancelled(**given))
    assert not cancelled.success
    assert not [event for event in cancelled.all_node_events if event.is_step_up_for_retry]
    assert project.rows("SELECT count(*) FROM core.students") == [(20,)]
    result = project.run("sync_alpha", partition_key=TODAY)
    assert result.success
    assert project.rows("SELECT count(*) FROM core.students") == [(30,)]
    [run] = project.instance.get_runs(limit=1)
    told = [e.user_message for e in project.instance.all_logs(run.run_id) if "students: apply" in e.user_message]
    assert told[0] == "students: apply 3 of 3 (100%) chunks"


def test_the_connection_test_leaves_a_record(project: Any) -> None:
    """The connection test succeeds or fails with the source, and each answer is kept (F23)."""
    project.declare("alpha")
    assert project.run("test_connection_alpha").success
    project._pages("alpha").unlink()
    failed = project.run("test_connection_alpha")
    assert failures(failed)["test_connection_alpha_now"].description == "looked for the file"
    logged = "SELECT status FROM connector.integration_status_logs ORDER BY id"
    assert project.rows(logged) == [("connected",), ("error",)]


def test_approving_turns_the_checks_green(project: Any, students: Any) -> None:
    """After approve_plan the checks of mapping and core say how things are now, without another sync."""
    project.declare("alpha", "entities: [students]")
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    project.send("alpha", students=[students])
    project.run("sync_alpha", partition_key=TODAY, run_config=full)
    project.send("alpha", students=[students[:10]])
    held = metadata(project.run("sync_alpha", partition_key=TODAY, run_config=full), "alpha/mapping/students")
    decision = {"source": "alpha", "hash": held["plan hash"], "why": "they left"}
    result = project.run("approve_plan", run_config={"ops": {"approve": {"config": decision}}})
    found = {f"{c.asset_key.to_user_string()}:{c.check_name}": c.passed for c in result.get_asset_check_evaluations()}
    assert found == {
        "core/students:receipts": True,
        "core/students:orphans": True,
        "alpha/mapping/students:mass_change": True,
        "alpha/mapping/students:accounted_for": True,
        "alpha/mapping/students:dead_letters": True,
    }
    assert metadata(result, "core/students")["absent"] == 20
    assert project.rows("SELECT detail ->> 'why' FROM connector.integration_audit_logs") == [("they left",)]


def test_a_dry_run_is_seen_at_the_mapping_and_writes_nothing(project: Any, school: Any) -> None:
    """The job dry_run_<source> shows each plan with its mapping asset, and core stays empty until one is approved."""
    project.declare("alpha")
    project.send("alpha", **school)
    result = project.run("dry_run_alpha")
    seen = {event.asset_key.to_user_string(): event for event in result.get_asset_observation_events()}
    assert set(seen) == {f"alpha/mapping/{entity}" for entity in school}
    shown = seen["alpha/mapping/students"].event_specific_data.asset_observation.metadata
    assert (shown["state"].value, shown["created"].value) == ("planned", 30)
    assert "approve_plan" in shown["what to do"].value
    assert project.rows("SELECT count(*) FROM core.students") == [(0,)]
    one = {"ops": {"approve": {"config": {"source": "alpha", "hash": shown["plan hash"].value, "why": "new"}}}}
    assert not project.run("approve_plan", run_config=one).success  # its parents are only planned
    parent = seen["alpha/mapping/organizations"].event_specific_data.asset_observation.metadata["plan hash"].value
    first = {"ops": {"approve": {"config": {"source": "alpha", "hash": parent, "why": "new"}}}}
    assert [project.run("approve_plan", run_config=config).success for config in (first, one)] == [True, True]
    assert project.rows("SELECT count(*) FROM core.students") == [(30,)]
