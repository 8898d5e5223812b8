"""Backfills that say what they cost before they begin, and wait outside of any run where the source can't be asked.

Dagster reads the annotations of steps and sensors as objects, so they are not postponed here.
"""

import math
from datetime import UTC, datetime, timedelta

import dagster as dg

from connector_pipelines.errors import RateLimited
from connector_pipelines.model import Source, Window
from connector_pipelines.orchestration import launches, names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.metadata import Metadata
from connector_pipelines.orchestration.schedules import off
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.sync import parking, quota
from connector_pipelines.sync.context import Context, silent

PARKED = "connector_pipelines/parked"
"""The tag with the run that a run makes up for."""

_DAYS = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def days_of(span: Window) -> int | None:
    """How many days a span has; None for everything."""
    if span.since is None or span.until is None:
        return None
    return math.ceil((span.until - span.since) / timedelta(days=1))


def expected(
    context: dg.AssetExecutionContext, surroundings: Context, source: Source, entity: str, span: Window
) -> Metadata:
    """What a backfill's read is expected to take, before it begins; nothing for any other read.

    Raises:
        RateLimited: the source's budget is spent, or it failed so often that nobody asks it; the run is parked, and
            launched again when its time comes.
    """
    if launches.lane(context.run.tags) != "backfill":
        return {}
    connection, now = surroundings.connection, datetime.now(UTC)
    if PARKED in context.run.tags:
        parking.resumed(connection, [context.run.tags[PARKED]], now)
    cost = quota.predict(connection, source.name, [entity], days_of(span))
    context.log.info("%s: this backfill takes %s", entity, cost)
    turn = quota.next_turn(connection, source.name)
    refused = quota.refuses(connection, source.name)
    until = quota.park_until(turn, now, refused=refused)
    if until is not None:
        _park(context, surroundings, source, until)
        why = f"{source.name} failed again and again" if refused else f"the budget of {source.name} is spent"
        raise RateLimited(
            f"parked until {until:%Y-%m-%d %H:%M:%S} UTC: {why}.",
            remedy="Nothing: it is launched again by itself then, and nothing was asked so far.",
        ).located(source.name, entity)
    return {"expected": str(cost), "expected calls": cost.calls, "expected seconds": round(cost.seconds, 1)}


def _park(context: dg.AssetExecutionContext, surroundings: Context, source: Source, until: datetime) -> None:
    run = context.run
    tags = {name: run.tags[name] for name in _DAYS if name in run.tags}
    chosen = run.asset_selection or context.job_def.asset_layer.selected_asset_keys
    assets = tuple(sorted(key.to_user_string() for key in chosen))
    parking.park(surroundings.connection, parking.Parked(run.run_id, source.name, until, assets, tags))


def resume_sensor(declaration: Declaration) -> dg.SensorDefinition:
    """Launches a source's parked backfills when their time has come; on from the start: a person launched them once.

    While the source is off they stay parked: each is launched once, and that one run would be refused.
    """
    source = declaration.source

    @dg.sensor(
        name=names.resume_sensor(source.name),
        job_name=names.sync_job(source.name),
        description=f"Launches backfills of {source.name} again that were parked because it could not be asked.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def resume(
        context: dg.SensorEvaluationContext,  # noqa: ARG001 -- Dagster's signature
        engine: Engine,
    ) -> dg.SensorResult | dg.SkipReason:
        with engine.open(launched_by="resume sensor", report=silent) as surroundings:
            if skip := off(surroundings.connection, source):
                return skip
            due = parking.due(surroundings.connection, source.name, datetime.now(UTC))
            parking.forget(surroundings.connection, source.name, datetime.now(UTC))
        return dg.SensorResult(run_requests=[again(one) for one in due])

    return resume


def again(parked: parking.Parked) -> dg.RunRequest:
    """The same assets and days. Its run key is the parked run's: it is launched once, however often it is asked for."""
    return dg.RunRequest(
        run_key=f"parked {parked.run_id}",
        asset_selection=[dg.AssetKey.from_user_string(key) for key in parked.assets],
        tags=parked.tags | {launches.LANE: "backfill", PARKED: parked.run_id},
    )
