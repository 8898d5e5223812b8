"""A sync that the clock launches is the one that a person launches (requirement E21)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRun

AT = datetime(2026, 11, 5, 2, tzinfo=UTC)
OWN = {"id", "run_id", "plan_id", "source", "launched_by", "decided_by", "hash", "at", "seconds", "signature"}
OWN |= {"cursor", "digest", "receipt", "planned_checksum", "core_checksum"}
"""What tells one record from another, or says when it was, how long it took, or which rows of core it is about."""

TABLES = {
    "sync_runs": "SELECT to_jsonb(r) FROM connector.sync_runs r WHERE source = %s ORDER BY entity, id",
    "sync_plans": "SELECT to_jsonb(p) FROM connector.sync_plans p WHERE source = %s ORDER BY entity, id",
    "sync_receipts": "SELECT to_jsonb(r) FROM connector.sync_receipts r JOIN connector.sync_plans p ON p.id = r.plan_id"
    " WHERE p.source = %s ORDER BY p.entity, p.id",
    "sync_cursors": "SELECT to_jsonb(c) FROM connector.sync_cursors c WHERE source = %s ORDER BY entity",
}


def records(project: Any, source: str) -> dict[str, list[dict[str, Any]]]:
    """All records of a source's syncs, without what tells them apart and without times."""
    found = {name: [row for (row,) in project.rows(statement, source)] for name, statement in TABLES.items()}
    assert all(found.values())
    return {
        name: [{k: v for k, v in row.items() if k not in OWN and not k.endswith("_at")} for row in rows]
        for name, rows in found.items()
    }


def scheduled(project: Any, source: str) -> dg.ExecuteInProcessResult:
    """What the daemon launches when the schedule's time has come."""
    repository = project.definitions().get_repository_def()
    schedule = repository.get_schedule_def(f"sync_{source}_schedule")
    around = {"instance": project.instance, "repository_def": repository, "resources": {"engine": project.engine()}}
    context = dg.build_schedule_context(scheduled_execution_time=AT, **around)
    [run] = schedule.evaluate_tick(context).run_requests
    tags = {**run.tags, **DagsterRun.tags_for_schedule(schedule)}
    done: dg.ExecuteInProcessResult = project.run(f"sync_{source}", partition_key=run.partition_key, tags=tags)
    return done


@pytest.mark.parametrize("again", [False, True])
def test_both_ways_leave_the_same_records(project: Any, school: Any, *, again: bool) -> None:
    """By schedule and by hand, reads, plans, receipts and cursors are alike in every field; Dagster's tags tell."""
    for name in ("alpha", "beta"):
        project.declare(name, text=TOY.format(file=project._pages("alpha")))
    project.send("alpha", **school)
    for _ in range(2 if again else 1):
        by_clock = scheduled(project, "alpha")
        by_hand = project.run("sync_beta", partition_key=AT.date().isoformat())
        assert by_clock.success
        assert by_hand.success
    assert records(project, "alpha") == records(project, "beta")
    clock, hand = (set(project.instance.get_run_by_id(done.run_id).tags) for done in (by_clock, by_hand))
    assert {tag.replace("_alpha", "") for tag in clock - hand} == {"dagster/schedule_name"}
    assert {tag.replace("_beta", "") for tag in hand - clock} == {"connector_pipelines/launch_of"}


TOY = "type: connector_pipelines.orchestration.components.ToySource\nattributes:\n  file: {file}\n"
