"""Every command of ours that the documentation tells people to type does its work on a synced school."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.database.connection import connect
from connector_pipelines.external import vault
from connector_pipelines.orchestration import dev
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("connector_pipelines/**/README.md"), ROOT / "README.md"])
SERVES = ("simulate", "receive")
EXAMPLES = {
    "plan reject <source> <hash>": "plan reject <source> <another>",  # the other one is approved
    "<source>": "demo_school",
    "<entity>": "students",
    "--first … --last …": "--first 2026-11-01 --last 2026-11-02",
    "…": "a reason",
    "warehouse vendors": "demo_school students",  # the reader's own source
    "<what>": "<applied>",
    "<read>": "1",
    "<version>": "1",
    "<letter>": "1",
    "<number>": "1",
    "<export> <key> [<id there>]": "users 1",
    "students 17": "students 1",
}
NOTHING_OF_THE_KIND = {
    "conflicts resolve": "there is no such conflict",
    "identity accept": "no open case",
    "export ": "nothing is exported to demo_school",
    "exported": "0  changes of core wait",
    "link-export": "demo_school",
    "webhooks switch": "has no webhook",
    "undo": "the guard holds",
    "retention": "nobody said how long",
}
"""What commands say, in a sentence, of a school that takes nothing and about which nobody has to decide."""


def documented() -> list[str]:
    """What follows `connector-pipelines` in blocks and in prose, with examples for placeholders that do not depend on
    the school's state. A command whose arguments are left out is only named there, and not meant to be typed.
    """
    found = set()
    for page in PAGES:
        told = page.read_text(encoding="utf-8").replace("\\\n", " ")
        typed = re.findall(r"^(?:\.venv/bin/)?connector-pipelines (.+)$", told, re.MULTILINE)
        spans = re.findall(r"`(?:\.venv/bin/)?connector-pipelines\s([^`]+)`", told)
        for words in (" ".join(one.split()) for one in [*typed, *spans]):
            for placeholder, example in EXAMPLES.items():
                words = words.replace(placeholder, example)  # noqa: PLW2901 -- one after the other
            found.add(words)
    return sorted(found, key=in_their_order)


def steering(words: str) -> list[tuple[str, str]]:
    """How the page that starts this server goes on to steer it by curl: methods and paths."""
    for page in PAGES:
        told = page.read_text(encoding="utf-8")
        if words in told:
            calls = re.findall(r"^curl (-X POST )?\"http://127\.0\.0\.1:\d+(/[^\"]*)\"$", told, re.MULTILINE)
            assert len(calls) == told.count("\ncurl ")
            return [("POST" if post else "GET", path) for post, path in calls]
    return []


def in_their_order(words: str) -> str:
    """What a command is sorted by: a plan is looked at before it is approved, a source put out before it is put in."""
    later = {"plan approve": "plan show, then approve", "activate": "deactivate, then activate"}
    return next((after + words for before, after in later.items() if words.startswith(before)), words)


@pytest.fixture
def school(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The demo's school with a bad row, on a database of its own, synced once and looked at again: hashes of plans."""
    port = str(dev.free_port())
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", database)
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("CONNECTOR_PIPELINES_DEMO_PORT", port)
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", vault.new_key())
    for name, value in (("ID", "simulator"), ("SECRET", "simulator-secret")):
        monkeypatch.setenv(f"DEMO_SCHOOL_CLIENT_{name}", value)
    settings.cache_clear()
    with Simulator(scenario="tiny", port=int(port)) as simulator:
        [student, *_] = (user for user in simulator.expected("users") if user["roles"][0]["role"] == "student")
        simulator.append_raw("users", student | {"sourcedId": "nameless", "familyName": None})
        for how in ([], ["--dry-run"]):
            assert CliRunner().invoke(app, ["sync", "demo_school", *how]).exit_code == 0
        with connect(database) as connection:
            made = connection.execute("SELECT entity, state, hash FROM connector.sync_plans").fetchall()
        hashes = {(str(entity), str(state)): str(digest) for entity, state, digest in made}
        yield {
            "<hash>": hashes["students", "planned"],
            "<another>": hashes["instructors", "planned"],
            "<applied>": hashes["students", "applied"],
            "<file>": str(tmp_path / "told.json"),
            "<folder>": str(tmp_path / "copy"),
        }
    settings.cache_clear()


def newest_plan() -> str:
    """The hash of the plan that was made last."""
    with connect(str(settings().database_url)) as connection:
        found = connection.execute("SELECT hash FROM connector.sync_plans ORDER BY id DESC LIMIT 1").fetchall()
    return str(found[0][0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster")  # what Dagster's own code earns
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
def test_each_command_does_its_work(school: dict[str, str], empty_database: str) -> None:
    """No documented command fails on a school that was synced, or it says which thing there is none of."""
    failed, ran = {}, 0
    for words in documented():
        if words.startswith(SERVES):
            continue
        state = {"<URL of an empty database>": empty_database, "<hash of the preview>": newest_plan()}
        for placeholder, value in (school | state).items():
            words = words.replace(placeholder, value)  # noqa: PLW2901 -- one after the other
        done = CliRunner().invoke(app, shlex.split(words), input="a secret\n")
        if "Missing argument" in done.output:
            continue
        ran += 1
        excuse = next((said for start, said in NOTHING_OF_THE_KIND.items() if words.startswith(start)), None)
        if done.exit_code if excuse is None else excuse not in f"{done.exception} {done.output}":
            failed[words] = f"{done.exception!r} {done.output[-300:]}"
    assert not failed, "\n".join(f"{words}: {why}" for words, why in failed.items())
    assert ran > 20


@pytest.mark.parametrize("words", [words for words in documented() if words.startswith(SERVES)])
def test_each_server_serves_until_it_is_interrupted(words: str, school: dict[str, str]) -> None:  # noqa: ARG001 -- sets the environment
    """A documented command that serves says where, is steered as its page says, and ends well when interrupted."""
    port = str(dev.free_port())
    command = re.sub(r" --port \d+", "", words) + f" --port {port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "connector_pipelines", *shlex.split(command)],
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    try:
        for line in process.stdout or ():
            said.append(line)
            if "http://127.0.0.1:" in line:
                break
        for method, path in steering(words):
            requests.request(method, f"http://127.0.0.1:{port}{path}", timeout=30).raise_for_status()
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert "http://127.0.0.1:" in "".join(said), "".join(said) + rest
    assert process.returncode in {0, 130}, rest
