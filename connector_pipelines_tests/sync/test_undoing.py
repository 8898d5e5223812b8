from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_pipelines.errors import ApprovalRefused, ConfigurationError, PlanOutdated
from connector_pipelines.mapping.amend import Left
from connector_pipelines.model import PlanState
from connector_pipelines.pages import Stability
from connector_pipelines.sync.deciding import approve_and_apply
from connector_pipelines.sync.undoing import preview, undo

if TYPE_CHECKING:
    from connector_pipelines.model import Plan
    from connector_pipelines.sync.undoing import Undo
    from connector_pipelines_tests.sync.conftest import Records, Row, Toy

CORE = "SELECT to_jsonb(c) - 'updated_at' FROM core.students c ORDER BY id"


def previewed(toy: Toy, what: str) -> Undo:
    """Look at an undo."""
    with toy.open() as context:
        return preview(context, toy.source, what)


def undone(toy: Toy, what: str) -> Undo:
    """Look at an undo, and do it."""
    seen = previewed(toy, what)
    with toy.open() as context:
        assert all(done.verified for done in undo(context, toy.source, what, seen.hash[:12], who="ann", why="oops"))
    return seen


def changed(toy: Toy, *records: dict[str, Any]) -> Plan:
    """Sync these students."""
    toy.sends["students"] = [list(records)]
    outcome = toy.sync("students")["students"]
    assert outcome.verified
    return outcome.plan


def test_a_preview_writes_nothing(toy: Toy, make: Records) -> None:
    """The preview of an undo shows what would go back, and core stays as it is."""
    changed(toy, make.student(1), make.student(2))
    plan = changed(toy, make.student(1, phone="2"), make.student(2))
    before = toy.rows(CORE)
    (amendment,) = previewed(toy, plan.hash).amendments
    assert (amendment.plan.state, amendment.plan.counts.updated, amendment.left) == (PlanState.PLANNED, 1, ())
    assert toy.rows(CORE) == before


def test_updates_go_back_and_stay_back(toy: Toy, make: Records) -> None:
    """What a plan changed is as before; the same read again changes nothing, something new from the source does."""
    changed(toy, make.student(1, phone="1"), make.student(2))
    before = toy.rows(CORE)
    plan = changed(toy, make.student(1, phone="2"), make.student(2, given_name="Eve"))
    undone(toy, plan.hash[:8])
    assert toy.rows(CORE) == before
    assert toy.sync("students")["students"].plan.counts.unchanged == 2
    assert toy.rows(CORE) == before
    changed(toy, make.student(1, phone="3"), make.student(2, given_name="Eve"))
    assert toy.core("students", "given_name", "phone") == [("Given1", "3"), ("Given2", None)]


def test_what_was_created_goes_inactive(toy: Toy, make: Records) -> None:
    """A created row is inactive after the undo, nothing is deleted, and the record still belongs to it."""
    plan = changed(toy, make.student(1), make.student(2))
    undone(toy, plan.hash)
    assert toy.core("students", "external_id", "status") == [("s1", "inactive"), ("s2", "inactive")]
    changed(toy, make.student(1, phone="9"), make.student(2))
    assert toy.core("students", "external_id", "status") == [("s1", "active"), ("s2", "inactive")]


def test_what_a_later_sync_or_a_person_wrote_is_left_and_named(toy: Toy, make: Records) -> None:
    """Rows whose fields were written since are left with the reason; a later change of another field is no reason."""
    changed(toy, *(make.student(n, phone="1") for n in range(5)))
    plan = changed(toy, *(make.student(n, phone="2") for n in range(5)))
    again = changed(
        toy,
        make.student(0, phone="3"),
        make.student(1, phone="2", email="a@b"),
        *(make.student(n, phone="2") for n in range(2, 5)),
    )
    toy.execute(
        "UPDATE core.students SET phone = 'mine' WHERE given_name = 'Given2'",
        "INSERT INTO connector.core_edits (entity, internal_id, field, before, after, edited_by)"
        " SELECT 'students', id, 'phone', '\"2\"', '\"2\"', 'ann' FROM core.students WHERE given_name = 'Given3'",
    )
    (amendment,) = undone(toy, plan.hash).amendments
    assert amendment.left[0] == Left("s0", f"written again since by plan {again.id}")
    assert [(left.external_id, left.reason.split(" ")[-1]) for left in amendment.left] == [
        ("s0", str(again.id)),
        ("s2", "phone"),
        ("s3", "phone"),
    ]
    assert "ann" in amendment.left[2].reason
    assert toy.core("students", "phone", "email") == [
        ("3", None),
        ("1", "a@b"),
        ("mine", None),
        ("2", None),
        ("1", None),
    ]


def test_a_created_row_that_was_changed_since_is_left(toy: Toy, make: Records) -> None:
    """A row that anybody wrote after it was created stays active."""
    plan = changed(toy, make.student(1), make.student(2))
    changed(toy, make.student(1, phone="2"), make.student(2))
    (amendment,) = undone(toy, plan.hash).amendments
    assert [left.external_id for left in amendment.left] == ["s1"]
    assert toy.core("students", "status") == [("active",), ("inactive",)]


def test_only_what_was_shown_is_undone(toy: Toy, make: Records) -> None:
    """An undo whose preview looks different now is refused with the new hash, and nothing is done."""
    changed(toy, make.student(1), make.student(2))
    plan = changed(toy, make.student(1, phone="2"), make.student(2, phone="2"))
    seen = previewed(toy, plan.hash)
    toy.execute("UPDATE core.students SET phone = 'mine' WHERE given_name = 'Given1'")
    with toy.open() as context, pytest.raises(ApprovalRefused, match="is not what has the hash"):
        undo(context, toy.source, plan.hash, seen.hash, who="ann")
    assert toy.core("students", "phone") == [("mine",), ("2",)]


def test_core_that_moves_after_the_approval_is_not_overwritten(toy: Toy, make: Records) -> None:
    """A row that changes between approval and writing stops the undo; the person is asked to look again."""
    changed(toy, make.student(1))
    plan = changed(toy, make.student(1, phone="2"))
    seen = previewed(toy, plan.hash)
    toy.execute("UPDATE core.students SET notes = 'moved'")  # another version of the row, with the same values
    with toy.open() as context, pytest.raises(PlanOutdated, match="core moved since plan"):
        approve_and_apply(context, toy.source, seen.hash, who="ann")
    assert toy.rows("SELECT state FROM connector.sync_plans ORDER BY id DESC LIMIT 1") == [("superseded",)]
    undone(toy, plan.hash)
    assert toy.core("students", "phone") == [(None,)]


def test_drops_come_back_and_stay(toy: Toy, make: Records) -> None:
    """A row that a plan dropped is active again, and the next read without the record does not drop it once more."""
    toy.may(drops=["students"])
    toy.stability = Stability.STABLE
    changed(toy, make.student(1), make.student(2))
    plan = changed(toy, make.student(1))
    assert toy.core("students", "status") == [("active",), ("inactive",)]
    undone(toy, plan.hash)
    assert toy.sync("students")["students"].plan.counts.dropped == 0
    assert toy.core("students", "status") == [("active",), ("active",)]


def test_an_undo_can_be_undone(toy: Toy, make: Records) -> None:
    """The undo of an undo brings back what the plan wrote."""
    changed(toy, make.student(1))
    plan = changed(toy, make.student(1, phone="2"))
    after = toy.rows(CORE)
    undone(toy, plan.hash)
    ((undoing,),) = toy.rows(
        "SELECT p.hash FROM connector.sync_plans p JOIN connector.sync_runs r ON r.id = p.run_id"
        " WHERE r.kind = 'undo' AND p.state = 'applied'"
    )
    undone(toy, undoing)
    assert toy.rows(CORE) == after


def test_a_whole_run_is_undone_children_first(toy: Toy, make: Records) -> None:
    """All that one run applied goes back together, several plans of one entity as one."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations", "students")
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("students")
    before = toy.rows("SELECT name, status FROM core.organizations") + toy.core("students", "phone", "organization_id")
    toy.sends["organizations"] = [[make.organization(1, name="Other")]]
    toy.sync("organizations")
    for phone in ("1", "2"):
        changed(toy, make.student(1, organization="o1", phone=phone))
    toy.execute("UPDATE connector.sync_runs SET launched_by = 'dagster run 12345678-9' WHERE id > 3")
    seen = undone(toy, "12345678-9")
    assert [amendment.plan.entity for amendment in seen.amendments] == ["students", "organizations"]
    assert (
        toy.rows("SELECT name, status FROM core.organizations") + toy.core("students", "phone", "organization_id")
        == before
    )


@pytest.mark.parametrize("what", ["", "1234567", "12345678", "%%%%%%%%"])
def test_nothing_is_undone_by_guessing(toy: Toy, make: Records, what: str) -> None:
    """What names no applied plan and no run is refused."""
    changed(toy, make.student(1))
    with pytest.raises(ConfigurationError):
        previewed(toy, what)


def snapshot(toy: Toy) -> list[Row]:
    """All that core says about students."""
    return toy.rows(CORE)


phones = st.lists(st.one_of(st.none(), st.text("0123456789é ", max_size=5)), min_size=4, max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=phones, second=phones, status=st.lists(st.sampled_from(["active", "inactive"]), min_size=4, max_size=4))
def test_apply_and_undo_is_identity(
    toy: Toy, make: Records, first: list[str | None], second: list[str | None], status: list[str]
) -> None:
    """Whatever a plan updates, its undo leaves core as it was before the plan, bit by bit."""
    toy.reset()
    changed(toy, *(make.student(n, phone=phone) for n, phone in enumerate(first)))
    before = snapshot(toy)
    plan = changed(
        toy, *(make.student(n, phone=p, status=s) for n, (p, s) in enumerate(zip(second, status, strict=True)))
    )
    undone(toy, plan.hash)
    assert snapshot(toy) == before
