from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Mode
from connector_pipelines.pages import Stability
from connector_pipelines.sync.replaying import replay

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy

ENTITIES = ("students", "sections", "enrollments")


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """Two students in one class, from a source that may drop students and enrollments and holds still."""
    toy.sends["students"] = [[make.student(n, student_number=f"N{n}") for n in (1, 2)]]
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["enrollments"] = [[make.enrollment(n, f"s{n}", "c1") for n in (1, 2)]]
    toy.may(drops=["students", "enrollments"])
    toy.stability = Stability.STABLE
    toy.sync(*ENTITIES)
    return toy


def leaves(toy: Toy, entity: str) -> Record:
    """The second record is not at the source any more."""
    page = toy.sends[entity][0]
    assert isinstance(page, list)
    return page.pop(1)


def status(toy: Toy, entity: str) -> list[str]:
    """The status of each core row, by external id."""
    return [row[0] for row in toy.core(entity, "status")]


@pytest.mark.parametrize("stability", [Stability.STABLE, Stability.REPAIRED])
def test_what_is_gone_becomes_inactive(school: Toy, stability: Stability) -> None:
    """With drops on, a proven full read makes what it does not hold inactive, and says which field it changed."""
    school.stability = stability
    leaves(school, "enrollments")
    outcome = school.sync(*ENTITIES)["enrollments"]
    assert (outcome.verified, outcome.plan.counts.dropped, outcome.plan.counts.absent) == (True, 1, 0)
    assert status(school, "enrollments") == ["enrolled", "dropped"]
    assert school.rows("SELECT external_id, action, changes FROM connector.sync_changes") == [
        ("e2", "drop", {"status": ["enrolled", "dropped"]})
    ]
    assert [at is None for (at,) in school.mappings("enrollments", "absent_since")] == [True, False]
    again = school.sync(*ENTITIES)["enrollments"].plan.counts
    assert (again.dropped, again.absent, again.unchanged) == (0, 0, 1)


def test_persons_become_inactive(school: Toy) -> None:
    """The status of what is gone is the entity's own: of a student, inactive."""
    leaves(school, "students")
    school.sync("students")
    assert status(school, "students") == ["active", "inactive"]


def test_what_comes_back_is_what_the_source_says(school: Toy) -> None:
    """A dropped record that comes back is updated; when it goes again, it is dropped again."""
    gone = leaves(school, "students")
    school.sync("students")
    school.sends["students"].append([gone])
    assert school.sync("students")["students"].plan.counts.updated == 1
    assert status(school, "students") == ["active", "active"]
    assert school.mappings("students", "absent_since", "sync_metadata") == [(None, {}), (None, {})]
    school.sends["students"].pop()
    assert school.sync("students")["students"].plan.counts.dropped == 1


@pytest.mark.parametrize(
    ("stability", "why"),
    [
        (None, "nothing is dropped: the read is not watched for rows that move while it goes on"),
        (Stability.UNSTABLE, "nothing is dropped: the read is unstable"),
    ],
)
def test_unproven_read_drops_nothing(school: Toy, stability: Stability | None, why: str) -> None:
    """A read that was not proven stable drops nothing and says why."""
    school.stability = stability
    leaves(school, "students")
    plan = school.sync("students")["students"].plan
    assert (plan.counts.dropped, plan.reasons) == (0, (why,))
    assert status(school, "students") == ["active", "active"]
    assert school.rows("SELECT stability FROM connector.sync_runs ORDER BY id DESC LIMIT 1") == [(stability,)]


def test_unstable_read_does_not_even_note_absence(school: Toy) -> None:
    """What an unstable read does not hold may well be there."""
    school.stability = Stability.UNSTABLE
    leaves(school, "students")
    assert school.sync("students")["students"].plan.counts.absent == 0
    assert school.mappings("students", "absent_since") == [(None,), (None,)]


def test_incremental_read_drops_nothing(school: Toy) -> None:
    """An incremental read knows no absence, and nobody asks it why."""
    school.sends["students"] = [[]]
    plan = school.sync("students", mode=Mode.INCREMENTAL)["students"].plan
    assert (plan.counts.dropped, plan.reasons) == (0, ())


def test_absent_before_drops_were_on(school: Toy) -> None:
    """What was only noted as absent is dropped once drops are switched on, and its first absence stays on record."""
    school.may(drops=[])
    leaves(school, "students")
    assert school.sync("students")["students"].plan.counts.absent == 1
    noted = school.mappings("students", "absent_since")
    school.may(drops=["students"])
    assert school.sync("students")["students"].plan.counts.dropped == 1
    assert status(school, "students") == ["active", "inactive"]
    assert school.mappings("students", "absent_since") == noted


def test_a_person_may_bring_back_what_was_dropped(school: Toy) -> None:
    """A drop happens once: a row that a person made active again stays active while the record is gone."""
    leaves(school, "students")
    school.sync("students")
    school.execute("UPDATE core.students SET status = 'active'")
    assert school.sync("students")["students"].plan.counts.dropped == 0
    assert status(school, "students") == ["active", "active"]


def test_row_that_another_source_stands_for(school: Toy, make: Records) -> None:
    """A row with two mappings is dropped only when both sources lost it."""
    other = school.twin("lms")
    other.may(drops=["students"], matching={"students": ["student_number"]})
    other.sends["students"] = [[make.student(2, student_number="N2")]]
    other.sync("students")
    leaves(school, "students")
    counts = school.sync("students")["students"].plan.counts
    assert (counts.dropped, counts.absent) == (0, 1)
    assert status(school, "students") == ["active", "active"]
    other.sends["students"] = [[make.student(3)]]
    assert other.sync("students")["students"].plan.counts.dropped == 1
    assert status(school, "students") == ["active", "inactive"]


def test_row_that_is_taken_over_is_not_dropped(school: Toy, make: Records) -> None:
    """A person who comes under a new id, recognized by the number, stays active though the old id is gone."""
    school.may(matching={"students": ["student_number"]})
    leaves(school, "students")
    school.sends["students"].append([make.student(2, id="s9", student_number="N2")])
    counts = school.sync("students")["students"].plan.counts
    assert (counts.linked, counts.dropped, counts.absent) == (1, 0, 1)
    assert status(school, "students") == ["active", "active", "active"]  # two of them are one row


def test_mass_drop_is_held(school: Toy) -> None:
    """The guard holds a plan that would drop more than its limit, and core stays as it was."""
    school.may(guard={"limits": {"floor": 1, "absent": 1.0, "dropped": 0.1}})
    leaves(school, "students")
    outcome = school.sync("students")["students"]
    assert outcome.plan.reasons == ("dropped: 1 of 2 would become inactive (dropped: limit 0.1, passes from 0.5)",)
    assert (outcome.receipt, status(school, "students")) == (None, ["active", "active"])


def test_replay_drops_the_same(school: Toy) -> None:
    """A read that was proven when it was made is proven when it is replayed: the plan has the same hash."""
    school.may(guard={"limits": {"floor": 1}})
    leaves(school, "students")
    held = school.sync("students")["students"].plan
    with school.open() as context:
        again = replay(context, school.source, held.read_id)
    assert (again.hash, again.counts.dropped) == (held.hash, 1)


def test_database_that_refuses_a_drop(school: Toy) -> None:
    """A drop that the database refuses becomes a dead letter; the accounting of the read still adds up."""
    school.execute("ALTER TABLE core.students ADD CHECK (status <> 'inactive')")
    leaves(school, "students")
    outcome = school.sync("students")["students"]
    assert outcome.receipt
    assert (outcome.receipt.verified, outcome.receipt.counts.dropped) == (True, 0)
    assert school.letters("external_id", "rule", "state") == [("s2", "database", "open")]
