"""From events that wait to a run that reads again, and what becomes of them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from connector_pipelines.database.connection import connect
from connector_pipelines.external.line import Line
from connector_pipelines.notices import Notice
from connector_pipelines.orchestration.events import PATIENCE, TAG, Verdict, judge
from connector_pipelines.orchestration.launches import lane
from connector_pipelines.orchestration.sources import declared_source
from connector_pipelines.sync.sources import register
from connector_pipelines.webhooks import inbox
from connector_pipelines.webhooks.inbox import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def told(project: Any) -> Iterator[Callable[..., None]]:
    """Stores events of alpha as a receiver does: one for each entity."""
    project.declare("alpha", "webhook: true")
    source = declared_source("alpha", project.folder)
    with connect(project.url) as connection:
        register(connection, source)
        inbox.introduce(connection, "alpha", "{}")
    with closing(Line(project.url, durable=True)) as line:

        def tell(*entities: str, event: str | None = None) -> None:
            for entity in entities:
                inbox.store(line, "alpha", [Notice(f"{entity} changed", (entity,), event and f"{event} {entity}")])

        yield tell


def tick(project: Any) -> Any:
    """What the sensor does when its time has come."""
    repository = project.definitions().get_repository_def()
    resources = {"engine": project.engine()}
    context = dg.build_sensor_context(instance=project.instance, repository_def=repository, resources=resources)
    return repository.get_sensor_def("webhook_alpha").evaluate_tick(context)


def requested(project: Any) -> dg.RunRequest:
    """The run that a tick launches."""
    (run,) = tick(project).run_requests
    assert isinstance(run, dg.RunRequest)
    return run


def skipped(project: Any) -> str:
    """Why a tick launches none."""
    done = tick(project)
    assert done.run_requests == []
    return str(done.skip_message)


def launch(project: Any, run: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Do what the daemon does with it."""
    done: dg.ExecuteInProcessResult = project.run(
        "sync_alpha",
        run_config=run.run_config,
        partition_key=run.partition_key,
        tags=run.tags,
        asset_selection=run.asset_selection,
    )
    return done


def events(project: Any) -> list[tuple[Any, ...]]:
    """Status, attempts and reason of every event."""
    found: list[tuple[Any, ...]] = project.rows(
        "SELECT status, attempts, reason FROM connector.integration_webhook_events ORDER BY id"
    )
    return found


def make_due(project: Any) -> None:
    """As if the pause after a failed run were over."""
    project.execute("UPDATE connector.integration_webhook_events SET due_at = now()")


def test_a_source_with_a_webhook_has_a_sensor(declared: Any) -> None:
    """A source that is told what changed has a sensor that runs by itself; another has none."""
    declared.declare("alpha", "webhook: true")
    declared.declare("beta")
    sensors = {one.name: one for one in declared.definitions().get_repository_def().sensor_defs}
    assert {name for name in sensors if name.startswith("webhook_")} == {"webhook_alpha"}
    assert sensors["webhook_alpha"].default_status is dg.DefaultSensorStatus.RUNNING
    assert sensors["webhook_alpha"].minimum_interval_seconds == 4  # the daemon looks every five


def test_all_that_waits_is_one_run(project: Any, school: Any, told: Callable[..., None]) -> None:
    """Events of one source make one run of their entities alone; when it succeeded they are processed."""
    project.send("alpha", **school)
    told("students", "organizations", "students", event="e1")
    told("students")
    run = requested(project)
    assert {key.to_user_string() for key in run.asset_selection or ()} == {
        f"{layer}/{entity}"
        for entity in ("students", "organizations")
        for layer in ("alpha/external", "alpha/mapping", "core")
    }
    assert (run.tags["source"], run.tags["events"], run.partition_key) == ("alpha", "3", TODAY)
    assert lane(run.tags) == "urgent"
    assert "is being launched" in skipped(project)
    done = launch(project, run)
    assert done.success
    written = [event.asset_key.path[-1] for event in done.get_asset_materialization_events() if event.asset_key]
    assert sorted(written) == ["organizations"] * 3 + ["students"] * 3
    assert project.rows("SELECT count(*) FROM core.students") == [(30,)]
    assert skipped(project) == "no event waits"
    assert [(status, attempts) for status, attempts, _ in events(project)] == [("processed", 1)] * 3


def test_what_arrives_meanwhile_is_in_the_next_run(project: Any, school: Any, told: Callable[..., None]) -> None:
    """An event that comes while a run reads is answered by a later one, whose key is another."""
    project.send("alpha", **school)
    told("students")
    first = requested(project)
    told("students")
    assert "is being launched" in skipped(project)
    assert launch(project, first).success
    second = requested(project)
    assert first.run_key != second.run_key
    assert [status for status, *_ in events(project)] == ["processed", "processing"]


def test_it_reads_from_the_cursor_on(project: Any, school: Any, told: Callable[..., None]) -> None:
    """A run for events reads what changed since the last applied read, not the whole day again."""
    project.send("alpha", **school)
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    assert project.run("sync_alpha", partition_key=TODAY, run_config=full).success
    told("students")
    assert launch(project, requested(project)).success
    ((cursor, since),) = project.rows(
        "SELECT (SELECT min(cursor) FROM connector.sync_cursors WHERE entity = 'students'),"
        " (SELECT since FROM connector.sync_runs WHERE entity = 'students' ORDER BY id DESC LIMIT 1)"
    )
    assert since == cursor


def test_a_failed_run_lets_its_events_wait_again(
    project: Any, told: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed run events wait a while, each time longer; after too many they have failed, and say why."""
    project.send("alpha", students=["broken"])
    told("students")
    pauses = []
    monkeypatch.setattr(inbox, "ATTEMPTS", 2)
    for _ in range(2):
        run = requested(project)
        assert not launch(project, run).success
        assert skipped(project) == "no event waits"
        pauses += project.rows("SELECT due_at - now() > '10 s' FROM connector.integration_webhook_events")
        make_due(project)
    assert pauses == [(True,)] * 2
    ((status, attempts, reason),) = events(project)
    assert (status, attempts) == ("failed", 2)
    assert "did not come to its end" in reason
    assert skipped(project) == "no event waits"
    with connect(project.url) as connection:
        assert inbox.try_again(connection, "alpha", who="ann") == 1
    assert requested(project)


def test_a_batch_whose_run_vanished_waits_again(project: Any, told: Callable[..., None]) -> None:
    """Events that were taken by a tick whose run never came to be are taken again, in a batch of their own."""
    told("students")
    lost = requested(project)
    project.execute("UPDATE connector.integration_webhook_events SET claimed_at = now() - interval '61 s'")
    assert skipped(project) == "no event waits"
    assert events(project) == [("pending", 1, "no run was launched")]
    make_due(project)
    assert requested(project).run_key != lost.run_key


def test_a_held_plan_is_an_answer(project: Any, students: Any, told: Callable[..., None]) -> None:
    """Where the guard holds the plan, what was told has been read: reading it ten times more would not help."""
    project.send("alpha", students=[students])
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    assert project.run("sync_alpha", partition_key=TODAY, run_config=full).success
    project.send("alpha", students=[[{**student, "status": "inactive"} for student in students]])
    told("students")
    assert not launch(project, requested(project)).success
    assert skipped(project) == "no event waits"
    ((status, _, reason),) = events(project)
    assert status == "processed"
    assert "held for a person" in reason


def test_what_is_not_fed_any_more_is_not_read(project: Any, told: Callable[..., None]) -> None:
    """Events of an entity that the source was told to leave out since launch nothing."""
    told("students")
    project.declare("alpha", "webhook: true", "entities: [organizations]")
    assert "names nothing that alpha feeds" in skipped(project)
    ((status, _, reason),) = events(project)
    assert (status, reason) == ("processed", "the source does not feed what was told any more")


def test_before_the_first_day_nothing_is_taken(project: Any, told: Callable[..., None]) -> None:
    """A source whose days have not begun keeps its events until they have."""
    told("students")
    later = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    project.declare("alpha", "webhook: true", f"schedule: {{start_date: {later}}}")
    assert skipped(project) == f"the first day is {later}"
    assert [status for status, *_ in events(project)] == ["pending"]


def test_events_of_a_source_that_is_off_wait(project: Any, school: Any, told: Callable[..., None]) -> None:
    """After `deactivate_source` a tick launches nothing and says why; the events are read once it is on again."""
    project.send("alpha", **school)
    told("students")
    project.deactivate("alpha")
    for _ in range(2):
        assert skipped(project).startswith("alpha is off: deactivated by ada at")
    assert events(project) == [("pending", 0, None)]
    project.activate("alpha")
    assert launch(project, requested(project)).success
    assert skipped(project) == "no event waits"
    assert [(status, attempts) for status, attempts, _ in events(project)] == [("processed", 1)]


def test_a_run_that_ended_is_settled_while_its_source_is_off(
    project: Any, school: Any, told: Callable[..., None]
) -> None:
    """A run that was under way when its source was switched off answers its events; those that came since wait."""
    project.send("alpha", **school)
    told("students")
    assert launch(project, requested(project)).success
    told("students")
    project.declare("alpha", "webhook: true", "enabled: false")
    assert skipped(project) == "alpha is off: its defs.yaml says enabled: false"
    assert [(status, attempts) for status, attempts, _ in events(project)] == [("processed", 1), ("pending", 0)]


def test_old_events_are_forgotten(project: Any, told: Callable[..., None]) -> None:
    """What was done long ago is removed; what failed stays until somebody looked."""
    told("students", "sections", event="e")
    project.execute(
        "UPDATE connector.integration_webhook_events SET received_at = now() - interval '91 days',"
        " status = CASE event_id WHEN 'e students' THEN 'processed' ELSE 'failed' END"
    )
    assert skipped(project) == "no event waits"
    assert [status for status, *_ in events(project)] == ["failed"]


STATES = {
    dg.DagsterRunStatus.SUCCESS: Verdict.DONE,
    dg.DagsterRunStatus.FAILURE: Verdict.AGAIN,
    dg.DagsterRunStatus.CANCELED: Verdict.AGAIN,
}


@pytest.mark.parametrize("status", list(dg.DagsterRunStatus))
def test_what_becomes_of_a_batch(status: dg.DagsterRunStatus) -> None:
    """The newest run decides: success is done, failure and cancellation are again, everything else waits."""
    young = Batch(7, timedelta(0), 1, ("students",))
    old = Batch(7, PATIENCE + timedelta(seconds=1), 1, ("students",))
    wanted = STATES.get(status, Verdict.WAITS)
    for batch in (young, old):
        judged = judge(batch, [("newest", status), ("older", dg.DagsterRunStatus.FAILURE)])
        assert (judged.verdict, judged.run_id) == (wanted, "newest")
    assert (judge(young, []).verdict, judge(old, []).verdict) == (Verdict.WAITS, Verdict.AGAIN)


def test_runs_of_other_batches_do_not_count(project: Any, told: Callable[..., None]) -> None:
    """A batch is settled by its own run, found by its tag."""
    told("students")
    run = requested(project)
    project.instance.create_run_for_job(
        project.definitions().resolve_job_def("sync_alpha"),
        status=dg.DagsterRunStatus.SUCCESS,
        tags={TAG: run.tags[TAG] + "0"},
    )
    assert "is being launched" in skipped(project)
