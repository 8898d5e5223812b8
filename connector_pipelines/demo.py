"""The demo: a generated school, served over HTTP by a process of its own, and synced through Dagster."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connector_pipelines.database.connection import connect
from connector_pipelines.database.migrate import migrate
from connector_pipelines.orchestration import dev, home
from connector_pipelines.orchestration.run import run_sync
from connector_pipelines.settings import settings
from connector_pipelines.sync import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.model import Report
    from connector_pipelines.sync.summary import Line

SOURCE = "demo_school"

# The simulator's own credentials; no secret of anybody.
_CREDENTIALS = {"DEMO_SCHOOL_CLIENT_ID": "simulator", "DEMO_SCHOOL_CLIENT_SECRET": "simulator-secret"}


def run(*, scenario: str, seed: int, report: Report, say: Callable[[str], object]) -> list[Line]:
    """Serve the school and sync all of it.

    Returns:
        a line per entity; empty where nothing could be read.

    Raises:
        SyncError: the database or the port is not usable.
    """
    port = settings().demo_port
    running = dev.answers(port)
    with home.environment(home.prepare() | _CREDENTIALS), _school(scenario, seed):
        url = os.environ["CONNECTOR_PIPELINES_DATABASE_URL"]
        migrate(url)
        which = "the one that ran already, taken as it is" if running else scenario
        say(f"PostgreSQL runs. A OneRoster system ({which}) answers on port {port}. Syncing it through Dagster …")
        with connect(url) as connection:
            before = summary.newest_run(connection)
            finished = run_sync(SOURCE, full=True, report=report)
            for sentence in (*finished.failures, *finished.checks):
                say(sentence)
            return summary.since(connection, SOURCE, before)


def develop(*, port: int, say: Callable[[str], None]) -> int:
    """Run Dagster's UI and daemon with the school and the webhook receiver beside them, until interrupted."""
    school = (_command("school", 7), settings().demo_port)
    receiver = ([sys.executable, "-m", "connector_pipelines.cli", "receive"], settings().receiver_port)
    return dev.dev(port=port, beside=[school, receiver], variables=_CREDENTIALS, say=say)


@contextmanager
def _school(scenario: str, seed: int) -> Iterator[None]:
    """The simulator in a process of its own; one that `make dev` serves already is taken as it is."""
    port = settings().demo_port
    if dev.answers(port):
        yield
        return
    with dev.child(_command(scenario, seed), os.environ, quiet=True) as process:
        dev.await_port(port, process=process)
        yield


def _command(scenario: str, seed: int) -> list[str]:
    served = ["simulate", "oneroster", "--port", str(settings().demo_port), "--scenario", scenario, "--seed", str(seed)]
    return [sys.executable, "-m", "connector_pipelines.cli", *served]
