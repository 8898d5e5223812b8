"""Days that failed, as the UI shows and repairs them: through GraphQL, with the daemon's own steps in between."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster._daemon.backfill import execute_backfill_iteration

from connector_pipelines.database.connection import connect
from connector_pipelines.orchestration.sources import Declaration, read_all
from connector_pipelines.orchestration.watching import look
from connector_pipelines.sync import parking
from connector_pipelines_tests.orchestration.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long(together=True)

STATUS = """
query Days($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } }
    }
  }
}
"""

BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""

AGAIN = """
mutation Again($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""

FIRST = datetime.now(UTC).date() - timedelta(days=4)


@pytest.fixture
def served(project: Any, tmp_path: Path) -> Iterator[Served]:
    """A source with five days, the last of which is today, and a location that serves it."""
    project.declare("alpha", "entities: [students]", f"schedule: {{start_date: {FIRST}}}")
    home = tmp_path / "home"
    home.mkdir()
    site = [path for path in sys.path if "site" in Path(path).name or Path(path) == Path(__file__).parent]
    with serve(project.folder, project.url, home, site, chunk_rows=10) as found:
        yield found


def day(number: int) -> str:
    """The partition of a day."""
    return str(FIRST + timedelta(days=number))


def run_day(served: Served, number: int) -> dg.DagsterRun:
    """What the daily schedule launches on a day."""
    return served.launch("sync_alpha", {}, {"dagster/partition": day(number)})


def days(served: Served, layer: str) -> dict[str, list[int]]:
    """The days by what the UI shows of them; those it shows as missing are not among them."""
    found = served.ask(STATUS, {"key": {"path": ["alpha", layer, "students"]}})["assetNodeOrError"]
    shown: dict[str, list[int]] = {}
    for span in found["assetPartitionStatuses"]["ranges"]:
        first, last = ((date.fromisoformat(span[end]) - FIRST).days for end in ("startKey", "endKey"))
        shown.setdefault(span["status"], []).extend(range(first, last + 1))
    return shown


def backfill(served: Served, numbers: list[int]) -> dg.DagsterInstance:
    """Select the days of all three assets, launch the backfill, and let the daemon do its work."""
    assets = [["alpha", "external", "students"], ["alpha", "mapping", "students"], ["core", "students"]]
    params = {"assetSelection": [{"path": path} for path in assets], "partitionNames": [day(n) for n in numbers]}
    answer = served.ask(BACKFILL, {"params": params})["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    for _ in range(4):
        list(execute_backfill_iteration(served.process, logging.getLogger(__name__)))
    done = served.instance.get_backfill(answer["backfillId"])
    assert done
    assert done.status.value == "COMPLETED_SUCCESS"
    return served.instance


def test_days_of_a_source_that_was_down_are_made_up_for_at_once(served: Served, project: Any, students: Any) -> None:
    """Three days fail and one is missing: the UI shows both, and one backfill reads the range once and fills it."""
    project.send("alpha", students=[students])
    assert run_day(served, 0).is_success
    project.send("alpha", students=["broken"])
    assert [run_day(served, number).is_failure for number in (1, 2)] == [True, True]
    project.send("alpha", students=[students])
    assert run_day(served, 4).is_success
    for layer in ("external", "mapping"):
        assert days(served, layer)["MATERIALIZED"] == [0, 4]
    assert days(served, "external")["FAILED"] == [1, 2]  # and 3 is missing
    students[5]["status"] = "inactive"
    project.send("alpha", students=[students])
    [(before,)] = project.rows("SELECT max(id) FROM connector.sync_runs")
    instance = backfill(served, [1, 2, 3])
    assert days(served, "external") == days(served, "mapping") == {"MATERIALIZED": [0, 1, 2, 3, 4]}
    [(state, since, until)] = project.rows("SELECT state, since, until FROM connector.sync_runs WHERE id > %s", before)
    midnight = datetime.combine(FIRST, datetime.min.time(), UTC)
    assert (state, until) == ("read", midnight + timedelta(days=4))
    assert since == midnight + timedelta(days=1) - timedelta(minutes=5)
    assert project.rows("SELECT count(*) FROM core.students WHERE status = 'inactive'") == [(1,)]
    [launched] = instance.get_backfills()
    assert instance.get_runs_count(dg.RunsFilter(tags={"dagster/backfill": launched.backfill_id})) == 2


def test_the_next_sync_makes_up_for_the_days_between(project: Any, students: Any) -> None:
    """After three days without an answer today's run alone reads from where the last applied read began."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    assert project.run("sync_alpha", partition_key=day(4)).success
    project.execute("UPDATE connector.sync_cursors SET cursor = cursor - interval '3 days'")
    project.send("alpha", students=["broken"])
    assert not project.run("sync_alpha", partition_key=day(4)).success
    students[5]["status"] = "inactive"
    project.send("alpha", students=[students])
    assert project.run("sync_alpha", partition_key=day(4)).success
    [(days_read,)] = project.rows(
        "SELECT extract(day FROM started_at - since)::int FROM connector.sync_runs ORDER BY id DESC LIMIT 1"
    )
    assert days_read == 3
    assert project.rows("SELECT count(*) FROM core.students WHERE status = 'inactive'") == [(1,)]


# Two chunks are written at once: the third waits until the others are durable, and ends there.
LOST = """
CREATE SEQUENCE core.chunks;
CREATE FUNCTION core.lose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('core.chunks') >= 3 THEN
        LOCK TABLE core.students IN SHARE ROW EXCLUSIVE MODE;
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lose BEFORE INSERT ON core.students FOR EACH STATEMENT EXECUTE FUNCTION core.lose()
"""


def test_a_run_is_executed_again_from_the_first_chunk_that_is_not_durable(
    served: Served, project: Any, students: Any
) -> None:
    """The database goes away in the third chunk; "re-execute from failure" applies that one, and reads nothing anew."""
    project.send("alpha", students=[students])
    project.execute(LOST)
    failed = run_day(served, 4)
    assert failed.is_failure
    assert project.rows("SELECT count(*) FROM core.students") == [(20,)]
    project.execute("DROP FUNCTION core.lose CASCADE; DROP SEQUENCE core.chunks")
    answer = served.ask(AGAIN, {"params": {"parentRunId": failed.run_id, "strategy": "FROM_FAILURE"}})
    again = answer["launchRunReexecution"]["run"]["runId"]
    run = served.instance.get_run_by_id(again)
    assert run
    assert run.is_success, served.why(run)
    said = [entry.user_message for entry in served.instance.all_logs(again)]
    assert [line for line in said if "students: apply" in line] == ["students: apply 3 of 3 (100%) chunks"]
    assert project.rows("SELECT count(*) FROM core.students") == [(30,)]
    assert project.rows("SELECT count(*) FROM connector.sync_runs") == [(1,)]


def test_a_run_without_a_day_says_what_to_do(project: Any, students: Any) -> None:
    """Launched from the Launchpad without a day, a sync asks nothing and says where to choose one."""
    project.declare("alpha", "entities: [students]", f"schedule: {{start_date: {FIRST}}}")
    project.send("alpha", students=[students])
    failed = project.run("full_sync_alpha")
    assert not failed.success
    told = failed.get_step_failure_events()[0].event_specific_data.error_display_string
    assert "choose a day in Partition" in told
    assert "alpha" in told
    assert project.rows("SELECT count(*) FROM connector.sync_runs") == [(0,)]


def resume(project: Any) -> Any:
    """What the sensor for parked backfills does when its time has come."""
    sensor = project.definitions().resolve_sensor_def("resume_alpha")
    around = {"instance": project.instance, "resources": {"engine": project.engine()}}
    return sensor.evaluate_tick(dg.build_sensor_context(definitions=project.definitions(), **around))


@pytest.mark.parametrize(
    ("column", "ahead", "why"),
    [
        ("paused_until", "1 hour", "the budget of alpha is spent"),
        ("open_until", "40 seconds", "alpha failed again and again"),
    ],
)
def test_a_backfill_that_must_wait_is_parked_and_comes_back(
    project: Any, students: Any, column: str, ahead: str, why: str
) -> None:
    """With the budget spent, or while nobody asks the source because it fails, a backfill asks nothing and is no
    failure; when its time comes the same days are read.
    """
    project.declare("alpha", "entities: [students]", f"schedule: {{start_date: {FIRST}}}")
    project.send("alpha", students=[students])
    project.execute(
        f"INSERT INTO connector.gates (scope, {column}) VALUES ('here', now() + interval '{ahead}');"
        "INSERT INTO connector.api_calls (source, scope, endpoint, requests, seconds, histogram)"
        " VALUES ('alpha', 'here', 'GET /', 1, 1, '{}')"
    )
    span = {"dagster/asset_partition_range_start": day(0), "dagster/asset_partition_range_end": day(2)}
    of_days = {"source": "alpha", "first": day(0), "last": day(2)}
    estimated = project.run("estimate_backfill", run_config={"ops": {"estimate": {"config": of_days}}})
    [step] = estimated.filter_events(lambda event: event.is_successful_output)
    assert step.step_output_data.metadata["begins"].value.startswith("would be parked until")
    parked = project.run("sync_alpha", tags=span)
    assert not parked.success
    told = parked.get_step_failure_events()[0].event_specific_data.error_display_string
    assert "parked until" in told
    assert why in told
    assert project.rows("SELECT count(*) FROM connector.sync_runs") == [(0,)]

    def due() -> Any:
        return resume(project).run_requests

    assert due() == []
    project.execute(f"UPDATE connector.parked SET until = now(); UPDATE connector.gates SET {column} = NULL")
    [first], [again] = due(), due()
    assert first.run_key == again.run_key == f"parked {parked.run_id}"
    assert {key.to_user_string() for key in first.asset_selection} == {
        "alpha/external/students",
        "alpha/mapping/students",
        "core/students",
    }
    done = project.run("sync_alpha", tags=first.tags)
    assert done.success
    assert due() == []
    [event] = [e for e in done.get_asset_materialization_events() if e.asset_key.path[1] == "external"][:1]
    assert event.materialization.metadata["expected"].value.startswith("at least 1 calls")
    declarations = [one for one in read_all(project.folder) if isinstance(one, Declaration)]
    now = datetime.now(UTC)
    look(project.instance, project.engine(), declarations, now, after=now - timedelta(days=1))
    assert project.rows("SELECT state FROM connector.job_runs ORDER BY ended_at") == [("parked",), ("succeeded",)]
    assert project.rows("SELECT * FROM connector.alerts") == []


def test_backfills_of_a_source_that_is_off_stay_parked(project: Any) -> None:
    """After `deactivate_source` a parked backfill whose time has come is not launched, and is once it is on again."""
    project.declare("alpha", "entities: [students]", f"schedule: {{start_date: {FIRST}}}")
    with connect(project.url) as connection:
        due = parking.Parked("r1", "alpha", datetime.now(UTC), ("alpha/external/students",), {})
        parking.park(connection, due)
    project.deactivate("alpha")
    skipped = resume(project)
    assert not skipped.run_requests
    assert skipped.skip_message.startswith("alpha is off: deactivated by ada at")
    project.activate("alpha")
    assert [run.run_key for run in resume(project).run_requests] == ["parked r1"]
