"""The outward half in Dagster: an asset for each export, a job, a dry run, and what launches them by themselves.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from connector_pipelines.core.extracts import extract
from connector_pipelines.model import Source
from connector_pipelines.orchestration import checks, launches, look, metadata, names
from connector_pipelines.orchestration.decisions import known
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.jobs import IN_PROCESS
from connector_pipelines.orchestration.schedules import TICK_SECONDS, off
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.outward import Export
from connector_pipelines.sync import deciding, figures, letters, outbox, planning
from connector_pipelines.sync.context import silent
from connector_pipelines.sync.linking import link
from connector_pipelines.sync.outbox import Pending
from connector_pipelines.sync.push import push

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_TRY_AGAIN = timedelta(minutes=15)


class ExportOptions(dg.Config):
    """How to compare."""

    compare: bool = Field(
        default=False,
        description="Ask the source first what stands there, so that what was changed or removed there is sent again.",
    )
    as_of: str = Field(
        default="",
        description="Judge which terms have ended as of this day, like 2026-09-01; in UTC, today by default.",
    )


class DryRunExport(dg.Config):
    """What to look at."""

    entities: list[str] = Field(default=[], description="Only these exports; none named is all that are switched on.")


def export_assets(declaration: Declaration) -> list[dg.AssetsDefinition]:
    """One asset for each export that is switched on."""
    return [_asset(declaration.source, export) for export in declaration.source.exports]


def _asset(source: Source, export: Export) -> dg.AssetsDefinition:
    key = names.export(source.name, export.entity)

    @dg.asset(
        key=key,
        description=f"Keeps {export.entity} in {source.connector.title} as core says: looks up, plans, sends what is"
        " accepted in batches, reads back. What is not ours there is left alone.",
        deps=[
            *(names.core(entity) for entity in extract(export.of).entities),
            *(names.export(source.name, entity) for entity in export.follows(source.exports)),
        ],
        check_specs=checks.specs(key, checks.BY_LAYER["export"] | (checks.OF_NEEDS if export.needs else {})),
        group_name=source.name,
        kinds={"python", source.connector.name},
        tags={"layer": "export", "source": source.name, "entity": export.entity},
        pool=names.source_pool(source.name),
    )
    def exported(context: dg.AssetExecutionContext, config: ExportOptions, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows no subscript
        return _export_step(context, engine, source, export, config)

    return exported


def _export_step(
    context: dg.AssetExecutionContext, engine: Engine, source: Source, export: Export, how: ExportOptions
) -> dg.MaterializeResult[None]:
    today = date.fromisoformat(how.as_of) if how.as_of else None
    with opened(context, engine) as surroundings:
        launches.count(context, source.name)
        connection = surroundings.connection
        done = list(push(surroundings, source, entities=[export.entity], compare=how.compare, today=today))
        plans, sent = [one.plan for one in done], [one.receipt for one in done if one.receipt]
        held = [plan for plan in deciding.held_plans(surroundings, source.name) if plan.entity == export.name]
        there = look.exported_rows(connection, source.name, export.name)
        shown = (
            metadata.of_receipts(sent, there)
            | metadata.of_plans(plans)
            | metadata.of_letters(letters.by_reason(connection, source.name, export.name))
            | metadata.of_history(look.last_runs(connection, source.name, export.name))
        )
        since = datetime.now(UTC) - checks.FIGURES_OF
        how_it_does = figures.of_export(connection, source.name, export.name, since)
        shown |= metadata.of_figures(how_it_does)
        for plan in plans:
            shown |= metadata.of_changes(planning.sample_changes(surroundings, plan))
        without = figures.lacking(connection, source.name, export)
        shown |= metadata.of_lacking(without)
    found = checks.of_export(plans, sent, held, how_it_does) + ([checks.needs(without)] if export.needs else [])
    key = names.export(source.name, export.entity)
    return dg.MaterializeResult(metadata=shown, check_results=[one.result(key) for one in found])


def export_jobs(source: Source) -> list[Any]:
    """Export, and only look; none for a source that nothing is written to."""
    if not source.exports:
        return []
    keys = [names.export(source.name, export.entity) for export in source.exports]
    job = dg.define_asset_job(
        names.export_job(source.name),
        selection=dg.AssetSelection.assets(*keys),
        config=IN_PROCESS,
        description=f"Brings {source.name} up to what core says: plans, and sends what is accepted.",
        tags={"source": source.name},
    )
    return [job, _dry_run_job(source)]


def _dry_run_job(source: Source) -> dg.JobDefinition:
    name = names.dry_run_export_job(source.name)

    @dg.op(name=f"{name}_now", description="Compares and plans. What it found stands with each export asset.")
    def look_now(context: dg.OpExecutionContext, config: DryRunExport, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            launches.count(context, source.name)
            for outcome in push(surroundings, source, entities=config.entities or None, dry_run=True):
                changes = planning.sample_changes(surroundings, outcome.plan)
                shown = metadata.of_plans([outcome.plan]) | metadata.of_changes(changes)
                key = names.planned(source.name, outcome.entity)
                context.log_event(dg.AssetObservation(key, metadata=shown, description="a dry run"))

    @dg.job(
        name=name,
        config=IN_PROCESS,
        description=f"Plans what an export to {source.name} would write; nothing is written. A plan it made can be"
        " approved by its hash.",
        tags={"source": source.name},
    )
    def dry_run() -> None:
        look_now()

    return dry_run


class Link(dg.Config):
    """Which record belongs to a row of core."""

    source: str = Field(description="The other system.")
    entity: str = Field(description="The export, e.g. users.")
    key: str = Field(description="The row of core as the dead letter names it, e.g. students/17.")
    external_id: str = Field(default="", description="The record there; empty to have one created.")
    who: str = Field(default_factory=getpass.getuser, description="Who decides, for the audit log.")
    why: str = Field(min_length=1, description="What makes you sure, for the audit log.")


def link_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    """Say which record it is, where a look-up was in doubt."""

    @dg.op
    def link_now(context: dg.OpExecutionContext, config: Link, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source, there = known(sources, config.source), config.external_id or None
            link(surroundings, source, config.entity, config.key, there, who=config.who, why=config.why)
        context.log.info("%s: %s; the next export acts on it", config.key, config.external_id or "a new record")

    @dg.job(
        description="Says which record of another system belongs to a row of core, or that it shall have a new one,"
        " where an export's dead letters ask. The next export acts on it.",
    )
    def link_export() -> None:
        link_now()

    return link_export


def compare_config(source: Source, as_of: date | None = None) -> dict[str, Any]:
    """Run config that asks the source first what stands there; terms end by the clock, or as of a day."""
    asked = {"config": {"compare": True, "as_of": as_of.isoformat() if as_of else ""}}
    return {"ops": {names.export(source.name, e.entity).to_python_identifier(): asked for e in source.exports}}


def export_schedules(declaration: Declaration) -> list[dg.ScheduleDefinition]:
    """Compare everything, at the time the declaration says."""
    source, timetable = declaration.source, declaration.timetable
    if not source.exports or not timetable.export_cron:
        return []
    job = names.export_job(source.name)
    enabled = dg.DefaultScheduleStatus.RUNNING if declaration.by_itself else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=timetable.export_cron,
        execution_timezone=timetable.timezone,
        default_status=enabled,
    )
    def launch(context: dg.ScheduleEvaluationContext, engine: Engine) -> dg.RunRequest | dg.SkipReason:
        with engine.open(launched_by="export schedule", report=silent) as surroundings:
            skip = off(surroundings.connection, source)
        at = context.scheduled_execution_time
        return skip or dg.RunRequest(run_key=at.isoformat(), run_config=compare_config(source))

    return [launch]


def export_sensors(declaration: Declaration) -> list[dg.SensorDefinition]:
    """Launches the exports that changes of core concern, once it is quiet: many changes, one run."""
    source, timetable = declaration.source, declaration.timetable
    if not source.exports:
        return []
    job = names.export_job(source.name)
    quiet = timedelta(seconds=timetable.export_quiet_seconds)
    patience = timedelta(seconds=timetable.export_patience_seconds)

    @dg.sensor(
        name=f"{job}_changes",
        job_name=job,
        description=f"Exports what changed in core to {source.name}, when no change came for"
        f" {timetable.export_quiet_seconds:g} s.",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if declaration.by_itself else dg.DefaultSensorStatus.STOPPED,
    )
    def changes(context: dg.SensorEvaluationContext, engine: Engine) -> dg.RunRequest | dg.SkipReason:
        with engine.open(launched_by="export sensor", report=silent) as surroundings:
            outbox.watch(surroundings.connection, source)
            found = outbox.pending(surroundings.connection, source.name)
            skip = off(surroundings.connection, source)
        if skip:
            return skip
        under_way = dg.RunsFilter(job_name=job, statuses=_UNDER_WAY)
        busy = context.instance.get_runs_count(under_way) > 0
        return request(source, found, datetime.now(UTC), quiet=quiet, patience=patience, busy=busy)

    return [changes]


def request(
    source: Source, found: Pending | None, now: datetime, *, quiet: timedelta, patience: timedelta, busy: bool
) -> dg.RunRequest | dg.SkipReason:
    """What a tick launches. Pure.

    The run key names the newest change, so that a tick that is evaluated twice launches one run. A run that failed
    leaves the changes where they are; it is tried again once in a quarter of an hour.

    Args:
        source: where to.
        found: what waits.
        now: the clock.
        quiet: how long nothing must have changed.
        patience: the longest wait for that.
        busy: a run of the job is under way.
    """
    if found is None:
        return dg.SkipReason("core holds nothing that was not exported")
    if busy:
        return dg.SkipReason(f"{found.rows:,} changes wait for the run that is under way")
    if not found.due(now, quiet=quiet, patience=patience):
        return dg.SkipReason(
            f"{found.rows:,} changes, and more may come: waiting for {quiet.total_seconds():g} s of quiet"
        )
    concerned = [export for export in source.exports if export.entity in found.exports]
    turn = int((now - found.newest) / _TRY_AGAIN)
    return dg.RunRequest(
        run_key=f"{found.newest.isoformat()} {turn}",
        asset_selection=[names.export(source.name, export.entity) for export in concerned],
    )
