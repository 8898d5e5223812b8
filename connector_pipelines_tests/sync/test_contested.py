"""Which edit, which version, which decision and which conflict are meant, where there are several that look alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.pages import Stability
from connector_pipelines.policy import Rule, Take
from connector_pipelines.sync.applying import apply_now
from connector_pipelines.sync.conflicts import Decision, open_conflicts, resolve

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Row, Toy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ruled(toy: Toy, rule: Rule, field: str = "*") -> None:
    """Declare who wins, for a field of all that these tests edit."""
    toy.may(conflicts={name: {field: rule} for name in ("students", "organizations")})


def edited(toy: Toy, entity: str, change: str, *, at: datetime = NOON, by: str = "ann") -> None:
    """A person edits the first row of an entity at some time."""
    toy.execute(
        f"SET connector_pipelines.editor = '{by}'; UPDATE core.{entity} SET {change} WHERE id = 1",
        f"UPDATE connector.core_edits SET edited_at = '{at}' WHERE edited_by = '{by}'",
    )


def contested(toy: Toy) -> set[tuple[str, str, str, str]]:
    """What waits for a person: source, entity, record and field."""
    with toy.open() as context:
        found = open_conflicts(context.connection)
    return {(one.source, one.entity, one.external_id, one.field) for one in found}


def decided(toy: Toy, *wanted: str, take: Take = Take.CORE) -> None:
    """Ann decides on the conflict of a source, entity, record and field."""
    with toy.open() as context:
        [one] = [
            one
            for one in open_conflicts(context.connection)
            if (one.source, one.entity, one.external_id, one.field) == wanted
        ]
        assert resolve(context, [Decision(one.label, take, "because")], who="ann").resolved == 1


@pytest.fixture
def torn(toy: Toy, make: Records) -> tuple[Toy, Toy]:
    """Two sources that say "active" of all, and people who wrote "inactive" nearly everywhere: five conflicts."""
    other = toy.twin("other")
    other.may(matching={"students": ["student_number"]})
    for source in (toy, other):
        ruled(source, Rule.MANUAL)
        source.sends["students"] = [[make.student(n, phone="active", student_number=f"N{n}") for n in (1, 2)]]
        source.sync("students")
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.execute("UPDATE core.students SET status = 'inactive'", "UPDATE core.organizations SET status = 'inactive'")
    toy.execute("UPDATE core.students SET phone = 'inactive' WHERE id = 1")
    again(toy, other)
    assert contested(toy) == ALL
    return toy, other


ALL = {
    ("toy", "students", "s1", "status"),
    ("toy", "students", "s1", "phone"),
    ("toy", "students", "s2", "status"),
    ("toy", "organizations", "o1", "status"),
    ("other", "students", "s1", "status"),
    ("other", "students", "s1", "phone"),
    ("other", "students", "s2", "status"),
}


def again(*toys: Toy) -> None:
    """The sources say once more what they said."""
    for toy in toys:
        toy.sync(*toy.sends)


def test_a_decision_is_about_one_field_of_one_row_and_one_source(torn: tuple[Toy, Toy]) -> None:
    """Whoever decided on a field of a row is not asked about it again, and is about every other that looks the same."""
    toy, other = torn
    decided(toy, "toy", "students", "s1", "status")
    toy.execute("UPDATE connector.external_system_mappings SET row_hash = NULL, fingerprint = NULL")
    again(toy, other)
    assert contested(toy) == ALL - {("toy", "students", "s1", "status")}


def test_a_conflict_that_ends_takes_no_other_with_it(torn: tuple[Toy, Toy], make: Records) -> None:
    """When a source takes over what a person wrote, this conflict is closed now, by this plan, and the edit is settled;
    the conflicts of other fields, rows, tables and sources stay as they were.
    """
    toy, _ = torn
    before = toy.rows(f"{BOOKS} WHERE state = 'open' ORDER BY id")
    toy.sends["students"] = [
        [
            make.student(1, phone="active", student_number="N1", status="inactive"),
            make.student(2, phone="active", student_number="N2"),
        ]
    ]
    began = datetime.now(UTC)
    plan = toy.sync("students")["students"].plan
    assert contested(toy) == ALL - {("toy", "students", "s1", "status")}
    ((field, decision, by, decided_at, updated_at, settled_by),) = toy.rows(CLOSED)
    assert (field, decision, by, settled_by) == ("status", "agreed", "sync", plan.id)
    assert began <= decided_at <= datetime.now(UTC)
    assert began <= updated_at <= datetime.now(UTC)
    left = toy.rows(f"{BOOKS} WHERE state = 'open' ORDER BY id")
    assert left == [row for row in before if row[:4] != ("toy", "students", "s1", "status")]
    settled = "SELECT entity, internal_id, field FROM connector.core_edits WHERE settled_by = %s"
    assert toy.rows(settled, plan.id) == [("students", 1, "status")]
    toy.sync("students")
    assert toy.rows(settled, plan.id) == [("students", 1, "status")]
    assert toy.rows(CLOSED) == [(field, decision, by, decided_at, updated_at, settled_by)]


BOOKS = "SELECT source, entity, external_id, field, version, updated_at, plan_id FROM connector.conflicts"
CLOSED = (
    "SELECT field, decision, decided_by, decided_at, updated_at, settled_by FROM connector.conflicts"
    " WHERE state = 'resolved'"
)


def test_a_conflict_is_written_anew_when_something_of_it_changed(toy: Toy, make: Records) -> None:
    """A conflict keeps its plan and time while both sides say the same, tells the newest of both when they do not, and
    its version counts their values alone.
    """
    ruled(toy, Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="first")]]
    toy.sync("students")
    edited(toy, "students", "phone = 'ours'")
    told: list[Row] = []
    for phone, modified in (("a", NOON), ("a", NOON), ("a", NOON + HOUR), ("b", NOON + HOUR)):
        toy.sends["students"] = [[make.student(1, phone=phone, modified=modified.isoformat())]]
        toy.sync("students")
        told += toy.rows(TOLD)
    edited(toy, "students", "phone = 'mine'", at=NOON + 2 * HOUR, by="ben")
    toy.sync("students")
    told += toy.rows(TOLD)
    assert [row[:6] for row in told] == [
        ("ours", "a", "ann", NOON, NOON, 1),
        ("ours", "a", "ann", NOON, NOON, 1),
        ("ours", "a", "ann", NOON, NOON + HOUR, 1),
        ("ours", "b", "ann", NOON, NOON + HOUR, 2),
        ("mine", "b", "ben", NOON + 2 * HOUR, NOON + HOUR, 3),
    ]
    assert told[0] == told[1]
    assert [len({row[position] for row in told}) for position in (6, 7, 8)] == [4, 4, 4]
    assert [row[8] for row in told] == sorted(row[8] for row in told)
    newest = toy.rows("SELECT id, run_id FROM connector.sync_plans ORDER BY id DESC LIMIT 1")
    assert newest == [(told[-1][6], told[-1][7])]


TOLD = (
    "SELECT core_value, source_value, edited_by, edited_at, modified_at, version, plan_id, run_id, updated_at"
    " FROM connector.conflicts"
)


def test_of_several_edits_the_newest_counts(toy: Toy, make: Records) -> None:
    """Where people edited a field several times, the last of them is compared with the source, and named."""
    ruled(toy, Rule.LAST_WRITE_WINS, "phone")
    toy.sends["students"] = [[make.student(1, phone="first")]]
    toy.sync("students")
    for by, at in (("ann", NOON + 2 * HOUR), ("ben", NOON + 2 * HOUR), ("cy", NOON - 2 * HOUR)):
        edited(toy, "students", f"phone = '{by}'", at=at, by=by)
    toy.sends["students"] = [[make.student(1, phone="theirs", modified=(NOON + HOUR).isoformat())]]
    made = toy.prepare("students")
    [(details,)] = toy.rows(f"SELECT contested -> 'phone' FROM staging.plan_{made.id}")
    assert (details["winner"], details["edited_by"], details["reason"]) == ("core", "ben", "core was edited last")


@pytest.mark.parametrize("order", [0, 1])
def test_of_a_record_that_came_twice_the_newer_is_judged(toy: Toy, make: Records, order: int) -> None:
    """When a read holds two versions of a record, the time of the one that is kept says who wrote last."""
    ruled(toy, Rule.LAST_WRITE_WINS)
    toy.sends["students"] = [[make.student(1, phone="first"), make.student(2)]]
    toy.sync("students")
    edited(toy, "students", "phone = 'ours'")
    new, old = (make.student(1, phone="theirs", modified=at.isoformat()) for at in (NOON + HOUR, NOON - HOUR))
    beside = make.student(2, phone="2", modified=(NOON - HOUR).isoformat())
    pages: list[Any] = [[new, beside, old], [old, beside]]
    toy.sends["students"] = pages if order else pages[::-1]
    assert toy.sync("students")["students"].verified
    assert toy.core("students", "phone") == [("theirs",), ("2",)]


@pytest.mark.parametrize(("rule", "waits"), [(Rule.CORE_OWNS, 0), (Rule.MANUAL, 1)])
def test_a_status_that_core_keeps_is_not_dropped(toy: Toy, make: Records, rule: Rule, waits: int) -> None:
    """A row whose status core owns, or a person set, is only noted as absent when its record goes."""
    ruled(toy, rule, "status")
    toy.may(drops=["students"])
    toy.stability = Stability.STABLE
    toy.sends["students"] = [[make.student(n) for n in (1, 2, 3)]]
    toy.sync("students")
    edited(toy, "students", "status = 'withdrawn'")
    toy.sends["students"] = [[make.student(3)]]
    outcome = toy.sync("students")["students"]
    gone = {Rule.CORE_OWNS: (0, 2), Rule.MANUAL: (1, 1)}[rule]
    assert (outcome.verified, outcome.plan.counts.dropped, outcome.plan.counts.absent) == (True, *gone)
    dropped = "active" if rule is Rule.CORE_OWNS else "inactive"
    assert toy.core("students", "status") == [("withdrawn",), (dropped,), ("active",)]
    assert len(contested(toy)) == waits
    absent = [at is not None for (at,) in toy.mappings("students", "absent_since")]
    assert absent == [True, True, False]


def test_a_row_is_linked_though_a_person_edited_it(toy: Toy, make: Records) -> None:
    """A second source's record is mapped to its row; what a person wrote there stays, and is a conflict."""
    toy.sends["students"] = [[make.student(1, student_number="N1", phone="first")]]
    toy.sync("students")
    edited(toy, "students", "phone = 'ours'")
    other = toy.twin("other")
    ruled(other, Rule.MANUAL, "phone")
    other.may(matching={"students": ["student_number"]})
    other.sends["students"] = [[make.student(7, student_number="N1", given_name="Given1", phone="theirs", email="a@x")]]
    outcome = other.sync("students")["students"]
    assert (outcome.verified, outcome.plan.counts.linked, outcome.plan.counts.updated) == (True, 1, 1)
    assert other.core("students", "external_id", "phone", "email") == [("s7", "ours", "a@x")]
    assert contested(toy) == {("other", "students", "s7", "phone")}


def test_a_rule_that_changed_is_no_decision(toy: Toy, make: Records) -> None:
    """A conflict that another rule closed in core's favor is one again under the old rule: no person decided it."""
    toy.sends["students"] = [[make.student(1, phone="first")]]
    toy.sync("students")
    edited(toy, "students", "phone = 'ours'")
    for rule, waits in ((Rule.MANUAL, 1), (Rule.CORE_OWNS, 0), (Rule.MANUAL, 1)):
        ruled(toy, rule, "phone")
        toy.execute("UPDATE connector.toy_mappings SET row_hash = NULL, fingerprint = NULL")
        toy.sync("students")
        assert len(contested(toy)) == waits
    assert toy.core("students", "phone") == [("ours",)]


def test_of_several_decisions_the_newest_counts(toy: Toy, make: Records) -> None:
    """Who decided, edited core once more and decided again is not asked a third time."""
    ruled(toy, Rule.MANUAL)
    toy.sends["students"] = [[make.student(1, phone="first")]]
    toy.sync("students")
    for phone in ("ours", "ours again"):
        toy.execute(f"UPDATE core.students SET phone = '{phone}'")
        toy.sync("students")
        decided(toy, "toy", "students", "s1", "phone")
    toy.execute("UPDATE connector.toy_mappings SET row_hash = NULL, fingerprint = NULL")
    toy.sync("students")
    assert contested(toy) == set()
    assert toy.core("students", "phone") == [("ours again",)]


def test_only_what_a_plan_writes_is_no_edit(toy: Toy, make: Records) -> None:
    """What a plan writes is no edit; what somebody writes on the same connection afterwards is one."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2")]]
    plan = toy.prepare("students")
    with toy.open() as context:
        apply_now(context, plan)
        assert toy.rows("SELECT field FROM connector.core_edits") == []
        context.connection.execute("UPDATE core.students SET email = 'mine'")
    assert toy.rows("SELECT field FROM connector.core_edits") == [("email",)]
