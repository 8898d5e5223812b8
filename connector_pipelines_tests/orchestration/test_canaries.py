"""What must stand in no record, log line or table: canaries are planted, and looked for everywhere (E6, E60)."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dagster as dg
import pytest
import stamina
from dagster._serdes import serialize_value
from psycopg import sql

from connector_pipelines.external.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, TOKEN, PASSWORD = "c4nary/client+s3cret", "c4nary-acc3ss-token", "c4nary-pa55word"
PERSON = {"mail": "canary.lovelace@school.example", "name": "Canarylace", "number": "078-05-1120"}
"""Credentials under names of no meaning, and a person in what the source sends and says."""

PAIR = b64encode(f"c4nary-user:{PASSWORD}".encode()).decode()
CREDENTIALS = {"key": KEY, "key in a URL": quote(KEY, safe=""), "token": TOKEN, "password": PASSWORD, "pair": PAIR}

RECORDS = {"dead_letters", "response_cache", "sync_changes"}
"""Tables of ours that are there to hold what the source sent, beside core and what is on its way there."""


@dataclass
class Telltale:
    """A system that answers as it is told, and then quotes in its refusals all that it was told and knows."""

    url: str = ""
    knows: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def said(self, asked: Any) -> tuple[int, str]:
        """Status and body for a request."""
        path = asked.path.partition("?")[0]
        if path == "/token":
            return 200, json.dumps({"access_token": TOKEN, "expires_in": 3600})
        if path in self.answers:
            status, body = self.answers[path]
            return status, json.dumps(body)
        words = (
            f"no {asked.path} for {asked.headers.get('Authorization')}, that is {self.knows};"
            f" ask {PERSON['mail']} (familyName: '{PERSON['name']}', ssn {PERSON['number']})"
        )
        return 400, json.dumps({"imsx_codeMajor": "failure", "imsx_description": words, "error": words})


@pytest.fixture
def telltale() -> Iterator[Telltale]:
    """A system that tells."""
    with _served(Telltale()) as served:
        yield served


@contextmanager
def _served(system: Telltale) -> Iterator[Telltale]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            status, body = system.said(self)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        system.url = f"http://127.0.0.1:{server.server_port}"
        yield system
        server.shutdown()
        thread.join()


AUTH = {
    "oauth2": (
        "{type: oauth2, token_url: URL/token, client_id: '{{ env.C_USER }}', client_secret: '{{ env.C_KEY }}'}",
        f"{KEY} or {TOKEN}",
    ),
    "a key in the query": ("{type: api_key, key: '{{ env.C_KEY }}', name: k, place: query}", KEY),
    "a key in a header": ("{type: api_key, key: '{{ env.C_KEY }}', name: Pass, place: header}", KEY),
    "basic": ("{type: basic, user: '{{ env.C_USER }}', password: '{{ env.C_PASSWORD }}'}", f"{PASSWORD} or {PAIR}"),
}
"""Ways to prove who we are, and what the system knows then."""

DEPOT = """
type: connector_pipelines.orchestration.components.JSONAPISource
attributes:
  base_url: URL
  auth: AUTH
  log_level: debug
  entities:
    students:
      path: people
      records: data
      id: id
      mapping:
        given_name: firstName
        family_name: familyName
        email: mail
        phone: number
        enabled: here
"""


@pytest.fixture
def depot(project: Any, telltale: Telltale, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project that can declare a source of the telltale; nothing waits."""
    for name, value in {"C_KEY": KEY, "C_USER": "c4nary-user", "C_PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(name, value)

    def declare(auth: str) -> Any:
        declared, telltale.knows = AUTH[auth]
        text = DEPOT.replace("AUTH", declared).replace("URL", telltale.url)
        project.declare("depot", text=text)
        return project

    with stamina.set_testing(testing=True):
        yield declare


def dagsters(project: Any) -> str:
    """All records of Dagster, as text."""
    runs = project.instance.get_runs()
    events = [entry for run in runs for entry in project.instance.all_logs(run.run_id)]
    return "\n".join(map(serialize_value, (*events, *runs)))


def tables(project: Any, *, records: bool) -> str:
    """Every row of every table of ours, as text; those that are there to hold a source's records where wanted."""
    found = project.rows(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema IN ('connector', 'core', 'staging', 'public') AND table_type = 'BASE TABLE'"
    )
    ours = [(schema, name) for schema, name in found if records or (schema == "connector" and name not in RECORDS)]
    assert ("connector", "integration_status_logs") in ours
    return "\n".join(
        repr(project.rows(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*table)))) for table in ours
    )


def landed(folder: Path) -> str:
    """What landed pages are described with."""
    found = [
        path.read_text("utf-8", errors="replace")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".zst"
    ]
    return "\n".join(path for path in found if path)


def tick(project: Any) -> None:
    """What the health sensor does when its time has come."""
    found = project.definitions().resolve_sensor_def("health_depot")
    found.evaluate_tick(dg.build_sensor_context(instance=project.instance, resources={"engine": project.engine()}))


def nowhere(canaries: dict[str, str], *places: str) -> None:
    """None of the canaries is anywhere in these texts."""
    assert [(name, place[:60]) for name, one in canaries.items() for place in places if one in place] == []


@pytest.mark.parametrize("auth", AUTH)
def test_no_canary_is_in_any_record(
    depot: Any, auth: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a refusing source quotes is in no event, run, row, log line or output, whatever it is called."""
    project = depot(auth)
    with caplog.at_level(logging.DEBUG):
        read = project.run("full_sync_depot")
        assert not project.run("test_connection_depot").success
        looked = {"ops": {"look": {"config": {"source": "depot", "entity": "students"}}}}
        assert not project.run("preview_source", run_config=looked).success
        tick(project)
    assert "answered 400" in read.get_step_failure_events()[0].event_specific_data.error_display_string
    recorded, rows, printed = dagsters(project), tables(project, records=True), "".join(capfd.readouterr())
    for place in (recorded, rows):
        assert "answered 400" in place
        assert "***" in place
    nowhere(CREDENTIALS | PERSON, recorded, rows, caplog.text, printed)


def test_rows_of_people_are_in_no_record(depot: Any, telltale: Telltale, caplog: pytest.LogCaptureFixture) -> None:
    """What was read, taken, refused, listed and previewed shows no value of a person, and no credential in a URL."""
    names = {"firstName": "Ada", "familyName": PERSON["name"]}
    ada = {"id": "1", **names, "mail": PERSON["mail"], "number": PERSON["number"], "here": True}
    bad = {**ada, "id": "2", "here": f"ask {PERSON['name']} or {PERSON['mail']}"}
    telltale.answers["/people"] = 200, {"data": [ada, bad]}
    project = depot("a key in the query")
    with caplog.at_level(logging.DEBUG):
        assert project.run("full_sync_depot").success
        for job, op, config in (
            ("list_dead_letters", "list_now", {"source": "depot"}),
            ("preview_source", "look", {"source": "depot", "entity": "students"}),
            ("retry_dead_letters", "retry_now", {"source": "depot", "who": "ada", "why": "again"}),
        ):
            assert project.run(job, run_config={"ops": {op: {"config": config}}}).success
    assert project.rows("SELECT email FROM core.students") == [(PERSON["mail"],)]
    assert project.rows("SELECT state FROM connector.dead_letters") == [("open",)]
    recorded, manifests = dagsters(project), landed(project.folder.parent / "landing")
    assert "k=***" in manifests
    nowhere(PERSON, recorded, tables(project, records=False), caplog.text)
    nowhere(CREDENTIALS, recorded, tables(project, records=True), manifests, caplog.text)


def test_errors_that_nobody_foresaw_show_none_either(depot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an exception that is not ours, and of what it came of, name and trace are shown and no canary."""

    def broken(*_: object, **__: object) -> None:
        try:
            {}[KEY]  # type: ignore[index]
        except KeyError as error:
            message = f"{PERSON['mail']} with {PASSWORD}"
            raise ValueError(message) from error

    project = depot("basic")
    monkeypatch.setenv("C_USER", KEY)  # so that both are revealed
    monkeypatch.setattr(Transport, "exchange", broken)
    assert not project.run("full_sync_depot").success
    recorded = dagsters(project)
    assert "ValueError: *** with ***" in recorded
    assert "KeyError: '***'" in recorded
    assert "in broken" in recorded
    nowhere(CREDENTIALS | PERSON, recorded, tables(project, records=True))
