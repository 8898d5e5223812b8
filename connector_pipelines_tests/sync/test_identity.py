from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Mode
from connector_pipelines.sync.accepting import accept_identity, open_cases

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy

STRANGER = {"given_name": "Bo", "family_name": "Fox", "student_number": "77", "email": "bo@x"}


@pytest.fixture
def school(toy: Toy) -> Toy:
    """A toy with two students in core."""
    toy.sends["students"] = [[pupil(1), pupil(2)]]
    toy.sync("students")
    return toy


def pupil(number: int, **changes: Any) -> Record:
    """A student with a name, a number and an e-mail address of their own."""
    own = {"given_name": f"Given{number}", "family_name": f"Family{number}", "student_number": f"N{number}"}
    return {"id": f"s{number}", "status": "active", "email": f"{number}@x"} | own | changes


def refusals(toy: Toy) -> list[tuple[Any, ...]]:
    """What is open, by rule."""
    return [row[:2] for row in toy.letters("external_id", "rule", "state") if row[2] == "open"]


def test_an_id_that_is_another_person_now(school: Toy) -> None:
    """The row of core keeps its person; the letter says which fields differ, with no value; the neighbor goes on."""
    school.sends["students"] = [[pupil(1, **STRANGER), pupil(2, phone="2")]]
    outcome = school.sync("students")["students"]
    assert (outcome.verified, outcome.plan.counts.updated, outcome.plan.counts.dead_lettered) == (True, 1, 1)
    assert school.core("students", "given_name", "phone", "sync_status") == [
        ("Given1", None, "error"),
        ("Given2", "2", "synced"),
    ]
    assert school.letters("rule", "reason") == [
        (
            "looks like another person",
            "looks like another person: agree: nothing; differ: given name, family name, student number, email",
        )
    ]


def test_marriage_goes_on(school: Toy) -> None:
    """A new family name and e-mail address with the old number are an update like any other."""
    school.sends["students"] = [[pupil(1, family_name="Fox", email="fox@x"), pupil(2)]]
    assert school.sync("students")["students"].plan.counts.updated == 1


def test_two_ids_that_merge(school: Toy) -> None:
    """A new id with the number of a student who is still there under another id is refused, matching or not."""
    school.sends["students"] = [[pupil(1), pupil(2), pupil(3, student_number="n1")]]
    outcome = school.sync("students")["students"]
    assert (outcome.verified, outcome.plan.counts.created, outcome.plan.counts.absent) == (True, 0, 0)
    assert refusals(school) == [("s3", "two ids merge")]


def test_new_id_of_somebody_who_is_gone(school: Toy) -> None:
    """Without matching, a person who comes under a new id while the old one goes is a new row, and not refused."""
    school.sends["students"] = [[pupil(2), pupil(3, student_number="N1")]]
    counts = school.sync("students")["students"].plan.counts
    assert (counts.created, counts.absent, counts.dead_lettered) == (1, 1, 0)


def test_number_that_many_share_identifies_nobody(toy: Toy) -> None:
    """Where several students have the same number, in one read or in core, one more does not look like any of them."""
    toy.sends["students"] = [[pupil(n, student_number="0") for n in (1, 2, 3)]]
    assert toy.sync("students")["students"].plan.counts.created == 3
    toy.sends["students"] = [[pupil(n, student_number="0") for n in (1, 2, 3, 4)]]
    assert toy.sync("students")["students"].plan.counts.created == 1


TWINS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "one number": ({"student_number": "N8"}, {"student_number": " n8 "}, 2),
    "no number, one address and name": (
        {"student_number": None, "email": "b@x", "given_name": "Bo", "family_name": "Fox"},
        {"student_number": None, "email": "B@x", "given_name": "bo", "family_name": "Fox"},
        2,
    ),
    "a family's address": ({"email": "b@x"}, {"email": "b@x"}, 0),
    "a sister's address": ({"student_number": None, "email": "b@x"}, {"student_number": None, "email": "b@x"}, 0),
}


@pytest.mark.parametrize(("one", "other", "refused"), TWINS.values(), ids=TWINS)
@pytest.mark.parametrize("first", [True, False])
def test_two_new_ids_of_one_person(
    toy: Toy, one: dict[str, Any], other: dict[str, Any], refused: int, *, first: bool
) -> None:
    """Of two new ids in one read that look like one person neither is created, in the first read as in any other; who
    shares no more than an address is another person.
    """
    toy.sends["students"] = [[pupil(1)]]
    if not first:
        toy.sync("students")
    toy.sends["students"] = [[pupil(1), pupil(8, **one), pupil(9, **other)]]
    outcome = toy.sync("students")["students"]
    assert outcome.verified
    assert refusals(toy) == [("s8", "two ids merge"), ("s9", "two ids merge")][:refused]
    assert len(toy.rows("SELECT FROM core.students")) == 3 - refused
    assert all("the same person under another new id; agree: " in reason for (reason,) in toy.letters("reason"))


def test_of_two_new_ids_one_is_accepted(toy: Toy) -> None:
    """A person says which of two new ids is the person's; the other still waits until its source gives it up."""
    toy.sends["students"] = [[pupil(8), pupil(9, student_number="N8")]]
    toy.sync("students")
    with toy.open() as context:
        accept_identity(context, open_cases(context.connection, "toy")[0].letter, who="ann", why="the older one")
    assert toy.sync("students")["students"].plan.counts.created == 1
    assert refusals(toy) == [("s9", "two ids merge")]
    toy.sends["students"] = [[pupil(8)]]
    toy.sync("students")
    assert refusals(toy) == []


def test_number_of_another_row(school: Toy) -> None:
    """An update that takes the number of a student who keeps it is refused; two who swap numbers pass."""
    school.sends["students"] = [[pupil(1, student_number="N2"), pupil(2)]]
    assert school.sync("students")["students"].verified
    assert refusals(school) == [("s1", "mapping would be re-pointed")]
    school.sends["students"] = [[pupil(1, student_number="N2"), pupil(2, student_number="N1")]]
    assert school.sync("students")["students"].plan.counts.updated == 2
    assert refusals(school) == []


def test_id_that_is_used_again(school: Toy) -> None:
    """An id that was absent, and comes back with another name, is refused; the same person is welcome."""
    school.sends["students"] = [[pupil(9)]]
    school.sync("students")
    namesake = {"given_name": "Bo", "student_number": None, "email": None}
    school.sends["students"] = [[pupil(9), pupil(1, **namesake), pupil(2)]]
    counts = school.sync("students")["students"].plan.counts
    assert (counts.updated + counts.unchanged, counts.dead_lettered) == (2, 1)
    assert refusals(school) == [("s1", "id used again")]


def test_id_of_somebody_who_left_is_used_again(school: Toy) -> None:
    """The same holds for an id whose row is inactive because its source said so."""
    school.sends["students"] = [[pupil(1, status="inactive"), pupil(2)]]
    school.sync("students")
    school.sends["students"] = [[pupil(1, given_name="Bo", student_number=None, email=None), pupil(2)]]
    school.sync("students")
    assert refusals(school) == [("s1", "id used again")]


def accepted(toy: Toy, *, why: str = "I asked", onto: int | None = None) -> None:
    """Decide on the only open case, as a person does."""
    with toy.open() as context:
        [case] = open_cases(context.connection, toy.name)
        accept_identity(context, case.letter, who="ann", why=why, onto=onto)


@pytest.mark.parametrize("mode", Mode)
def test_accepted_content_passes(school: Toy, mode: Mode) -> None:
    """What a person accepted is taken up by the next plan, sent again or not; who and why are in the audit log."""
    school.sends["students"] = [[pupil(1, **STRANGER), pupil(2)]]
    school.sync("students")
    accepted(school)
    if mode is Mode.INCREMENTAL:
        school.sends["students"] = [[]]
    outcome = school.sync("students", mode=mode)["students"]
    assert (outcome.verified, outcome.plan.counts.updated) == (True, 1)
    assert school.core("students", "given_name", "sync_status")[0] == ("Bo", "synced")
    assert school.letters("state") == [("resolved",)]
    ((who, action, detail),) = school.rows("SELECT who, action, detail FROM connector.integration_audit_logs")
    assert (who, action, detail["why"], detail["external_id"]) == ("ann", "identity accepted", "I asked", "s1")
    assert school.sync("students", mode=mode)["students"].plan.counts.updated == 0


def test_only_that_content_passes(school: Toy) -> None:
    """An acceptance says nothing about what the record becomes afterwards."""
    school.sends["students"] = [[pupil(1, **STRANGER), pupil(2)]]
    school.sync("students")
    accepted(school)
    third = {"given_name": "Cy", "family_name": "Ito", "student_number": "78", "email": "cy@x"}
    school.sends["students"] = [[pupil(1, **third), pupil(2)]]
    school.sync("students")
    assert school.core("students", "given_name")[0] == ("Given1",)
    assert refusals(school) == [("s1", "looks like another person")]


def test_only_an_open_case_with_a_reason_can_be_accepted(school: Toy, make: Records) -> None:
    """A letter of another kind, one that is settled, a missing reason and a row that is taken are clear errors."""
    school.sends["students"] = [[pupil(1), pupil(2), make.student(8, given_name=None), pupil(3, student_number="N1")]]
    school.sync("students")
    (taken,) = school.rows("SELECT min(id) FROM core.students")[0]
    letters: dict[str, int] = dict(map(tuple, school.letters("external_id", "id")))
    wrong: list[tuple[int, str, int | None]] = [
        (letters["s8"], "x", None),
        (9999, "x", None),
        (letters["s3"], " ", None),
    ]
    wrong += [(letters["s3"], "x", onto) for onto in (taken, 9999)]
    with school.open() as context:
        for letter, why, onto in wrong:
            with pytest.raises(ConfigurationError, match=None if why.strip() else "accepted without a reason"):
                accept_identity(context, letter, who="ann", why=why, onto=onto)
        accept_identity(context, letters["s3"], who="ann", why="twins with one number", onto=None)
    assert school.sync("students")["students"].plan.counts.created == 1
