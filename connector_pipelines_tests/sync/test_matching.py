from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.sync.accepting import accept_identity, open_cases

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Record, Toy


def pupil(key: str, given: str = "Ann", family: str = "Berg", **fields: Any) -> Record:
    """A student under some id."""
    return {"id": key, "given_name": given, "family_name": family, "status": "active"} | fields


@pytest.fixture
def lms(toy: Toy) -> Toy:
    """A second source that matches students, beside a first one that has two."""
    toy.sends["students"] = [
        [pupil("s1", student_number="N1", email="ann@x"), pupil("s2", "Bo", "Fox", student_number="N2", email="bo@x")]
    ]
    toy.sync("students")
    twin = toy.twin("lms")
    twin.may(matching={"students": ["student_number", "email"]})
    return twin


def linked(toy: Toy) -> list[tuple[Any, ...]]:
    """The other source's mappings: external id, given name in core, why."""
    return toy.rows(
        "SELECT m.external_id, c.given_name, m.sync_metadata ->> 'matched by', m.created_by FROM lms_mappings m"
        " JOIN core.students c ON c.id = m.internal_id ORDER BY 1".replace("lms_", "connector.lms_")
    )


def test_one_row_two_mappings(lms: Toy) -> None:
    """A record with the number of a row that core has is mapped to it and updates it; its mapping says why."""
    lms.sends["students"] = [[pupil("7", student_number=" n1 ", email="ANN@X", phone="1")]]
    outcome = lms.sync("students")["students"]
    counts = outcome.plan.counts
    assert (outcome.verified, counts.created, counts.updated, counts.linked) == (True, 0, 1, 1)
    assert linked(lms) == [("7", "Ann", "student_number", outcome.plan.id)]
    assert lms.rows("SELECT count(*), max(phone) FROM core.students") == [(2, "1")]
    assert lms.rows("SELECT action FROM connector.sync_changes") == [("link",)]
    assert lms.sync("students")["students"].plan.counts.unchanged == 1


def test_what_changes_nothing_is_linked_unchanged(lms: Toy) -> None:
    """A record that says what core holds already is mapped, and the row is not written."""
    written = lms.rows("SELECT id, xmin::text FROM core.students ORDER BY id")
    lms.sends["students"] = [[pupil("7", student_number="N1", email="ann@x")]]
    outcome = lms.sync("students")["students"]
    assert (outcome.verified, outcome.plan.counts.unchanged, outcome.plan.counts.linked) == (True, 1, 1)
    assert lms.rows("SELECT id, xmin::text FROM core.students ORDER BY id") == written
    assert lms.rows("SELECT external_id, action, changes FROM connector.sync_changes") == [("7", "link", {})]


def test_e_mail_where_there_is_no_number(lms: Toy) -> None:
    """The next column decides where the first says nothing; a letter may be composed in two ways."""
    lms.execute("UPDATE core.students SET email = 'ren\u00e9@x', notes = 'by hand' WHERE student_number = 'N1'")
    lms.sends["students"] = [[pupil("7", email="Rene\u0301@x ")]]
    lms.sync("students")
    assert [row[:3] for row in linked(lms)] == [("7", "Ann", "email")]


@pytest.mark.parametrize(
    "record",
    [
        pupil("7", student_number="N9", email="ann@x"),
        pupil("7", student_number="N9"),
        pupil("7", student_number="", email=" "),
        pupil("7"),
    ],
    ids=["the number contradicts", "unknown number", "blanks", "nothing"],
)
def test_new_person(lms: Toy, record: Record) -> None:
    """A record that no identifier finds, or whose better identifier contradicts, is a new row."""
    lms.sends["students"] = [[record]]
    assert lms.sync("students")["students"].plan.counts.created == 1


DOUBTS = {
    "several rows": (
        [pupil("7", email="ann@x")],
        [("7", "several rows match")],
        "UPDATE core.students SET email = 'ann@x'",
    ),
    "two records for one row": (
        [pupil("7", student_number="N1"), pupil("8", student_number="N1")],
        [("7", "two ids merge"), ("8", "two ids merge")],
        "SELECT",
    ),
    "a sister with the family's address": ([pupil("7", "Eva", email="ann@x")], [("7", "match in doubt")], "SELECT"),
    "a number that two schools gave": (
        [pupil("7", "Eva", "Ito", student_number="N1")],
        [("7", "match in doubt")],
        "SELECT",
    ),
}


@pytest.mark.parametrize(("records", "refused", "before"), DOUBTS.values(), ids=DOUBTS)
def test_doubts_are_refused(lms: Toy, records: list[Record], refused: list[tuple[str, str]], before: str) -> None:
    """What is not certain is a dead letter with the evidence; nothing is created or mapped."""
    lms.execute(before)
    lms.sends["students"] = [records]
    outcome = lms.sync("students")["students"]
    assert (outcome.verified, outcome.plan.counts.dead_lettered) == (True, len(refused))
    assert lms.letters("external_id", "rule") == refused
    assert all("is that of core row" in reason and "ann@x" not in reason for (reason,) in lms.letters("reason"))
    assert linked(lms) == []


def test_row_that_the_source_knows_under_another_id(lms: Toy) -> None:
    """A second present id of the source for one row is refused; when the first is gone, the row is taken over."""
    first, second = pupil("7", student_number="N1"), pupil("8", student_number="N1")
    lms.sends["students"] = [[first]]
    lms.sync("students")
    lms.sends["students"] = [[first, second]]
    lms.sync("students")
    assert lms.letters("external_id", "rule") == [("8", "two ids merge")]
    lms.sends["students"] = [[second]]
    counts = lms.sync("students")["students"].plan.counts
    assert (counts.linked, counts.absent) == (1, 1)
    lms.sends["students"] = [[first, second]]
    lms.sync("students")
    assert [row[:2] for row in lms.letters("external_id", "rule", "state") if row[2] == "open"] == [
        ("7", "two ids merge")
    ]


@pytest.mark.parametrize("same", [True, False])
def test_a_person_says_which_row(lms: Toy, *, same: bool) -> None:
    """A doubtful record is mapped to the row a person names, or gets a row of its own."""
    lms.sends["students"] = [[pupil("7", "Annie", email="ann@x")]]
    lms.sync("students")
    (ann,) = lms.rows("SELECT id FROM core.students WHERE student_number = 'N1'")[0]
    with lms.open() as context:
        [case] = open_cases(context.connection, "lms")
        accept_identity(context, case.letter, who="ann", why="it is her", onto=ann if same else None)
    counts = lms.sync("students")["students"].plan.counts
    assert (counts.linked, counts.created) == ((1, 0) if same else (0, 1))
    assert [row[:3] for row in linked(lms)] == [("7", "Annie", "a person" if same else None)]


def test_re_mapped_roster_is_held(lms: Toy) -> None:
    """A source whose ids all change is held, also where every new one is recognized."""
    lms.may(guard={"limits": {"floor": 1}})
    lms.sends["students"] = [[pupil("7", student_number="N1"), pupil("8", "Bo", "Fox", student_number="N2")]]
    lms.sync("students")
    lms.sends["students"] = [[pupil("a", student_number="N1"), pupil("b", "Bo", "Fox", student_number="N2")]]
    plan = lms.sync("students")["students"].plan
    assert [reason.split(":")[0] for reason in plan.reasons] == ["ids changed", "re-mapped"]


def test_nobody_is_matched_by_default(toy: Toy) -> None:
    """Without a policy two sources make two rows."""
    for source in (toy, toy.twin("lms")):
        source.sends["students"] = [[pupil("1", student_number="N1")]]
        assert source.sync("students")["students"].plan.counts.created == 1
