"""When a source is read by itself: the `schedule` part of its declaration."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _known(name: str) -> str:
    if name not in available_timezones():
        message = f"{name!r} is no time zone; write one like America/New_York or UTC"
        raise ValueError(message)
    return name


def _five_fields(cron: str) -> str:
    if len(cron.split()) != 5:  # noqa: PLR2004 -- minute, hour, day, month, weekday
        message = f"{cron!r} is no cron expression; write five fields, like 0 2 * * * for 2 o'clock each night"
        raise ValueError(message)
    return cron


Cron = Annotated[str, AfterValidator(_five_fields)]


class Timetable(BaseModel):
    """When a source is read. Nothing runs by itself until `enabled` is true or a schedule is started in the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=False, description="Whether the schedules run without being started in the UI.")
    cron: Cron = Field(default="0 2 * * *", description="When to read what changed: minute hour day month weekday.")
    full_cron: Cron | None = Field(
        default="0 3 * * 0",
        description="When to read everything, which alone can prove that something is gone. Null: never by itself.",
    )
    export_cron: Cron | None = Field(
        default="30 4 * * *",
        description="When to compare all that is exported with what stands in the source. Null: never by itself.",
    )
    export_quiet_seconds: float = Field(
        default=5, ge=0, description="Changes of core are exported when none came for so long: many changes, few calls."
    )
    export_patience_seconds: float = Field(
        default=60, ge=0, description="The longest that a change waits for quiet before it is exported."
    )
    timezone: Annotated[str, AfterValidator(_known)] = Field(
        default="UTC", description="Time zone of the cron expressions and of the days, e.g. America/New_York."
    )
    start_date: date = Field(
        default=date(2026, 1, 1),
        description="The first day that can be read by itself; earlier ones come with a full read.",
    )
    fresh_within_hours: float = Field(
        default=48, gt=0, description="Hours after which an enabled source that was not read counts as stale."
    )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)
