"""What the command line builds on: a run on Dagster's persistent records, and processes that end with us."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.orchestration import dev, home, run
from connector_pipelines.orchestration.storage import with_driver
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

    from connector_pipelines.model import Progress


@pytest.fixture
def local(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local folder and a database of this test's own, as the environment names them."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path / "local"))
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", database)
    settings.cache_clear()
    return tmp_path / "local"


def test_a_run_is_told_and_recorded(project: Any, school: Any, local: Path) -> None:
    """A run from the command line reports progress, is in Dagster's records in PostgreSQL, and belongs to the job."""
    project.declare("alpha")
    project.send("alpha", **school)
    heard: list[Progress] = []
    finished = run.run_sync("alpha", report=heard.append, folder=project.folder)
    assert (finished.success, finished.failures, finished.checks) == (True, (), ())
    assert {(step.entity, step.step) for step in heard} >= {("students", "read"), ("students", "apply")}
    [(job, status)] = project.rows("SELECT pipeline_name, status FROM public.runs")
    assert (job, status) == ("sync_alpha", "SUCCESS")
    assert (local / "dagster" / "dagster.yaml").is_symlink()
    assert "DAGSTER_HOME" not in os.environ


def test_a_run_that_fails_says_why(project: Any, local: Path) -> None:  # noqa: ARG001 -- sets the environment
    """A failed run comes back with a sentence for each step that failed."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=["broken"])
    finished = run.run_sync("alpha", full=True, folder=project.folder)
    [why] = finished.failures
    assert not finished.success
    assert "page 1 of students is not JSON" in why


def test_an_unknown_source_is_not_run(project: Any) -> None:
    """Running a source that is not declared says which there are."""
    project.declare("alpha")
    with pytest.raises(ConfigurationError, match="there are: alpha"):
        run.run_sync("beta", folder=project.folder)


def test_dagster_keeps_its_records_in_the_project_s_database(local: Path) -> None:  # noqa: ARG001 -- sets the environment
    """The project's dagster.yaml makes an instance on the same database, with one slot a pool and no telemetry."""
    with home.environment(home.prepare()), dg.DagsterInstance.get() as instance:
        assert instance.global_op_concurrency_default_limit == 1
        assert not instance.telemetry_enabled
        assert instance.get_runs_count() == 0


def test_the_storage_names_the_driver_it_was_written_for() -> None:
    """An address of any form gets Dagster's driver, and keeps its password and socket folder."""
    assert with_driver("postgresql://me:p%40ss@host/db") == "postgresql+psycopg2://me:p%40ss@host/db"
    assert with_driver("postgresql://me:@/db?host=/run/pg") == "postgresql+psycopg2://me:@/db?host=%2Frun%2Fpg"


def test_a_port_that_is_taken_is_refused() -> None:
    """The UI is not started on a port that somebody listens on already."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="is taken"):
        dev.dev(port=taken.getsockname()[1])


def test_a_process_ends_with_us_and_its_output_is_kept(tmp_path: Path) -> None:
    """A process beside us is stopped when its block ends, and what it printed lies in its log."""
    log = tmp_path / "log"
    command = [sys.executable, "-u", "-c", "import signal; print('here'); signal.pause()"]
    with dev.child(command, os.environ, log=log) as process:
        while not log.read_bytes():
            assert process.poll() is None
    assert process.poll() is not None
    assert log.read_text() == "here\n"


def test_a_server_that_ends_is_not_waited_for() -> None:
    """Waiting for a port stops when the process that should open it has ended."""
    with (
        dev.child([sys.executable, "-c", ""], os.environ) as process,
        pytest.raises(ConfigurationError, match="nothing came up"),
    ):
        dev.await_port(1, process=process)
