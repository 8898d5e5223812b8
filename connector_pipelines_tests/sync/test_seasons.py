"""A new term that was declared passes the guard in its days, and at no other time (S2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.model import PlanState
from connector_pipelines.sync.deciding import approve_and_apply

if TYPE_CHECKING:
    from connector_pipelines.sync.whole import Outcome
    from connector_pipelines_tests.sync.conftest import Records, Toy

TODAY = datetime.now(UTC).date()


def term(first: int, last: int, **more: Any) -> dict[str, Any]:
    """A guard that watches each row, and a new term from so many days from today to so many, with room for changes."""
    season = {"name": "new term", "limits": {"created": 5.0, "absent": 1.0}} | more
    days = {"from": str(TODAY + timedelta(first)), "until": str(TODAY + timedelta(last))}
    return {"limits": {"floor": 1}, "seasons": [days | season]}


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """A toy with ten students and ten enrollments in core."""
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["students"] = [[make.student(n) for n in range(10)]]
    toy.sends["enrollments"] = [[make.enrollment(n, f"s{n}", "c1") for n in range(10)]]
    toy.sync("sections", "students", "enrollments")
    return toy


def rolled_over(school: Toy, make: Records) -> Outcome:
    """Sync the day on which all old enrollments are gone and thirty new ones are there."""
    school.sends["enrollments"] = [[make.enrollment(n, f"s{n % 10}", "c1") for n in range(100, 130)]]
    return school.sync("enrollments")["enrollments"]


@pytest.mark.parametrize(
    ("guard", "state"),
    [
        (term(0, 1), PlanState.APPLIED),
        (term(-30, 30, entities=["enrollments"]), PlanState.APPLIED),
        (term(2, 30), PlanState.HELD),
        (term(-30, -2), PlanState.HELD),
        (term(-30, 30, entities=["students"]), PlanState.HELD),
        ({"limits": {"floor": 1}}, PlanState.HELD),
    ],
    ids=["its first day", "its entity", "later", "earlier", "another entity", "none declared"],
)
def test_a_rollover_passes_in_its_days_alone(
    school: Toy, make: Records, guard: dict[str, Any], state: PlanState
) -> None:
    """A rollover is applied in the days of its season and for its entities; at any other time core stays as it was."""
    school.may(guard=guard)
    outcome = rolled_over(school, make)
    assert (outcome.plan.state, outcome.verified) == (state, state is PlanState.APPLIED)
    new = school.rows(
        "SELECT count(*) FROM core.synced_enrollments WHERE length(external_id) = 4 AND sync_status = 'synced'"
    )
    assert new == [(30 if state is PlanState.APPLIED else 0,)]
    if state is PlanState.HELD:
        assert outcome.plan.reasons == (
            "ids changed: 10 of 10 records are gone and 30 are new (absent: limit 0.2, passes from 1)",
        )


def test_what_goes_beyond_the_season_is_held_and_says_so(school: Toy, make: Records) -> None:
    """A season has limits, too: more than it allows is held, the reason names it, and an approval releases it."""
    school.may(guard=term(0, 1, limits={"created": 2.0, "absent": 1.0}))
    plan = rolled_over(school, make).plan
    assert plan.reasons == (
        "doubled: 30 new records, 10 before (created: limit 2, passes from 3)",
        "season: new term",
    )
    with school.open() as context:
        assert approve_and_apply(context, school.source, plan.hash, who="ann", why="the term begins").verified


def test_an_empty_read_is_held_in_any_season(school: Toy) -> None:
    """No season lets a source that sends nothing pass."""
    school.may(guard=term(0, 1))
    school.sends["enrollments"] = [[]]
    outcome = school.sync("enrollments")["enrollments"]
    assert (outcome.plan.state, outcome.plan.reasons[0][:6]) == (PlanState.HELD, "empty:")


def test_the_day_of_the_read_counts(school: Toy, make: Records) -> None:
    """What was read in the season passes also when it is planned after it, and what was read after it does not."""
    school.may(guard=term(-9, -2))
    school.sends["enrollments"] = [[make.enrollment(n, f"s{n % 10}", "c1") for n in range(100, 130)]]
    for day, state in ((5, PlanState.ACCEPTED), (0, PlanState.HELD)):
        read = school.pull("enrollments")
        school.execute(
            f"UPDATE connector.sync_runs SET started_at = now() - interval '{day} days' WHERE id = {read.id}"
        )
        assert school.plan("enrollments").state is state
