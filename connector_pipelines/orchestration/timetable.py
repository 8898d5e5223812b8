"""When a source is read by itself: the `schedule` part of its declaration."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connector_pipelines.orchestration.cron_fields import is_cron
from connector_pipelines.settings import TimeZone


def _followed(cron: str) -> str:
    if not is_cron(cron):
        message = (
            f"{cron!r} is no cron expression; write five fields, minute hour day month weekday, like 0 2 * * * for"
            " 2 o'clock each night"
        )
        raise ValueError(message)
    return cron


Cron = Annotated[str, AfterValidator(_followed)]


class Frequency(StrEnum):
    """How often what changed is read (E20)."""

    REALTIME = "realtime"
    HOURLY = "hourly"
    DAILY = "daily"
    MANUAL = "manual"


CRONS = {Frequency.HOURLY: "0 * * * *", Frequency.DAILY: "0 2 * * *"}
"""When that is, where nobody says otherwise; the other two have no hour of the clock."""


class Timetable(BaseModel):
    """When a source is read. Nothing runs by itself until `enabled` is true or a schedule is started in the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=False, description="Whether the schedules run without being started in the UI.")
    frequency: Frequency | None = Field(
        default=None,
        description="How often to read what changed: realtime (as often as the system may be asked, or when its"
        " webhooks say so), hourly, daily (at 2:00), or manual (never by itself). Unset: daily, or what cron says.",
    )
    cron: Cron | None = Field(
        default=None, description="When exactly to read what changed: minute hour day month weekday."
    )
    full_cron: Cron | None = Field(
        default="0 3 * * 0",
        description="When to read everything, which alone can prove that something is gone. Null: never by itself.",
    )
    reconcile_cron: Cron | None = Field(
        default="0 5 * * *",
        description="When to compare core with what the source said, without asking it. Null: never by itself.",
    )
    export_cron: Cron | None = Field(
        default="30 4 * * *",
        description="When to compare all that is exported with what stands in the source. Null: never by itself.",
    )
    export_quiet_seconds: float = Field(
        default=5, ge=0, description="Changes of core are exported when none came for so long: many changes, few calls."
    )
    export_patience_seconds: float = Field(
        default=15, ge=0, description="The longest that a change waits for quiet before it is exported."
    )
    timezone: TimeZone = Field(
        default="UTC", description="Time zone of the cron expressions and of the days, e.g. America/New_York."
    )
    start_date: date = Field(
        default=date(2026, 1, 1),
        description="The first day that can be read by itself; earlier ones come with a full read.",
    )
    fresh_within_hours: float = Field(
        default=48, gt=0, description="Hours after which an enabled source that was not read counts as stale."
    )

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if self.frequency and self.cron:
            message = f"frequency {self.frequency} and cron {self.cron!r} say both when to read; keep one of them"
            raise ValueError(message)
        return self

    @property
    def sync_cron(self) -> str | None:
        """When what changed is read by the clock; None where it is not."""
        return self.cron or CRONS.get(self.frequency or Frequency.DAILY)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)
