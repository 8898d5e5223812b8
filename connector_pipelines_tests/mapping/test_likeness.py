from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from connector_pipelines.core.entities import entity
from connector_pipelines.database.connection import Connection, connect, query
from connector_pipelines.mapping.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SEED = 20261121
GIVEN = ["Ann", "Bo", "Chloé", "Dmitri", "Elif", "Femi", "Grace", "Hồng", "Iñigo", "Jonas", "Kiri", "Lu", "Mary Jane"]
FAMILY = ["Abebe", "Berg", "Çelik", "D'Arc", "Eze", "Fox", "García", "Hahn", "Ito", "Jansen", "Kowalski", "O\u2019Neil"]


@dataclass(frozen=True)
class Person:
    """What the rule looks at."""

    given_name: str = "Ann"
    family_name: str = "Berg"
    student_number: str | None = "1001"
    email: str | None = "ann.berg@school.example"
    username: str | None = "aberg"


Pair = tuple[Person, Person]
COLUMNS = tuple(Person.__dataclass_fields__)
ANN = Person()


@pytest.fixture
def connection(server: str) -> Iterator[Connection]:
    """A connection for temporary tables."""
    with connect(server) as opened:
        yield opened


def said(connection: Connection, condition: str, pairs: Sequence[Pair]) -> list[bool]:
    """What a condition says of each pair."""
    likeness = Likeness(entity("students"), "one", "other", external_id=sql.SQL("'id-7'"))
    columns = ", ".join(f"{name} text" for name in COLUMNS)
    names = sql.SQL(", ").join([sql.Identifier(name) for name in COLUMNS])
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        for at, table in enumerate(("one", "other")):
            cursor.execute(f"CREATE TEMP TABLE {table} (n int, {columns})")
            with cursor.copy(query("COPY {t} (n, {names}) FROM STDIN", t=table, names=names)) as copy:
                for n, pair in enumerate(pairs):
                    copy.write_row([n, *(getattr(pair[at], name) for name in COLUMNS)])
        found = cursor.execute(
            query("SELECT {c} FROM one JOIN other USING (n) ORDER BY n", c=getattr(likeness, condition))
        )
        return [bool(verdict) for (verdict,) in found.fetchall()]


SAME = {
    "nothing": ANN,
    "marriage": replace(ANN, family_name="Fox", email="ann.fox@school.example", username="afox"),
    "typo": replace(ANN, given_name="Anne"),
    "both names corrected": replace(ANN, given_name="Anna", family_name="Bergh"),
    "names in the other order": replace(ANN, given_name="Berg", family_name="Ann", student_number="2", email="x@y"),
    "accents and case": replace(ANN, given_name="ÁNN", family_name="  berg-", student_number="2", email=None),
    "new domain": replace(ANN, email="ann.berg@district.example"),
    "new number": replace(ANN, student_number="2002"),
    "new number and marriage, same login": replace(ANN, student_number="2", family_name="Fox", email="fox@x"),
    "no number any more, marriage": replace(ANN, student_number=None, family_name="Fox", email="fox@x", username="fox"),
    "nothing but the names left": replace(ANN, student_number=None, email=None, username=None),
    "blank instead of nothing": replace(ANN, student_number=" ", email="", family_name="Fox"),
}
OTHER = {
    "all new": Person("Bo", "Fox", "2002", "bo.fox@school.example", "bfox"),
    "a brother": Person("Bo", "Berg", "2002", "bo.berg@school.example", "bberg"),
    "the same first name": Person("Ann", "Fox", "2002", "ann.fox@school.example", "afox"),
    "without a number": Person("Bo", "Fox", None, "bo.fox@school.example", "bfox"),
    "with nothing": Person("Bo", "Fox", None, None, None),
    "with a number alone": Person("Bo", "Berg", "2002", None, None),
}


@pytest.mark.parametrize("after", SAME.values(), ids=SAME)
def test_what_people_do_to_their_records_passes(connection: Connection, after: Person) -> None:
    """Marriages, corrections, new addresses and new numbers are the same person, one at a time."""
    assert said(connection, "another_person", [(ANN, after)]) == [False]


@pytest.mark.parametrize("after", OTHER.values(), ids=OTHER)
def test_another_person_is_noticed(connection: Connection, after: Person) -> None:
    """Another person under the same id is noticed, also a brother, and one of whom little is known."""
    assert said(connection, "another_person", [(ANN, after)]) == [True]


def test_a_number_made_from_the_id_says_nothing(connection: Connection) -> None:
    """Where the number is the external id once more it agrees always: then the names decide."""
    before = replace(ANN, student_number="ID-7")
    pairs = [(before, replace(OTHER["all new"], student_number="id-7")), (before, replace(before, family_name="Fox"))]
    assert said(connection, "another_person", pairs) == [True, False]


def test_after_a_break_less_is_enough(connection: Connection) -> None:
    """An id that comes back must look like the same person: one name that differs, and nothing that speaks for them."""
    pairs = [
        (ANN, ANN),
        (ANN, replace(ANN, family_name="Fox", email="fox@x", username="fox")),
        (ANN, Person("Ann", "Fox", None, "fox@x", None)),
        (ANN, Person("Ann", "Berg", "2", "x@y", "z")),
    ]
    assert said(connection, "another_after_a_break", pairs) == [False, False, True, False]


def test_two_ids_of_one_person(connection: Connection) -> None:
    """The number tells, or where one has none, another identifier with the same names; brothers share an address."""
    pairs = [
        (ANN, replace(OTHER["all new"], student_number=" 1001 ")),
        (ANN, replace(ANN, student_number=None)),
        (ANN, replace(ANN, student_number=None, given_name="Bo")),
        (ANN, replace(ANN, student_number="2")),
        (ANN, Person("Ann", "Berg", None, None, None)),
        (replace(ANN, student_number="\t", email="\n"), Person("Bo", "Fox", " \t", "\r\n", None)),
    ]
    assert said(connection, "same_person", pairs) == [True, True, False, False, False, False]


def test_evidence_names_fields_and_no_values(connection: Connection) -> None:
    """The evidence says which fields agree and differ; what is unknown is left out."""
    likeness = Likeness(entity("students"), "a", "b")
    values = "VALUES ('Ann', 'Berg', '1', 'a@x', NULL)"
    others = "VALUES ('ann', 'Fox', '2', NULL, 'fox')"
    columns = sql.SQL(", ").join([sql.Identifier(name) for name in COLUMNS])
    row = connection.execute(
        query(
            "SELECT {e} FROM ({a}) a ({c}), ({b}) b ({c})",
            e=likeness.evidence,
            a=sql.SQL(values),
            b=sql.SQL(others),
            c=columns,
        )
    ).fetchone()
    assert row == ("agree: given name; differ: family name, student number",)


def test_planted_cases_and_clean_churn(connection: Connection) -> None:
    """3,000 ids given to other persons are all noticed; of 20,000 ordinary changes less than one in a thousand is."""
    draw = random.Random(SEED)
    reused = [_reused(draw, n) for n in range(3000)]
    assert all(said(connection, "another_person", reused))
    churn = [_changed(draw, n) for n in range(20_000)]
    assert sum(said(connection, "another_person", churn)) < len(churn) / 1000


def _person(draw: random.Random, n: int) -> Person:
    given, family = draw.choice(GIVEN), draw.choice(FAMILY)
    plain = f"{given}.{family}".lower().replace(" ", "")
    return Person(
        given,
        family,
        f"{n:07}" if draw.random() < 0.9 else None,
        f"{plain}{n}@school.example" if draw.random() < 0.8 else None,
        f"u{n}" if draw.random() < 0.7 else None,
    )


def _reused(draw: random.Random, n: int) -> Pair:
    """Another person under an id: with another name, and where no number tells them apart, with no name in common."""
    before, after = _person(draw, n), _person(draw, n + 1_000_000)
    numbered = before.student_number and after.student_number
    alike = all if numbered else any
    while alike((after.given_name == before.given_name, after.family_name == before.family_name)):
        after = replace(after, given_name=draw.choice(GIVEN), family_name=draw.choice(FAMILY))
    return before, after


def _changed(draw: random.Random, n: int) -> Pair:
    """What a year does to a person's record: usually one thing, sometimes two."""
    before = after = _person(draw, n)
    for change in draw.sample(CHANGES, 2 if draw.random() < 0.2 else 1):
        after = change(draw, after)
    return before, after


def _marries(draw: random.Random, who: Person) -> Person:
    family, mail = draw.choice(FAMILY), who.email and f"new{draw.random()}@school.example"
    return replace(who, family_name=family, email=mail, username=who.username and f"new{draw.random()}")


CHANGES: list[Callable[[random.Random, Person], Person]] = [
    _marries,
    lambda draw, who: replace(who, given_name=who.given_name[:-1] + draw.choice("aeiou")),
    lambda draw, who: replace(who, family_name=who.family_name[1:].title() + draw.choice("aeiou")),
    lambda _, who: replace(who, given_name=who.family_name, family_name=who.given_name),
    lambda draw, who: replace(who, email=who.email or f"first{draw.random()}@school.example"),
    lambda _, who: replace(who, email=who.email and who.email.replace("school", "district")),
    lambda _, who: replace(who, email=None),
    lambda draw, who: replace(who, username=f"u{draw.random()}"),
    lambda _, who: replace(who, given_name=who.given_name.upper(), family_name=who.family_name.upper()),
]
