from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from connector_pipelines.model import Counts, Mode, Receipt, Window

OUTCOMES = ("created", "updated", "unchanged", "skipped", "conflicts", "dead_lettered")
RECEIPT = Receipt(1, "toy", "students", Counts(fetched=1, created=1), planned_checksum=7, core_checksum=7)


def test_every_outcome_counts_once() -> None:
    """A fetched or retried row in any one outcome is accounted for."""
    assert Counts().accounted_for
    for outcome in OUTCOMES:
        for income in ("fetched", "retried"):
            assert Counts(**{income: 1, outcome: 1}).accounted_for


def test_lost_and_surplus_rows_are_not_accounted_for() -> None:
    """One row too few or too many breaks the identity, and what the read did not hold cannot make up for it."""
    others = {field.name for field in fields(Counts)} - {"fetched", "retried", *OUTCOMES}
    assert others == {"waiting", "linked", "dropped", "absent"}
    assert not Counts(fetched=2, created=1).accounted_for
    assert not Counts(fetched=1, created=1, updated=1).accounted_for
    assert not any(Counts(fetched=1, **{name: 1}).accounted_for for name in others)
    assert all(Counts(fetched=1, created=1, **{name: 1}).accounted_for for name in others)


@pytest.mark.parametrize(
    "wrong", [{"counts": Counts(fetched=1)}, {"core_checksum": 8}, {"differences": ("s1",)}], ids=str
)
def test_receipt_needs_every_proof(wrong: dict[str, object]) -> None:
    """A receipt is verified when counts, checksums and rows all agree, and not when any of them does not."""
    assert RECEIPT.verified
    assert not replace(RECEIPT, **wrong).verified  # type: ignore[arg-type]  # one of its fields


@pytest.mark.parametrize(
    ("window", "mode", "text"),
    [
        (Window(), Mode.FULL, "everything"),
        (Window(datetime(2026, 1, 2, tzinfo=UTC)), Mode.INCREMENTAL, "2026-01-02T00:00:00Z to now"),
        (
            Window(None, datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=2)))),
            Mode.INCREMENTAL,
            "the beginning to 2026-01-01T23:00:00Z",
        ),
    ],
)
def test_window_says_what_it_asks_for(window: Window, mode: Mode, text: str) -> None:
    """Only a window open at both ends is a full read; times are shown in UTC."""
    assert (window.mode, str(window)) == (mode, text)


def test_nouns_are_frozen() -> None:
    """What was planned or received cannot be changed afterwards."""
    with pytest.raises(FrozenInstanceError):
        RECEIPT.plan_id = 2  # type: ignore[misc]  # what must fail
