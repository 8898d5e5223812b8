"""The job that says what a backfill would take.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from connector_pipelines.model import Source
from connector_pipelines.orchestration.decisions import known
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync import quota, whole


class Backfill(dg.Config):
    """Which backfill."""

    source: str = Field(description="The source.")
    entities: list[str] = Field(default=[], description="Only these; none named is all the source provides.")
    first: str = Field(default="", description="The first day, as 2026-11-01. Without days: everything.")
    last: str = Field(default="", description="The last day; the first one where none is named.")


def estimate_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    """What a backfill would take, without asking the source."""

    @dg.op
    def estimate(context: dg.OpExecutionContext, config: Backfill, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source, days = known(sources, config.source), quota.days_between(config.first, config.last)
            entities = whole.in_order(source, config.entities or None)
            cost = quota.predict(surroundings.connection, source.name, entities, days)
            turn = quota.next_turn(surroundings.connection, source.name)
            refused = quota.refuses(surroundings.connection, source.name)
        until = quota.park_until(turn, datetime.now(UTC), refused=refused)
        begins = f"would be parked until {until:%Y-%m-%d %H:%M} UTC" if until else "would begin at once"
        context.log.info("%s takes %s and %s", source.name, cost, begins)
        context.add_output_metadata({"calls": cost.calls, "seconds": cost.seconds, "begins": begins})

    @dg.job(
        name="estimate_backfill",
        description="Says how many calls and how long a backfill would take, from earlier reads and the budgets left."
        " Asks the source nothing.",
    )
    def job() -> None:
        estimate()

    return job
