"""Where identity is doubtful, people see which rows of core a record may belong to, and how likely each is (S8)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.mapping.candidates import SHOWN, Candidate
from connector_pipelines.settings import settings
from connector_pipelines.sync import accepting
from connector_pipelines.sync.accepting import accept_identity, open_cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.sync.accepting import Case
    from connector_pipelines_tests.sync.conftest import Record, Toy

SEED = 20261122


def pupil(number: object, given: str, family: str, **fields: Any) -> Record:
    """A student under some id."""
    return {"id": f"s{number}", "given_name": given, "family_name": family, "status": "active"} | fields


@pytest.fixture
def lms(toy: Toy) -> Toy:
    """A second source that matches students by number and e-mail address, beside a first one that has four."""
    toy.sends["organizations"] = [[{"id": "o1", "name": "North", "status": "active"}]]
    toy.sends["students"] = [
        [
            pupil(1, "Ann", "Berg", student_number="N1", email="berg@x", organization="o1"),
            pupil(2, "Bo", "Berg", student_number="N2", email="berg@x"),
            pupil(3, "Berg", "Ann", student_number="N3"),
            pupil(4, "Cy", "Fox", student_number="N4", email="cy@x"),
        ]
    ]
    toy.sync("organizations", "students")
    twin = toy.twin("lms")
    twin.may(matching={"students": ["student_number", "email"]})
    return twin


def cases(toy: Toy, *records: Record) -> list[Case]:
    """The cases that a sync of these students leaves open."""
    toy.sends["students"] = [list(records)]
    assert toy.sync("students")["students"].verified
    with toy.open() as context:
        return open_cases(context.connection, toy.name)


def number(toy: Toy, student_number: str) -> int:
    """A student's row in core."""
    ((row,),) = toy.rows(f"SELECT id FROM core.students WHERE student_number = '{student_number}'")
    return int(row)


def test_the_likeliest_row_stands_first_with_its_reasons(lms: Toy) -> None:
    """Every row that shares an identifier or all names is weighed: what agrees for it, what differs against it."""
    [case] = cases(lms, pupil("x", "Ann", "Berg", email="BERG@x", username="ann"))
    assert case.candidates == (
        Candidate(number(lms, "N1"), 75, "agree: email, given name, family name"),
        Candidate(number(lms, "N2"), 42, "agree: email, family name; differ: given name"),
        Candidate(number(lms, "N3"), 33, "agree: given name, family name"),
    )
    assert str(case.candidates[1]) == (
        f"core row {number(lms, 'N2')}, score 42 (agree: email, family name; differ: given name)"
    )


def test_what_contradicts_weighs_against_a_row(lms: Toy) -> None:
    """A row whose number is another person's name speaks against is doubtful; one with nothing in common is no
    candidate.
    """
    [case] = cases(lms, pupil("x", "Eva", "Ito", student_number="N4", email="other@x"))
    assert case.candidates == (
        Candidate(number(lms, "N4"), 0, "agree: student number; differ: email, given name, family name"),
    )


def test_the_school_speaks_for_a_row(toy: Toy) -> None:
    """Where the source's record names the school that the row has, that counts; another source's rows are told."""
    toy.sends["organizations"] = [[{"id": f"o{n}", "name": f"School {n}", "status": "active"} for n in (1, 2)]]
    old = [pupil(n, "Ann", "Berg", email=f"{n}@x", organization=f"o{n}") for n in (1, 2)]
    toy.sends["students"] = [old]
    toy.sync("organizations", "students")
    [case] = cases(toy, *old, pupil(3, "Ann", "Berg", email="1@x", organization="o2"))
    taken = "another id of the source has it"
    assert [(one.score, one.reasons) for one in case.candidates] == [
        (80, f"agree: email, given name, family name; differ: school; {taken}"),
        (0, f"agree: given name, family name, school; differ: email; {taken}"),
    ]


def test_no_more_than_the_likeliest_are_shown(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many rows the likeliest are shown, and of many cases the first are weighed; none names a value."""
    monkeypatch.setattr(accepting, "WEIGHED", 1)
    toy.sends["students"] = [[pupil(n, "Ann", "Berg", email=f"{n}@x") for n in range(9)]]
    toy.sync("students")
    twin = toy.twin("lms")
    twin.may(matching={"students": ["email"]})
    found = cases(twin, pupil("x", "Eva", "Berg", email="1@x"), pupil("y", "Eva", "Berg", email="2@x"))
    assert [len(case.candidates) for case in found] == [1, 0]
    toy.execute("UPDATE core.students SET email = 'x@x'")
    found = cases(twin, pupil("x", "Ann", "Berg", email="x@x"))
    assert [len(case.candidates) for case in found] == [SHOWN]
    assert not {"Ann", "Berg", "x@x"} & set(str(found[0].candidates).replace(",", " ").split())


def test_a_candidate_is_accepted_by_its_number(lms: Toy) -> None:
    """The row that a person takes from the list becomes the record's."""
    [case] = cases(lms, pupil("x", "Ann", "Berg", email="berg@x", phone="9"))
    with lms.open() as context:
        accept_identity(context, case.letter, who="ann", why="asked her", onto=case.candidates[0].internal_id)
    assert lms.sync("students")["students"].plan.counts.linked == 1
    assert lms.rows("SELECT id FROM core.students WHERE phone = '9'") == [(case.candidates[0].internal_id,)]


def test_the_command_lists_the_candidates(lms: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beneath each case `identity list` has a line for each candidate, without a value."""
    [case] = cases(lms, pupil("x", "Ann", "Berg", email="berg@x"))
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", lms.url)
    settings.cache_clear()
    said = CliRunner().invoke(app, ["identity", "list", "lms"]).output
    settings.cache_clear()
    assert all(f"{candidate}\n" in said for candidate in case.candidates)
    assert "berg@x" not in said


GIVEN = ("Ann", "Bo", "Cy", "Dmitri", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kiri", "Lu", "Mia", "Noor")
FAMILY = ("Abebe", "Berg", "Celik", "Diaz", "Eze", "Fox", "Garcia", "Hahn", "Ito", "Jansen", "Kowalski", "Lund", "Mora")


def person(draw: random.Random, n: int) -> Record:
    """Somebody with a number, an address and a login of their own."""
    given, family = draw.choice(GIVEN), draw.choice(FAMILY)
    return pupil(n, given, family, student_number=f"N{n}", email=f"{given}{n}@x", username=f"u{n}")


@dataclass
class Year:
    """What a source says a year later: ordinary changes, and planted mistakes that only a person can judge."""

    before: list[Record]
    draw: random.Random
    after: list[Record] = field(default_factory=list)
    planted: dict[str, str] = field(default_factory=dict)

    def churn(self, record: Record) -> None:
        """Somebody married, moved to another address or number, was spelled otherwise, left, or did nothing."""
        n = str(record["id"])[1:]
        changes: list[Callable[[], Record]] = [
            dict,
            lambda: {"family_name": self.draw.choice(FAMILY), "email": f"new{n}@x", "username": f"new{n}"},
            lambda: {"email": f"{n}@district"},
            lambda: {"student_number": f"M{n}"},
            lambda: {"given_name": f"{record['given_name']}e", "phone": n},
            lambda: {"given_name": record["family_name"], "family_name": record["given_name"]},
            lambda: {"status": "inactive"},
            lambda: {"email": None, "username": None},
        ]
        self.after.append(record | self.draw.choice(changes)())

    def reuse(self, record: Record) -> None:
        """The id is somebody else's now."""
        own = {"given_name": "Zoe", "family_name": "Yates"} | person(self.draw, int(str(record["id"])[1:]) + 10_000)
        other = {"given_name": f"Z{own['given_name']}", "family_name": f"Y{own['family_name']}", "id": record["id"]}
        self.after.append(own | other)
        self.planted[str(record["id"])] = "looks like another person"

    def merge(self, record: Record) -> None:
        """The person comes under a second id beside the first."""
        again = record | {"id": f"{record['id']}-again", "email": None, "username": None}
        self.after += [record, again]
        self.planted[str(again["id"])] = "two ids merge"

    def twin(self, record: Record) -> None:
        """A new person comes under two ids at once."""
        new = person(self.draw, int(str(record["id"])[1:]) + 20_000)
        self.after += [record, new, new | {"id": f"{new['id']}-twin"}]
        self.planted |= {str(new["id"]): "two ids merge", f"{new['id']}-twin": "two ids merge"}

    def take(self, record: Record, other: Record) -> None:
        """The record takes the number of another, who keeps it."""
        self.after += [record | {"student_number": other["student_number"]}, other]
        self.planted[str(record["id"])] = "mapping would be re-pointed"


def test_planted_mistakes_are_all_refused_and_clean_churn_is_not(toy: Toy) -> None:
    """Of two thousand records that change as people do none is held, and of 160 planted reuses, merges, twins and taken
    numbers every one is, each by its rule.
    """
    draw = random.Random(SEED)
    toy.may(guard={"limits": {"updated": 1, "created": 1}})
    year = Year([person(draw, n) for n in range(2_160)], draw)
    toy.sends["students"] = [year.before]
    assert toy.sync("students")["students"].plan.counts.created == len(year.before)
    for record in year.before[:2_000]:
        year.churn(record)
    for n in range(2_000, 2_160, 5):
        reused, merged, twin, taking, other = year.before[n : n + 5]
        year.reuse(reused)
        year.merge(merged)
        year.twin(twin)
        year.take(taking, other)
    toy.sends["students"] = [year.after]
    outcome = toy.sync("students")["students"]
    assert (outcome.verified, len(year.planted)) == (True, 160)
    assert dict(map(tuple, toy.letters("external_id", "rule"))) == year.planted
    with toy.open() as context:
        listed = open_cases(context.connection, "toy")
    merges = [case for case in listed[:100] if case.external_id.endswith("-again")]
    assert merges
    assert all(case.candidates[0].reasons.startswith("agree: student number, given name") for case in merges)
