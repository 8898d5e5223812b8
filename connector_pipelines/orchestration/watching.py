"""Watches the syncs: keeps how Dagster's runs ended, tells people what the rules find, sends the daily digest.

Dagster's own run-status sensors are called once for each run and job, and lose what happened while they were off. One
sensor that asks for all runs since the last that it knows sees every end, also of runs that died, and the clock's rules
can be judged in the same tick.

Dagster reads the annotations of sensors as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import redact
from connector_pipelines.external.notify import places
from connector_pipelines.external.options import ends
from connector_pipelines.orchestration import names, operations
from connector_pipelines.orchestration.crons import refusal
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.settings import settings
from connector_pipelines.sync import alerting, digest, parking
from connector_pipelines.sync.alarms import Level
from connector_pipelines.sync.context import silent
from connector_pipelines.sync.decided import decided_since

SECONDS = 30
"""Between two looks; a rule that holds for 15 minutes is told within 15 and a half."""

_ENDED = {
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}
_OVERLAP = timedelta(seconds=5)  # runs that end at once may become visible out of order; known ones are kept once
_BATCH = 200
_FIRST = timedelta(days=1)  # so far back the very first look goes
_BY_CONFIG = {"sync_now": "sync_it", "full_resync": "read_anew", "reconcile": "reconcile_now"}
"""Jobs that serve all sources, with the op whose config names the one."""


def source_of(run: dg.DagsterRun, sources: Iterable[str]) -> str | None:
    """The source that a run syncs, or compares with core; None for any other run. Pure.

    By its job, by its config where one job serves all sources, or by the assets that were chosen in the graph.
    """
    known = {name(source): source for source in sources for name in (names.sync_job, names.full_job)}
    if run.job_name in known:
        return known[run.job_name]
    if run.job_name in _BY_CONFIG:
        ops: Any = run.run_config.get("ops", {})
        return str(ops[_BY_CONFIG[run.job_name]]["config"]["source"])
    chosen = {key.path[0] for key in run.asset_selection or () if key.path[1:2] == ["external"]}
    return next(iter(chosen & set(sources)), None)


def ended_runs(
    instance: dg.DagsterInstance, sources: Iterable[str], after: datetime
) -> tuple[list[alerting.Ended], datetime]:
    """The next syncs that ended since a moment, oldest first, and from when on to ask the next time."""
    ask = dg.RunsFilter(statuses=list(_ENDED), updated_after=after)
    records = instance.get_run_records(ask, limit=_BATCH, order_by="update_timestamp", ascending=True)
    ended = [
        alerting.Ended(
            run_id=run.run_id,
            source=source,
            job=run.job_name,
            state=_ENDED[run.status],
            started_at=datetime.fromtimestamp(record.start_time, UTC) if record.start_time else None,
            ended_at=_utc(record.update_timestamp),
            error=_error(instance, run.run_id) if run.status is dg.DagsterRunStatus.FAILURE else None,
        )
        for record in records
        for run in [record.dagster_run]
        for source in [source_of(run, sources)]
        if source
    ]
    if not records:
        return ended, after
    last = _utc(records[-1].update_timestamp)
    return ended, last if len(records) == _BATCH else max(after, last - _OVERLAP)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=at.tzinfo or UTC)


def _error(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed: the first step's own sentence, or Dagster's where no step had one; without personal data."""
    failed = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failed:
        data = entry.get_dagster_event().step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return redact.text(data.user_failure_data.description)[:1000]
        if data.error:
            return redact.text(" ".join(data.error.message.split()))[:1000]
    ends = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    return redact.text(" ".join(entry.message for entry in ends))[:1000] or "the run died"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found.

    Attributes:
        arrived: how many messages were sent.
        next: from when on the next look asks.
        shown: the operations pages, where a sync ended or somebody decided something.
    """

    arrived: int
    next: datetime
    shown: Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation]


def look(
    instance: dg.DagsterInstance, engine: Engine, declarations: Sequence[Declaration], now: datetime, *, after: datetime
) -> Seen:
    """One look: keep what ended, judge every rule, send what is to be told, renew the pages."""
    known = [one.source.name for one in declarations]
    ended, following = ended_runs(instance, known, after)
    with engine.open(launched_by="watch sensor", report=silent) as surroundings:
        connection = surroundings.connection
        parked = parking.parked(connection, [one.run_id for one in ended])
        ended = [replace(one, state="parked") if one.run_id in parked else one for one in ended]
        new = alerting.note_runs(connection, ended)
        alerting.watch(connection, known, now, {one.source.name: ends(one.source.config) for one in declarations})
        arrived = alerting.deliver(connection, places(), now, at_least=Level[settings().alert_level.upper()])
        alerting.forget(connection, now)
        new |= decided_since(connection, _shown_at(instance) or now)
        shown = operations.events(connection, declarations, now, only=new) if new else []
    return Seen(arrived, following, shown)


def _shown_at(instance: dg.DagsterInstance) -> datetime | None:
    """When the operations pages were renewed last."""
    newest = instance.get_latest_materialization_event(operations.OVERVIEW)
    return datetime.fromtimestamp(newest.timestamp, UTC) if newest else None


def watch_sensor(declarations: Sequence[Declaration]) -> dg.SensorDefinition:
    """Looks twice a minute; on from the start, because it asks no source anything."""

    @dg.sensor(
        name="watch",
        description="Keeps how runs ended, renews the operations pages, and sends alerts: failures, failures in a row,"
        " rates, slow APIs.",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def watch(context: dg.SensorEvaluationContext, engine: Engine) -> dg.SensorResult:
        now = datetime.now(UTC)
        after = datetime.fromisoformat(context.cursor) if context.cursor else now - _FIRST
        seen = look(context.instance, engine, declarations, now, after=after)
        said = f"{seen.arrived} messages sent" if seen.arrived else "nothing to tell"
        return dg.SensorResult(skip_reason=said, cursor=seen.next.isoformat(), asset_events=seen.shown)

    return watch


class Report(dg.Config):
    """Who wants it."""

    who: str = Field(default_factory=getpass.getuser, description="Who asks for it.")


def digest_job() -> dg.JobDefinition:
    """The digest, now."""

    @dg.op(description="Shows the last 24 hours, and sends them once a day.")
    def tell(context: dg.OpExecutionContext, config: Report, engine: Engine) -> None:
        now = datetime.now(settings().digest_zone)
        with opened(context, engine) as surroundings:
            message = digest.message(digest.digest(surroundings.connection, now))
            new = alerting.tell(surroundings.connection, message)
            at_least = Level[settings().alert_level.upper()]
            alerting.deliver(surroundings.connection, places(), now, at_least=at_least)
        context.log.info("for %s: %s", config.who, "sent" if new else "shown; it was sent today already")
        context.add_output_metadata({"title": message.title, "digest": dg.MetadataValue.md(message.body)})

    @dg.job(
        name="daily_digest",
        description="What changed in the last 24 hours, what failed, and what waits for a person; sent once a day.",
    )
    def job() -> None:
        tell()

    return job


def digest_schedule() -> dg.ScheduleDefinition:
    """Each morning, where there is an address to send it to.

    Raises:
        ConfigurationError: its cron expression is none. The settings cannot say so: they are read without Dagster.
    """
    if why := refusal(settings().digest_cron):
        raise ConfigurationError(
            f"the environment is not usable: CONNECTOR_PIPELINES_DIGEST_CRON: {why}.", remedy="Correct this variable."
        )
    status = dg.DefaultScheduleStatus.RUNNING if settings().alert_urls else dg.DefaultScheduleStatus.STOPPED
    return dg.ScheduleDefinition(
        name="daily_digest_schedule",
        job_name="daily_digest",
        cron_schedule=settings().digest_cron,
        execution_timezone=settings().digest_timezone,
        default_status=status,
    )
