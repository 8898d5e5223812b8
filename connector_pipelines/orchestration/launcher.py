"""Starts a run in a process that has everything imported already. `dagster.yaml` names this class.

Dagster's own launcher has the code server start a fresh Python for each run, which imports for four to five seconds
before the first step; from a webhook to core that is most of the time. Here whoever launches, in operation the daemon,
keeps one process that has imported what runs need, and each run is a fork of it: as alone in its memory as before, and
there at once. docs/decisions/0010-warm-runs.md says what was measured and what was refused.
"""

from __future__ import annotations

import multiprocessing
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import psutil
from dagster import DagsterRunStatus
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._grpc.types import ExecuteRunArgs

from connector_pipelines.orchestration.warm import code, execute

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    from dagster import DagsterRun
    from dagster._core.launcher.base import LaunchRunContext

PROCESS = "connector_pipelines/process"
"""A run has here its machine, its process id, and when that process began, since ids are used again."""

_CLOCK_SECONDS = 5
"""When a process began is reckoned from when the machine did, which moves a little as its clock is set."""

_LOCAL = {"localhost", "127.0.0.1", "::1"}


class WarmLauncher(DefaultRunLauncher):
    """Launches runs as forks of a warm process.

    Runs whose code is elsewhere, or was edited since the process became warm, are launched as Dagster does by default.
    """

    def __init__(self, inst_data: Any = None) -> None:
        super().__init__(inst_data)
        self._processes: dict[str, ForkServerProcess] = {}
        self._code: tuple[int, int] | None = None

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run; it is on its way when this returns.

        What it executes is the command that Dagster's launchers for containers run.
        """
        run, origin = context.dagster_run, context.job_code_origin
        if origin is None or not _is_here(run) or self._is_stale():
            super().launch_run(context)
            return
        self._processes = {known: process for known, process in self._processes.items() if process.is_alive()}
        ref = self._instance.get_ref()
        arguments = ExecuteRunArgs(origin, run.run_id, ref).get_command_args()
        command = list(arguments[arguments.index("api") :])
        process = _forks().Process(target=execute, args=(command, run.run_id, ref), name=f"run {run.run_id}")
        process.start()
        self._processes[run.run_id] = process
        self._instance.add_run_tags(run.run_id, {PROCESS: place(process.pid or 0)})

    def _is_stale(self) -> bool:
        """Whether code was edited since a process with it became warm, as the author of a connector does all day."""
        now = code()
        self._code = self._code or now
        return self._code != now

    def terminate(self, run_id: str) -> bool:
        """Ask the run to stop, as Ctrl-C does; whether it could be asked."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or not _is_of_this_machine(run) or run.is_finished:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]  # Dagster's is without types
        self._instance.report_run_canceling(run)
        try:
            _process(run).send_signal(signal.SIGINT)
        except psutil.NoSuchProcess:
            self._instance.report_engine_event(message="The run's process is not there any more.", dagster_run=run)
            return False
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """A run whose process died is noticed by Dagster's monitoring."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process is there; of runs that another machine or a command executes nobody can tell."""
        if not _is_of_this_machine(run) or self._alive(run) or run.status is not DagsterRunStatus.STARTED:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Its process is not there any more ({run.tags[PROCESS]}).")

    def _alive(self, run: DagsterRun) -> bool:
        if process := self._processes.get(run.run_id):
            return process.is_alive()
        try:
            return bool(_process(run).is_running())
        except psutil.NoSuchProcess:
            return False


def _forks() -> ForkServerContext:
    """Where processes are forked from a warm one, which is started with the first of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["connector_pipelines.orchestration.preloaded"])
    return context


def _is_here(run: DagsterRun) -> bool:
    """Whether this process may execute what the run's code server has loaded: it is on this machine, in this Python."""
    origin = run.job_code_origin
    if origin is None or origin.repository_origin.container_image:
        return False
    location = run.remote_job_origin.repository_origin.code_location_origin if run.remote_job_origin else None
    if isinstance(location, GrpcServerCodeLocationOrigin) and not location.socket and location.host not in _LOCAL:
        return False
    return origin.repository_origin.executable_path == sys.executable


def place(pid: int) -> str:
    """What a run says of its process."""
    try:
        return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time()}"
    except psutil.NoSuchProcess:  # it ended already
        return f"{socket.gethostname()} {pid} 0"


def _is_of_this_machine(run: DagsterRun) -> bool:
    return run.tags.get(PROCESS, "").partition(" ")[0] == socket.gethostname()


def _process(run: DagsterRun) -> psutil.Process:
    """The run's process on this machine.

    Raises:
        psutil.NoSuchProcess: it ended; its id may be another's by now.
    """
    _, pid, began = run.tags[PROCESS].split()
    process = psutil.Process(int(pid))
    if abs(process.create_time() - float(began)) > _CLOCK_SECONDS:
        raise psutil.NoSuchProcess(int(pid))
    return process
