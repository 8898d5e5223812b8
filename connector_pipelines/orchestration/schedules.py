"""When a source is read by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from connector_pipelines.orchestration import names

if TYPE_CHECKING:
    from datetime import datetime

    from connector_pipelines.orchestration.sources import Declaration
    from connector_pipelines.orchestration.timetable import Timetable


def source_schedules(declaration: Declaration) -> list[dg.ScheduleDefinition]:
    """One for what changed, one for everything; stopped until the declaration enables or a person starts them."""
    source, timetable = declaration.source.name, declaration.timetable
    schedules = [_schedule(declaration, names.sync_job(source), timetable.cron)]
    if timetable.full_cron:
        schedules.append(_schedule(declaration, names.full_job(source), timetable.full_cron))
    return schedules


def _schedule(declaration: Declaration, job: str, cron: str) -> dg.ScheduleDefinition:
    timetable = declaration.timetable
    daily = any(stream.filters_by_time for stream in declaration.source.streams)

    def launch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return request(timetable, context.scheduled_execution_time, daily=daily)

    enabled = dg.DefaultScheduleStatus.RUNNING if timetable.enabled else dg.DefaultScheduleStatus.STOPPED
    return dg.ScheduleDefinition(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=cron,
        execution_timezone=timetable.timezone,
        execution_fn=launch,
        default_status=enabled,
    )


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
