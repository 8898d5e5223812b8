from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from connector_pipelines.database import dead_letters
from connector_pipelines.model import Mode, Window
from connector_pipelines.pages import Rejection
from connector_pipelines.sync import records

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
    good, bad = make.student(1), make.student(9, given_name=None)
    toy.sends["students"] = [[good], [make.student(2), bad]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    toy.sends["students"] = [[bad], [good]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    first, last = (run for (run,) in toy.rows("SELECT id FROM connector.sync_runs ORDER BY id"))
    columns = ("external_id", "attempts", "state", "first_run_id", "last_run_id", "page", "row")
    assert toy.letters(*columns) == [("s9", 2, "open", first, last, 1, 0)]


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
    assert toy.mappings("students", "error_message") == [(None,)]
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
    assert toy.letters("page", "row") == [(1, 0), (1, 1), (1, 2)]
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


def test_letter_says_what_it_still_waits_for(toy: Toy, make: Records) -> None:
    """When one of two parents has come, the letter of a row that is sent again names the other one alone."""
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    toy.sync("enrollments")
    assert toy.letters("waits_for") == [([["students", "s1"], ["sections", "c1"]],)]
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students", "enrollments")
    assert toy.letters("waits_for", "reason", "attempts") == [([["sections", "c1"]], "waits for sections c1", 2)]


def test_letter_of_a_later_read_outlives_an_earlier_plan(toy: Toy, make: Records) -> None:
    """A plan that is applied late does not close the letter of a read that came after it."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.prepare("students", mode=Mode.INCREMENTAL)
    toy.apply("students")
    assert toy.core("students", "external_id", "sync_status") == [("s1", "pending")]
    assert toy.letters("state") == [("waiting",)]


def test_letter_tells_its_newest_reason_and_time(toy: Toy) -> None:
    """The same content refused for another reason is the same letter, with the newest rule, reason, place and time; a
    letter that was resolved is left alone.
    """
    with toy.open() as context:
        connection = context.connection
        reads = [records.start_run(connection, "toy", "students", Window(), launched_by="test") for _ in range(4)]
        for read, rule in zip(reads, ("first", "second"), strict=False):
            page = read.id * 10
            dead_letters.write(connection, read, [Rejection(page, page + 1, "s1", rule, f"{rule} reason", "{}")])
        last = reads[1].id
        columns = ("rule", "reason", "page", "row", "first_run_id", "last_run_id", "attempts")
        assert toy.letters(*columns) == [("second", "second reason", last * 10, last * 10 + 1, reads[0].id, last, 2)]
        assert toy.rows("SELECT updated_at > created_at FROM connector.dead_letters") == [(True,)]
        dead_letters.settle(connection, replace(reads[2], snapshot=True))
        ((state, resolved),) = toy.letters("state", "updated_at")
        dead_letters.settle(connection, replace(reads[3], snapshot=True))
        assert (state, toy.letters("state", "updated_at")) == ("resolved", [("resolved", resolved)])


def test_refused_row_that_waits_when_it_is_sent_again_is_taken_up(toy: Toy, make: Records) -> None:
    """A row that was refused, and is sent again when it only lacks a parent, waits, and comes when its parent does."""
    this, that = (make.student(1, organization="o1", phone=phone) for phone in ("this", "that"))
    toy.sends["students"] = [[this, that]]
    toy.sync("students")
    toy.sends["students"] = [[this]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    assert toy.letters("state", "waits_for") == [("waiting", [["organizations", "o1"]]), ("resolved", None)]
    toy.sends |= {"organizations": [[make.organization(1)]], "students": [[]]}
    toy.sync(mode=Mode.INCREMENTAL)
    assert toy.core("students", "phone", "sync_status") == [("this", "synced")]
    assert toy.letters("state") == [("resolved",), ("resolved",)]
