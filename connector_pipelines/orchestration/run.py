"""Runs a source's job in this process, on Dagster's own records: what the demo does, and what then shows in the UI."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.orchestration import build, home, names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.exports import compare_config
from connector_pipelines.orchestration.jobs import full_config
from connector_pipelines.orchestration.schedules import today
from connector_pipelines.orchestration.sources import DEFS, Declaration, declared_source, read_all
from connector_pipelines.sync.context import silent

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from connector_pipelines.model import Progress, Report

_LOCATION = {".dagster/repository": "__repository__@connector_pipelines"}
"""The tag by which the UI knows that a run belongs to the jobs of this project."""

_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that ended.

    Attributes:
        failures: for each step that failed, a sentence.
        checks: for each asset check that is red, a sentence.
    """

    run_id: str
    success: bool
    failures: tuple[str, ...]
    checks: tuple[str, ...]


def run_sync(source: str, *, full: bool = False, report: Report = silent, folder: Path = DEFS) -> Finished:
    """Read, plan and apply a source through its job, in this process.

    Args:
        source: a declared source.
        full: read everything, instead of what changed since the last applied read.
        report: told about progress.
        folder: where sources are declared.

    Raises:
        ConfigurationError: the source is not declared, not enabled or not usable.
    """
    declaration = _declaration(source, folder)
    config = full_config(declaration.source) if full else {}
    return _run(names.sync_job(source), config, report=report, folder=folder, partition=_partition(declaration))


def run_export(source: str, *, as_of: date | None = None, report: Report = silent, folder: Path = DEFS) -> Finished:
    """Compare a source with core and write what differs, through its export job, in this process.

    Args:
        source: a declared source that may be written to.
        as_of: the day by which terms end; today by default.
        report: told about progress.
        folder: where sources are declared.

    Raises:
        ConfigurationError: the source is not declared, not enabled or not usable.
    """
    config = compare_config(_declaration(source, folder).source, as_of)
    return _run(names.export_job(source), config, report=report, folder=folder)


def _run(job: str, config: dict[str, Any], *, report: Report, folder: Path, partition: str | None = None) -> Finished:
    with home.environment(home.prepare()), dg.DagsterInstance.get() as instance:
        definitions = build.definitions(folder, engine=_listening(report))
        result = definitions.resolve_job_def(job).execute_in_process(
            run_config=_QUIET | config,
            instance=instance,
            partition_key=partition,
            tags=_LOCATION,
            raise_on_error=False,
        )
    return Finished(result.run_id, result.success, _failures(result), _red(result))


def _declaration(name: str, folder: Path) -> Declaration:
    for one in read_all(folder):
        if isinstance(one, Declaration) and one.source.name == name:
            return one
    declared_source(name, folder)  # raises, and says why
    raise ConfigurationError(f"no source {name!r} is declared.")


def _listening(report: Report) -> Engine:
    class Listening(Engine):
        """Tells the caller as well as Dagster's log."""

        def listen(self, progress: Progress) -> None:
            report(progress)

    return Listening()


def _partition(declaration: Declaration) -> str | None:
    if not any(stream.filters_by_time for stream in declaration.source.streams):
        return None
    return today(declaration.timetable, datetime.now(UTC))


def _failures(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    failed = [event for event in result.all_node_events if event.is_step_failure]
    return tuple(f"{event.step_key}: {_cause(event)}" for event in failed)


def _cause(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "unknown"


def _red(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    return tuple(
        f"{check.asset_key.to_user_string()} {check.check_name}: {check.description}"
        for check in result.get_asset_check_evaluations()
        if not check.passed
    )
