"""When a source is read by itself: by the clock, every so many seconds, or not at all.

Dagster reads the annotations of schedules and sensors as objects, so they are not postponed here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from connector_pipelines.capabilities import Realtime, capabilities, require
from connector_pipelines.database.connection import Connection
from connector_pipelines.model import Source, Stream
from connector_pipelines.orchestration import names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.timetable import Frequency, Timetable
from connector_pipelines.settings import settings
from connector_pipelines.sync import overview
from connector_pipelines.sync.context import silent
from connector_pipelines.sync.reconciling import comparable
from connector_pipelines.sync.switches import why_off

TICK_SECONDS = 4
"""Of sensors that must be quick. Dagster's daemon looks every five seconds; with five here, a tick that is early by a
hair would be left out."""

_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def source_schedules(declaration: Declaration) -> list[dg.ScheduleDefinition]:
    """One for what changed, one for everything; stopped until the declaration enables or a person starts them.

    A source that is off has them, too, stopped: started all the same, they skip and say why.
    """
    source, timetable = declaration.source, declaration.timetable
    crons = {names.full_job(source.name): timetable.full_cron}
    if seconds_between(declaration) is None:
        crons = {names.sync_job(source.name): timetable.sync_cron} | crons
    return [_schedule(declaration, job, cron) for job, cron in crons.items() if cron]


def seconds_between(declaration: Declaration) -> float | None:
    """Every how many seconds what changed is read; None where the clock, a webhook or a person says when.

    Moodle's environment names seconds (M70); they hold where the declaration says nothing.
    """
    source, timetable = declaration.source, declaration.timetable
    if timetable.frequency is Frequency.REALTIME and "realtime" in capabilities(source):
        return require(source, Realtime).shortest_interval_seconds()
    if source.connector.name == "moodle" and timetable.frequency is None and timetable.cron is None:
        return settings().moodle_sync_interval_seconds
    return None


def _schedule(declaration: Declaration, job: str, cron: str) -> dg.ScheduleDefinition:
    source, timetable = declaration.source, declaration.timetable
    whole = job == names.full_job(source.name)

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=cron,
        execution_timezone=timetable.timezone,
        default_status=_schedule_status(declaration),
    )
    def launch(context: dg.ScheduleEvaluationContext, engine: Engine) -> dg.RunRequest | dg.SkipReason:
        return _launch(declaration, engine, context.scheduled_execution_time, whole=whole)

    return launch


def reconcile_schedule(declaration: Declaration) -> dg.ScheduleDefinition:
    """Compares core with what the source said, each day by default (M91); without a request to the source."""
    source, timetable = declaration.source, declaration.timetable

    @dg.schedule(
        name=names.reconcile_schedule(source.name),
        job_name="reconcile",
        cron_schedule=timetable.reconcile_cron or "",
        execution_timezone=timetable.timezone,
        default_status=_schedule_status(declaration),
    )
    def compare(context: dg.ScheduleEvaluationContext, engine: Engine) -> dg.RunRequest | dg.SkipReason:
        with engine.open(launched_by="reconcile schedule", report=silent) as surroundings:
            if skip := off(surroundings.connection, source):
                return skip
            entities = comparable(surroundings.connection, source.name)
        if not entities:
            return dg.SkipReason("nothing was read in full yet")
        config = {"ops": {"reconcile_now": {"config": {"source": source.name, "entities": entities}}}}
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), run_config=config)

    return compare


def frequent_sensors(declaration: Declaration) -> list[dg.SensorDefinition]:
    """Reads what changed every so many seconds, unless the read before is under way; none where a clock says when."""
    source, seconds = declaration.source, seconds_between(declaration)
    if seconds is None:
        return []
    job = names.sync_job(source.name)

    @dg.sensor(
        name=names.frequent_sensor(source.name),
        job_name=job,
        description=f"Reads what changed in {source.name} every {seconds:g} seconds.",
        minimum_interval_seconds=max(1, round(seconds)),
        default_status=dg.DefaultSensorStatus.RUNNING if declaration.by_itself else dg.DefaultSensorStatus.STOPPED,
    )
    def again(context: dg.SensorEvaluationContext, engine: Engine) -> dg.RunRequest | dg.SkipReason:
        if context.instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=_UNDER_WAY)):
            return dg.SkipReason("the read before is still under way")
        return _launch(declaration, engine, datetime.now(UTC))

    return [again]


def _schedule_status(declaration: Declaration) -> dg.DefaultScheduleStatus:
    return dg.DefaultScheduleStatus.RUNNING if declaration.by_itself else dg.DefaultScheduleStatus.STOPPED


def off(connection: Connection, source: Source) -> dg.SkipReason | None:
    """Why nothing may be launched for a source now; None where it is on.

    Every schedule and sensor that launches runs of a source asks this first: a run would only be refused, and what it
    answers would count as tried.
    """
    why = why_off(connection, source)
    return dg.SkipReason(f"{source.name} is off: {why}") if why else None


def _launch(
    declaration: Declaration, engine: Engine, at: datetime, *, whole: bool = False
) -> dg.RunRequest | dg.SkipReason:
    """What a tick launches: all that the source provides, or what of it is due."""
    source, timetable = declaration.source, declaration.timetable
    with engine.open(launched_by="schedule", report=silent) as surroundings:
        skip = off(surroundings.connection, source)
        begun = {} if whole else overview.begun(surroundings.connection, source.name)
    if skip:
        return skip
    streams = due(source.streams, begun, timetable, at)
    if source.streams and not streams:
        return dg.SkipReason("it is read once a day, and was read today")
    keys = [key for stream in streams for key in names.layers(source.name, stream.entity)]
    part = keys if len(streams) < len(source.streams) else None
    return request(timetable, at, daily=any(stream.filters_by_time for stream in streams), keys=part)


def due(
    streams: Sequence[Stream], begun: Mapping[str, datetime], timetable: Timetable, at: datetime
) -> Sequence[Stream]:
    """The streams that a tick reads; of those that are read once a day the ones that were not read today. Pure.

    Days are those of the source, not spans of 24 hours: a nightly read begins a little earlier or later each time, and
    would leave every other night out. A read that failed counts, too, or it would be repeated all day.

    Args:
        streams: of the source.
        begun: when each entity was last asked for.
        timetable: the source's.
        at: when the tick was due.
    """
    day = at.astimezone(timetable.zone).date()
    done = {entity for entity, when in begun.items() if when.astimezone(timetable.zone).date() >= day}
    return [stream for stream in streams if not (stream.once_a_day and stream.entity in done)]


def request(
    timetable: Timetable, at: datetime, *, daily: bool, keys: Sequence[dg.AssetKey] | None = None
) -> dg.RunRequest | dg.SkipReason:
    """What a tick launches. Pure.

    Its run key is the tick's own: a tick that is evaluated twice launches one run, and none keeps another from running
    (P18).

    Args:
        timetable: the source's.
        at: when the tick was due.
        daily: whether the job has days.
        keys: of the assets, where they are not all of the job's.
    """
    day = today(timetable, at)
    if daily and day is None:
        return dg.SkipReason(f"the first day is {timetable.start_date}")
    return dg.RunRequest(run_key=at.isoformat(), partition_key=day if daily else None, asset_selection=keys)


def today(timetable: Timetable, at: datetime) -> str | None:
    """The partition of the day that a moment lies in, in the source's time zone; None before its first day."""
    day = at.astimezone(timetable.zone).date()
    return day.isoformat() if day >= timetable.start_date else None
