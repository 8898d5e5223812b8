from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector_pipelines.mapping.guard import judge
from connector_pipelines.model import Counts, PlanState
from connector_pipelines.policy import GuardPolicy, Limits, Season

EMPTY = "empty: the source sent nothing, and had 1,000 records before"


@pytest.mark.parametrize(
    ("counts", "reasons"),
    [
        (Counts(fetched=1000, unchanged=1000), ()),
        (Counts(fetched=0, absent=1000), (EMPTY,)),
        (Counts(fetched=800, unchanged=800, absent=200), ()),
        (
            Counts(fetched=799, unchanged=799, absent=201),
            ("shrunk: 201 of 1,000 records are gone (absent: limit 0.2, passes from 0.201)",),
        ),
        (Counts(fetched=1900, unchanged=1000, created=900), ()),
        (
            Counts(fetched=2000, unchanged=1000, created=1000),
            ("doubled: 1,000 new records, 1,000 before (created: limit 0.9, passes from 1)",),
        ),
        (
            Counts(fetched=1000, created=1000, absent=1000),
            ("ids changed: 1,000 of 1,000 records are gone and 1,000 are new (absent: limit 0.2, passes from 1)",),
        ),
        (Counts(fetched=1000, updated=600, unchanged=400), ()),
        (
            Counts(fetched=1000, updated=601, unchanged=399),
            ("mass update: 601 of 1,000 records change (updated: limit 0.6, passes from 0.601)",),
        ),
        (
            Counts(fetched=700, updated=700, absent=300),
            (
                "shrunk: 300 of 1,000 records are gone (absent: limit 0.2, passes from 0.3)",
                "mass update: 700 of 1,000 records change (updated: limit 0.6, passes from 0.7)",
            ),
        ),
        (Counts(fetched=1000, dead_lettered=1000), ()),
        (Counts(fetched=1200, unchanged=1200, linked=200), ()),
        (
            Counts(fetched=1201, unchanged=1201, linked=201),
            ("re-mapped: 201 new ids would take rows core has (linked: limit 0.2, passes from 0.201)",),
        ),
        (
            Counts(fetched=1000, unchanged=1000, linked=300, absent=300),
            (
                "ids changed: 300 of 1,000 records are gone and 300 are new (absent: limit 0.2, passes from 0.3)",
                "re-mapped: 300 new ids would take rows core has (linked: limit 0.2, passes from 0.3)",
            ),
        ),
        (Counts(fetched=900, unchanged=900, dropped=100), ()),
        (
            Counts(fetched=899, unchanged=899, dropped=101),
            ("dropped: 101 of 1,000 would become inactive (dropped: limit 0.1, passes from 0.101)",),
        ),
        (
            Counts(fetched=799, unchanged=799, dropped=101, absent=100),
            (
                "shrunk: 201 of 1,000 records are gone (absent: limit 0.2, passes from 0.201)",
                "dropped: 101 of 1,000 would become inactive (dropped: limit 0.1, passes from 0.101)",
            ),
        ),
    ],
)
def test_what_a_plan_looks_like(counts: Counts, reasons: tuple[str, ...]) -> None:
    """The kinds of mass change are told apart, each with the limit that would pass; what lies at a limit passes."""
    verdict = judge(counts, before=1000, snapshot=True, limits=Limits())
    assert (verdict.reasons, verdict.state) == (reasons, PlanState.HELD if reasons else PlanState.ACCEPTED)


def test_first_load_passes() -> None:
    """Where nothing stood before, any number of new records passes, and so does an empty source."""
    for counts in (Counts(fetched=50_000, created=50_000), Counts()):
        assert judge(counts, before=0, snapshot=True, limits=Limits()).state is PlanState.ACCEPTED


def test_few_rows_pass() -> None:
    """Below the floor shares say little: nineteen of twenty students may change or go."""
    for counts in (Counts(fetched=1, absent=19), Counts(fetched=20, updated=19)):
        assert judge(counts, before=20, snapshot=True, limits=Limits()).state is PlanState.ACCEPTED


@pytest.mark.parametrize("before", [1, 10])
def test_the_floor_itself_is_looked_at(before: int) -> None:
    """As many new rows as the floor are held where they are more than there were before, be that a single one."""
    (reason,) = judge(Counts(fetched=20, created=20), before=before, snapshot=True, limits=Limits()).reasons
    assert reason.startswith(f"doubled: 20 new records, {before} before")


def test_empty_answer_to_a_question_about_changes_passes() -> None:
    """An incremental read that holds nothing says that nothing changed."""
    assert judge(Counts(), before=1000, snapshot=False, limits=Limits()).state is PlanState.ACCEPTED


def test_even_one_record_is_missed() -> None:
    """An empty full read is held below the floor, too: nothing is not a small change."""
    assert judge(Counts(absent=1), before=1, snapshot=True, limits=Limits()).state is PlanState.HELD


@example(gone=0, dropped=0, new=0, changed=0, linked=429, before=375)
@given(
    gone=st.integers(0, 2000),
    dropped=st.integers(0, 2000),
    new=st.integers(0, 3000),
    changed=st.integers(0, 2000),
    linked=st.integers(0, 2000),
    before=st.integers(1, 2000),
)
def test_the_limit_a_reason_names_lets_the_plan_pass(
    *, gone: int, dropped: int, new: int, changed: int, linked: int, before: int
) -> None:
    """Whoever sets every limit to what its reason says passes with the same plan."""
    counts = Counts(fetched=1, created=new, updated=changed, linked=linked, absent=gone, dropped=dropped)
    tripped = judge(counts, before=before, snapshot=True, limits=Limits()).reasons
    told = dict(re.findall(r"\((\w+): limit [\d.]+, passes from ([\d.]+)\)", " ".join(tripped)))
    assert len(told) == len(tripped)
    raised = Limits().model_copy(update={name: float(share) for name, share in told.items()})
    kinds = {reason.split(":")[0] for reason in judge(counts, before=before, snapshot=True, limits=raised).reasons}
    assert kinds <= {"doubled"}  # growth is only looked at when nothing shrank


SUMMER = Season(name="rollover", start=date(2026, 8, 1), until=date(2026, 8, 31), limits=Limits(created=3.0))
POLICY = GuardPolicy(
    limits=Limits(updated=0.5), entities={"students": Limits(absent=0.05, created=0.3)}, seasons=(SUMMER,)
)


@pytest.mark.parametrize(
    ("entity", "day", "absent", "created", "seasons"),
    [
        ("students", date(2026, 7, 31), 0.05, 0.3, ()),
        ("students", date(2026, 8, 1), 0.05, 3.0, ("rollover",)),
        ("students", date(2026, 8, 31), 0.05, 3.0, ("rollover",)),
        ("students", date(2026, 9, 1), 0.05, 0.3, ()),
        ("sections", date(2026, 7, 31), 0.2, 0.9, ()),
        ("sections", date(2026, 8, 15), 0.2, 3.0, ("rollover",)),
    ],
)
def test_limits_of_an_entity_and_a_season(
    entity: str, day: date, absent: float, created: float, seasons: tuple[str, ...]
) -> None:
    """An entity's own limit comes before the general one, a season's before both, and what neither says stays."""
    assert POLICY.limits_for(entity, day) == (Limits(absent=absent, created=created, updated=0.5), seasons)


def test_season_of_some_entities() -> None:
    """A season may be one of some entities only."""
    policy = GuardPolicy(seasons=(SUMMER.model_copy(update={"entities": ("sections",)}),))
    assert policy.limits_for("students", SUMMER.start) == (Limits(), ())
    assert policy.limits_for("sections", SUMMER.start) == (Limits(created=3.0), ("rollover",))


def test_season_that_ends_before_it_begins() -> None:
    """A season is refused whose last day comes before its first."""
    with pytest.raises(ValidationError, match="the season 'x' ends before it begins"):
        Season.model_validate({"name": "x", "from": "2026-08-02", "until": "2026-08-01", "limits": {}})
