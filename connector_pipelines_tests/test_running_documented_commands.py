"""Every command of ours that the documentation tells people to type does its work on a synced school."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.database.connection import connect
from connector_pipelines.external import vault
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("connector_pipelines/**/README.md"), ROOT / "README.md"])
SERVES = ("simulate", "receive")
EXAMPLES = {
    "<source>": "demo_school",
    "<entity>": "students",
    "--first … --last …": "--first 2026-11-01",
    "…": "a reason",
    "warehouse vendors": "demo_school students",  # the reader's own source
    "<what>": "<applied>",
    "<read>": "1",
    "<version>": "1",
    "<letter>": "1",
    "<export> <key> [<id there>]": "users 1",
    "students 17 email": "students 1 email",
}
NOTHING_OF_THE_KIND = {
    "conflicts resolve": "there is no such conflict",
    "identity accept": "no open case",
    "export ": "nothing is exported to demo_school",
    "exported": "0  changes of core wait",
    "link-export": "demo_school",
    "webhooks switch": "has no webhook",
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
    return sorted(found)


def unused_port() -> str:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


@pytest.fixture
def school(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The demo's school on a database of its own, synced once and looked at again: the hashes of its plans."""
    port = unused_port()
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", database)
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("CONNECTOR_PIPELINES_DEMO_PORT", port)
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", vault.new_key())
    for name, value in (("ID", "simulator"), ("SECRET", "simulator-secret")):
        monkeypatch.setenv(f"DEMO_SCHOOL_CLIENT_{name}", value)
    settings.cache_clear()
    with Simulator(scenario="tiny", port=int(port)):
        for how in ([], ["--dry-run"]):
            assert CliRunner().invoke(app, ["sync", "demo_school", *how]).exit_code == 0
        with connect(database) as connection:
            made = connection.execute("SELECT state, hash FROM connector.sync_plans WHERE entity = 'students'")
            hashes = {str(state): str(digest) for state, digest in made.fetchall()}
        yield {"<hash>": hashes["planned"], "<applied>": hashes["applied"]}
    settings.cache_clear()


def test_each_command_does_its_work(school: dict[str, str], empty_database: str) -> None:
    """No documented command fails on a school that was synced, or it says which thing there is none of."""
    failed, ran = {}, 0
    for words in documented():
        if words.startswith(SERVES):
            continue
        for placeholder, value in (school | {"<URL of an empty database>": empty_database}).items():
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
    """A documented command that serves says where, and an interrupt ends it without an error."""
    command = re.sub(r" --port \d+", "", words) + f" --port {unused_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "connector_pipelines.cli", *shlex.split(command)],
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
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert "http://127.0.0.1:" in "".join(said), "".join(said) + rest
    assert process.returncode in {0, 130}, rest
