from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def test_identical_repeats_are_skipped(toy: Toy, make: Records) -> None:
    """Of a record that came several times, also on other pages, one is kept and the rest are skipped with a reason."""
    toy.sends["students"] = [[make.student(1), make.student(2)], [make.student(1)], [make.student(1)]]
    plan = toy.sync("students")["students"].plan
    assert (plan.counts.created, plan.counts.skipped) == (2, 2)
    assert plan.reasons == ("skipped: 2 repeated",)


@pytest.mark.parametrize("first", [OLD, NEW])
def test_newest_version_wins(toy: Toy, make: Records, first: str) -> None:
    """Of two versions of a record the newer one is kept, whichever came first; one without a time is the older."""
    versions = {OLD: "old", NEW: "new"}
    order = [first, *(at for at in versions if at != first)]
    records = [make.student(1, given_name=versions[at], modified=at) for at in order]
    toy.sends["students"] = [[*records, make.student(1, given_name="undated")]]
    plan = toy.sync("students")["students"].plan
    assert (plan.counts.created, plan.counts.skipped) == (1, 2)
    assert toy.core("students", "given_name") == [("new",)]


def test_contradicting_records_are_both_refused(toy: Toy, make: Records) -> None:
    """Two different records with one id are dead-lettered both; core keeps what it had and the mapping says error."""
    toy.sends["students"] = [[make.student(1, phone="before")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="this"), make.student(2)], [make.student(1, phone="that")]]
    outcome = toy.sync("students")["students"]
    assert outcome.verified
    assert (outcome.plan.counts.dead_lettered, outcome.plan.counts.created) == (2, 1)
    assert toy.core("students", "external_id", "phone", "sync_status") == [
        ("s1", "before", "error"),
        ("s2", None, "synced"),
    ]
    assert [
        (phone, page, row)
        for (staged, page, row) in toy.letters("staged", "page", "row")
        for phone in [staged["phone"]]
    ] == [("this", 1, 0), ("that", 2, 0)]


def test_repeats_among_contradicting_records_are_skipped(toy: Toy, make: Records) -> None:
    """Of contradicting records each distinct content is refused once; equal and older ones are skipped."""
    this, that = (make.student(1, phone=phone, modified=NEW) for phone in ("this", "that"))
    toy.sends["students"] = [[this, this, that, that, that, make.student(1, modified=OLD)]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.dead_lettered, outcome.plan.counts.skipped, outcome.verified) == (2, 4, True)
    assert len(toy.letters("id")) == 2


def test_contradiction_that_goes_on_is_no_new_letter(toy: Toy, make: Records) -> None:
    """Records that contradict each other again, elsewhere in the read, are the same letters with one attempt more."""
    this, that = (make.student(1, phone=phone) for phone in ("this", "that"))
    for page in ([this, that], [make.student(2), that, this]):
        toy.sends["students"] = [page]
        toy.sync("students")
    assert toy.letters("attempts", "row", "state") == [(2, 2, "open"), (2, 1, "open")]


def test_contradiction_that_ends_is_accepted(toy: Toy, make: Records) -> None:
    """When the source sends one of the two again alone, it is taken and both letters are resolved."""
    toy.sends["students"] = [[make.student(1, phone="this"), make.student(1, phone="that")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="that")]]
    toy.sync("students")
    assert toy.core("students", "phone", "sync_status") == [("that", "synced")]
    assert toy.letters("state") == [("resolved",), ("resolved",)]
