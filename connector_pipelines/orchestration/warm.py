"""What a warm process has imported before a run begins, and what a run does in a fork of it.

Nothing here connects, reads a declaration or starts a thread: a fork takes modules along, and what the launchpad offers
of each connector, and nothing else. Declarations are read by each run, as ever.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import connector_pipelines
from connector_pipelines.garbage import seldom, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dagster._core.instance import InstanceRef

_LOG = logging.getLogger(__name__)

_HEAVY = ("pandas", "pandera.pandas", "pyarrow", "requests", "cryptography.fernet", "dagster._cli", "dagster_postgres")
_NEVER = ("simulator", "commands", "cli", "demo", "definitions", "migrations", "dev", "launcher", "preloaded", "warm")


_PATIENCE_SECONDS = 120.0
"""So long a run waits for the database before it has begun; `start_timeout_seconds` in dagster.yaml is longer."""


def modules() -> Iterator[str]:
    """What runs import sooner or later: the libraries that take long, and all of ours but what no run uses."""
    yield from _HEAVY
    for found in pkgutil.walk_packages(connector_pipelines.__path__, "connector_pipelines."):
        if not any(part in _NEVER for part in found.name.split(".")):
            yield found.name


def warm_up() -> None:
    """Import it all. What cannot be imported is left to the run that needs it, which says why."""
    seldom()
    for name in modules():
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 -- one broken module must not keep all runs from starting
            _LOG.warning("%s is not imported beforehand: %s", name, error)
    _prepare()
    settle()  # forks share what nobody looks at again


def _prepare() -> None:
    """Make what all runs make alike of the connectors, once."""
    from connector_pipelines.connectors import connectors
    from connector_pipelines.orchestration.launchpad import attributes

    try:
        for connector in connectors().values():
            attributes(connector)
    except Exception as error:  # noqa: BLE001 -- as above
        _LOG.warning("what the launchpad offers is not made beforehand: %s", error)


def code() -> tuple[int, int]:
    """What the code on disk counts as: how many modules there are, and when the newest of them was written."""
    written = [file.stat().st_mtime_ns for root in connector_pipelines.__path__ for file in Path(root).rglob("*.py")]
    return len(written), max(written, default=0)


class _NotBegun(Exception):
    """A run's command ended, and the run does not say that it began."""


def execute(command: Sequence[str], run_id: str, ref: InstanceRef) -> None:
    """Be the command of Dagster that executes a run, in this process.

    Where PostgreSQL goes away before the run has begun, the command is repeated: a run whose process ended in between
    would hold its place in the queue until its start has timed out, for minutes. A run that has begun keeps its errors
    to itself, and Dagster ignores a second command for it. So does one that could not even say that it began, which is
    why its status is looked at afterwards.

    Args:
        command: the arguments of `dagster`.
        run_id: of the run.
        ref: the instance that it belongs to.
    """
    import stamina
    from dagster._cli import create_dagster_cli
    from sqlalchemy.exc import DBAPIError

    command_line = create_dagster_cli()  # type: ignore[no-untyped-call]  # Dagster's is without types
    for attempt in stamina.retry_context(on=(DBAPIError, _NotBegun), attempts=None, timeout=_PATIENCE_SECONDS):
        with attempt:
            command_line.main(args=list(command), prog_name="dagster", standalone_mode=False)
            if not _has_begun(ref, run_id):
                raise _NotBegun(run_id)


def _has_begun(ref: InstanceRef, run_id: str) -> bool:
    from dagster import DagsterInstance, DagsterRunStatus

    with DagsterInstance.from_ref(ref) as instance:
        run = instance.get_run_by_id(run_id)
    return run is None or run.status not in {DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING}
