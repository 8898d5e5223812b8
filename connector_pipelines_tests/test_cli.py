"""The command line as a person calls it, in processes of its own."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import psycopg
import pytest
import requests
import stamina
from typer.testing import CliRunner, Result

from connector_pipelines import cli
from connector_pipelines.cli import app
from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import SyncError
from connector_pipelines.external import journal, vault
from connector_pipelines.external.options import HttpOptions
from connector_pipelines.mapping.identities import activate
from connector_pipelines.orchestration import dev
from connector_pipelines.orchestration.sources import declared_source
from connector_pipelines.settings import settings
from connector_pipelines.sync.sources import register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connector_pipelines.database.connection import Connection

pytestmark = pytest.mark.long

LAST_LINE = re.compile(
    r"demo: fetched=(?P<fetched>\d+) created=(?P<created>\d+) updated=(?P<updated>\d+) unchanged=(?P<unchanged>\d+)"
    r" dead_lettered=(?P<dead_lettered>\d+) verified=(?P<verified>yes|no)"
)


@pytest.fixture
def unused_ports() -> tuple[int, int]:
    """Two ports of this machine that nobody listens on."""
    return dev.free_port(), dev.free_port()


@pytest.fixture
def here(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_ports: tuple[int, int]
) -> Iterator[dict[str, str]]:
    """An environment on this test's own database, folder and ports."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", database)
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("CONNECTOR_PIPELINES_DEMO_PORT", str(unused_ports[0]))
    monkeypatch.setenv("CONNECTOR_PIPELINES_DEMO_MOODLE_PORT", str(unused_ports[1]))
    settings.cache_clear()
    yield dict(os.environ)
    settings.cache_clear()


def call(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """`connector-pipelines` with these words, to its end."""
    command = [sys.executable, "-m", "connector_pipelines", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def ran(*words: str) -> Result:
    """The same in this process, which has all imports behind it."""
    return CliRunner().invoke(app, words)


def demo(environment: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Exit code, the numbers of the last line, and all that `connector-pipelines demo` printed."""
    done = call(environment, "demo", "--scenario", "small")
    line = LAST_LINE.fullmatch(done.stdout.strip().splitlines()[-1])
    assert line, done.stdout + done.stderr
    return done.returncode, line.groupdict(), done.stdout + done.stderr


def test_demo_accounts_for_everything_and_repeats_nothing(here: dict[str, str]) -> None:
    """The demo creates all it fetched and proves it; run again, it creates and updates nothing."""
    proven = {"updated": "0", "dead_lettered": "0", "verified": "yes"}
    code, first, said = demo(here)
    fetched = first["fetched"]
    assert (code, first) == (0, {"fetched": fetched, "created": fetched, "unchanged": "0"} | proven), said
    assert int(fetched) > 200
    code, again, said = demo(here)
    assert (code, again) == (0, {"fetched": fetched, "created": "0", "unchanged": fetched} | proven), said


def test_what_sources_say_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What a source has to say in the log, as much of it as its declaration lets it, is printed without credentials."""
    log, package = journal.of("springfield"), logging.getLogger("connector_pipelines")
    journal.heed("springfield", HttpOptions(log_level="debug"))
    monkeypatch.setattr(package, "handlers", [])
    monkeypatch.setattr(cli, "app", lambda: log.debug("GET https://sis.example/users?access_token=%s", "s3cret"))
    cli.main()
    assert capsys.readouterr().err == "GET https://sis.example/users?access_token=***\n"


def demo_moodle(environment: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Exit code, the numbers of the last line, and all that `connector-pipelines demo-moodle` printed."""
    done = call(environment, "demo-moodle", "--scenario", "tiny")
    name, _, numbers = done.stdout.strip().splitlines()[-1].partition(": ")
    assert name == "demo-moodle", done.stdout + done.stderr
    return done.returncode, dict(pair.split("=") for pair in numbers.split()), done.stdout


def test_demo_goes_through_moodle_and_back_and_repeats_nothing(here: dict[str, str]) -> None:
    """Without MOODLE_SYNC_ENABLED a school is written to Moodle and grades come back; run again, nothing is written."""
    here.pop("MOODLE_SYNC_ENABLED", None)
    code, first, said = demo_moodle(here)
    assert (code, first["verified"], first["updated"], first["unchanged"], first["withdrawn"]) == (
        0,
        "yes",
        "0",
        "0",
        "0",
    )
    assert int(first["created"]) + int(first["dead_lettered"]) == int(first["wanted"]) > 100
    assert int(first["new_in_core"]) > 100
    assert "2  export/users  open, such as: has no e-mail address" in said
    assert re.search(r"^grades +\d", said, re.MULTILINE)
    code, again, told = demo_moodle(here)
    nothing = dict.fromkeys(("created", "updated", "withdrawn", "new_in_core", "changed_in_core"), "0")
    same = first | nothing | {"unchanged": first["created"], "calls": again["calls"]}
    assert (code, again) == (0, same), told


def test_demo_fails_where_moodle_refuses(here: dict[str, str], unused_ports: tuple[int, int]) -> None:
    """A site that lets nobody in ends the demo with its words, a last line that says no, and exit code 1."""
    with Simulator(scenario="empty", faults=["access"], port=unused_ports[1]):
        code, numbers, said = demo_moodle(here)
    assert (code, numbers["verified"], numbers["created"]) == (1, "no", "0")
    assert "accessexception" in said


def test_dev_opens_the_ui_on_the_demo_s_sources(here: dict[str, str]) -> None:
    """`dev` says where the UI is, which knows the demo's jobs; the receiver answers; an interrupt ends all of it."""
    ui, receiver = dev.free_port(), dev.free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "connector_pipelines", "dev", "--port", str(ui)],
        env=here | {"CONNECTOR_PIPELINES_RECEIVER_PORT": str(receiver), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = next((line for line in process.stdout or () if "Dagster's UI" in line), "")
        asked = "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } } } } }"
        told = requests.post(f"http://127.0.0.1:{ui}/graphql", json={"query": asked}, timeout=60).json()
        metrics = requests.get(f"http://127.0.0.1:{receiver}/metrics", timeout=60)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert f"http://127.0.0.1:{ui}" in said, said + rest
    (repository,) = told["data"]["repositoriesOrError"]["nodes"]
    assert {"sync_demo_school", "export_demo_moodle"} <= {job["name"] for job in repository["jobs"]}
    assert metrics.ok
    assert process.returncode == 0, rest
    assert not dev.answers(ui)
    assert not dev.answers(receiver)


def test_unknown_source_is_named_with_those_that_are_declared(here: dict[str, str]) -> None:
    """A source that nobody declared ends the command with one sentence that says which there are."""
    done = call(here, "sync", "nowhere")
    assert done.returncode == 1
    assert "no source 'nowhere' is declared; there are: demo_moodle, demo_school" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.usefixtures("here")
def test_unset_secret_is_named() -> None:
    """Testing a source whose secrets are not set names the variable, without a request."""
    found = CliRunner().invoke(app, ["test", "demo_school"])
    assert found.exit_code == 1
    assert "DEMO_SCHOOL_CLIENT_ID" in found.output


@pytest.mark.usefixtures("here")
def test_conflicts_are_listed_without_values_unless_asked(connection: Connection) -> None:
    """A listing names the conflict and its field; values, which may be personal, are shown with --values alone."""
    _one_conflict(connection)
    told = CliRunner().invoke(app, ["conflicts", "list", "--entity", "students"])
    assert told.exit_code == 0
    assert "1-1  toy  students  s1  phone  a person edited core" in told.output
    assert "555" not in told.output
    assert "core '555', source None" in CliRunner().invoke(app, ["conflicts", "list", "toy", "--values"]).output


@pytest.mark.usefixtures("here")
def test_decisions_from_the_command_line(connection: Connection) -> None:
    """A decision is carried out under the caller's name; one on a settled conflict ends with the reason and code 1."""
    _one_conflict(connection)
    decide = ["conflicts", "resolve", "1-1", "--take", "core", "--why", "called them"]
    done = CliRunner().invoke(app, decide)
    assert (done.exit_code, "1 of 1 decisions" in done.output) == (0, True)
    assert connection.execute("SELECT decision, why FROM connector.conflicts").fetchall() == [("core", "called them")]
    again = CliRunner().invoke(app, decide)
    assert (again.exit_code, "1-1: it is settled already" in again.output) == (1, True)


def _one_conflict(connection: Connection) -> None:
    """A student whose phone somebody edited, and which the source leaves empty."""
    connection.execute(
        """
        INSERT INTO core.students (given_name, family_name, status, phone) VALUES ('Ada', 'Toy', 'active', '555');
        INSERT INTO connector.sync_runs (source, entity) VALUES ('toy', 'students');
        INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks)
        VALUES (1, 'toy', 'students', 'applied', '', '{}', 1, 0);
        INSERT INTO connector.conflicts (source, entity, external_id, internal_id, field, core_value, source_value,
            reason, plan_id, run_id)
        VALUES ('toy', 'students', 's1', 1, 'phone', '"555"', 'null', 'a person edited core', 1, 1);
        """
    )


def test_declared_sources_are_usable(here: dict[str, str]) -> None:
    """Every source that this project ships is usable."""
    checked = call(here, "check")
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.usefixtures("here")
def test_sources_are_listed_with_what_they_provide() -> None:
    """The list of sources names each with its connector and entities, parents first."""
    listed = CliRunner().invoke(app, ["sources"]).output
    assert "demo_school (OneRoster): organizations, terms" in listed
    assert "can do: data sync, authentication, roster, webhook\n" in listed


@pytest.mark.usefixtures("here")
def test_nothing_waits_on_a_fresh_database() -> None:
    """A fresh database has neither held plans nor dead letters."""
    for command in (["plan", "list", "demo_school"], ["dead-letters", "list", "demo_school"]):
        found = CliRunner().invoke(app, command)
        assert (found.exit_code, found.output) == (0, "")


@pytest.mark.parametrize("system", ["oneroster", "finale", "quickbooks", "canvas", "google_classroom", "warehouse"])
def test_unknown_fault_is_refused(system: str) -> None:
    """A simulator is not started with a fault that does not exist."""
    found = CliRunner().invoke(app, ["simulate", system, "--port", "0", "--fault", "no-such-fault"])
    assert found.exit_code == 2
    assert "no-such-fault" in found.output


def _one_letter(here: dict[str, str], source: str) -> None:
    """A student of whom nobody can say who it is."""
    with psycopg.connect(here["CONNECTOR_PIPELINES_DATABASE_URL"], autocommit=True) as connection:
        activate(connection, source)
        connection.execute("INSERT INTO connector.sync_runs (source, entity) VALUES (%s, 'students')", [source])
        connection.execute(
            "INSERT INTO connector.dead_letters"
            " (source, entity, external_id, rule, reason, staged, first_run_id, last_run_id)"
            " VALUES (%s, 'students', 's1', 'two ids merge', 'two ids merge: agree: email', '{}', 1, 1)",
            [source],
        )


def test_letters_are_shown_before_they_are_cleared(here: dict[str, str]) -> None:
    """Without --apply the command names the letters that would be settled, and settles none."""
    with connect() as connection:
        register(connection, declared_source("demo_school"))
    _one_letter(here, "demo_school")
    run, clear = CliRunner().invoke, ["dead-letters", "clear", "demo_school"]
    for words in (clear, [*clear, "--why", "gone"]):
        looked = run(app, words).output
        assert "1  students  s1  open  two ids merge: agree: email" in looked
        assert "1 dead letters would be cleared; to do it: --apply --why" in looked
    assert run(app, [*clear, "--apply", "--why", "gone"]).output == "1 dead letters are cleared\n"
    assert run(app, clear).output.startswith("0 dead letters")


def test_a_case_of_identity_is_listed_and_accepted(here: dict[str, str]) -> None:
    """A refused record is listed with its letter and its reason, and accepting it needs a reason of one's own."""
    _one_letter(here, "alpha")
    run = CliRunner().invoke
    assert "1  students  s1  two ids merge: agree: email" in run(app, ["identity", "list", "alpha"]).output
    assert run(app, ["identity", "accept", "1"]).exit_code != 0
    assert run(app, ["identity", "accept", "1", "--why", "asked"]).output == "students s1: the next plan lets it pass\n"
    assert run(app, ["identity", "list", "alpha"]).output == ""


def test_a_secret_is_kept_and_its_key_replaced(here: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 -- sets the environment
    """A new key, a secret that is asked for and not shown, a second key, rotation: and it is readable."""
    runner, keys = CliRunner(), list[str]()
    for words, typed in ((["keep-secret", "finale.key"], "s3cret\n"), (["rotate-keys"], "")):
        keys.insert(0, runner.invoke(app, ["new-key"]).output.strip())
        monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", ",".join(keys))
        settings.cache_clear()
        done = runner.invoke(app, words, input=typed)
        assert done.exit_code == 0
        assert "s3cret" not in done.output
    assert done.output == "1 secrets are sealed with the newest key\n"
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", keys[0])
    settings.cache_clear()
    with connect() as connection:
        assert vault.get(connection, "finale.key") == "s3cret"


def test_configurations_are_listed_and_rolled_back(
    here: dict[str, str],  # noqa: ARG001 -- sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a connection test there is a version, secrets as references; going back marks it, 0 takes the mark away."""
    for variable in ("DEMO_SCHOOL_CLIENT_ID", "DEMO_SCHOOL_CLIENT_SECRET"):
        monkeypatch.setenv(variable, "canary")
    runner = CliRunner()
    stamina.set_testing(True)
    runner.invoke(app, ["test", "demo_school"])
    stamina.set_testing(False)
    listed = runner.invoke(app, ["versions", "demo_school"]).output
    assert "env:DEMO_SCHOOL_CLIENT_SECRET" in listed
    assert "canary" not in listed
    for version, mark in (("1", True), ("0", False)):
        assert runner.invoke(app, ["roll-back", "demo_school", version]).exit_code == 0
        assert ("in force" in runner.invoke(app, ["versions", "demo_school"]).output) is mark


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["undo", "demo_school", "0123456789"], "no applied plan with the hash"),
        (["replay", "demo_school", "7"], "no complete read 7"),
        (["reconcile", "demo_school", "--entity", "students"], "no complete full read was applied yet"),
        (["explain", "students", "1", "email"], "core has no students 1"),
        (["dead-letters", "show", "demo_school", "1"], "no dead letter 1"),
        (["dead-letters", "clear", "demo_school", "--apply"], "without a reason"),
        (["dead-letters", "clear", "demo_school", "--apply", "--why", " "], "without a reason"),
        (["plan", "show", "demo_school", "0123456789"], "0 waiting plans"),
        (["plan", "approve", "demo_school", "0123456789", "--why", ""], "not approved without a reason"),
        (["plan", "reject", "demo_school", "0123456789", "--why", " "], "not rejected without a reason"),
        (["plan", "reject", "demo_school", "0123456789", "--why", "old"], "0 waiting plans"),
        (["undo", "demo_school", "0123456789", "--apply", "0123456789"], "nothing is undone without a reason"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(words: list[str], said: str) -> None:
    """Commands for after a sync end on a fresh database with a sentence that says what is missing."""
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, SyncError)
    assert said in str(found.exception)


def test_demo_is_explained_reconciled_rebuilt_and_undone(here: dict[str, str], empty_database: str) -> None:
    """After the demo core equals the landed pages, they alone rebuild it, a value names its page, a plan is undone."""
    demo(here)
    assert ran("reconcile", "demo_school").exit_code == 0
    assert "from demo_school, read" in ran("explain", "students", "1", "given_name").output
    rebuilt = ran("rebuild", "demo_school", "--into", empty_database)
    assert (rebuilt.exit_code, "another plan" in rebuilt.output) == (0, False)
    assert ran("dead-letters", "retry", "demo_school").exit_code == 0
    with connect(here["CONNECTOR_PIPELINES_DATABASE_URL"]) as connection:
        ((plan,),) = connection.execute("SELECT hash FROM connector.sync_plans WHERE entity = 'terms'").fetchall()
        words = ran("undo", "demo_school", str(plan)).output.split()
        held = words[words.index("approve") + 2]  # all terms at once are more than the guard lets pass
        undo = ("undo", "demo_school", str(plan), "--apply", held)
        refused = call(here, *undo)
        assert (refused.returncode, "nothing is undone without a reason" in refused.stdout) == (1, True)
        assert "the guard holds the undo" in str(ran(*undo, "--why", "a mistake").exception)
        assert ran("plan", "approve", "demo_school", held, "--why", "a mistake").exit_code == 0
        assert connection.execute("SELECT DISTINCT status FROM core.terms").fetchall() == [("inactive",)]
        connection.execute("SET session_replication_role = replica; UPDATE core.students SET phone = id WHERE id < 4")
    reconcile = ("reconcile", "demo_school", "--entity", "students")
    for limit, named in (("0", 3), ("2", 2)):
        told = ran(*reconcile, "--limit", limit).output
        assert (told.count("  differs: "), "1 more are not named; --limit 0" in told) == (named, named == 2)


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_plan_is_not_decided_on_without_a_reason(decision: str) -> None:
    """Approving and rejecting ask for --why before anything else."""
    found = CliRunner().invoke(app, ["plan", decision, "demo_school", "0123456789"])
    assert (found.exit_code, "--why" in found.output) == (2, True)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["overview"], "demo_school: 0 runs succeeded, 0 failed (100.0%); 0 records"),
        (["digest"], "What waits for a person\n- nothing"),
        (["estimate", "demo_school", "--first", "2026-11-01"], "demo_school takes at least 8 calls"),
        (["clear-errors", "demo_school"], ""),
        (["activate", "demo_school"], "demo_school may be read"),
    ],
)
def test_how_syncs_do_is_said_before_the_first_one(words: list[str], said: str) -> None:
    """On a fresh database the commands that look say that there is nothing, and what a first read takes at least."""
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0
    assert said in found.output


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])  # 26 hours apart: never the same date
def test_the_digest_is_shown_with_the_date_of_its_time_zone(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """The command names the day as the digest that is sent does."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_DIGEST_TIMEZONE", zone)
    settings.cache_clear()
    assert CliRunner().invoke(app, ["digest"]).output.startswith(f"{datetime.now(ZoneInfo(zone)):%Y-%m-%d}: ")


@pytest.mark.usefixtures("here")
def test_a_source_is_switched_off_from_the_command_line() -> None:
    """After `deactivate` a sync ends with who and why; `overview` and `decisions` say so."""
    run = CliRunner().invoke
    assert run(app, ["deactivate", "demo_school", "--why", "the school moves"]).exit_code == 0
    refused = run(app, ["sync", "demo_school"]).exception
    assert isinstance(refused, SyncError)
    assert "the school moves" in str(refused)
    assert "the school moves" in run(app, ["overview"]).output
    for words in (["decisions"], ["decisions", "demo_school"], ["decisions", "--rows", "1"]):
        assert re.search(r"UTC  \S+  source deactivated  demo_school  the school moves\n", run(app, words).output)
    assert run(app, ["decisions", "demo_moodle"]).output == ""
