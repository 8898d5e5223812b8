"""When sources are read by themselves, and how their connections are watched."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from connector_pipelines import connectors as registry
from connector_pipelines.connectors import connectors
from connector_pipelines.orchestration import build
from connector_pipelines.orchestration.health import ask
from connector_pipelines.orchestration.jobs import full_config
from connector_pipelines.orchestration.schedules import due, frequent_sensors, request, source_schedules
from connector_pipelines.orchestration.sources import Declaration, declared_source, read, why_off
from connector_pipelines.orchestration.timetable import Frequency, Timetable
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

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
        "reconcile_alpha_schedule": "STOPPED",
        "sync_beta_schedule": "RUNNING",
        "reconcile_beta_schedule": "RUNNING",
        "daily_digest_schedule": "STOPPED",
    }
    assert {found.name: found.default_status.value for found in repository.sensor_defs} == {
        "health_alpha": "STOPPED",
        "health_beta": "RUNNING",
        "resume_alpha": "RUNNING",
        "resume_beta": "RUNNING",
        "watch": "RUNNING",
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


def tick(project: Any, schedule: str, at: datetime = datetime(2026, 11, 5, 2, tzinfo=UTC)) -> Any:
    """What a schedule does when its time has come."""
    repository = project.definitions().get_repository_def()
    around = {"instance": project.instance, "repository_def": repository, "resources": {"engine": project.engine()}}
    context = dg.build_schedule_context(scheduled_execution_time=at, **around)
    return repository.get_schedule_def(schedule).evaluate_tick(context)


def test_a_source_without_days_is_launched_without_one(project: Any) -> None:
    """Where no stream filters by time, a tick launches an unpartitioned run."""
    project.declare("alpha", "entities: [organizations]")
    [run] = tick(project, "sync_alpha_schedule").run_requests
    assert run.partition_key is None
    assert launched(Timetable(), datetime(2026, 11, 5, 2, tzinfo=UTC), daily=False).partition_key is None


@pytest.mark.parametrize(
    ("said", "cron"),
    [
        ("{}", "0 2 * * *"),
        ("{frequency: daily}", "0 2 * * *"),
        ("{frequency: hourly}", "0 * * * *"),
        ("{frequency: manual}", None),
        ("{cron: '15 4 * * 1-5'}", "15 4 * * 1-5"),
    ],
)
def test_each_frequency_has_its_schedule(declared: Any, said: str, cron: str | None) -> None:
    """Hourly, daily, an expression of one's own, or no schedule at all; the weekly full read stays (E20)."""
    declared.declare("alpha", f"schedule: {said}")
    found = {one.name: one.cron_schedule for one in declared.definitions().get_repository_def().schedule_defs}
    assert found.get("sync_alpha_schedule") == cron
    assert found["full_sync_alpha_schedule"] == "0 3 * * 0"
    assert found["reconcile_alpha_schedule"] == "0 5 * * *"


def test_what_runs_once_in_a_while_has_its_own_hours(declared: Any) -> None:
    """Full reads and reconciling run when the declaration says, in its time zone, or never by themselves (F63)."""
    declared.declare("alpha", "schedule: {full_cron: '0 4 1 * *', reconcile_cron: '30 5 * * 6', timezone: Asia/Tokyo}")
    declared.declare("beta", "schedule: {full_cron: null, reconcile_cron: null}")
    found = {one.name: one for one in declared.definitions().get_repository_def().schedule_defs}
    of_alpha = [found[f"{kind}_alpha_schedule"] for kind in ("full_sync", "reconcile")]
    assert [(one.cron_schedule, one.execution_timezone) for one in of_alpha] == [
        ("0 4 1 * *", "Asia/Tokyo"),
        ("30 5 * * 6", "Asia/Tokyo"),
    ]
    assert [name for name in found if "_beta_" in name] == ["sync_beta_schedule"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{frequency: realtime}", "line 4: schedule.frequency: source alpha cannot be followed in real time"),
        ("{frequency: hourly, cron: '0 2 * * *'}", "line 4: schedule: frequency hourly and cron '0 2 * * *' say both"),
        ("{frequency: often}", "schedule.frequency: Input should be 'realtime', 'hourly', 'daily' or 'manual'"),
    ],
)
def test_a_frequency_that_cannot_be_is_refused_by_line(declared: Any, said: str, why: str) -> None:
    """Realtime where nothing could follow, two rhythms at once, or an unknown word: the source is shown as invalid."""
    declared.declare("alpha", f"schedule: {said}")
    [wrong] = build.invalid_sources(declared.folder)
    assert why in wrong.reason


def test_realtime_asks_as_often_as_the_system_allows(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that may be asked every 15 s is read by a sensor every 15 s, and by the clock only in full."""

    class Quick:
        def shortest_interval_seconds(self) -> float:
            return 15.0

    quick = replace(connectors()["toy"], abilities=(Quick(),))
    monkeypatch.setattr(registry, "connectors", lambda: {"toy": quick})
    declared.declare("alpha", "schedule: {frequency: realtime, enabled: true}")
    place = declared_source("alpha", declared.folder)
    declaration = Declaration(place, Timetable(frequency=Frequency.REALTIME, enabled=True), declared.folder)
    [sensor] = frequent_sensors(declaration)
    assert (sensor.minimum_interval_seconds, sensor.default_status.value) == (15, "RUNNING")
    assert [one.name for one in source_schedules(declaration)] == ["full_sync_alpha_schedule"]


def test_reads_every_so_many_seconds_do_not_pile_up(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MOODLE_SYNC_INTERVAL=90 reads Moodle every 90 s (M70), not while it is off or the read before is under way."""
    monkeypatch.setenv("MOODLE_SYNC_INTERVAL", "90")
    monkeypatch.setenv("MOODLE_SYNC_ENABLED", "true")
    settings.cache_clear()
    project.declare("alpha")
    toy = declared_source("alpha", project.folder)
    moodle = replace(toy, connector=replace(toy.connector, name="moodle"))
    [sensor] = frequent_sensors(Declaration(moodle, Timetable(), project.folder))
    assert sensor.minimum_interval_seconds == 90

    def due() -> Any:
        around = {"instance": project.instance, "resources": {"engine": project.engine()}}
        return sensor.evaluate_tick(dg.build_sensor_context(definitions=project.definitions(), **around))

    project.deactivate("alpha")
    assert due().skip_message.startswith("alpha is off: deactivated by ada at")
    project.activate("alpha")
    assert len(due().run_requests) == 1
    project.instance.create_run_for_job(
        project.definitions().resolve_job_def("sync_alpha"), status=dg.DagsterRunStatus.STARTED
    )
    assert "still under way" in due().skip_message


def daily_enrollments(project: Any, **schedule: Any) -> Declaration:
    """The toy source, read as often as Moodle is, whose enrollments are read once a day."""
    toy = declared_source("alpha", project.folder)
    streams = tuple(replace(stream, once_a_day=stream.entity == "enrollments") for stream in toy.streams)
    moodle = replace(toy, connector=replace(toy.connector, name="moodle", streams=lambda _: streams))
    return Declaration(moodle, Timetable.model_validate(schedule), project.folder)


def entities(run: Any) -> set[str]:
    """What a run reads; empty where it takes the whole job."""
    return {key.path[-1] for key in run.asset_selection or ()}


def began(project: Any, *, days_ago: int, entity: str = "enrollments", kind: str = "read") -> None:
    """An entity was asked for so many days ago, and that failed."""
    project.execute(
        "INSERT INTO connector.sync_runs (source, entity, state, kind, started_at)"
        f" VALUES ('alpha', '{entity}', 'failed', '{kind}', now() - interval '{days_ago} days')"
    )


def test_what_is_read_once_a_day_is_left_out_of_frequent_reads(project: Any) -> None:
    """Such an entity is read by the first tick of a day, also where that read fails, and by no other of that day."""
    project.declare("alpha")
    [sensor] = frequent_sensors(daily_enrollments(project))

    def due() -> Any:
        around = {"instance": project.instance, "resources": {"engine": project.engine()}}
        tick = sensor.evaluate_tick(dg.build_sensor_context(definitions=project.definitions(), **around))
        [run] = tick.run_requests or ()
        return run

    began(project, days_ago=1)
    began(project, days_ago=0, kind="dry_run")
    began(project, days_ago=0, entity="students")
    assert due().asset_selection is None
    began(project, days_ago=0)
    assert entities(due()) == {"organizations", "sections", "students"}
    assert {key.path[0] for key in due().asset_selection} == {"alpha", "core"}


def test_the_full_schedule_reads_what_is_read_once_a_day(project: Any) -> None:
    """An hourly schedule leaves out what was read today, the weekly one for everything does not."""
    project.declare("alpha")
    began(project, days_ago=0)
    declaration = daily_enrollments(project, frequency="hourly")
    repository = project.definitions().get_repository_def()
    now, resources = datetime.now(UTC), {"engine": project.engine()}
    context = dg.build_schedule_context(scheduled_execution_time=now, resources=resources, repository_def=repository)
    ticks = {one.name: one.evaluate_tick(context).run_requests or () for one in source_schedules(declaration)}
    assert [entities(run) for run in ticks["sync_alpha_schedule"]] == [{"organizations", "sections", "students"}]
    assert [run.asset_selection for run in ticks["full_sync_alpha_schedule"]] == [None]


def test_nothing_is_launched_where_all_was_read_today(project: Any) -> None:
    """A source that provides nothing but what is read once a day is skipped until tomorrow."""
    project.declare("alpha")
    declaration = daily_enrollments(project)
    only = [stream for stream in declaration.source.streams if stream.once_a_day]
    connector = replace(declaration.source.connector, streams=lambda _: only)
    alone = replace(declaration, source=replace(declaration.source, connector=connector))
    began(project, days_ago=0)
    [sensor] = frequent_sensors(alone)
    around = {"instance": project.instance, "resources": {"engine": project.engine()}}
    tick = sensor.evaluate_tick(dg.build_sensor_context(definitions=project.definitions(), **around))
    assert tick.skip_message == "it is read once a day, and was read today"


@pytest.mark.parametrize(
    ("read", "at", "expected"),
    [
        (datetime(2026, 11, 4, 2, 1, tzinfo=NEW_YORK), datetime(2026, 11, 5, 2, 0, tzinfo=NEW_YORK), True),
        (datetime(2026, 11, 4, 20, 0, tzinfo=NEW_YORK), datetime(2026, 11, 4, 23, 0, tzinfo=NEW_YORK), False),
        (datetime(2026, 11, 4, 23, 0, tzinfo=NEW_YORK), datetime(2026, 11, 5, 0, 0, tzinfo=NEW_YORK), True),
        (None, datetime(2026, 11, 5, 2, 0, tzinfo=NEW_YORK), True),
    ],
)
def test_a_day_is_that_of_the_source(project: Any, read: datetime | None, at: datetime, *, expected: bool) -> None:
    """Midnight in the source's time zone begins the day: no night is left out because its read is a minute early."""
    project.declare("alpha")
    declaration = daily_enrollments(project, timezone="America/New_York")
    begun = {"enrollments": read.astimezone(UTC)} if read else {}
    found = due(declaration.source.streams, begun, declaration.timetable, at.astimezone(UTC))
    assert ("enrollments" in {stream.entity for stream in found}) == expected
    assert len(found) == 3 + expected


def test_hourly_reads_follow_the_hours_of_the_day(declared: Any) -> None:
    """The day on which clocks go back has 25 hourly ticks with 25 run keys, the day on which they go on 23 (G75)."""
    declared.declare("alpha", "schedule: {frequency: hourly, timezone: America/New_York}")
    hourly = Timetable(frequency=Frequency.HOURLY, timezone="America/New_York")
    for midnight, hours in ((datetime(2026, 11, 1, tzinfo=NEW_YORK), 25), (datetime(2026, 3, 8, tzinfo=NEW_YORK), 23)):
        ticks = schedule_execution_time_iterator(midnight.timestamp(), str(hourly.sync_cron), hourly.timezone)
        runs = [launched(hourly, one) for one in itertools.islice(ticks, 26)]
        keys = {run.run_key for run in runs if run.partition_key == midnight.date().isoformat()}
        assert len(keys) == hours


def test_a_source_that_is_off_is_stopped_and_refuses(project: Any, school: Any) -> None:
    """With `enabled: false` schedules and sensors are stopped, ticks skip, and a run by hand says why."""
    project.declare("alpha", "enabled: false", "schedule: {enabled: true}")
    project.send("alpha", **school)
    repository = project.definitions().get_repository_def()
    own = [
        one
        for one in (*repository.schedule_defs, *repository.sensor_defs)
        if one.name.endswith(("alpha_schedule", "health_alpha"))
    ]
    assert {one.default_status.value for one in own} == {"STOPPED"}
    assert tick(project, "sync_alpha_schedule").skip_message == "alpha is off: its defs.yaml says enabled: false"
    refused = project.run("sync_alpha", partition_key="2026-11-05")
    assert (
        "alpha is off: its defs.yaml" in refused.get_step_failure_events()[0].event_specific_data.error_display_string
    )
    assert project.rows("SELECT count(*) FROM connector.sync_runs") == [(0,)]


def test_schedules_of_a_deactivated_source_skip(project: Any, school: Any) -> None:
    """After `deactivate_source` every schedule of a source skips and says why; after `activate_source` it launches."""
    project.declare("alpha", "policy: {exports: [users]}")
    project.send("alpha", **school)
    full = full_config(declared_source("alpha", project.folder))
    assert project.run("full_sync_alpha", partition_key="2026-11-05", run_config=full).success
    kinds = ("sync", "full_sync", "reconcile", "export")
    project.deactivate("alpha")
    for kind in kinds:
        skipped = tick(project, f"{kind}_alpha_schedule")
        assert (kind, skipped.run_requests or []) == (kind, [])
        assert skipped.skip_message.startswith("alpha is off: deactivated by ada at")
    project.activate("alpha")
    assert [len(tick(project, f"{kind}_alpha_schedule").run_requests) for kind in kinds] == [1, 1, 1, 1]


def test_moodle_is_off_until_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """MOODLE_SYNC_ENABLED is false by default, and keeps Moodle sources off that do not say `enabled` (M67, K26)."""
    toy = connectors()["toy"]
    moodle = replace(toy, name="moodle")
    assert (why_off(moodle, enabled=None), why_off(toy, enabled=None)) == ("MOODLE_SYNC_ENABLED is not true", "")
    assert why_off(moodle, enabled=True) == ""
    monkeypatch.setenv("MOODLE_SYNC_ENABLED", "true")
    settings.cache_clear()
    assert why_off(moodle, enabled=None) == ""
    assert why_off(moodle, enabled=False) == "its defs.yaml says enabled: false"


@pytest.mark.parametrize("environment", [None, "false", "true"])
@pytest.mark.parametrize(
    ("declared_as", "off"), [("enabled: true", ""), ("enabled: false", "its defs.yaml says enabled: false")]
)
def test_what_the_declaration_says_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str | None, declared_as: str, off: str
) -> None:
    """`enabled` in a Moodle source's own defs.yaml counts, whatever MOODLE_SYNC_ENABLED says or does not say."""
    monkeypatch.delenv("MOODLE_SYNC_ENABLED", raising=False)
    if environment:
        monkeypatch.setenv("MOODLE_SYNC_ENABLED", environment)
    settings.cache_clear()
    file = tmp_path / "campus" / "defs.yaml"
    file.parent.mkdir()
    kind = "connector_pipelines.orchestration.components.MoodleSource"
    site = "base_url: http://127.0.0.1:1"
    file.write_text(f"type: {kind}\nattributes:\n  {site}\n  {declared_as}\n  schedule: {{enabled: true}}\n")
    declaration = read(file)
    assert isinstance(declaration, Declaration)
    assert (declaration.source.off, declaration.by_itself) == (off, not off)


def test_the_daily_reconciliation_compares_what_was_read_in_full(project: Any, school: Any) -> None:
    """Before the first full read it is skipped; afterwards it launches `reconcile`, which finds no difference (M91)."""
    project.declare("alpha")
    project.send("alpha", **school)
    assert tick(project, "reconcile_alpha_schedule").skip_message == "nothing was read in full yet"
    full = full_config(declared_source("alpha", project.folder))
    assert project.run("full_sync_alpha", partition_key="2026-11-05", run_config=full).success
    [run] = tick(project, "reconcile_alpha_schedule").run_requests
    config = run.run_config["ops"]["reconcile_now"]["config"]
    assert (config["source"], set(config["entities"])) == ("alpha", set(school))
    assert project.run("reconcile", run_config=run.run_config).success


def test_two_o_clock_is_once_a_day_also_when_clocks_change() -> None:
    """A nightly run at 2:00 happens exactly once on every day, also on those with no 2:00 or with two of them (G75)."""
    nightly = Timetable(cron="0 2 * * *", timezone="America/New_York")
    for noon, days in (
        (datetime(2026, 3, 6, 12, tzinfo=NEW_YORK), ["2026-03-07", "2026-03-08", "2026-03-09"]),
        (datetime(2026, 10, 30, 12, tzinfo=NEW_YORK), ["2026-10-31", "2026-11-01", "2026-11-02"]),
    ):
        ticks = schedule_execution_time_iterator(noon.timestamp(), str(nightly.cron), nightly.timezone)
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
