"""Everything a person needs to look around: database, generated school, Dagster's UI and daemon; gone with Ctrl-C."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.orchestration import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

_PATIENCE_SECONDS = 180.0  # the first start on a busy machine; who waits sees a process that ended at once
_GRACE_SECONDS = 20.0


def dev(
    *,
    port: int = 3000,
    host: str = "127.0.0.1",
    beside: Sequence[tuple[Sequence[str], int]] = (),
    variables: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Run Dagster's UI and daemon on the project's database until it is interrupted.

    Args:
        port: where the UI listens.
        host: the address it listens on.
        beside: servers to run next to it, each as a command and the loopback port that it will listen on; one whose
            port is taken already is taken for running.
        variables: what Dagster's processes find in their environment on top of this process's.
        say: told what to open.

    Returns:
        the exit code of `dagster dev`; 0 when it was interrupted.

    Raises:
        ConfigurationError: a port is taken by somebody else, or a server beside did not come up.
    """
    if answers(port, host):
        raise ConfigurationError(f"port {port} is taken.", remedy="Stop what listens there, or choose another port.")
    environment = {**os.environ, **home.prepare(), **(variables or {})}
    with _terminable(), ExitStack() as running:
        for command, its_port in beside:
            if not answers(its_port):
                running.enter_context(child(command, environment))
                await_port(its_port)
        # Runs print every event, also when asked not to; the UI shows them better.
        log = Path(environment["DAGSTER_HOME"]) / "dev.log"
        process = running.enter_context(child(_command(host, port), environment, log=log))
        try:
            await_port(port, host, process, log)
            say(f"Dagster's UI: http://{host}:{port} (Ctrl-C stops everything; log: {log})")
            return process.wait()
        except KeyboardInterrupt:
            return 0


def _command(host: str, port: int) -> list[str]:
    workspace = str(home.ROOT / "workspace.yaml")
    quiet = ["--log-level", "error", "--code-server-log-level", "info"]  # all of it goes to the log file
    return [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "dagster",
        "dev",
        "-w",
        workspace,
        "-h",
        host,
        "-p",
        str(port),
        *quiet,
    ]


@contextmanager
def child(
    command: Sequence[str], environment: Mapping[str, str], *, quiet: bool = False, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, so that Ctrl-C reaches it through us alone; it ends with us.

    Args:
        command: program and arguments.
        environment: all its variables.
        quiet: drop what it prints, but for errors.
        log: the file that all it prints goes to.
    """
    with ExitStack() as open_files:
        output: int | IO[bytes] | None = subprocess.DEVNULL if quiet else None
        errors: int | None = None
        if log:
            output, errors = open_files.enter_context(log.open("wb")), subprocess.STDOUT
        process = subprocess.Popen(  # noqa: S603 -- our own commands
            list(command), env=dict(environment), start_new_session=True, stdout=output, stderr=errors
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, wait, and then make it."""
    for number, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM like Ctrl-C, so that a supervisor leaves nothing behind, too.

    Ctrl-C is taken even where a shell started us in the background with it ignored: children inherit that, and
    Dagster's processes stop each other by it.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def free_port() -> int:
    """A port below those that the system hands out, so that nobody is given it before a server of ours listens."""
    while True:
        port = secrets.choice(range(20_000, 30_000))
        if not answers(port):
            return port


def await_port(
    port: int, host: str = "127.0.0.1", process: subprocess.Popen[bytes] | None = None, log: Path | None = None
) -> None:
    """Wait until somebody listens there.

    Raises:
        ConfigurationError: nobody did for three minutes, or the process ended.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while not answers(port, host):
        if time.monotonic() > until or (process and process.poll() is not None):
            raise ConfigurationError(
                f"nothing came up on port {port}.", remedy=f"Look into {log or 'its output above'}."
            )
        time.sleep(0.1)
