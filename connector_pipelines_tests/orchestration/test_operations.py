"""The operations pages, after runs with known faults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from connector_pipelines.orchestration import operations
from connector_pipelines.orchestration.sources import Declaration, read
from connector_pipelines.sync import overview
from connector_pipelines.sync.overview import Endpoint, Totals

TODAY = datetime.now(UTC).date().isoformat()


def tick(project: Any) -> Any:
    """What the watch sensor does."""
    sensor = project.definitions().resolve_sensor_def("watch")
    return sensor.evaluate_tick(
        dg.build_sensor_context(instance=project.instance, resources={"engine": project.engine()})
    )


def pages(found: Any) -> dict[str, dict[str, Any]]:
    """The metadata of each page."""
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in found.asset_events
        if isinstance(event, dg.AssetMaterialization)
    }


def show(project: Any, found: Any) -> dict[str, dict[str, Any]]:
    """Keep the pages as the daemon does, and their metadata."""
    for event in found.asset_events:
        project.instance.report_runless_asset_event(event)
    return pages(found)


def table(value: Any) -> list[dict[str, Any]]:
    """The rows of a table."""
    return [record.data for record in value]


def test_the_pages_say_what_went_wrong(project: Any, students: Any) -> None:
    """After a good, a bad and a held run the pages show both rates, history with diffs, what waits, and freshness."""
    project.declare("alpha", "entities: [students]", "schedule: {enabled: true}")
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    wrong = {**students[0], "id": "", "family_name": "Nobody"}
    answers: list[list[Any]] = [[[*students, wrong]], ["broken"], [[]]]
    for pages_sent in answers:
        project.send("alpha", students=pages_sent)
        project.run("sync_alpha", partition_key=TODAY, run_config=full)
    found = tick(project)
    shown = pages(found)
    assert set(shown) == {"operations/overview", "operations/alpha"}
    [line] = table(shown["operations/overview"]["sources"].records)
    assert (line["runs of the week"], line["runs that succeeded"]) == (3, "33.3%")
    assert (line["records of the week"], line["records accepted"]) == (31, "96.77%")
    assert (shown["operations/overview"]["held plans"], shown["operations/overview"]["dead letters"]) == (1, 1)
    own = shown["operations/alpha"]
    history = table(own["history"].records)
    assert [(row["ended"], row["created"], row["refused"]) for row in history] == [
        ("failed", 0, 0),
        ("failed", 0, 0),
        ("succeeded", 30, 1),
    ]
    assert "page 1 of students is not JSON" in history[1]["why"]
    assert own["last 14 days"] == "succeeded `·············█` failed `·············█`"
    assert "must have 1 to 255 characters" in own["dead letters by reason"]
    assert [row["entity"] for row in table(own["freshness"].records)] == ["students"]
    checks = {c.check_name: c.passed for c in found.asset_events if isinstance(c, dg.AssetCheckEvaluation)}
    assert checks == {"fresh": True, "success": False, "credentials": True, "announced": True, "latency": True}
    assert tick(project).asset_events == []  # nothing ended since


def test_the_pages_say_what_people_decided(project: Any, students: Any) -> None:
    """The newest decisions stand on the page of all sources and on the source's own, who, what and why."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    for job, op, why in (("deactivate_source", "switch_off", "the school moves"), ("activate_source", "switch_on", "")):
        config = {"source": "alpha", "who": "ada", "why": why}
        assert project.run(job, run_config={"ops": {op: {"config": config}}}).success
    project.run("sync_alpha", partition_key=TODAY)
    shown = pages(tick(project))
    for page in ("operations/overview", "operations/alpha"):
        rows = table(shown[page]["newest decisions"].records)
        assert [(row["who"], row["what"], row["source"], row["entity"], row["why"]) for row in rows] == [
            ("ada", "source activated", "alpha", "", ""),
            ("ada", "source deactivated", "alpha", "", "the school moves"),
        ]
        assert all(row["when"].startswith("20") and row["when"].endswith(" UTC") for row in rows)


def test_a_decision_renews_the_pages_once(project: Any, students: Any) -> None:
    """The tick after a held plan was rejected shows that none waits, and who rejected it; the next shows nothing."""
    project.declare("alpha", "entities: [students]")
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    for sent in (students, students[:10]):
        project.send("alpha", students=[sent])
        project.run("sync_alpha", partition_key=TODAY, run_config=full)
    assert show(project, tick(project))["operations/overview"]["held plans"] == 1
    [(digest,)] = project.rows("SELECT left(hash, 12) FROM connector.sync_plans WHERE state = 'held'")
    decision = {"source": "alpha", "hash": digest, "who": "ada", "why": "half of them are missing"}
    assert project.run("reject_plan", run_config={"ops": {"reject": {"config": decision}}}).success
    shown = show(project, tick(project))
    assert set(shown) == {"operations/overview", "operations/alpha"}
    assert shown["operations/overview"]["held plans"] == 0
    [row] = table(shown["operations/overview"]["newest decisions"].records)
    assert (row["who"], row["why"]) == ("ada", "half of them are missing")
    assert tick(project).asset_events == []


def test_a_page_is_materialized_by_hand(project: Any, students: Any) -> None:
    """Materializing the pages shows latencies by endpoint and what is left of budgets; a stale source is yellow."""
    project.declare("alpha", "entities: [students]", "schedule: {enabled: true, fresh_within_hours: 1}")
    project.send("alpha", students=[students])
    project.run("sync_alpha", partition_key=TODAY)
    project.execute(
        "UPDATE connector.sync_runs SET started_at = now() - interval '2 hours';"
        "INSERT INTO connector.api_calls (source, scope, endpoint, requests, failed, refused, seconds, histogram)"
        " VALUES ('alpha', 'here', 'GET /students', 100, 4, 1, 300, '{\"-5\": 90, \"3\": 10}');"
        "SELECT connector.admit('here', '{all: 10 in 60 s}', '{10}', '{61.45}', 0, 60) FROM generate_series(1, 4)"
    )
    result = dg.materialize(
        [
            asset
            for asset in project.definitions().assets
            if isinstance(asset, dg.AssetsDefinition) and asset.key.path[0] == "operations"
        ],
        instance=project.instance,
        resources={"engine": project.engine()},
    )
    assert result.success
    [event] = result.asset_materializations_for_node("operations__alpha")
    shown: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    [row] = table(shown["API, last 24 hours"].records)
    assert (row["endpoint"], row["requests"], row["errors"], row["mean s"]) == ("GET /students", 100, "5.0%", 3)
    assert (round(row["p50 s"], 1), round(row["p95 s"], 1)) == (2.0, 8.6)
    assert [(b["used"], b["left"]) for b in table(shown["budgets left"].records)] == [(4, 6)]
    passed = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert passed == {"fresh": False, "success": True, "credentials": True, "announced": True, "latency": False}
    assert table(shown["freshness"].records)[0]["hours ago"] >= 2


def test_an_endpoint_that_ends_is_yellow_and_listed(project: Any) -> None:
    """What a source announced of an endpoint is a warning and a line of a table for a week; it is no decision."""
    project.declare("alpha", "entities: [students]")
    project.execute(
        "INSERT INTO connector.integration_audit_logs (at, who, action, source, detail)"
        " SELECT now() - age, 'an answer', 'endpoint announced to end', 'alpha',"
        " jsonb_build_object('endpoint', name, 'since', NULL, 'until',"
        " '2027-06-30', 'link', 'https://sis.example/v2') FROM (VALUES ('GET /users', interval '6 days'),"
        " ('GET /old', interval '8 days')) AS told (name, age)"
    )
    declared = read(project.folder / "alpha" / "defs.yaml")
    assert isinstance(declared, Declaration)
    with project.engine().open(launched_by="a test", report=lambda _: None) as surroundings:
        now, connection = datetime.now(UTC), surroundings.connection
        found = {one.name: one for one in operations.verdicts(connection, declared, now)}
        shown = operations.of_source(connection, declared, now)
    assert not found["announced"].passed
    assert found["announced"].sentence == (
        "GET /users is deprecated and may end on 2027-06-30, see https://sis.example/v2"
    )
    [row] = table(shown["announced to end"].records)
    assert (row["endpoint"], row["ends"]) == ("GET /users", "2027-06-30")
    assert "newest decisions" not in shown


@pytest.mark.parametrize(
    ("totals", "mean", "yellow"),
    [
        (Totals(succeeded=9_951, failed=49, records=10_000, refused=49), 1.999, set()),
        (Totals(succeeded=9_950, failed=50), 0.0, {"success"}),
        (Totals(succeeded=1, records=10_000, refused=50), 0.0, {"success"}),
        (Totals(), 2.0, {"latency"}),
    ],
)
def test_the_promises_are_missed_at_their_limits(
    project: Any, monkeypatch: pytest.MonkeyPatch, totals: Totals, mean: float, yellow: set[str]
) -> None:
    """Over 99.5 % of runs and records, answers in under 2 s: exactly that much is a warning (M130, M132)."""
    project.declare("alpha", "entities: [students]")
    declared = read(project.folder / "alpha" / "defs.yaml")
    assert isinstance(declared, Declaration)
    monkeypatch.setattr(overview, "totals", lambda *_: {"alpha": totals})
    asked = Endpoint("alpha", "GET /students", 10, 0, 0, 0, mean, mean, mean, mean)
    monkeypatch.setattr(overview, "endpoints", lambda *_: [asked])
    with project.engine().open(launched_by="a test", report=lambda _: None) as surroundings:
        found = operations.verdicts(surroundings.connection, declared, datetime.now(UTC))
    assert {one.name for one in found if not one.passed} == yellow
    assert not any(one.error for one in found)
