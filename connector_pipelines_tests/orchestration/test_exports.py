"""The outward half in Dagster: assets, jobs, checks, the daily comparison, and the sensor on the outbox."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from connector_pipelines.orchestration import checks, exports, names
from connector_pipelines.orchestration.sources import Declaration, read
from connector_pipelines.orchestration.timetable import Timetable
from connector_pipelines.sync.figures import Figures
from connector_pipelines.sync.outbox import Pending

if TYPE_CHECKING:
    from connector_pipelines.model import Source

ON = ("policy: {exports: [users]}",)


def written(project: Any, name: str = "alpha") -> list[str]:
    """The names of who stands in the toy system and is not gone."""
    file = project.folder.parent / f"{name}.written.json"
    there = json.loads(file.read_text()) if file.exists() else {}
    return sorted(one["name"] for one in there.values() if not one["gone"])


@pytest.fixture
def people(project: Any) -> Any:
    """A project whose toy system takes users, and thirty students in core."""
    project.declare("alpha", *ON)
    project.execute(
        "INSERT INTO core.students (given_name, family_name, status)"
        " SELECT 'Ada', 'P' || n, 'active' FROM generate_series(1, 30) n"
    )
    return project


def source(project: Any) -> Source:
    """The declared source."""
    declaration = read(project.folder / "alpha" / "defs.yaml")
    assert isinstance(declaration, Declaration)
    return declaration.source


def test_exports_are_off_by_default(declared: Any) -> None:
    """A source that names no export has no export asset, job, schedule or sensor."""
    declared.declare("alpha")
    repository = declared.definitions().get_repository_def()
    assert not [key for key in repository.asset_graph.get_all_asset_keys() if "export" in key.path]
    assert not repository.has_job("export_alpha")
    assert not repository.has_sensor_def("export_alpha_changes")


def test_export_lies_downstream_of_core(declared: Any) -> None:
    """An export depends on the core entities that its extract is made of, in its source's group."""
    declared.declare("alpha", *ON)
    repository = declared.definitions().get_repository_def()
    asset = repository.asset_graph.get(names.export("alpha", "users"))
    assert asset.parent_keys == {names.core("students"), names.core("instructors")}
    assert asset.group_name == "alpha"
    assert repository.has_job("export_alpha")
    assert repository.has_job("dry_run_export_alpha")
    assert repository.get_schedule_def("export_alpha_schedule").cron_schedule == "30 4 * * *"


def test_unknown_export_is_an_invalid_declaration(declared: Any) -> None:
    """An export that the connector does not have is refused where it is declared."""
    declared.declare("alpha", "policy: {exports: [grades]}")
    wrong = read(declared.folder / "alpha" / "defs.yaml")
    assert "Toy cannot be written grades; there are users" in getattr(wrong, "reason", "")


def test_export_may_be_named_by_the_policy(declared: Any) -> None:
    """Guard and drops speak of an export by its full name."""
    declared.declare("alpha", "policy: {exports: [users], drops: [export/users]}")
    assert isinstance(read(declared.folder / "alpha" / "defs.yaml"), Declaration)


def test_job_exports_and_shows_it(people: Any) -> None:
    """The job writes what core holds; its asset shows the accounting and green checks."""
    result = people.run("export_alpha")
    assert result.success
    assert len(written(people)) == 30
    [shown] = result.asset_materializations_for_node("alpha__export__users")
    assert shown.metadata["created"].value == 30
    assert shown.metadata["records that stand there as they should"].value == "100.00%"
    assert (shown.metadata["sent in 7 days"].value, shown.metadata["not taken in 7 days"].value) == (30, 0)
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == dict.fromkeys(
        ("mass_change", "accounted_for", "dead_letters", "receipts", "success", "arrival", "answers"), True
    )


def test_who_lacks_what_is_needed_is_counted_and_named(people: Any) -> None:
    """Of an export that names what its records need, who lacks it is a warning with a count and the rows."""
    people.declare("alpha", *ON, "needs: [name]")
    people.execute("UPDATE core.students SET family_name = '' WHERE id IN (3, 5)")
    for lack in (2, 0):
        result = people.run("export_alpha")
        assert result.success
        [check] = [one for one in result.get_asset_check_evaluations() if one.check_name == "needs"]
        assert (check.passed, check.severity) == (not lack, dg.AssetCheckSeverity.WARN)
        assert (check.description == "2 have no name: nobody knows them; students/3, students/5") is bool(lack)
        [shown] = result.asset_materializations_for_node("alpha__export__users")
        assert ("lacks" in shown.metadata) is bool(lack)
        assert (shown.metadata["records without name"].value if lack else 0) == lack
        people.execute("UPDATE core.students SET family_name = 'Known' WHERE family_name = ''")


def test_dry_run_shows_and_approval_sends(people: Any) -> None:
    """A dry run observes what would be written; the approval job writes it, and shows it at the export's asset."""
    result = people.run("dry_run_export_alpha")
    [seen] = [event for event in result.all_events if event.is_asset_observation]
    shown = seen.asset_observation_data.asset_observation.metadata
    assert (shown["created"].value, written(people)) == (30, [])
    config = {"ops": {"approve": {"config": {"source": "alpha", "hash": shown["plan hash"].value, "why": "new"}}}}
    approved = people.run("approve_plan", run_config=config)
    assert approved.success
    assert len(written(people)) == 30
    assert names.export("alpha", "users") in {e.asset_key for e in approved.all_events if e.asset_key}


def test_held_plan_is_red_and_says_what_to_do(people: Any) -> None:
    """A mass withdrawal turns the check red; nothing is sent."""
    people.run("export_alpha")
    people.execute("UPDATE core.students SET status = 'inactive'")
    result = people.run("export_alpha")
    [red] = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert red.check_name == "mass_change"
    assert "approve_plan" in (red.description or "")
    assert len(written(people)) == 30


def test_comparison_heals_what_was_removed_there(people: Any) -> None:
    """What the daily schedule launches asks what stands there, and writes it again."""
    people.run("export_alpha")
    (people.folder.parent / "alpha.written.json").unlink()
    assert people.run("export_alpha").success
    assert written(people) == []
    assert people.run("export_alpha", run_config=exports.compare_config(source(people))).success
    assert len(written(people)) == 30


def test_sensor_takes_many_changes_in_one_run(people: Any) -> None:
    """Thirty changes of core launch one run of the exports they concern, after it became quiet."""
    repository = people.definitions().get_repository_def()
    sensor = repository.get_sensor_def("export_alpha_changes")
    with dg.build_sensor_context(instance=people.instance, resources={"engine": people.engine()}) as context:
        assert not sensor.evaluate_tick(context).run_requests
        people.execute("UPDATE core.students SET family_name = 'Q' || id")
        people.execute("UPDATE connector.export_outbox SET at = at - interval '5 seconds'")
        [request] = sensor.evaluate_tick(context).run_requests or []
    assert request.asset_selection == [names.export("alpha", "users")]
    assert people.run("export_alpha").success
    assert people.rows("SELECT count(*) FROM connector.export_outbox") == [(0,)]


def test_nothing_is_written_to_a_source_that_is_off(people: Any) -> None:
    """A source that its declaration or a person switched off is not written to either; the tick and the run say why."""
    people.run("export_alpha")
    people.execute("UPDATE core.students SET family_name = 'Q' || id")
    people.deactivate("alpha")
    before = written(people)
    repository, resources = people.definitions().get_repository_def(), {"engine": people.engine()}
    with dg.build_sensor_context(instance=people.instance, resources=resources) as context:
        changed = repository.get_sensor_def("export_alpha_changes").evaluate_tick(context)
    daily = repository.get_schedule_def("export_alpha_schedule").evaluate_tick(
        dg.build_schedule_context(scheduled_execution_time=NOW, resources=resources)
    )
    for tick in (changed, daily):
        assert not tick.run_requests
        assert str(tick.skip_message).startswith("alpha is off: deactivated by ada at")
    assert not people.run("export_alpha").success
    assert written(people) == before
    people.declare("alpha", *ON, "enabled: false", "schedule: {enabled: true}")
    stopped = people.definitions().get_repository_def()
    assert stopped.get_sensor_def("export_alpha_changes").default_status is dg.DefaultSensorStatus.STOPPED
    assert stopped.get_schedule_def("export_alpha_schedule").default_status is dg.DefaultScheduleStatus.STOPPED


def test_terms_end_as_of_a_day(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's configuration may say by which day terms are judged."""
    asked: list[date | None] = []

    def noted(*_: object, today: date | None, **__: object) -> list[None]:
        asked.append(today)
        return []

    monkeypatch.setattr(exports, "push", noted)
    people.run("export_alpha", run_config=exports.compare_config(source(people), date(2026, 9, 1)))
    people.run("export_alpha", run_config=exports.compare_config(source(people)))
    assert asked == [date(2026, 9, 1), None]


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECONDS = timedelta(seconds=1)
DAEMON_SECONDS, RUN_SECONDS = 5, 10
"""Between two looks of Dagster's daemon; from a tick to the end of its run, on a machine that is busy."""


@pytest.mark.parametrize(
    ("age", "busy", "launches"), [(0, False, False), (4, False, False), (5, False, True), (5, True, False)]
)
def test_tick_waits_for_quiet(declared: Any, age: int, *, busy: bool, launches: bool) -> None:
    """A run is launched when nothing changed for a while, and none is under way."""
    declared.declare("alpha", *ON)
    found = Pending(("users",), 3, NOW - age * SECONDS, NOW - age * SECONDS)
    told = exports.request(source(declared), found, NOW, quiet=5 * SECONDS, patience=60 * SECONDS, busy=busy)
    assert isinstance(told, dg.RunRequest) is launches


def test_changes_without_a_pause_arrive_in_time(declared: Any) -> None:
    """With a change each second, runs of ten seconds and the defaults, changes arrive within what is promised."""
    declared.declare("alpha", *ON)
    usual = Timetable()
    how = {
        "quiet": timedelta(seconds=usual.export_quiet_seconds),
        "patience": timedelta(seconds=usual.export_patience_seconds),
    }
    arrived: list[float] = []
    waiting: list[int] = []
    ends = 0
    for second in range(600):
        waiting.append(second)
        if second % DAEMON_SECONDS == 0 and second >= ends:
            now = NOW + second * SECONDS
            found = Pending(("users",), len(waiting), NOW + waiting[0] * SECONDS, NOW + waiting[-1] * SECONDS)
            if isinstance(exports.request(source(declared), found, now, busy=False, **how), dg.RunRequest):
                ends = second + RUN_SECONDS
                arrived += [ends - began for began in waiting]
                waiting.clear()
    assert len(arrived) > 500
    assert sum(arrived) / len(arrived) < checks.ARRIVAL_SECONDS
    assert max(arrived) <= usual.export_patience_seconds + DAEMON_SECONDS + RUN_SECONDS


def test_failed_export_is_tried_again_later(declared: Any) -> None:
    """The same changes have the same run key for a quarter of an hour, and then another."""
    declared.declare("alpha", *ON)
    found = Pending(("users",), 3, NOW, NOW)
    how = {"quiet": 5 * SECONDS, "patience": 60 * SECONDS}
    told = [exports.request(source(declared), found, NOW + age * SECONDS, busy=False, **how) for age in (5, 899, 900)]
    first, second, third = [getattr(one, "run_key", None) for one in told]
    assert first == second != third


def test_letters_are_listed_at_the_export(people: Any) -> None:
    """The dead letters of an export show at its own asset, not at one that was read."""
    people.execute(
        "INSERT INTO connector.sync_runs (source, entity) VALUES ('alpha', 'export/users');"
        "INSERT INTO connector.dead_letters (source, entity, external_id, rule, reason, first_run_id, last_run_id)"
        " VALUES ('alpha', 'export/users', 'students/1', 'refused', 'refused', 1, 1)"
    )
    result = people.run("list_dead_letters", run_config={"ops": {"list_now": {"config": {"source": "alpha"}}}})
    [seen] = [event for event in result.all_events if event.is_asset_observation]
    assert seen.asset_key == names.export("alpha", "users")


def test_link_job_decides(people: Any) -> None:
    """A person's word comes through the job as through the command line."""
    told = {"source": "alpha", "entity": "users", "key": "students/1", "who": "ann", "why": "asked the school"}
    assert people.run("link_export", run_config={"ops": {"link_now": {"config": told}}}).success
    assert people.rows("SELECT state, matched_by FROM connector.exports") == [("wanted", "a person")]


@pytest.mark.parametrize(
    ("found", "red"),
    [
        (Figures(), []),
        (Figures(standing=9_951, missing=49, changes=10, seconds=299.9, requests=10, answering=19.99), []),
        (Figures(standing=9_950, missing=50), ["success"]),
        (Figures(changes=10, seconds=300.0, longest=60.0), ["arrival"]),
        (Figures(requests=10, answering=20.0), ["answers"]),
    ],
)
def test_figures_are_promised(found: Figures, red: list[str]) -> None:
    """Over 99.5 % stand there, changes take under 30 s, answers under 2 s; at the limit is a warning (M130-M132)."""
    verdicts = checks.figures(found)
    assert [one.name for one in verdicts if not one.passed] == red
    assert not any(one.error for one in verdicts)
