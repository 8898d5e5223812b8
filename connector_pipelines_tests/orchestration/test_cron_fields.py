"""What a declaration takes as a cron expression, beside what Dagster takes."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
from dagster._utils.schedules import is_valid_cron_schedule

from connector_pipelines.orchestration.cron_fields import is_cron

USUAL = ("0", "0", "1", "1", "1")
PARTS = (
    *("*", "0", "1", "07", "7", "8", "12", "13", "23", "24", "31", "32", "59", "60", "99", "-1", "x", "1.5"),
    *("1-5", "5-1", "1-5/2", "1-5-7", "1,2", "1,", "*/5", "*/0", "*/70", "*/-1", "*/x", "1/2", "0/15"),
    *("mon", "MON-fri", "fri-mon", "sat#1", "sat#6", "l", "L", "l5", "l8", "?", "jan", "feb-mar", "Sun,wed"),
)


@pytest.mark.parametrize("place", range(5), ids=["minute", "hour", "day", "month", "weekday"])
def test_each_field_takes_what_dagster_takes(place: int) -> None:
    """Every kind of value, range, step, list and name is judged in every field as Dagster judges it."""
    tried = [" ".join((*USUAL[:place], part, *USUAL[place + 1 :])) for part in PARTS]
    verdicts = {cron: is_valid_cron_schedule(cron) for cron in tried}
    assert {cron: is_cron(cron) for cron in tried} == verdicts
    assert set(verdicts.values()) == {True, False}


def test_a_day_that_never_comes_is_refused_as_dagster_refuses_it() -> None:
    """The 30th and 31st of February alone; the 29th comes, and so does a 30th of another month."""
    tried = [f"0 0 {day} {month} *" for day, month in product(("29", "30", "31", "29,30"), ("2", "feb", "1", "2,3"))]
    assert [cron for cron in tried if is_cron(cron) != is_valid_cron_schedule(cron)] == []
    assert {cron for cron in tried if not is_cron(cron)} == {f"0 0 {d} {m} *" for d in (30, 31) for m in ("2", "feb")}


@pytest.mark.parametrize("cron", ["", "0 2 * *", "0 0 2 * * *", "@daily", "99 99 * * *", "0 2 * * noday"])
def test_a_declaration_refuses_it_without_dagster(cron: str) -> None:
    """What reads declarations for the command line refuses a wrong cron, and has not imported Dagster for it."""
    told = (
        "import sys; from connector_pipelines.orchestration.timetable import Timetable\n"
        f"try: Timetable(cron={cron!r})\n"
        "except ValueError as error: print('is no cron expression' in str(error), 'dagster' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]
