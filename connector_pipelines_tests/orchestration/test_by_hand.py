"""The jobs for people, through GraphQL against a running code location: what the UI's Launchpad does (G105)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from connector_pipelines.external import vault
from connector_pipelines.orchestration.health import ask
from connector_pipelines.orchestration.jobs import full_config
from connector_pipelines.orchestration.sources import declared_source
from connector_pipelines.settings import settings
from connector_pipelines_tests.orchestration.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long


@pytest.fixture
def served(project: Any, students: Any, tmp_path: Path) -> Iterator[Served]:
    """A source, and a location that serves it."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    home = tmp_path / "home"
    home.mkdir()
    site = [path for path in sys.path if "site" in Path(path).name or Path(path) == Path(__file__).parent]
    with serve(project.folder, project.url, home, site) as found:
        yield found


def of(op: str, **config: Any) -> dict[str, Any]:
    """Run config of a job with one op."""
    return {"ops": {op: {"config": config}}}


PER_SOURCE = {"sync_alpha", "full_sync_alpha", "dry_run_alpha", "test_connection_alpha"}


def test_every_job_for_people_runs_through_graphql(
    served: Served, project: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each job is launched once as the UI does it, with its typed config; none is left out, each has a description."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", vault.new_key())
    monkeypatch.setenv("CONNECTOR_PIPELINES_RETENTION_DAYS", "30")
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path / "local"))
    settings.cache_clear()
    ran: dict[str, dg.DagsterRunStatus] = {}
    told: dict[str, list[str]] = {}

    def run(job: str, config: dict[str, Any], tags: dict[str, str] | None = None) -> dg.DagsterRun:
        done = served.launch(job, config, tags)
        told[job] = served.why(done)
        ran[job] = done.status
        return done

    for job in ("test_connection_alpha", "dry_run_alpha"):
        run(job, {})
    run("sync_alpha", {}, {"dagster/partition": "2026-11-05"})
    run("full_sync_alpha", full_config(declared_source("alpha", project.folder)), {"dagster/partition": "2026-11-05"})
    run("sync_now", of("sync_it", source="alpha", mode="full"))
    run("full_resync", of("read_anew", source="alpha"))
    run("preview_source", of("look", source="alpha", entity="students"))
    run("clear_errors", of("forgive", source="alpha"))
    run("deactivate_source", of("switch_off", source="alpha", why="moving"))
    run("activate_source", of("switch_on", source="alpha"))
    run("register_source", of("add", source="beta", connector={"toy": {"file": "beta.json"}}, apply=True))
    run("reconnect", of("ask_again", source="alpha"))
    run("rotate_keys", of("seal_anew", who="ada"))
    run("retention", of("remove_expired", apply=True, why="30 days"))
    run("roll_back_configuration", of("go_back", source="alpha", version=1))
    run("list_dead_letters", of("list_now", source="alpha"))
    run("retry_dead_letters", of("retry_now", source="alpha"))
    run("clear_dead_letters", of("clear_now", source="alpha", apply=True, why="done"))
    run("reconcile", of("reconcile_now", source="alpha"))
    run("show_receipt", of("show_now", source="alpha", check=True))
    [(student,)] = project.rows("SELECT min(id) FROM core.students")
    for job, config in personal(student).items():
        run(job, config)
    assert [len(list((tmp_path / "local" / one).iterdir())) for one in ("subjects", "anonymised")] == [1, 1]
    run("explain", of("explain_now", entity="students", id=student, field="family_name"))
    [(applied, read)] = project.rows(
        "SELECT hash, run_id FROM connector.sync_plans WHERE state = 'applied' ORDER BY id LIMIT 1"
    )
    run("daily_digest", {})
    run("retry_webhook_events", of("try_again", source="alpha"))
    run("estimate_backfill", of("estimate", source="alpha", first="2026-11-01", last="2026-11-05"))
    run("undo", of("undo_now", source="alpha", what=applied))
    run("replay_read", of("replay_now", source="alpha", read=read))
    run("show_plan", of("look_closely", source="alpha", hash=waiting(project)))
    run("reject_plan", of("reject", source="alpha", hash=waiting(project), why="not now"))
    run("replay_read", of("replay_now", source="alpha", read=read))
    failing = {
        "approve_plan": of("approve", source="alpha", hash="0123456789", why="seen"),
        "resolve_conflicts": of("resolve", decisions=[{"conflict": "1-1", "take": "core", "why": "seen"}]),
        "accept_identity": of("accept", letter=1, why="seen"),
        "switch_webhook": of("switch", source="alpha", on=False),
        "link_export": of("link_now", source="alpha", entity="users", key="students/1", why="asked the school"),
    }
    for job, config in failing.items():
        run(job, config)  # nothing waits: each says so
    known = served.jobs()
    wrong = {job for job, status in ran.items() if status is not dg.DagsterRunStatus.SUCCESS}
    assert wrong == set(failing), [told[job] for job in wrong - set(failing)]
    assert set(known) == set(ran)
    assert [job for job, description in known.items() if not description] == []


def personal(student: int) -> dict[str, dict[str, Any]]:
    """The jobs about what is held of one person, and of all."""
    return {
        "export_subject": of("write_held", entity="students", id=student, why="she asked"),
        "anonymised_copy": of("write_copy"),
        "erase_subject": of("erase_now", entity="students", id=student),
    }


def waiting(project: Any) -> str:
    """The hash of the newest plan that waits for a person."""
    newest = "SELECT hash FROM connector.sync_plans WHERE state = 'planned' ORDER BY id DESC LIMIT 1"
    return str(project.rows(newest)[0][0])


def test_a_deactivated_source_is_not_read_until_it_is_activated(project: Any, students: Any) -> None:
    """After `deactivate_source` runs refuse with who and why, health is not asked; `activate_source` lifts both."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    off = of("switch_off", source="alpha", who="ada", why="the school moves")
    assert project.run("deactivate_source", run_config=off).success
    refused = project.run("sync_alpha", partition_key="2026-11-05").get_step_failure_events()[0]
    said = refused.event_specific_data.error_display_string
    assert "alpha is off: deactivated by ada at" in said
    assert "the school moves. What to do: Launch the job activate_source" in said
    assert "the school moves" in ask(declared_source("alpha", project.folder), project.engine())[1]
    assert project.run("activate_source", run_config=of("switch_on", source="alpha", who="ben")).success
    assert project.run("sync_alpha", partition_key="2026-11-05").success
    assert project.rows("SELECT who, action FROM connector.integration_audit_logs ORDER BY id") == [
        ("ada", "source deactivated"),
        ("ben", "source activated"),
    ]
    logged = "SELECT status FROM connector.integration_status_logs ORDER BY id"
    assert project.rows(logged) == [("disconnected",), ("pending",)]


def test_a_source_that_its_declaration_keeps_off_is_not_activated(project: Any) -> None:
    """Nobody activates against `enabled: false`; the refusal says which setting it is."""
    project.declare("alpha", "enabled: false")
    refused = project.run("activate_source", run_config=of("switch_on", source="alpha"))
    said = refused.get_step_failure_events()[0].event_specific_data.error_display_string
    assert "its defs.yaml says enabled: false. What to do: Change that setting" in said


def test_errors_are_counted_before_they_are_cleared(project: Any, students: Any) -> None:
    """`clear_errors` only counts until it is told to apply; then the marks and letters are gone, and why is kept."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    project.run("sync_alpha", partition_key="2026-11-05")
    students[3] |= {"given_name": "Zoe", "family_name": "Othername"}
    project.send("alpha", students=[students])
    project.run("sync_alpha", partition_key="2026-11-05")
    state = (
        "SELECT sync_status, (SELECT state FROM connector.dead_letters) FROM connector.alpha_mappings"
        " WHERE external_id = 's3'"
    )
    assert project.run("clear_errors", run_config=of("forgive", source="alpha")).success
    assert project.rows(state) == [("error", "open")]
    assert not project.run("clear_errors", run_config=of("forgive", source="alpha", apply=True)).success
    assert project.run("clear_errors", run_config=of("forgive", source="alpha", apply=True, why="called")).success
    assert project.rows(state) == [("synced", "resolved")]


def test_a_full_resync_compares_what_looks_unchanged(project: Any, students: Any) -> None:
    """A row that was damaged behind our back survives a full sync and a preview, and is mended by a re-sync."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    assert project.run("sync_now", run_config=of("sync_it", source="alpha", mode="full")).success
    project.execute("SET session_replication_role = replica; UPDATE core.students SET status = 'lost' WHERE id = 1")
    assert project.run("sync_now", run_config=of("sync_it", source="alpha", mode="full")).success
    wrong = "SELECT count(*) FROM core.students WHERE status = 'lost'"
    assert project.run("full_resync", run_config=of("read_anew", source="alpha")).success
    assert project.rows(wrong) == [(1,)]
    assert project.run("full_resync", run_config=of("read_anew", source="alpha", apply=True)).success
    assert project.rows(wrong) == [(0,)]


def test_a_held_plan_fails_sync_now(project: Any, students: Any) -> None:
    """A sync by hand whose plan is held ends as failed, with the hash to decide on; core is as before."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    config = of("sync_it", source="alpha", mode="full")
    assert project.run("sync_now", run_config=config).success
    project.send("alpha", students=[])
    held = project.run("sync_now", run_config=config).get_step_failure_events()[0]
    [(plan,)] = project.rows("SELECT hash FROM connector.sync_plans WHERE state = 'held'")
    assert f"students {plan[:12]}" in held.event_specific_data.error_display_string


def test_reconnecting_closes_the_breaker(project: Any) -> None:
    """`reconnect` lets a source be asked at once whose breaker is open, and leaves other sources' breakers alone."""
    project.declare("alpha")
    project.execute(
        "INSERT INTO connector.gates (scope, failures, open_until) VALUES"
        " ('here', 5, now() + interval '1 hour'), ('there', 5, now() + interval '1 hour');"
        "INSERT INTO connector.api_calls (source, scope, endpoint, requests, seconds, histogram)"
        " VALUES ('alpha', 'here', 'GET /', 1, 1, '{}')"
    )
    assert project.run("reconnect", run_config=of("ask_again", source="alpha")).success
    assert project.rows("SELECT scope FROM connector.gates WHERE open_until IS NOT NULL") == [("there",)]
