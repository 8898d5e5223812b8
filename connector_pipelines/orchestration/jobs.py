"""The jobs of a source: sync, look, test.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from connector_pipelines.model import Source
from connector_pipelines.orchestration import launches, metadata, names
from connector_pipelines.orchestration.assets import HowMuch
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.health import evaluations
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync import planning, whole
from connector_pipelines.sync.sources import test_connection

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
"""All steps in the run's own process; docs/decisions/0004-one-process.md says why also for full loads."""


def reading_jobs(declaration: Declaration) -> list[Any]:
    """Sync what changed, sync everything, only look."""
    return [_sync_job(declaration), _full_job(declaration), _dry_run_job(declaration.source)]


def selection(source: Source) -> dg.AssetSelection:
    """The source's two layers and the core tables it feeds."""
    keys = [key for stream in source.streams for key in names.layers(source.name, stream.entity)]
    return dg.AssetSelection.assets(*keys)


def _sync_job(declaration: Declaration) -> Any:
    source = declaration.source
    return dg.define_asset_job(
        names.sync_job(source.name),
        selection=selection(source),
        config=IN_PROCESS,
        description=f"Reads what changed in {source.name}, plans it, and applies what is accepted.",
        tags={"source": source.name},
    )


def _full_job(declaration: Declaration) -> Any:
    source = declaration.source
    return dg.define_asset_job(
        names.full_job(source.name),
        selection=selection(source),
        config=full_config(source) | IN_PROCESS,
        description=f"Reads all of {source.name}, what is gone included, plans it, and applies what is accepted.",
        tags={"source": source.name},
    )


def full_config(source: Source) -> dict[str, Any]:
    """Run config that reads everything."""
    full = {"config": {"mode": HowMuch.full.name}}
    return {"ops": {names.external(source.name, s.entity).to_python_identifier(): full for s in source.streams}}


class DryRun(dg.Config):
    """How much to look at."""

    mode: HowMuch = Field(
        default=HowMuch.full, description="full: everything, what is gone included. incremental: what changed."
    )
    entities: list[str] = Field(default=[], description="Only these; none named is all the source provides.")


def _dry_run_job(source: Source) -> dg.JobDefinition:
    name = names.dry_run_job(source.name)

    @dg.op(name=f"{name}_now", description="Reads and plans. What it found stands with each mapping asset.")
    def look_now(context: dg.OpExecutionContext, config: DryRun, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            launches.count(context, source.name)
            entities = config.entities or None
            for outcome in whole.sync(surroundings, source, mode=config.mode.value, entities=entities, dry_run=True):
                changes = planning.sample_changes(surroundings, outcome.plan)
                shown = metadata.of_plans([outcome.plan]) | metadata.of_changes(changes)
                key = names.mapping(source.name, outcome.entity)
                context.log_event(dg.AssetObservation(key, metadata=shown, description="a dry run"))

    @dg.job(
        name=name,
        config=IN_PROCESS,
        description=f"Reads {source.name} and plans what a sync would change; core, mappings and cursors stay as they"
        " are. A plan it made can be approved by its hash.",
        tags={"source": source.name},
    )
    def dry_run() -> None:
        look_now()

    return dry_run


def test_job(source: Source) -> dg.JobDefinition:
    """Tests the connection."""
    name = names.test_job(source.name)

    @dg.op(name=f"{name}_now", description="Asks for as little as it takes to know that URL and credentials work.")
    def test_now(context: dg.OpExecutionContext, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            health = test_connection(surroundings, source)
        for one in evaluations(source, health):
            context.instance.report_runless_asset_event(one)
        if not health.ok:
            raise dg.Failure(description=health.detail, allow_retries=False)
        context.log.info("%s (%.0f ms)", health.detail, health.latency_seconds * 1000)

    @dg.job(
        name=name,
        config=IN_PROCESS,
        description=f"Tests the connection to {source.name}.",
        tags={"source": source.name, launches.LANE: "urgent"},
    )
    def test() -> None:
        test_now()

    return test
