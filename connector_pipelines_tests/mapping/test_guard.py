from __future__ import annotations

import pytest

from connector_pipelines.mapping.guard import judge
from connector_pipelines.model import Counts, PlanState
from connector_pipelines.policy import Limits

EMPTY = "empty: the source sent nothing, and had 1,000 records before"


@pytest.mark.parametrize(
    ("counts", "reasons"),
    [
        (Counts(fetched=1000, unchanged=1000), ()),
        (Counts(fetched=0, absent=1000), (EMPTY,)),
        (Counts(fetched=800, unchanged=800, absent=200), ()),
        (Counts(fetched=799, unchanged=799, absent=201), ("shrunk: 201 of 1,000 records are gone",)),
        (Counts(fetched=2000, unchanged=1000, created=1000), ()),
        (Counts(fetched=2001, unchanged=1000, created=1001), ("doubled: 1,001 new records, 1,000 before",)),
        (
            Counts(fetched=1000, created=1000, absent=1000),
            ("ids changed: 1,000 of 1,000 records are gone and 1,000 are new",),
        ),
        (Counts(fetched=1000, updated=600, unchanged=400), ()),
        (Counts(fetched=1000, updated=601, unchanged=399), ("mass update: 601 of 1,000 records change",)),
        (
            Counts(fetched=700, updated=700, absent=300),
            ("shrunk: 300 of 1,000 records are gone", "mass update: 700 of 1,000 records change"),
        ),
        (Counts(fetched=1000, dead_lettered=1000), ()),
    ],
)
def test_what_a_plan_looks_like(counts: Counts, reasons: tuple[str, ...]) -> None:
    """The four kinds of mass change are told apart, and what lies at a limit passes."""
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


def test_empty_answer_to_a_question_about_changes_passes() -> None:
    """An incremental read that holds nothing says that nothing changed."""
    assert judge(Counts(), before=1000, snapshot=False, limits=Limits()).state is PlanState.ACCEPTED


def test_even_one_record_is_missed() -> None:
    """An empty full read is held below the floor, too: nothing is not a small change."""
    assert judge(Counts(absent=1), before=1, snapshot=True, limits=Limits()).state is PlanState.HELD
