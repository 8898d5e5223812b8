"""Core is brought into another system: created, linked, updated, withdrawn, and left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import ApprovalRefused, ConfigurationError
from connector_pipelines.model import Counts, PlanState
from connector_pipelines.sync.letters import Choice
from connector_pipelines.sync.linking import link
from connector_pipelines.sync.retrying import retry

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.exports.conftest import Outward


def test_creates_in_full_batches_and_proves_it(outward: Outward) -> None:
    """Seven new rows take three calls of at most three rows, and stand there as the receipt proves."""
    outward.students(*range(1, 8))
    (done,) = outward.push("users").values()
    assert done.verified
    assert done.plan.counts == Counts(fetched=7, created=7)
    assert outward.campus.calls["/write"] == 3
    assert outward.campus.names("users") == [f"s{n}" for n in range(1, 8)]
    assert {state for (state,) in outward.ledger("state")} == {"verified"}


def test_second_push_writes_nothing(outward: Outward) -> None:
    """Without changes in core nothing is shaped, looked for or written."""
    outward.students(1, 2)
    outward.push()
    outward.campus.calls.clear()
    done = outward.push()
    assert outward.campus.calls == {}
    assert done["users"].plan.counts == Counts(fetched=2, unchanged=2)
    assert done["users"].verified


def test_update_sends_what_differs_and_leaves_the_rest(outward: Outward) -> None:
    """A changed field is sent; a field that is not ours stays as somebody there set it."""
    outward.students(1, 2)
    outward.push("users")
    outward.campus.holds["users"]["1"]["theme"] = "dark"
    outward.execute("UPDATE core.students SET email = 'new@x.example' WHERE id = 1")
    done = outward.push("users")["users"]
    assert done.plan.counts == Counts(fetched=2, updated=1, unchanged=1)
    assert outward.campus.holds["users"]["1"]["theme"] == "dark"
    assert outward.campus.holds["users"]["1"]["email"] == "new@x.example"
    assert outward.rows("SELECT external_id, changes FROM connector.sync_changes WHERE action = 'update'") == [
        ("students/1", {"email": ["s1@x.example", "new@x.example"]})
    ]


def test_change_that_says_nothing_there_is_not_sent(outward: Outward) -> None:
    """A column of the extract that the record does not hold changes nothing, and is not shaped again."""
    outward.students(1)
    outward.push("users")
    outward.execute("UPDATE core.students SET middle_name = 'M'")
    assert outward.push("users")["users"].plan.counts.unchanged == 1
    assert outward.rows("SELECT count(DISTINCT row_hash) FROM connector.exports WHERE row_hash IS NOT NULL") == [(1,)]
    assert outward.campus.calls["/write"] == 1


def test_what_stands_there_is_linked(outward: Outward) -> None:
    """A record that is surely the wanted one is taken, and only what differs is sent."""
    outward.campus.put("users", name="s1", email="s1@x.example", suspended=False)
    outward.campus.put("users", name="s2", email="old@x.example", suspended=False)
    outward.students(1, 2)
    done = outward.push("users")["users"]
    assert done.plan.counts == Counts(fetched=2, updated=1, unchanged=1, linked=2)
    assert outward.campus.effects == [("update", "users", "s2")]
    assert outward.ledger("external_id", "matched_by") == [("1", "name"), ("2", "name")]


def test_doubtful_match_waits_for_a_person(outward: Outward) -> None:
    """A weak match, and one among several, become dead letters; nothing is created for them."""
    outward.campus.put("users", name="other", email="s1@x.example")
    outward.campus.put("users", name="s2", email=None)
    outward.campus.put("users", name="s2", email=None)
    outward.students(1, 2, 3)
    done = outward.push("users")["users"]
    assert done.plan.counts == Counts(fetched=3, created=1, dead_lettered=2)
    assert outward.letters() == [("students/1", "open", "doubtful match"), ("students/2", "open", "doubtful match")]
    assert outward.campus.effects == [("create", "users", "s3")]


def test_two_rows_do_not_share_a_record(outward: Outward) -> None:
    """When two rows of core look like one record there, neither takes it."""
    outward.campus.put("users", name="s1", email=None)
    outward.students(1)
    outward.students(2, username="s1")
    done = outward.push("users")["users"]
    assert done.plan.counts == Counts(fetched=2, dead_lettered=2)
    assert outward.campus.effects == []


def test_skipped_and_unsayable_rows(outward: Outward) -> None:
    """A row that is not for that system is skipped with its reason, one that cannot be said there is a dead letter."""
    outward.students(1, username=None)
    outward.students(2, username="!")
    done = outward.push("users")["users"]
    assert done.plan.counts == Counts(fetched=2, skipped=1, dead_lettered=1)
    assert outward.rows("SELECT skipped FROM connector.sync_runs") == [({"has no username": 1},)]
    assert outward.letters() == [("students/2", "open", "username")]


def test_withdraws_and_restores(outward: Outward) -> None:
    """Who leaves is suspended once, and comes back under the same id."""
    outward.students(1, 2)
    outward.push("users")
    outward.execute("UPDATE core.students SET status = 'inactive' WHERE id = 1")
    done = outward.push("users")["users"]
    assert done.plan.counts == Counts(fetched=2, unchanged=1, skipped=1, dropped=1)
    assert outward.campus.names("users") == ["s2"]
    outward.push("users")
    outward.execute("UPDATE core.students SET status = 'active' WHERE id = 1")
    assert outward.push("users")["users"].plan.counts == Counts(fetched=2, updated=1, unchanged=1)
    assert outward.campus.names("users") == ["s1", "s2"]
    assert [action for action, _, _ in outward.campus.effects] == ["create", "create", "withdraw", "restore"]


@pytest.mark.parametrize(("drops", "left"), [((), ["s1", "s2"]), (("export/users",), ["s2"])])
def test_row_that_is_gone_is_withdrawn_where_drops_are_on(
    outward: Outward, drops: tuple[str, ...], left: list[str]
) -> None:
    """A record whose row is not in the extract any more is noted, and withdrawn where the policy drops."""
    outward.may(drops=drops)
    outward.students(1, 2)
    outward.push("users")
    outward.execute("DELETE FROM core.students WHERE id = 1")
    counts = outward.push("users")["users"].plan.counts
    assert (counts.absent, counts.dropped) == ((0, 1) if drops else (1, 0))
    assert outward.campus.names("users") == left


def test_waits_for_what_it_refers_to(outward: Outward) -> None:
    """A member waits until the user stands there, and goes with the user's external id."""
    outward.students(1)
    outward.execute(
        "INSERT INTO core.sections (title, status) VALUES ('A', 'active')",
        "INSERT INTO core.enrollments (student_id, section_id, status) VALUES (1, 1, 'enrolled')",
    )
    done = outward.push("members")["members"]
    assert done.plan.counts == Counts(fetched=1, dead_lettered=1, waiting=1)
    assert outward.letters() == [("enrollments/1", "waiting", "waits")]
    outward.push()
    assert outward.letters() == []
    assert outward.campus.names("members") == ["1 in 2"]


def test_what_is_not_chosen_waits_for_nothing(outward: Outward) -> None:
    """Who left a section that does not stand there is skipped; where it does, who leaves is withdrawn without it."""
    outward.students(1, 2)
    outward.execute(
        "INSERT INTO core.sections (title, status) VALUES ('A', 'active')",
        "INSERT INTO core.enrollments (student_id, section_id, status) VALUES (1, 1, 'enrolled'), (2, 1, 'dropped')",
    )
    assert outward.push("members")["members"].plan.counts == Counts(fetched=2, skipped=1, dead_lettered=1, waiting=1)
    outward.push()
    outward.execute(
        "UPDATE core.enrollments SET status = 'dropped'", "DELETE FROM connector.exports WHERE entity = 'groups'"
    )
    left = outward.push("members")["members"]
    assert left.plan.counts == Counts(fetched=2, skipped=2, dropped=1)
    assert outward.push("members")["members"].plan.counts == Counts(fetched=2, skipped=2)
    assert outward.letters() == []


def test_levels_of_one_kind_come_parents_first(outward: Outward) -> None:
    """Terms within terms are created level by level in one push."""
    outward.execute(
        "INSERT INTO core.terms (id, title, status, parent_id) OVERRIDING SYSTEM VALUE"
        " VALUES (3, 'year', 'active', NULL), (2, 'half', 'active', 3), (1, 'quarter', 'active', 2)"
    )
    outward.push("categories")
    held = outward.campus.holds["categories"]
    assert [(one["name"], held[one["parent"]]["name"] if one["parent"] else None) for one in held.values()] == [
        ("year", None),
        ("half", "year"),
        ("quarter", "half"),
    ]


def test_term_that_ends_is_archived_by_itself(outward: Outward) -> None:
    """The day after its last one a term's record is hidden, though nobody changed core."""
    outward.execute("INSERT INTO core.terms (title, status, end_date) VALUES ('year', 'active', '2026-06-30')")
    outward.push("categories", today=date(2026, 6, 30))
    assert outward.campus.holds["categories"]["1"]["hidden"] is False
    outward.push("categories", today=date(2026, 7, 1))
    assert outward.campus.holds["categories"]["1"]["hidden"] is True


def test_guard_holds_and_approval_sends(outward: Outward) -> None:
    """A mass withdrawal is held; nothing is sent before a person approves that very plan."""
    outward.may(guard={"limits": {"floor": 1}})
    outward.students(1, 2, 3)
    outward.push("users")
    outward.execute("UPDATE core.students SET status = 'inactive'")
    held = outward.push("users")["users"]
    assert held.plan.state is PlanState.HELD
    assert "would become inactive" in held.plan.reasons[-1]
    assert outward.campus.names("users") == ["s1", "s2", "s3"]
    assert outward.approve(held.plan.hash).verified
    assert outward.campus.names("users") == []


def test_approval_of_something_else_is_refused(outward: Outward) -> None:
    """When core moved since, the approval is refused, and nothing is sent."""
    outward.students(1)
    looked = outward.push("users", dry_run=True)["users"]
    outward.students(2)
    with pytest.raises(ApprovalRefused):
        outward.approve(looked.plan.hash)
    assert outward.campus.effects == []


def test_dry_run_writes_nowhere_and_can_be_approved(outward: Outward) -> None:
    """A dry run shows the plan, leaves no dead letter, and its hash can be approved."""
    outward.students(1)
    outward.students(2, username="!")
    looked = outward.push("users", dry_run=True)["users"]
    assert (looked.plan.state, looked.plan.counts.created) == (PlanState.PLANNED, 1)
    assert (outward.campus.effects, outward.ledger("key"), outward.letters()) == ([], [], [])
    assert outward.approve(looked.plan.hash).verified
    assert outward.campus.names("users") == ["s1"]
    assert outward.letters() == [("students/2", "open", "username")]


def test_single_refusal_is_a_dead_letter_until_it_changes(outward: Outward) -> None:
    """A row that the system refuses is listed with its key, not sent again as it is, and sent when core changes."""
    outward.campus.refuses = {"s2"}
    outward.students(1, 2, 3)
    done = outward.push("users")["users"]
    assert done.plan.counts == Counts(fetched=3, created=2, dead_lettered=1)
    assert done.verified
    outward.campus.calls.clear()
    assert outward.push("users")["users"].plan.counts == Counts(fetched=3, unchanged=2, dead_lettered=1)
    assert outward.campus.calls == {}
    assert outward.letters() == [("students/2", "open", "unknown name")]
    outward.execute("UPDATE core.students SET username = 'other' WHERE id = 2")
    outward.push("users")
    assert (outward.letters(), outward.campus.names("users")) == ([], ["other", "s1", "s3"])


def test_refused_batch_is_halved(outward: Outward) -> None:
    """One wrong row in a batch that is refused as a whole stands alone in the end; its neighbors are created."""
    outward.batch = 8
    outward.campus.breaks = {"s5"}
    outward.students(*range(1, 9))
    counts = outward.push("users")["users"].plan.counts
    assert (counts.created, counts.dead_lettered) == (7, 1)
    assert outward.letters() == [("students/5", "open", "refused")]


def test_retry_sends_again(outward: Outward) -> None:
    """A person retries the dead letters once the other system was mended."""
    outward.campus.refuses = {"s1"}
    outward.students(1)
    outward.push("users")
    outward.campus.refuses = set()
    with outward.open() as context:
        (retried,) = retry(context, outward.source, Choice(), who="ann")
    assert (retried.letters, retried.receipt is not None) == (1, True)
    logged = "SELECT who, entity FROM connector.integration_audit_logs WHERE action = 'dead letters retried'"
    assert outward.rows(logged) == [("ann", "export/users")]
    assert (outward.letters(), outward.campus.names("users")) == ([], ["s1"])


def test_capped_value_is_seen_and_not_sent_for_ever(outward: Outward) -> None:
    """What the system keeps instead of what was sent shows in receipt and dead letters, and is not sent again."""
    outward.campus.caps = 100
    outward.students(1, phone="105")
    done = outward.push("users")["users"]
    assert done.receipt
    assert (done.receipt.verified, done.receipt.differences) == (False, ("students/1",))
    assert outward.letters() == [("students/1", "open", "kept otherwise")]
    outward.push("users")
    assert outward.campus.calls["/write"] == 1
    assert outward.letters() == [("students/1", "open", "kept otherwise")]
    outward.execute("UPDATE core.students SET phone = '90'")
    assert outward.push("users")["users"].verified
    assert outward.letters() == []


def test_comparison_finds_drift(outward: Outward) -> None:
    """What somebody changed or removed there is found by asking, and sent again."""
    outward.students(1, 2, 3)
    outward.push("users")
    outward.campus.holds["users"]["1"]["email"] = "somebody@x.example"
    del outward.campus.holds["users"]["2"]
    assert outward.push("users")["users"].plan.counts.unchanged == 3
    counts = outward.push("users", compare=True)["users"].plan.counts
    assert counts == Counts(fetched=3, created=1, updated=1, unchanged=1)
    assert outward.campus.holds["users"]["1"]["email"] == "s1@x.example"
    assert outward.campus.names("users") == ["s1", "s2", "s3"]


def test_unknown_export_is_named(outward: Outward) -> None:
    """An export that the source does not have is refused before anything is done."""
    with pytest.raises(ConfigurationError, match="exports no pets"):
        outward.push("pets")


def test_every_plan_adds_up(outward: Outward) -> None:
    """Counts of a plan with every outcome in it are accounted for."""
    outward.campus.refuses = {"s1"}
    outward.campus.put("users", name="x", email="s4@x.example")
    outward.students(1, 2, 4)
    outward.students(3, username=None)
    outward.students(5, username="!")
    done = outward.push()
    assert all(one.plan.counts.accounted_for for one in done.values())
    assert replace(done["users"].plan.counts, fetched=0) == Counts(created=1, skipped=1, dead_lettered=3)


@pytest.mark.parametrize(("external_id", "left"), [("1", ["s1"]), (None, ["other", "s1"])])
def test_person_decides_a_doubtful_match(outward: Outward, external_id: str | None, left: list[str]) -> None:
    """A person says that it is the record that was found, or that there shall be a new one; the next push does it."""
    outward.campus.put("users", name="other", email="s1@x.example")
    outward.students(1)
    outward.push("users")
    with outward.open() as context:
        link(context, outward.source, "users", "students/1", external_id, who="ann", why="asked the school")
    assert outward.push("users")["users"].verified
    assert (outward.campus.names("users"), outward.letters()) == (left, [])
    assert outward.rows(
        "SELECT who, detail ->> 'why' FROM connector.integration_audit_logs WHERE action LIKE 'rec%'"
    ) == [("ann", "asked the school")]


@pytest.mark.parametrize(
    ("external_id", "why", "refused"),
    [
        ("9", "asked", "no 9 there"),
        ("1", "asked", "another row"),
        ("9", " ", "students/2 is not linked without a reason"),
        (None, "", "students/2 is not linked without a reason"),
    ],
)
def test_wrong_word_is_refused(outward: Outward, external_id: str | None, why: str, refused: str) -> None:
    """A record that is not there, or that is kept up for another row, cannot be linked; nor can any without a why."""
    outward.students(1)
    outward.push("users")
    with outward.open() as context, pytest.raises(ConfigurationError, match=refused):
        link(context, outward.source, "users", "students/2", external_id, who="ann", why=why)
    audited = "SELECT 1 FROM connector.integration_audit_logs WHERE action LIKE 'rec%'"
    assert outward.rows(audited) == []
