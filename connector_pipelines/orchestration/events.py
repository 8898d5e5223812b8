"""Reads again what webhooks gave notice of: one run of a source for all its events that wait (G79, N7).

Dagster reads the annotations of sensors as objects, so they are not postponed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import dagster as dg

from connector_pipelines.capabilities import hook_of
from connector_pipelines.database.connection import Connection
from connector_pipelines.model import Source
from connector_pipelines.orchestration import launches, names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.schedules import TICK_SECONDS, off, today
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.sync.context import silent
from connector_pipelines.webhooks import inbox
from connector_pipelines.webhooks.inbox import Batch

TAG = "connector_pipelines/events"
"""A run has here the batch it answers."""

PATIENCE = timedelta(seconds=60)
"""So long a batch may be without a run: the daemon makes it right after the tick, or never, if it died in between."""


class Verdict(Enum):
    """What becomes of a batch."""

    WAITS = "waits"
    DONE = "done"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a batch, because of which run, and why."""

    verdict: Verdict
    reason: str
    run_id: str | None = None


_VERDICTS = {
    dg.DagsterRunStatus.SUCCESS: Verdict.DONE,
    dg.DagsterRunStatus.FAILURE: Verdict.AGAIN,
    dg.DagsterRunStatus.CANCELED: Verdict.AGAIN,
}
"""A run in any other state is still on its way."""


def event_sensors(declaration: Declaration) -> list[dg.SensorDefinition]:
    """One for a source that has a webhook; it runs by itself: nothing comes from where nothing was registered."""
    source = declaration.source
    if hook_of(source) is None:
        return []

    @dg.sensor(
        name=names.events_sensor(source.name),
        job_name=names.sync_job(source.name),
        description=f"Reads again what webhooks said has changed in {source.name}: one run for all events that wait.",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def events(context: dg.SensorEvaluationContext, engine: Engine) -> dg.RunRequest | dg.SkipReason:
        with engine.open(launched_by="webhook sensor", report=silent) as surroundings:
            return tick(surroundings.connection, context.instance, declaration, datetime.now(UTC))

    return [events]


def tick(
    connection: Connection, instance: dg.DagsterInstance, declaration: Declaration, now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Settle the batch under way, then take the next one.

    One batch of a source at a time: its run holds the source's pool, and more of them would only take the places of
    other sources' runs. What arrives meanwhile is in the next batch. While the source is off none is taken: its events
    wait until it is on again, and that counts as no attempt.
    """
    source = declaration.source.name
    if batch := inbox.open_batch(connection, source):
        judged = _judge(connection, instance, batch)
        if judged.verdict is Verdict.WAITS:
            return dg.SkipReason(judged.reason)
        _settle(connection, batch, judged)
    if skip := off(connection, declaration.source):
        return skip
    day = today(declaration.timetable, now)
    if day is None:
        return dg.SkipReason(f"the first day is {declaration.timetable.start_date}")
    fresh = inbox.claim(connection, source)
    if fresh is None:
        inbox.forget(connection, source)
        return dg.SkipReason("no event waits")
    if not any(declaration.source.provides(entity) for entity in fresh.entities):
        inbox.finish(connection, fresh, None, "the source does not feed what was told any more")
        return dg.SkipReason(f"batch {fresh.id} names nothing that {source} feeds")
    return request(declaration.source, fresh, day)


def request(source: Source, batch: Batch, day: str) -> dg.RunRequest:
    """The run that answers a batch: what changed since the last read, of the entities its events name. Pure.

    Its key is the batch's own: a tick that is evaluated twice launches one run, and none keeps a later event from being
    answered.

    Args:
        source: whose events these are.
        batch: what waits.
        day: today, for which the run shows in the UI; what it reads goes back to the cursor, over midnight, too.
    """
    touched = [stream for stream in source.streams if stream.entity in batch.entities]
    daily = [names.external(source.name, stream.entity) for stream in touched if stream.filters_by_time]
    keys = [key for stream in touched for key in names.layers(source.name, stream.entity)]
    return dg.RunRequest(
        run_key=f"events {batch.id}",
        asset_selection=keys,
        partition_key=day if daily else None,
        run_config={"ops": {key.to_python_identifier(): {"config": {"whole_days": False}} for key in daily}},
        tags={TAG: str(batch.id), launches.LANE: "urgent", "source": source.name, "events": str(batch.events)},
    )


def judge(batch: Batch, runs: Sequence[tuple[str, dg.DagsterRunStatus]]) -> Judgement:
    """What becomes of a batch. Pure.

    Args:
        batch: that was claimed.
        runs: its runs by id, the newest first; Dagster may have launched one that died once more.
    """
    if runs:
        run_id, status = runs[0]
        verdict = _VERDICTS.get(status, Verdict.WAITS)
        return Judgement(verdict, f"run {run_id} {_SAID[verdict]}", run_id)
    if batch.age > PATIENCE:
        return Judgement(Verdict.AGAIN, "no run was launched")
    return Judgement(Verdict.WAITS, f"batch {batch.id} is being launched")


_SAID = {Verdict.WAITS: "is on its way", Verdict.DONE: "answered it", Verdict.AGAIN: "did not come to its end"}


def _judge(connection: Connection, instance: dg.DagsterInstance, batch: Batch) -> Judgement:
    found = instance.get_runs(dg.RunsFilter(tags={TAG: str(batch.id)}), limit=1)
    judged = judge(batch, [(run.run_id, run.status) for run in found])
    if judged.verdict is Verdict.AGAIN and judged.run_id and inbox.held(connection, judged.run_id):
        reason = f"run {judged.run_id} read it; the plan is held for a person"
        return Judgement(Verdict.DONE, reason, judged.run_id)
    return judged


def _settle(connection: Connection, batch: Batch, judged: Judgement) -> None:
    if judged.verdict is Verdict.DONE and judged.run_id:
        inbox.finish(connection, batch, judged.run_id, judged.reason)
    else:
        inbox.give_back(connection, batch, judged.run_id, judged.reason)
