"""The command line as a person calls it, in processes of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import SyncError
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
    for command in (["plan", "list", "demo_school"], ["dead-letters", "list", "demo_school"]):
        found = CliRunner().invoke(app, command)
        assert (found.exit_code, found.output) == (0, "")


def test_unknown_fault_is_refused() -> None:
    """A simulator is not started with a fault that does not exist."""
    found = CliRunner().invoke(app, ["simulate", "oneroster", "--port", "0", "--fault", "no-such-fault"])
    assert found.exit_code == 2
    assert "no-such-fault" in found.output


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["undo", "demo_school", "0123456789"], "no applied plan with the hash"),
        (["replay", "demo_school", "7"], "no complete read 7"),
        (["reconcile", "demo_school", "--entity", "students"], "no complete full read was applied yet"),
        (["explain", "students", "1", "email"], "core has no students 1"),
        (["dead-letters", "show", "demo_school", "1"], "no dead letter 1"),
        (["dead-letters", "clear", "demo_school", "--why", " "], "without a reason"),
        (["plan", "show", "demo_school", "0123456789"], "0 waiting plans"),
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
    assert call(here, "reconcile", "demo_school").returncode == 0
    assert "from demo_school, read" in call(here, "explain", "students", "1", "given_name").stdout
    rebuilt = call(here, "rebuild", "demo_school", "--into", empty_database)
    assert (rebuilt.returncode, "another plan" in rebuilt.stdout) == (0, False)
    assert call(here, "dead-letters", "retry", "demo_school").returncode == 0
    with connect(here["CONNECTOR_PIPELINES_DATABASE_URL"]) as connection:
        ((plan,),) = connection.execute("SELECT hash FROM connector.sync_plans WHERE entity = 'terms'").fetchall()
        preview = call(here, "undo", "demo_school", str(plan)).stdout
        assert call(here, "undo", "demo_school", str(plan), "--apply", preview.split()[-1]).returncode == 0
        assert connection.execute("SELECT DISTINCT status FROM core.terms").fetchall() == [("inactive",)]
