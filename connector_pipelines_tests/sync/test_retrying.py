from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Mode, PlanState
from connector_pipelines.sync import letters
from connector_pipelines.sync.deciding import approve_and_apply
from connector_pipelines.sync.letters import Choice
from connector_pipelines.sync.retrying import retry

if TYPE_CHECKING:
    from connector_pipelines.model import Source, Stream
    from connector_pipelines.sync.retrying import Retried
    from connector_pipelines_tests.sync.conftest import Records, Toy

TOO_LONG = "x" * 300


def lenient(source: Source) -> Source:
    """The same source after its schema was corrected: it accepts ids of any length."""

    def mended(stream: Stream) -> Stream:
        schema = stream.schema().update_column("id", checks=[])
        return replace(stream, schema=lambda: schema)

    def streams(config: Any) -> list[Stream]:
        return [mended(stream) for stream in source.connector.streams(config)]

    return replace(source, connector=replace(source.connector, streams=streams))


def retried(toy: Toy, *ids: int, mend: bool = False, **chosen: Any) -> list[Retried]:
    """Retry dead letters, maybe under corrected code."""
    with toy.open() as context:
        source = lenient(toy.source) if mend else toy.source
        return retry(context, source, Choice(ids, **chosen), who="ann", why="mended")


@pytest.fixture
def refused(toy: Toy, make: Records) -> Toy:
    """A toy with one student in core and two with ids that its schema refuses, as letters 1 and 2."""
    toy.sends["students"] = [[make.student(1)], [make.student(TOO_LONG), make.student(f"{TOO_LONG}y")]]
    toy.sync("students")
    return toy


def test_letters_are_listed_without_their_records(refused: Toy) -> None:
    """A letter names rule, reason, read, page and row; the record itself comes only when it is asked for."""
    with refused.open() as context:
        (first, _) = letters.listed(context.connection, "toy", Choice())
        assert (first.state, first.read, first.page, first.row, first.attempts) == ("open", 1, 2, 0, 1)
        assert "Given" not in repr(first)
        assert json.loads(letters.payload(context.connection, "toy", first.id))["given_name"] == f"Given{TOO_LONG}"
        assert letters.listed(context.connection, "toy", Choice(rule="another")) == []
        with pytest.raises(ConfigurationError, match="has no dead letter 99"):
            letters.payload(context.connection, "toy", 99)


def test_retry_after_the_code_was_mended(refused: Toy) -> None:
    """Records that today's code accepts go to core with a receipt, without asking the source, and are settled."""
    refused.sends.clear()
    (done,) = retried(refused, mend=True)
    assert done.receipt is not None
    assert (done.letters, done.receipt.verified, done.plan.counts.created) == (2, True, 2)
    assert done.plan.counts.accounted_for
    assert len(refused.core("students", "id")) == 3
    assert refused.letters("state") == [("resolved",), ("resolved",)]
    assert refused.rows("SELECT kind, complete, snapshot FROM connector.sync_runs ORDER BY id DESC LIMIT 1") == [
        ("retry", False, False)
    ]


def test_retry_that_is_refused_again_counts_one_more_attempt(refused: Toy) -> None:
    """A record that still breaks the rule keeps its letter, with the place where it was read; core does not move."""
    (done,) = retried(refused, 1)
    assert (done.letters, done.plan.counts.dead_lettered, done.plan.counts.accounted_for) == (1, 1, True)
    assert refused.letters("state", "attempts", "page", "row") == [("open", 2, 2, 0), ("open", 1, 2, 1)]
    assert len(refused.core("students", "id")) == 1


def test_the_log_says_who_retried_what(refused: Toy) -> None:
    """A retry stands in the audit log with the letters it took; one that found none does not."""
    retried(refused, 2)
    retried(refused, rule="another rule")
    assert refused.rows("SELECT who, action, entity, detail FROM connector.integration_audit_logs") == [
        ("ann", "dead letters retried", "students", {"why": "mended", "ids": [2]})
    ]


def test_retry_moves_no_cursor_and_proves_no_absence(refused: Toy) -> None:
    """What a retry does not hold is not absent, and the next increment starts where it would have."""
    cursors = refused.rows("SELECT * FROM connector.sync_cursors")
    retried(refused, mend=True)
    assert refused.rows("SELECT * FROM connector.sync_cursors") == cursors
    assert refused.mappings("students", "absent_since") == [(None,)] * 3


def test_a_choice_of_letters_is_retried(refused: Toy) -> None:
    """Only the letters that were named go to core."""
    (done,) = retried(refused, 2, mend=True)
    assert done.plan.counts.created == 1
    assert refused.letters("state") == [("open",), ("resolved",)]
    assert retried(refused, rule="another rule", mend=True) == []


def test_a_row_that_the_database_refused_is_retried(toy: Toy, make: Records) -> None:
    """A row that was accepted and then refused by core comes to core once the reason is gone."""
    toy.execute("ALTER TABLE core.students ADD CONSTRAINT no_nine CHECK (phone <> '9')")
    toy.sends["students"] = [[make.student(1), make.student(2, phone="9")]]
    toy.sync("students")
    (done,) = retried(toy)
    assert (done.plan.counts.dead_lettered, toy.letters("attempts")) == (1, [(2,)])
    assert done.receipt is not None
    assert done.receipt.verified
    toy.execute("ALTER TABLE core.students DROP CONSTRAINT no_nine")
    retried(toy)
    assert toy.core("students", "external_id", "phone") == [("s1", None), ("s2", "9")]
    assert toy.letters("state") == [("resolved",)]


def test_a_retry_of_many_is_held_like_any_plan(refused: Toy) -> None:
    """The guard looks at retries, too; what it holds is approved by its hash."""
    refused.may(guard={"limits": {"created": 0.5, "floor": 1}})
    (done,) = retried(refused, mend=True)
    assert (done.plan.state, done.receipt) == (PlanState.HELD, None)
    assert refused.letters("state") == [("open",), ("open",)]
    with refused.open() as context:
        assert approve_and_apply(context, lenient(refused.source), done.plan.hash, who="ann", why="looked at").verified
    assert refused.letters("state") == [("resolved",), ("resolved",)]


def test_cleared_letters_are_gone_until_the_record_comes_again(refused: Toy) -> None:
    """Clearing says who and why, takes the error off the mapping, and a record that is still wrong is a new letter."""
    with refused.open() as context:
        assert letters.counted(context.connection, "toy", Choice()) == 2
        assert letters.counted(context.connection, "toy", Choice((1,))) == 1
        with pytest.raises(ConfigurationError, match="without a reason"):
            letters.clear(context.connection, "toy", Choice(), who="ann", why=" ")
        assert letters.clear(context.connection, "toy", Choice((1,)), who="ann", why="a test record") == 1
    assert refused.letters("state") == [("resolved",), ("open",)]
    assert refused.mappings("students", "sync_status", "error_message")[1] == ("pending", None)
    assert refused.rows("SELECT who, action, detail FROM connector.integration_audit_logs") == [
        ("ann", "dead letters cleared", {"why": "a test record", "ids": [1]})
    ]
    refused.sync("students")
    assert refused.letters("state", "attempts") == [("resolved", 1), ("open", 2), ("open", 1)]


def test_a_child_whose_parent_is_gone_does_not_wait_for_ever(toy: Toy, make: Records) -> None:
    """After a complete read of the parents, begun later, that does not hold the parent, the child is refused."""
    toy.sends["students"] = [[make.student(1, organization="o1"), make.student(2, organization="o2")]]
    toy.sync("students")
    assert toy.letters("state") == [("waiting",), ("waiting",)]
    toy.sends["organizations"] = [[make.organization(1), make.organization(2, deleted=True)]]
    outcome = toy.sync("organizations", "students")["students"]
    assert outcome.verified
    assert (outcome.plan.counts.created, outcome.plan.counts.dead_lettered, outcome.plan.counts.waiting) == (1, 1, 0)
    assert toy.letters("external_id", "state", "rule")[1] == ("s2", "open", "parent is gone")
    ((reason,), *_) = reversed(toy.letters("reason"))
    assert reason == "waits for organizations o2, which a complete read that began later does not hold"


def test_children_are_given_up_when_their_parents_are_read(toy: Toy, make: Records) -> None:
    """Rows that are not sent again are given up by the parents' read itself, and taken up if the parent comes back."""
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("students")
    toy.sends["organizations"] = [[make.organization(2)]]
    toy.sync("organizations")
    assert toy.letters("state", "rule") == [("open", "parent is gone")]
    toy.sends["organizations"] = [[make.organization(1), make.organization(2)]]
    toy.sends["students"] = [[]]
    toy.sync("organizations")
    toy.sync("students", mode=Mode.INCREMENTAL)
    assert toy.core("students", "external_id") == [("s1",)]
    assert toy.letters("state") == [("resolved",)]


def test_a_parent_that_was_refused_is_not_gone(toy: Toy, make: Records) -> None:
    """While its parent is a dead letter itself, a child goes on waiting."""
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("students")
    toy.sends["organizations"] = [[make.organization(1, name=None)]]
    toy.sync("organizations", "students")
    assert toy.letters("external_id", "state")[0] == ("s1", "waiting")
