"""Which dead letters a read answers: those of its own records, and none that only look like them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy

LETTERS = (
    "SELECT source, entity, external_id, state, rule, waits_for, page, row, attempts, updated_at"
    " FROM connector.dead_letters ORDER BY id"
)


@pytest.fixture
def pair(toy: Toy) -> tuple[Toy, Toy]:
    """Two sources on one database."""
    return toy, toy.twin("other")


def told(toy: Toy, since: datetime) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """State, rule and whether it was written since, of each letter, by source, entity and id."""
    return {row[:3]: (row[3], row[4], row[-1] >= since) for row in toy.rows(LETTERS)}


def refused(make: Records, *pair: Toy) -> None:
    """The id "same" is refused in two entities of two sources, and a row without id in each."""
    for source in pair:
        for name, record in (("students", make.student(1, given_name=None)), ("sections", make.section(1, title=None))):
            source.sends[name] = [[record | {"id": "same"}, record | {"id": None}]]
        source.sync("students", "sections")


@pytest.mark.parametrize("mode", Mode)
def test_a_mended_record_answers_for_itself(pair: tuple[Toy, Toy], make: Records, mode: Mode) -> None:
    """The letter of a record that is accepted is resolved now; those of the same id in other entities and sources stay
    as they are. Without an id, only a full read tells that a row is sent no more.
    """
    toy, other = pair
    refused(make, toy, other)
    began = datetime.now(UTC)
    before = told(toy, began)
    toy.sends["students"] = [[make.student(1) | {"id": "same"}]]
    assert toy.sync("students", mode=mode)["students"].verified
    answered = [("toy", "students", "same")] + ([("toy", "students", None)] if mode is Mode.FULL else [])
    after = told(toy, began)
    assert {key for key, now in after.items() if now != before[key]} == set(answered)
    assert all(after[key][0] == "resolved" and after[key][2] for key in answered)
    again = toy.rows(LETTERS)
    toy.sync("students", mode=mode)
    assert toy.rows(LETTERS) == again


def test_a_record_that_is_refused_in_another_form_answers_for_itself(pair: tuple[Toy, Toy], make: Records) -> None:
    """Other content that is refused takes the place of the record's own letter, and of no other."""
    toy, other = pair
    refused(make, toy, other)
    for phone in ("2", "3"):
        began, before = datetime.now(UTC), toy.rows(LETTERS)
        toy.sends["students"] = [[make.student(1, given_name=None, phone=phone) | {"id": "same"}]]
        toy.sync("students", mode=Mode.INCREMENTAL)
        *old, new = toy.rows(LETTERS)
        changed = [row for row in old if row not in before]
        assert [(*row[:4], row[-1] >= began) for row in changed] == [("toy", "students", "same", "resolved", True)]
        assert (new[:4], new[8]) == (("toy", "students", "same", "open"), 1)


def test_children_of_a_parent_that_is_gone_are_given_up(pair: tuple[Toy, Toy], make: Records) -> None:
    """A complete read of the parents that began later gives up what waits for those it does not hold, in all entities
    of its source, now; what waits for another parent, or at another source, goes on waiting, and what came after, too.
    """
    toy, _ = pair
    for source in pair:
        source.sends |= {
            "students": [[make.student(1, organization="o1"), make.student(2, organization="o2")]],
            "sections": [[make.section(1, organization="o1")]],
            "enrollments": [[make.enrollment(1, "s9", "c9")]],
        }
        source.sync("students", "sections", "enrollments")
    began = datetime.now(UTC)
    before = toy.rows(LETTERS)
    assert {row[3] for row in before} == {"waiting"}
    toy.sends["organizations"] = [[make.organization(2)]]
    toy.sync("organizations")
    given_up = [row for row in toy.rows(LETTERS) if row not in before]
    assert [(*row[:5], row[-1] >= began) for row in given_up] == [
        ("toy", "sections", "c1", "open", "parent is gone", True),
        ("toy", "students", "s1", "open", "parent is gone", True),
    ]
    toy.sends["sections"] = [[make.section(2, organization="o3")]]
    assert toy.sync("sections", mode=Mode.INCREMENTAL)["sections"].plan.counts.waiting == 1
    assert toy.rows(LETTERS)[-1][:4] == ("toy", "sections", "c2", "waiting")


def test_a_child_waits_for_what_is_missing_alone(toy: Toy, make: Records) -> None:
    """Of two parents of which one is gone the letter names that one; when it comes after all, the child comes, too."""
    toy.sends |= {"sections": [[]], "students": [[make.student(1)]], "enrollments": [[make.enrollment(1, "s1", "c1")]]}
    toy.sync("enrollments")
    toy.sync("students", "sections")
    ((state, reason),) = toy.letters("state", "reason")
    assert (state, reason) == ("open", "waits for sections c1, which a complete read that began later does not hold")
    toy.sends |= {"sections": [[make.section(1)]], "enrollments": [[]]}
    toy.sync("sections")
    assert toy.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"].plan.counts.created == 1
    assert toy.letters("state") == [("resolved",)]


def test_a_child_of_a_parent_that_waited_itself_is_given_up(toy: Toy, make: Records) -> None:
    """When a parent that waited for its own parent is sent no more, one complete read gives its children up."""
    toy.sends |= {
        "organizations": [[make.organization(2, parent="o1")]],
        "students": [[make.student(1, organization="o2")]],
    }
    toy.sync("organizations", "students")
    assert toy.letters("external_id", "state") == [("o2", "waiting"), ("s1", "waiting")]
    toy.sends["organizations"] = [[make.organization(3)]]
    toy.sync("organizations")
    assert toy.letters("external_id", "state") == [("o2", "resolved"), ("s1", "open")]


def test_a_child_whose_parent_is_there_is_not_given_up(toy: Toy, make: Records) -> None:
    """A child that was not looked at since its parent came waits on, for its next read to take it up."""
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("students")
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.sends["organizations"] = [[make.organization(2)]]
    toy.sync("organizations")  # absent by now, and still in core
    assert toy.letters("state") == [("waiting",)]


def test_letters_of_a_look_are_nobodys_until_it_is_approved(toy: Toy, make: Records) -> None:
    """A dry run counts what it would refuse and what would wait, and says of each letter why; nothing is kept."""
    toy.sends["students"] = [[make.student(1, organization="o1"), make.student("x" * 300)]]
    for _ in range(2):
        counts = toy.dry_run("students")["students"].plan.counts
        assert (counts.dead_lettered, counts.waiting, counts.accounted_for) == (2, 1, True)
    assert toy.letters("id") == []


def test_a_row_that_was_taken_up_and_refused_keeps_its_place(toy: Toy, make: Records) -> None:
    """A row that waited, and that core refuses when its parent has come, is the same letter, with the place where it
    was read and one attempt more.
    """
    toy.execute("ALTER TABLE core.students ADD CHECK (phone <> 'bad')")
    toy.sends["students"] = [[make.student(2)], [make.student(3), make.student(1, organization="o1", phone="bad")]]
    toy.sync("students")
    toy.sends |= {"organizations": [[make.organization(1)]], "students": [[]]}
    toy.sync("organizations")
    counts = toy.sync("students", mode=Mode.INCREMENTAL)["students"].plan.counts
    assert (counts.retried, counts.created, counts.dead_lettered, counts.waiting) == (1, 0, 1, 0)
    columns = ("external_id", "state", "rule", "waits_for", "page", "row", "attempts")
    assert toy.letters(*columns) == [("s1", "open", "database", None, 2, 1, 2)]


def test_a_record_that_another_source_syncs_meanwhile_answers_for_none(pair: tuple[Toy, Toy], make: Records) -> None:
    """While one source's read is under way, another one's record of the same id is accepted: the letter stays open."""
    toy, other = pair
    refused(make, toy, other)
    toy.sends["students"] = [[]]
    toy.pull("students", mode=Mode.INCREMENTAL)
    other.sends["students"] = [[make.student(1) | {"id": "same"}]]
    other.sync("students", mode=Mode.INCREMENTAL)
    toy.plan("students")
    toy.apply("students")
    states = {row[:3]: row[3] for row in toy.rows(LETTERS)}
    assert (states["toy", "students", "same"], states["other", "students", "same"]) == ("open", "resolved")
