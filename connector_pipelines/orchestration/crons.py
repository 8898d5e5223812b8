"""Whether Dagster can follow a cron expression. Its own check says so, because it raises where that fails.

Not a part of `timetable`, because the command line reads declarations without Dagster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster._utils.schedules import is_valid_cron_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.orchestration.timetable import Timetable


def refusal(cron: str) -> str:
    """What is wrong with a cron expression; empty where Dagster takes it."""
    if is_valid_cron_schedule(cron):
        return ""
    return (
        f"{cron!r} is no cron expression; write minute hour day month weekday, like 0 2 * * * for 2 o'clock each night"
    )


def wrong_crons(timetable: Timetable) -> Iterator[tuple[str, str]]:
    """The fields of a timetable that Dagster would refuse, each with a sentence, whether they are used or not."""
    for field in ("cron", "full_cron", "reconcile_cron", "export_cron"):
        cron: str | None = getattr(timetable, field)
        if cron and (why := refusal(cron)):
            yield field, why
