"""Exports that are cut off, at every place where that could send something twice or not at all."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import AnotherRunIsActive, NetworkError
from connector_pipelines.mapping import outgoing
from connector_pipelines.model import Counts
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.exports.conftest import Outward

PLACES = [("/write", True), ("/write", False), ("done", False), ("/read", False), ("/find", False)]


@pytest.mark.parametrize(("place", "lost"), PLACES)
@pytest.mark.parametrize("time", [1, 2])
def test_killed_export_creates_each_once(outward: Outward, place: str, time: int, *, lost: bool) -> None:
    """A process killed before, in or after a call leaves nothing that is then created twice or not at all."""
    outward.students(*range(1, 6))
    outward.campus.strike = outward.kill_at(place, time, lost=lost)
    assert outward.in_a_child(lambda: outward.push("users")) == signal.SIGKILL
    outward.campus.strike = lambda _: False
    assert outward.push("users")["users"].verified
    created = [name for action, _, name in outward.campus.effects if action == "create"]
    assert sorted(created) == [f"s{n}" for n in range(1, 6)]
    outward.campus.calls.clear()
    assert outward.push("users")["users"].plan.counts == Counts(fetched=5, unchanged=5)
    assert outward.campus.calls == {}


UPDATED = [("email = 'new' || email", *case) for case in PLACES if case[0] != "/find"]
WITHDRAWN = [("status = 'inactive'", *case) for case in PLACES if case[0] in {"/write", "done"}]


@pytest.mark.parametrize(("change", "place", "lost"), UPDATED + WITHDRAWN)
def test_killed_change_takes_effect_once(outward: Outward, change: str, place: str, *, lost: bool) -> None:
    """An update or a withdrawal that was cut off takes effect exactly once all the same."""
    outward.students(*range(1, 6))
    outward.push("users")
    outward.campus.effects.clear()
    outward.execute(f"UPDATE core.students SET {change}")
    outward.campus.strike = outward.kill_at(place, 1, lost=lost)
    assert outward.in_a_child(lambda: outward.push("users")) == signal.SIGKILL
    outward.campus.strike = lambda _: False
    outward.push("users")
    assert Counter(name for _, _, name in outward.campus.effects) == {f"s{n}": 1 for n in range(1, 6)}


@pytest.mark.parametrize(("place", "lost"), [case for case in PLACES if case[0] != "/find"])
def test_killed_return_takes_effect_once(outward: Outward, place: str, *, lost: bool) -> None:
    """Who comes back while the process dies is there again after the next export, and was readmitted once."""
    outward.students(1)
    outward.push("users")
    outward.execute("UPDATE core.students SET status = 'inactive'")
    outward.push("users")
    outward.campus.effects.clear()
    outward.execute("UPDATE core.students SET status = 'active'")
    outward.campus.strike = outward.kill_at(place, 1, lost=lost)
    assert outward.in_a_child(lambda: outward.push("users")) == signal.SIGKILL
    outward.campus.strike = lambda _: False
    outward.push("users")
    assert outward.campus.effects == [("restore", "users", "s1")]
    assert outward.campus.names("users") == ["s1"]


def test_lost_answer_stops_the_push_and_is_asked_after(outward: Outward) -> None:
    """When an answer is lost the push stops with the reason, the rows stay marked, and nothing is sent twice."""
    outward.students(*range(1, 8))
    outward.campus.lose = {2}
    with pytest.raises(NetworkError):
        outward.push("users")
    assert Counter(state for (state,) in outward.ledger("state")) == {"verified": 3, "sending": 3}
    assert outward.push("users")["users"].verified
    assert Counter(name for _, _, name in outward.campus.effects) == {f"s{n}": 1 for n in range(1, 8)}


def test_silence_about_one_row_is_asked_after(outward: Outward) -> None:
    """A row of which the system says nothing is a dead letter, and is looked for before it is sent again."""
    outward.students(1, 2)
    outward.campus.silent = {"s1"}
    counts = outward.push("users")["users"].plan.counts
    assert (counts.created, counts.dead_lettered) == (1, 1)
    assert outward.letters() == [("students/1", "open", "no answer")]
    outward.push("users")
    assert outward.letters() == []
    assert Counter(name for _, _, name in outward.campus.effects) == {"s1": 1, "s2": 1}


def test_record_of_another_row_is_not_taken_after_a_kill(outward: Outward) -> None:
    """A create that was cut off, and looks like the record of another row, does not take it: a person decides."""
    outward.batch = 1
    outward.students(1, 2, username="same")
    outward.campus.strike = outward.kill_at("/write", 2, lost=True)
    assert outward.in_a_child(lambda: outward.push("users")) == signal.SIGKILL
    outward.campus.strike = lambda _: False
    outward.push("users")
    assert outward.letters() == [("students/2", "open", "doubtful match")]
    assert len(outward.campus.effects) == 1


def test_nothing_staged_outlives_a_plan_that_was_cut_off(outward: Outward) -> None:
    """Of an export that dies when core is compared and nothing is planned yet, the next one leaves no staged rows."""
    outward.students(1)

    def die_planning() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outgoing, "make", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
            outward.push("users")

    assert outward.in_a_child(die_planning) == signal.SIGKILL
    outward.push("users")
    assert outward.rows("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace") == []


def test_approved_plan_goes_on_after_a_kill(outward: Outward) -> None:
    """What a person approved is sent to its end by the next push, without asking again."""
    outward.may(guard={"limits": {"floor": 1}})
    outward.students(*range(1, 8))
    outward.push("users")
    outward.execute("UPDATE core.students SET status = 'inactive'")
    held = outward.push("users")["users"]
    outward.campus.strike = outward.kill_at("done", 2)
    assert outward.in_a_child(lambda: outward.approve(held.plan.hash)) == signal.SIGKILL
    outward.campus.strike = lambda _: False
    outward.push("users")
    assert outward.campus.names("users") == []
    assert Counter(action for action, _, _ in outward.campus.effects) == {"create": 7, "withdraw": 7}


def test_two_runs_do_not_send_at_once(outward: Outward) -> None:
    """While one run exports, another is turned away before it did anything."""
    outward.students(1)
    with (
        outward.open() as context,
        hold(context.connection, "campus/export/users"),
        pytest.raises(AnotherRunIsActive),
    ):
        outward.push("users")
    assert outward.campus.calls == {}


@pytest.mark.parametrize("change", ["", "email = 'new' || email"])
def test_batches_shrink_where_nobody_answers_and_grow_again(outward: Outward, change: str) -> None:
    """A call that the system is too slow for is half as large the next time; what arrives makes them full again."""
    outward.batch = 8
    outward.students(*range(1, 17))
    if change:
        outward.push("users")
        outward.execute(f"UPDATE core.students SET {change}")
    outward.campus.sizes.clear()
    outward.campus.effects.clear()
    outward.campus.most = 2
    for _ in range(2):
        with pytest.raises(NetworkError):
            outward.push("users")
    assert outward.push("users")["users"].verified
    assert outward.campus.sizes == [8, 4, *[2] * 8]
    assert Counter(name for _, _, name in outward.campus.effects) == {f"s{n}": 1 for n in range(1, 17)}
    outward.campus.most = None
    outward.campus.sizes.clear()
    outward.students(*range(17, 25))
    outward.push("users")
    assert outward.campus.sizes == [8]
