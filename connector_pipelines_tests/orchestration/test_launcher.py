"""Runs in forks of a warm process: where they are, whether they live, and how they are stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import stamina
from dagster._core.launcher.base import WorkerStatus
from sqlalchemy.exc import OperationalError

from connector_pipelines.orchestration import warm
from connector_pipelines.orchestration.launcher import PROCESS, WarmLauncher, place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def idle() -> None:
    """Nothing."""
    nothing()


@pytest.fixture
def launcher(instance: dg.DagsterInstance) -> WarmLauncher:
    """A launcher of the test's instance."""
    launching = WarmLauncher()
    launching.register_instance(instance)
    return launching


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance that other processes can open."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which waits for a signal."""
    waiting = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('here', flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", waiting], stdout=subprocess.PIPE) as started:
        assert started.stdout
        assert started.stdout.readline() == b"here\n"
        yield started
        started.kill()


def run_in(instance: dg.DagsterInstance, where: str) -> dg.DagsterRun:
    """A run that is said to be in a process."""
    return instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED, tags={PROCESS: where})


def gone(process: subprocess.Popen[bytes]) -> int:
    """The id of a process that is there no more."""
    process.kill()
    process.wait()
    return process.pid


def test_a_run_lives_while_its_process_does(
    instance: dg.DagsterInstance, launcher: WarmLauncher, process: subprocess.Popen[bytes]
) -> None:
    """A run whose process is there is running; one whose process died has failed, which Dagster then notices."""
    run = run_in(instance, place(process.pid))
    assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    gone(process)
    assert launcher.check_run_worker_health(run).status is WorkerStatus.FAILED


def test_runs_elsewhere_are_left_alone(instance: dg.DagsterInstance, launcher: WarmLauncher) -> None:
    """Of a run on another machine, or one that a command executes, nobody here says that it died."""
    elsewhere = run_in(instance, "another.example 1 1767225600.5")
    by_hand = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED)
    for run in (elsewhere, by_hand):
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        assert not launcher.terminate(run.run_id)


def test_a_run_is_interrupted(
    instance: dg.DagsterInstance, launcher: WarmLauncher, process: subprocess.Popen[bytes]
) -> None:
    """Terminating a run interrupts its process, as Ctrl-C does; a run that died cannot be asked."""
    run = run_in(instance, place(process.pid))
    assert launcher.terminate(run.run_id)
    assert process.wait(30) == -signal.SIGINT
    canceling = instance.get_run_by_id(run.run_id)
    assert canceling
    assert canceling.status is dg.DagsterRunStatus.CANCELING
    assert not launcher.terminate(run_in(instance, place(process.pid)).run_id)


def test_an_id_that_is_used_again_is_another_process(
    instance: dg.DagsterInstance, launcher: WarmLauncher, process: subprocess.Popen[bytes]
) -> None:
    """A process that began at another time than the run's is left alone, and the run has failed."""
    host, pid, began = place(process.pid).split()
    run = run_in(instance, f"{host} {pid} {float(began) - 60}")
    assert launcher.check_run_worker_health(run).status is WorkerStatus.FAILED
    assert not launcher.terminate(run.run_id)
    assert process.poll() is None


def test_edited_code_is_not_warm(launcher: WarmLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run begins with the code as it stands on disk: after an edit it starts in a fresh process."""
    assert not launcher._is_stale()
    count, newest = warm.code()
    assert count > 200
    monkeypatch.setattr("connector_pipelines.orchestration.launcher.code", lambda: (count, newest + 1))
    assert launcher._is_stale()


def test_what_is_warm_is_what_runs_need() -> None:
    """All steps and connectors are imported beforehand, no simulator and no command."""
    names = set(warm.modules())
    assert {"pandas", "connector_pipelines.sync.pull", "connector_pipelines.connectors.quickbooks.client"} <= names
    assert not [name for name in names if "simulator" in name or ".commands" in name or name.endswith(".demo")]


def test_a_command_is_one_of_dagsters(stored: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]) -> None:
    """What a fork executes is Dagster's own command line."""
    warm.execute(["api", "--help"], "a run that is gone", stored.get_ref())
    assert "internal use cases" in capfd.readouterr().out


def test_a_run_that_has_not_begun_waits_for_its_database(
    stored: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL goes away before a run has begun: its command is repeated; other errors end it at once."""
    errors = [OperationalError("INSERT", {}, Exception("gone")), None, ValueError("broken")]
    run = run_in(stored, place(1))

    def once(**_: object) -> None:
        if error := errors.pop(0):
            raise error

    monkeypatch.setattr("dagster._cli.create_dagster_cli", lambda: SimpleNamespace(main=once))
    with stamina.set_testing(testing=True, attempts=3):
        warm.execute(["api", "execute_run"], run.run_id, stored.get_ref())
        with pytest.raises(ValueError, match="broken"):
            warm.execute(["api", "execute_run"], run.run_id, stored.get_ref())
    assert errors == []


def test_a_run_that_could_not_say_that_it_began_is_started_again(
    stored: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL goes away just as the start is stored, and Dagster swallows that: the run is executed once more."""
    run = stored.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTING)
    before = []

    def swallow_once(**_: object) -> None:
        found = stored.get_run_by_id(run.run_id)
        assert found
        before.append(found.status)
        if len(before) == 2:
            stored.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, idle.name), run.run_id)

    monkeypatch.setattr("dagster._cli.create_dagster_cli", lambda: SimpleNamespace(main=swallow_once))
    with stamina.set_testing(testing=True, attempts=5):
        warm.execute(["api", "execute_run"], run.run_id, stored.get_ref())
    assert before == [dg.DagsterRunStatus.STARTING] * 2
    begun = stored.get_run_by_id(run.run_id)
    assert begun
    assert begun.status is dg.DagsterRunStatus.STARTED
