"""What the assets do: thin shells that call the engine and show what became of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from connector_pipelines.external import journal
from connector_pipelines.orchestration import checks, launches, look, metadata, names, parks
from connector_pipelines.orchestration.failures import explained
from connector_pipelines.sync import accepting, applying, conflicts, deciding, letters, planning, pull, sampling
from connector_pipelines.sync.sources import register
from connector_pipelines.validation import shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dagster import AssetKey, OpExecutionContext

    from connector_pipelines.model import Mode, Progress, Source, Stream, Window
    from connector_pipelines.orchestration.engine import Engine
    from connector_pipelines.sync.context import Context


def read_step(
    context: AssetExecutionContext, engine: Engine, source: Source, stream: Stream, *, mode: Mode, span: Window
) -> MaterializeResult[None]:
    """Steps 1 and 2: read, land, accept or dead-letter."""
    entity = stream.entity
    with opened(context, engine) as surroundings:
        launches.count(context, source.name)
        register(surroundings.connection, source)
        expected = parks.expected(context, surroundings, source, entity, span)
        read = pull.pull(surroundings, source, entity, mode=mode, span=span)
        connection = surroundings.connection
        shown = (
            expected
            | metadata.of_read(read, look.skipped(connection, read.id))
            | metadata.of_letters(letters.by_reason(connection, source.name, entity))
            | metadata.of_history(look.last_runs(connection, source.name, entity))
        )
        now = shapes.shape(sampling.sample(surroundings, source, read))
    today, key = read.started_at.date(), names.external(source.name, entity)
    known = shapes.remember(_known_shape(context, key), now, today)
    shown |= {
        metadata.SHAPE: MetadataValue.json(shapes.dump(known)),
        "endpoint": stream.endpoint or entity,
        "dagster/column_schema": metadata.external_schema(stream),
        "next": MetadataValue.asset(names.mapping(source.name, entity)),
    }
    found = [checks.schema(read), checks.completeness(read), checks.shape(shapes.drift(known, now, today), len(known))]
    if stream.entity == source.streams[0].entity:
        found.append(checks.connection(read))
    return MaterializeResult(metadata=shown, check_results=[one.result(key) for one in found])


def _known_shape(context: AssetExecutionContext, key: AssetKey) -> shapes.Memory:
    """What earlier reads looked like, as the asset's last materialization has it."""
    last = context.instance.get_latest_materialization_event(key)
    found = last.asset_materialization if last else None
    return shapes.load(found.metadata[metadata.SHAPE].value) if found and metadata.SHAPE in found.metadata else {}


def map_step(context: AssetExecutionContext, engine: Engine, source: Source, entity: str) -> MaterializeResult[None]:
    """Step 3: plan. A held plan fails the blocking check, so that core of this run stays as it was."""
    with opened(context, engine) as surroundings:
        plans = planning.plan(surroundings, source, entity)
        newest = plans[-1] if plans else look.newest_plan(surroundings.connection, source.name, entity)
        concerned = plans or ([newest] if newest else [])
        held = [plan for plan in deciding.held_plans(surroundings, source.name) if plan.entity == entity]
        shown = metadata.of_plans(concerned) | {"next": MetadataValue.asset(names.core(entity))}
        if newest:
            shown |= metadata.of_changes(planning.sample_changes(surroundings, newest))
        shown |= metadata.of_cases(accepting.open_cases(surroundings.connection, source.name, entity))
        shown |= _waiting_conflicts(surroundings, source.name, entity)
        shown |= metadata.of_history(look.last_runs(surroundings.connection, source.name, entity))
    found = [checks.mass_change(concerned, held), checks.accounted_for(plans), checks.dead_letters(plans)]
    key = names.mapping(source.name, entity)
    return MaterializeResult(metadata=shown, check_results=[one.result(key) for one in found])


def apply_step(
    context: AssetExecutionContext, engine: Engine, entity: str, sources: Mapping[str, Source]
) -> MaterializeResult[None]:
    """Step 4: apply what is accepted, prove it."""
    with opened(context, engine) as surroundings:
        applied = applying.apply(surroundings, entity, sources)
        waiting = look.waiting(surroundings.connection, entity, older_than=checks.PATIENCE)
        held = look.held_sources(surroundings.connection, entity)
        rows = look.core_rows(surroundings.connection, entity)
        torn = _waiting_conflicts(surroundings, None, entity)
    shown = metadata.of_receipts(applied, rows) | torn | ({"held for a person": ", ".join(held)} if held else {})
    found = [checks.receipts(applied), checks.orphans(waiting)]
    return MaterializeResult(metadata=shown, check_results=[one.result(names.core(entity)) for one in found])


def _waiting_conflicts(surroundings: Context, source: str | None, entity: str) -> metadata.Metadata:
    connection = surroundings.connection
    oldest = conflicts.open_conflicts(connection, source, entity)
    return metadata.of_conflicts(oldest, conflicts.count_open(connection, source, entity))


@contextmanager
def opened(context: AssetExecutionContext | OpExecutionContext, engine: Engine) -> Iterator[Context]:
    """A step's surroundings; progress goes to the run's log, errors become failures that explain themselves."""
    with (
        explained(),
        engine.open(
            launched_by=f"dagster run {context.run.run_id}",
            report=_reporter(context),
            lane=launches.lane(context.run.tags),
        ) as surroundings,
    ):
        yield surroundings


def _reporter(context: AssetExecutionContext | OpExecutionContext) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if journal.tells_progress(progress.source):
            context.log.info(sentence(progress))

    return report


def sentence(progress: Progress) -> str:
    """One step forward, for a log: how much is done and, where the end is known, what share of it."""
    share = f" of {progress.total:,} ({progress.done / progress.total:.0%})" if progress.total else ""
    return f"{progress.entity}: {progress.step} {progress.done:,}{share} {progress.unit}"
