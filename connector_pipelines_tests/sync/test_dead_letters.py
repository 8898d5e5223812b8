from __future__ import annotations

import json
from typing import TYPE_CHECKING

from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy


def test_bad_row_is_kept_and_its_neighbors_go_on(toy: Toy, make: Records) -> None:
    """A refused row becomes a letter with rule, reason, place and raw record, and its mapping says error."""
    bad = make.student("x" * 300)
    toy.sends["students"] = [[make.student(1)], [make.student(2), bad]]
    outcome = toy.sync("students")["students"]
    assert outcome.verified
    assert (outcome.plan.counts.created, outcome.plan.counts.dead_lettered) == (2, 1)
    ((rule, reason, page, row, payload, state),) = toy.letters("rule", "reason", "page", "row", "payload", "state")
    assert (rule, reason) == ("id must have 1 to 255 characters", "id must have 1 to 255 characters")
    assert (page, row, json.loads(payload), state) == (2, 1, bad, "open")
    assert toy.mappings("students", "external_id", "sync_status", "error_message", "internal_id")[2] == (
        bad["id"],
        "error",
        "id must have 1 to 255 characters",
        None,
    )


def test_same_bad_row_is_one_letter_with_two_attempts(toy: Toy, make: Records) -> None:
    """A row that is refused again for the same content counts as one more attempt, wherever it stands now."""
    for record in (make.student(1), make.student(2)):
        toy.sends["students"] = [[record], [make.student(9, given_name=None)]]
        toy.sync("students", mode=Mode.INCREMENTAL)
        toy.sends["students"].reverse()
    assert toy.letters("external_id", "attempts", "state") == [("s9", 2, "open")]


def test_row_that_was_mended_is_accepted(toy: Toy, make: Records) -> None:
    """When the source mends a row, it is synced, the error message goes, and the letter is resolved."""
    toy.sends["students"] = [[make.student(1, given_name=None)]]
    toy.sync("students")
    assert toy.mappings("students", "sync_status", "internal_id") == [("error", None)]
    toy.sends["students"] = [[make.student(1)]]
    assert toy.sync("students", mode=Mode.INCREMENTAL)["students"].plan.counts.created == 1
    assert toy.core("students", "external_id", "sync_status", "sync_version") == [("s1", "synced", 1)]
    assert toy.mappings("students", "error_message") == [(None,)]
    assert toy.letters("state") == [("resolved",)]


def test_known_record_that_was_refused_and_mended(toy: Toy, make: Records) -> None:
    """A record in core whose update was refused keeps its values, says error, and is synced again when mended."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, given_name=None)]]
    toy.sync("students")
    assert toy.core("students", "given_name", "sync_status") == [("Given1", "error")]
    toy.sends["students"] = [[make.student(1)]]
    assert toy.sync("students")["students"].plan.counts.unchanged == 1
    assert toy.core("students", "given_name", "sync_status", "sync_version") == [("Given1", "synced", 1)]
    assert toy.letters("state") == [("resolved",)]


def test_row_that_is_sent_no_more_is_resolved(toy: Toy, make: Records) -> None:
    """A complete full read without the bad row resolves its letter; an incremental one does not."""
    toy.sends["students"] = [[make.student(1), make.student("", id="")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    assert toy.letters("state", "external_id") == [("open", None)]
    toy.sync("students")
    assert toy.letters("state", "external_id") == [("resolved", None)]


def test_row_that_is_bad_in_another_way_is_a_new_letter(toy: Toy, make: Records) -> None:
    """A record refused with new content gets a letter of its own, and the letter of the old content is resolved."""
    for phone in ("1", "2"):
        toy.sends["students"] = [[make.student(1, given_name=None, phone=phone)]]
        toy.sync("students", mode=Mode.INCREMENTAL)
    assert [(staged["phone"], state) for staged, state in toy.letters("staged", "state")] == [
        ("1", "resolved"),
        ("2", "open"),
    ]


def test_letter_that_returns_after_it_was_resolved(toy: Toy, make: Records) -> None:
    """A row that is bad again after it was accepted opens a new letter; the resolved one stays as history."""
    for name in (None, "Ann", None):
        toy.sends["students"] = [[make.student(1, given_name=name)]]
        toy.sync("students")
    assert toy.letters("state", "attempts") == [("resolved", 1), ("open", 1)]
    assert toy.core("students", "given_name", "sync_status") == [("Ann", "error")]


def test_rows_that_cannot_be_told_apart_by_id_are_all_kept(toy: Toy, make: Records) -> None:
    """Rows without a usable id are counted each, and their letters tell them apart by content."""
    toy.sends["students"] = [[make.student(1, id=None), make.student(2, id=None), make.student(3, id="")]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.dead_lettered, outcome.verified) == (3, True)
    assert [json.loads(payload)["given_name"] for (payload,) in toy.letters("payload")] == [
        "Given1",
        "Given2",
        "Given3",
    ]


def test_wait_that_ends_while_a_plan_is_outstanding(toy: Toy, make: Records) -> None:
    """A row that waited in one plan of a read and was taken by the next of the same read is synced."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2"), make.student(2, organization="o1")]]
    toy.prepare("students")
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.execute("UPDATE core.students SET notes = 'somebody was here'")
    (receipt,) = toy.apply("students")
    assert (receipt.verified, receipt.counts.created, receipt.counts.waiting) == (True, 1, 0)
    assert toy.core("students", "external_id", "sync_status") == [("s1", "synced"), ("s2", "synced")]
    assert toy.letters("state") == [("resolved",)]
