"""The operations pages, after runs with known faults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg

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
    assert (
        own["last 14 days"] == "succeeded `·············▄` failed `·············█`" or "failed" in own["last 14 days"]
    )
    assert "must have 1 to 255 characters" in own["dead letters by reason"]
    assert [row["entity"] for row in table(own["freshness"].records)] == ["students"]
    checks = {c.check_name: c.passed for c in found.asset_events if isinstance(c, dg.AssetCheckEvaluation)}
    assert checks == {"fresh": True, "success": False, "latency": True}
    assert tick(project).asset_events == []  # nothing ended since


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
    assert passed == {"fresh": False, "success": True, "latency": False}
    assert table(shown["freshness"].records)[0]["hours ago"] >= 2
