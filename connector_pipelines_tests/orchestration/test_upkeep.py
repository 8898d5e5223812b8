"""Health, secrets and configurations through Dagster, and what must never stand in its records."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import stamina
from dagster._serdes import serialize_value
from psycopg import sql

from connector_pipelines.database.connection import connect
from connector_pipelines.external import vault
from connector_pipelines.external.surroundings import share
from connector_pipelines.orchestration import launches
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARIES = {
    "client secret": "c4nary-client-s3cret",
    "access token": "c4nary-acc3ss-token",
    "mail": "canary.lovelace@school.example",
    "name": "Canarylace",
    "number": "078-05-1120",
}
"""Planted in credentials, and in what the source says when it refuses."""


def tick(project: Any, sensor: str) -> Any:
    """What a sensor does when its time has come."""
    found = project.definitions().resolve_sensor_def(sensor)
    resources = {"engine": project.engine()}
    return found.evaluate_tick(dg.build_sensor_context(instance=project.instance, resources=resources))


def test_health_shows_as_an_asset_check(project: Any) -> None:
    """The sensor's answer stands at the source's first asset, red while it is down and green when it is back."""
    project.declare("alpha")
    data = project._pages("alpha")
    data.rename(data.with_suffix(".away"))
    down = tick(project, "health_alpha").asset_events
    data.with_suffix(".away").rename(data)
    back = tick(project, "health_alpha").asset_events
    shown = [(e.asset_key.to_user_string(), e.check_name, e.passed) for e in (*down, *back)]
    assert shown == [("alpha/external/organizations", "connection", passed) for passed in (False, True)]
    assert project.rows("SELECT status FROM connector.integration_status_logs ORDER BY id") == [
        ("error",),
        ("connected",),
    ]


def test_a_read_and_a_test_show_it_too(project: Any, school: Any) -> None:
    """Whoever talked to the source successfully says so at the same check."""
    project.declare("alpha")
    project.send("alpha", **school)
    evaluations = project.run("sync_alpha").get_asset_check_evaluations()
    assert [e.passed for e in evaluations if e.check_name == "connection"] == [True]
    assert project.run("test_connection_alpha").success


def test_keys_are_rotated_by_a_job(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job seals every secret with the first key and says how many; without a key it says what to do."""
    old, new = vault.new_key(), vault.new_key()
    with connect(project.url) as connection:
        for keys in (old, f"{new},{old}", new):
            monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", keys)
            settings.cache_clear()
            if keys == old:
                vault.put(connection, "a", "value", who="ada")
            elif keys != new:
                done = project.run("rotate_keys", run_config={"ops": {"seal_anew": {"config": {"who": "ada"}}}})
                assert done.success
        assert vault.get(connection, "a") == "value"
    assert project.rows("SELECT who FROM connector.integration_audit_logs WHERE action = 'keys rotated'") == [("ada",)]


@pytest.mark.parametrize(("version", "pinned"), [(1, 1), (0, None)])
def test_configurations_are_rolled_back_by_a_job(project: Any, version: int, pinned: int | None) -> None:
    """The job pins a version, or lifts the pin; a version that does not exist fails it with those there are."""
    project.declare("alpha")
    assert project.run("test_connection_alpha").success

    def back(number: int) -> Any:
        config = {"who": "ada", "source": "alpha", "version": number}
        return project.run("roll_back_configuration", run_config={"ops": {"go_back": {"config": config}}})

    assert back(version).success
    assert project.rows("SELECT pinned_version FROM connector.integrations") == [(pinned,)]
    failed = back(7).get_step_failure_events()[0].event_specific_data.error_display_string
    assert "has no version 7 of its configuration. What to do: Choose one of: 1." in failed


def test_the_eleventh_launch_in_a_minute_is_refused(project: Any, school: Any) -> None:
    """Ten launches by hand a minute are enough for anybody (G122); a schedule's runs are not counted among them."""
    project.declare("alpha")
    project.send("alpha", **school)
    with share(project.url):
        for _ in range(10):
            launches.count("alpha", {})
            launches.count("alpha", {"dagster/schedule_name": "nightly"})
    refused = project.run("sync_alpha")
    assert not refused.success
    said = refused.get_step_failure_events()[0].event_specific_data.error_display_string
    assert "alpha was launched by hand 10 times within a minute. What to do: Launch it again in" in said
    assert project.run("sync_alpha", tags={"dagster/schedule_name": "nightly"}).success


@contextmanager
def telltale() -> Iterator[str]:
    """A OneRoster service that issues a token, and then quotes in its refusals all that it was told and knows."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(200, f'{{"access_token": "{CANARIES["access token"]}", "expires_in": 3600}}')

        def do_GET(self) -> None:
            said = (
                f"Authorization: {self.headers.get('Authorization')} client_secret={CANARIES['client secret']}"
                f" for {CANARIES['mail']} (familyName: '{CANARIES['name']}', ssn {CANARIES['number']})"
            )
            self._answer(400, f'{{"imsx_codeMajor": "failure", "imsx_description": "{said}", "error": "{said}"}}')

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def everything(project: Any) -> str:
    """All records of Dagster and every row of every table of ours, as text."""
    events = [entry for run in project.instance.get_runs() for entry in project.instance.all_logs(run.run_id)]
    runs = project.instance.get_runs()
    tables = project.rows(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema IN ('connector', 'core', 'staging') AND table_type = 'BASE TABLE'"
    )
    rows = [project.rows(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*table))) for table in tables]
    return "\n".join([*map(serialize_value, events), *map(serialize_value, runs), *map(repr, rows)])


def test_no_canary_is_in_any_record(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a refusing source quotes of credentials and people is in no event, no run and no row; that it refused is."""
    monkeypatch.setenv("CANARY_ID", "me")
    monkeypatch.setenv("CANARY_SECRET", CANARIES["client secret"])
    with telltale() as url, stamina.set_testing(testing=True):
        declaration = f"""
type: connector_pipelines.orchestration.components.OneRosterSource
attributes:
  base_url: {url}
  auth:
    type: oauth2
    token_url: {url}/token
    client_id: "{{{{ env.CANARY_ID }}}}"
    client_secret: "{{{{ env.CANARY_SECRET }}}}"
"""
        project.declare("district", text=declaration)
        assert not project.run("full_sync_district").success
        assert not project.run("test_connection_district").success
        tick(project, "health_district")
    recorded = everything(project)
    assert "answered 400" in recorded
    assert "Authorization: Bearer ***" in recorded
    assert [name for name, canary in CANARIES.items() if canary in recorded] == []
