"""The three layers as assets: external and mapping for each source, core shared by all.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from enum import Enum

import dagster as dg
from pydantic import Field

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.core.models import TABLES
from connector_pipelines.errors import ConfigurationError, at
from connector_pipelines.model import Mode, Source, Stream, Window
from connector_pipelines.orchestration import checks, metadata, names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.failures import explained
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.steps import apply_step, map_step, read_step
from connector_pipelines.orchestration.timetable import Timetable


class HowMuch(Enum):
    """The modes in run config: Dagster takes an enum's names."""

    full = Mode.FULL
    incremental = Mode.INCREMENTAL


class ReadOptions(dg.Config):
    """How much to read."""

    mode: HowMuch = Field(
        default=HowMuch.incremental,
        description="incremental: what changed since the last applied read, or on the partition's days; everything"
        " where nothing was read yet. full: everything, which alone can prove that a record is gone.",
    )
    whole_days: bool = Field(
        default=True,
        description="Read the partition's days whole. False: only what changed since the last applied read.",
    )


def partitions(timetable: Timetable) -> dg.DailyPartitionsDefinition:
    """The days of a source, today included, in its own time zone."""
    return dg.DailyPartitionsDefinition(
        start_date=timetable.start_date.isoformat(), timezone=timetable.timezone, end_offset=1
    )


def source_assets(declaration: Declaration) -> list[dg.AssetsDefinition]:
    """Two assets for each entity the source provides."""
    return [
        asset
        for stream in declaration.source.streams
        for asset in (_external(declaration, stream), _mapping(declaration, stream))
    ]


def core_assets(sources: Sequence[Source]) -> list[dg.AssetsDefinition]:
    """One asset for each core table that any of the sources feeds."""
    fed = [name for name in ENTITIES if any(source.provides(name) for source in sources)]
    return [_core(name, sources) for name in fed]


def _source_asset(
    declaration: Declaration, stream: Stream, layer: str, *, does: str, deps: Sequence[dg.AssetKey] = ()
) -> Callable[[Callable[..., dg.MaterializeResult[None]]], dg.AssetsDefinition]:
    """What the two layers of a source have in common."""
    source, daily = declaration.source, stream.filters_by_time
    key = _KEYS[layer](source.name, stream.entity)
    first = layer == "external" and stream.entity == source.streams[0].entity
    return dg.asset(
        key=key,
        description=does,
        deps=deps,
        check_specs=checks.specs(key, checks.BY_LAYER[layer] | (checks.AT_FIRST if first else {})),
        group_name=source.name,
        kinds={"python", source.connector.name},
        tags={"layer": layer, "source": source.name, "entity": stream.entity},
        partitions_def=partitions(declaration.timetable) if daily else None,
        backfill_policy=dg.BackfillPolicy.single_run() if daily else None,
        metadata=metadata.of_limits(source.config) if layer == "external" else {},
        freshness_policy=_freshness(declaration),
        pool=names.source_pool(source.name),
    )


_KEYS = {"external": names.external, "mapping": names.mapping}


def _freshness(declaration: Declaration) -> dg.FreshnessPolicy | None:
    """A source that nobody schedules is not stale."""
    if not declaration.by_itself:
        return None
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=declaration.timetable.fresh_within_hours))


def _external(declaration: Declaration, stream: Stream) -> dg.AssetsDefinition:
    source = declaration.source

    def external(context: dg.AssetExecutionContext, config: ReadOptions, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows no subscript
        with explained(), at(source.name, stream.entity):
            days = span(context) if stream.filters_by_time else Window()
        wanted = days if config.whole_days else Window()
        return read_step(context, engine, source, stream, mode=config.mode.value, span=wanted)

    does = (
        f"Reads {stream.entity} from {source.connector.title} ({stream.endpoint or stream.entity}), lands the pages as"
        " they came, and dead-letters rows that break a rule."
    )
    return _source_asset(declaration, stream, "external", does=does)(external)


def _mapping(declaration: Declaration, stream: Stream) -> dg.AssetsDefinition:
    source, entity = declaration.source, stream.entity
    parents = [names.mapping(source.name, parent) for parent in core_entity(entity).parents if source.provides(parent)]

    def mapping(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows no subscript
        return map_step(context, engine, source, entity)

    does = (
        f"Says whose each row of {entity} is and what would change in core: a plan, counted and hashed, accepted or"
        " held by the mass-change guard."
    )
    deps = [names.external(source.name, entity), *parents]
    return _source_asset(declaration, stream, "mapping", does=does, deps=deps)(mapping)


def _core(entity: str, sources: Sequence[Source]) -> dg.AssetsDefinition:
    key, by_name = names.core(entity), {source.name: source for source in sources}
    about = next(table.about for table in TABLES if table.name == entity)
    shown = {
        "dagster/column_schema": metadata.core_schema(core_entity(entity)),
        "dagster/table_name": f"core.{entity}",
    }

    @dg.asset(
        key=key,
        description=f"{about}\n\nApplies every accepted plan in chunks, reads back, writes receipts.",
        deps=[
            *(names.mapping(source.name, entity) for source in sources if source.provides(entity)),
            *(names.core(parent) for parent in core_entity(entity).parents if any(s.provides(parent) for s in sources)),
        ],
        check_specs=checks.specs(key, checks.BY_LAYER["core"]),
        group_name=names.CORE,
        kinds={"python", "postgres"},
        tags={"layer": "core", "entity": entity},
        metadata=shown,
        pool=names.core_pool(entity),
    )
    def core(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows no subscript
        return apply_step(context, engine, entity, by_name)

    return core


def span(context: dg.AssetExecutionContext) -> Window:
    """The days a run was launched for, in UTC.

    Raises:
        ConfigurationError: it was launched for none. Dagster would fail the next step, with words that help nobody.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise ConfigurationError(
            "the run was launched without a day.",
            remedy="Materialize asks for a day, and Latest goes on from the last sync; in the Launchpad, choose a day"
            " in Partition; or launch sync_now, which needs none.",
        )
    days = context.partition_time_window
    return Window(days.start.astimezone(UTC), days.end.astimezone(UTC))
