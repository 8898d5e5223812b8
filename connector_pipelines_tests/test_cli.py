"""The command line as a person calls it, in processes of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAST_LINE = re.compile(
    r"demo: fetched=(\d+) created=(\d+) updated=(\d+) unchanged=(\d+) dead_lettered=(\d+) verified=(yes|no)"
)


@pytest.fixture
def here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An environment on this test's own database and folder."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", database)
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path))
    settings.cache_clear()
    yield dict(os.environ)
    settings.cache_clear()


def call(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """`connector-pipelines` with these words, to its end."""
    command = [sys.executable, "-m", "connector_pipelines.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def demo(environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and last line of `connector-pipelines demo`."""
    done = call(environment, "demo", "--scenario", "small")
    return done.returncode, done.stdout.strip().splitlines()[-1]


def test_demo_accounts_for_everything_and_repeats_nothing(here: dict[str, str]) -> None:
    """The demo creates all it fetched and proves it; run again, it creates and updates nothing."""
    code, line = demo(here)
    fetched, created, updated, unchanged, refused, verified = LAST_LINE.fullmatch(line).groups()  # type: ignore[union-attr]  # no match fails here
    assert (code, verified, updated, unchanged, refused) == (0, "yes", "0", "0", "0")
    assert int(created) == int(fetched) > 200
    assert demo(here) == (
        0,
        f"demo: fetched={fetched} created=0 updated=0 unchanged={fetched} dead_lettered=0 verified=yes",
    )


def test_unknown_source_is_named_with_those_that_are_declared(here: dict[str, str]) -> None:
    """A source that nobody declared ends the command with one sentence that says which there are."""
    done = call(here, "sync", "nowhere")
    assert done.returncode == 1
    assert "no source 'nowhere' is declared; there are: demo_school" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.usefixtures("here")
def test_unset_secret_is_named() -> None:
    """Testing a source whose secrets are not set names the variable, without a request."""
    found = CliRunner().invoke(app, ["test", "demo_school"])
    assert found.exit_code == 1
    assert "DEMO_SCHOOL_CLIENT_ID" in found.output


def test_declared_sources_are_usable(here: dict[str, str]) -> None:
    """Every source that this project ships is usable."""
    checked = call(here, "check")
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.usefixtures("here")
def test_sources_are_listed_with_what_they_provide() -> None:
    """The list of sources names each with its connector and entities, parents first."""
    assert "demo_school (OneRoster): organizations, terms" in CliRunner().invoke(app, ["sources"]).output


@pytest.mark.usefixtures("here")
def test_nothing_waits_on_a_fresh_database() -> None:
    """A fresh database has neither held plans nor dead letters."""
    for command in (["plan", "list", "demo_school"], ["dead-letters", "demo_school"]):
        found = CliRunner().invoke(app, command)
        assert (found.exit_code, found.output) == (0, "")


def test_unknown_fault_is_refused() -> None:
    """A simulator is not started with a fault that does not exist."""
    found = CliRunner().invoke(app, ["simulate", "oneroster", "--port", "0", "--fault", "no-such-fault"])
    assert found.exit_code == 2
    assert "no-such-fault" in found.output


def test_a_case_of_identity_is_listed_and_accepted(here: dict[str, str]) -> None:
    """A refused record is listed with its letter and its reason, and accepting it needs a reason of one's own."""
    with psycopg.connect(here["CONNECTOR_PIPELINES_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("INSERT INTO connector.sync_runs (source, entity) VALUES ('alpha', 'students')")
        connection.execute(
            "INSERT INTO connector.dead_letters"
            " (source, entity, external_id, rule, reason, staged, first_run_id, last_run_id)"
            " VALUES ('alpha', 'students', 's1', 'two ids merge', 'two ids merge: agree: email', '{}', 1, 1)"
        )
    run = CliRunner().invoke
    assert "1  students  s1  two ids merge: agree: email" in run(app, ["identity", "list", "alpha"]).output
    assert run(app, ["identity", "accept", "1"]).exit_code != 0
    assert run(app, ["identity", "accept", "1", "--why", "asked"]).output == "students s1: the next plan lets it pass\n"
    assert run(app, ["identity", "list", "alpha"]).output == ""
