"""Runs one contestant as a process of its own and measures it from outside: seconds, memory, WAL."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import postgres
import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SAMPLE_SECONDS = 0.05
_MB = 1024 * 1024


class Failed(Exception):
    """A contestant ended with an error; the message is what it printed last."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One sync by one contestant.

    Attributes:
        whole_seconds: from starting the process to its end, imports included.
        engine_seconds: after the imports, as the process itself says.
        peak_mb: the most memory that it and its children held at one moment.
        wal_mb: what PostgreSQL wrote to its log meanwhile, in millions of bytes.
        cpu_seconds: processor time of the process and its children; unlike the clock it hardly minds a busy machine.
        server_cpu_seconds: processor time of PostgreSQL meanwhile.
        said: everything the process reported.
    """

    whole_seconds: float
    engine_seconds: float
    peak_mb: float
    wal_mb: float
    cpu_seconds: float
    server_cpu_seconds: float
    said: dict[str, Any] = field(default_factory=dict)


def measure(command: Sequence[str], database: str | None, settings: Mapping[str, str] | None = None) -> Measured:
    """Run a command that reports as `child.report` does.

    Args:
        command: the process to start.
        database: where to look at the WAL; settled first, so that every measurement begins alike.
        settings: environment variables, added to ours.

    Raises:
        Failed: it ended with an error.
    """
    if database:
        postgres.settle(database)
    wal, server_cpu = _server(database)
    with tempfile.TemporaryFile("w+") as output:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        variables = os.environ | dict(settings or {})
        with subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT, text=True) as process:
            peak = _watch(process)
            whole = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise Failed(f"{' '.join(command)}\n{text[-4_000:]}")
    said = json.loads(text.strip().splitlines()[-1])
    wal_after, server_cpu_after = _server(database)
    return Measured(
        whole_seconds=whole,
        engine_seconds=said["engine_seconds"],
        peak_mb=max(peak, said["own_peak_mb"]),
        wal_mb=(wal_after - wal) / 1e6,
        cpu_seconds=sum(after[:2]) - sum(before[:2]),
        server_cpu_seconds=server_cpu_after - server_cpu,
        said=said,
    )


def _server(database: str | None) -> tuple[int, float]:
    """WAL position and processor time of the server; zeros where there is none."""
    return (postgres.wal_position(database), postgres.cpu_seconds(database)) if database else (0, 0.0)


def _watch(process: subprocess.Popen[str]) -> float:
    """Wait for the end; the highest memory seen on the way."""
    root = psutil.Process(process.pid)
    peak = 0.0
    while True:
        try:
            process.wait(_SAMPLE_SECONDS)
        except subprocess.TimeoutExpired:
            peak = max(peak, _memory_mb(root))
        else:
            return peak


def _memory_mb(root: psutil.Process) -> float:
    """Memory of a process and its children; what forked processes share counts once."""
    try:
        family = [root, *root.children(recursive=True)]
        if len(family) == 1:
            return float(root.memory_info().rss / _MB)
        return float(sum(member.memory_full_info().pss for member in family) / _MB)
    except psutil.Error:  # one of them ended meanwhile
        return 0.0
