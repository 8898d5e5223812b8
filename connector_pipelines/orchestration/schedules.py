"""When a source is read by itself: by the clock, every so many seconds, or not at all.

Dagster reads the annotations of schedules and sensors as objects, so they are not postponed here.
"""

from datetime import UTC, datetime

import dagster as dg

from connector_pipelines.capabilities import Realtime, capabilities, require
from connector_pipelines.model import Source
from connector_pipelines.orchestration import names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.timetable import Frequency, Timetable
from connector_pipelines.settings import settings
from connector_pipelines.sync.context import silent
from connector_pipelines.sync.reconciling import comparable
from connector_pipelines.sync.switches import why_off

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
    daily = any(stream.filters_by_time for stream in source.streams)

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=cron,
        execution_timezone=timetable.timezone,
        default_status=_schedule_status(declaration),
    )
    def launch(context: dg.ScheduleEvaluationContext, engine: Engine) -> dg.RunRequest | dg.SkipReason:
        return _off(source, engine) or request(timetable, context.scheduled_execution_time, daily=daily)

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
            entities = comparable(surroundings.connection, source.name)
        if not entities:
            return dg.SkipReason("nothing was read in full yet")
        config = {"ops": {"reconcile_now": {"config": {"source": source.name, "entities": entities}}}}
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), run_config=config)

    return compare


def frequent_sensors(declaration: Declaration) -> list[dg.SensorDefinition]:
    """Reads what changed every so many seconds, unless the read before is under way; none where a clock says when."""
    source, timetable, seconds = declaration.source, declaration.timetable, seconds_between(declaration)
    if seconds is None:
        return []
    daily = any(stream.filters_by_time for stream in source.streams)
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
        return _off(source, engine) or request(timetable, datetime.now(UTC), daily=daily)

    return [again]


def _schedule_status(declaration: Declaration) -> dg.DefaultScheduleStatus:
    return dg.DefaultScheduleStatus.RUNNING if declaration.by_itself else dg.DefaultScheduleStatus.STOPPED


def _off(source: Source, engine: Engine) -> dg.SkipReason | None:
    with engine.open(launched_by="schedule", report=silent) as surroundings:
        why = why_off(surroundings.connection, source)
    return dg.SkipReason(f"{source.name} is off: {why}") if why else None


def request(timetable: Timetable, at: datetime, *, daily: bool) -> dg.RunRequest | dg.SkipReason:
    """What a tick launches. Pure.

    Its run key is the tick's own: a tick that is evaluated twice launches one run, and none keeps another from running
    (P18).

    Args:
        timetable: the source's.
        at: when the tick was due.
        daily: whether the job has days.
    """
    day = today(timetable, at)
    if daily and day is None:
        return dg.SkipReason(f"the first day is {timetable.start_date}")
    return dg.RunRequest(run_key=at.isoformat(), partition_key=day if daily else None)


def today(timetable: Timetable, at: datetime) -> str | None:
    """The partition of the day that a moment lies in, in the source's time zone; None before its first day."""
    day = at.astimezone(timetable.zone).date()
    return day.isoformat() if day >= timetable.start_date else None
