from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.commands import afterwards
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import ApprovalRefused, ConfigurationError
from connector_pipelines.mapping.amend import Left
from connector_pipelines.model import PlanState
from connector_pipelines.pages import Stability
from connector_pipelines.policy import Rule, SyncPolicy
from connector_pipelines.settings import settings
from connector_pipelines.sync.context import silent
from connector_pipelines.sync.deciding import approve_and_apply, held_plans, reject, undecided_plans
from connector_pipelines.sync.undoing import preview, undo

if TYPE_CHECKING:
    from connector_pipelines.model import Plan, Progress
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
        undo(context, toy.source, plan.hash, seen.hash, who="ann", why="looked at")
    assert toy.core("students", "phone") == [("mine",), ("2",)]


LOGGED = "SELECT who, action, entity, detail FROM connector.integration_audit_logs ORDER BY id"


def test_the_log_says_what_was_undone(toy: Toy, make: Records) -> None:
    """An undo has an entry of its own beside that of its plan: who, why, and which plans it took back."""
    changed(toy, make.student(1))
    plan = changed(toy, make.student(1, phone="2"))
    seen = undone(toy, plan.hash[:8])
    told = {"hash": seen.hash, "why": "oops"}
    assert toy.rows(LOGGED) == [
        ("ann", "plan accepted", "students", told),
        ("ann", "undone", "students", told | {"plans": [plan.id]}),
    ]


def test_the_log_knows_an_undo_whose_plan_was_approved(toy: Toy, make: Records) -> None:
    """The preview of an undo that is approved like any plan is logged as an undo, and one that is rejected is not."""
    changed(toy, make.student(1))
    plan = changed(toy, make.student(1, phone="2"))
    with toy.open() as context:
        reject(context, toy.source, previewed(toy, plan.hash).hash, who="ann", why="not now")
        assert approve_and_apply(context, toy.source, previewed(toy, plan.hash).hash, who="ann", why="oops").verified
    assert [action for _, action, _, _ in toy.rows(LOGGED)] == ["plan refused", "plan accepted", "undone"]


def test_an_undo_needs_its_reason(toy: Toy, make: Records) -> None:
    """Without a reason nothing is undone."""
    changed(toy, make.student(1))
    plan = changed(toy, make.student(1, phone="2"))
    seen = previewed(toy, plan.hash)
    with toy.open() as context, pytest.raises(ConfigurationError, match="without a reason"):
        undo(context, toy.source, plan.hash, seen.hash, who="ann", why="")
    assert toy.core("students", "phone") == [("2",)]


STATES = "SELECT p.state FROM connector.sync_plans p JOIN connector.sync_runs r ON r.id = p.run_id"


def test_an_undo_is_planned_anew_before_it_is_approved(toy: Toy, make: Records) -> None:
    """Core that moved without changing what the undo does leaves its hash; else the approval is refused, and the new
    plan waits under its own hash.
    """
    changed(toy, make.student(1), make.student(2))
    plan = changed(toy, make.student(1, phone="2"), make.student(2, phone="2"))
    seen = previewed(toy, plan.hash)
    toy.execute("UPDATE core.students SET phone = 'mine' WHERE given_name = 'Given1'")
    with toy.open() as context, pytest.raises(ApprovalRefused, match="core changed since plan") as refused:
        approve_and_apply(context, toy.source, seen.hash, who="ann", why="looked at")
    assert toy.core("students", "phone") == [("mine",), ("2",)]
    toy.execute("UPDATE core.students SET notes = 'moved'")  # other versions of the rows, with the same values
    with toy.open() as context:
        (waiting,) = undecided_plans(context, "toy")
        assert waiting.hash[:12] in str(refused.value)
        assert approve_and_apply(context, toy.source, waiting.hash, who="ann", why="looked at").verified
    assert toy.core("students", "phone") == [("mine",), (None,)]
    assert toy.rows(f"{STATES} WHERE r.kind = 'undo' ORDER BY p.id") == [("superseded",), ("superseded",), ("applied",)]


def by_somebody_else(toy: Toy, *statements: str, after_chunk: int) -> None:
    """Run statements on another connection once a chunk of a plan is durable."""

    def told(progress: Progress) -> None:
        if (progress.step, progress.done) == ("apply", after_chunk):
            toy.report = silent
            with connect(toy.url) as other:
                assert all(other.execute(statement.encode()).rowcount == 1 for statement in statements)

    toy.report = told


def test_what_moves_while_an_undo_is_written_is_left(toy: Toy, make: Records) -> None:
    """A created row that a person edits after the undo looked, and before its chunk comes, stays as the person left it;
    the rest waits for a new approval.
    """
    toy.chunk_rows = 1
    plan = changed(toy, make.student(1), make.student(2), make.student(3))
    seen = previewed(toy, plan.hash)
    by_somebody_else(toy, "UPDATE core.students SET phone = 'mine' WHERE given_name = 'Given2'", after_chunk=1)
    with toy.open() as context, pytest.raises(ApprovalRefused, match="would do something else now"):
        undo(context, toy.source, plan.hash, seen.hash, who="ann", why="oops")
    assert toy.core("students", "status", "phone") == [("inactive", None), ("active", "mine"), ("active", None)]
    with toy.open() as context:
        (rest,) = held_plans(context, "toy")
        assert (rest.counts.updated, "not what was approved" in rest.reasons[0]) == (1, True)
        assert approve_and_apply(context, toy.source, rest.hash, who="ann", why="oops").verified
    assert toy.core("students", "status") == [("inactive",), ("active",), ("inactive",)]


def test_what_is_edited_while_the_plan_is_still_written_is_left(toy: Toy, make: Records) -> None:
    """A row that a person edits while the plan that created or changed it is writing its last chunks is the person's,
    although the plan is applied later than the edit.
    """
    toy.chunk_rows = 1
    by_somebody_else(toy, "UPDATE core.students SET phone = 'mine' WHERE given_name = 'Given1'", after_chunk=1)
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    created = toy.sync("students")["students"].plan
    (amendment,) = undone(toy, created.hash).amendments
    assert [left.external_id for left in amendment.left] == ["s1"]
    assert toy.core("students", "status", "phone") == [("active", "mine"), ("inactive", None)]
    away_and_back = (f"UPDATE core.students SET email = '{e}@b' WHERE given_name = 'Given1'" for e in "ba")
    by_somebody_else(toy, *away_and_back, after_chunk=1)
    toy.sends["students"] = [[make.student(1, email="a@b"), make.student(2, email="a@b")]]
    edited = toy.sync("students")["students"].plan
    (amendment,) = undone(toy, edited.hash).amendments
    assert [left.external_id for left in amendment.left] == ["s1"]
    assert toy.core("students", "email") == [("a@b",), (None,)]


def test_what_the_undone_plan_overwrote_is_no_later_edit(toy: Toy, make: Records) -> None:
    """An edit that came before the plan, and that the plan overwrote, comes back with the undo."""
    changed(toy, make.student(1, phone="1"))
    toy.execute("UPDATE core.students SET phone = 'mine'")
    plan = changed(toy, make.student(1, phone="2"))
    assert undone(toy, plan.hash).amendments[0].left == ()
    assert toy.core("students", "phone") == [("mine",)]


def test_a_conflict_outlives_the_undo_of_what_came_with_it(toy: Toy, make: Records) -> None:
    """Undoing the other fields of a record says nothing of the field that waits for a person's decision."""
    toy.policy = SyncPolicy(conflicts={"students": {"phone": Rule.MANUAL}})
    changed(toy, make.student(1, phone="1", email="a@b"))
    toy.execute("UPDATE core.students SET phone = 'mine'")
    plan = changed(toy, make.student(1, phone="2", email="c@d"))
    undone(toy, plan.hash)
    assert toy.core("students", "phone", "email") == [("mine", "a@b")]
    assert toy.rows("SELECT field, state FROM connector.conflicts") == [("phone", "open")]


def school(toy: Toy, make: Records) -> Plan:
    """Thirty students whose phones are set, and then changed by the plan that is returned."""
    toy.may(guard={"limits": {"updated": 1}})
    changed(toy, *(make.student(n, phone="1") for n in range(30)))
    plan = changed(toy, *(make.student(n, phone="2") for n in range(30)))
    toy.may(guard={"limits": {"updated": 0.5}})
    return plan


def test_an_undo_beyond_the_limits_is_held_and_approved_by_its_hash(toy: Toy, make: Records) -> None:
    """The guard judges an undo like any plan: beyond the limits nothing is done, until its hash is approved."""
    plan = school(toy, make)
    seen = previewed(toy, plan.hash)
    (held,) = seen.held
    assert (held.state, held.counts.updated) == (PlanState.HELD, 30)
    assert held.reasons == ("mass update: 30 of 30 records change (updated: limit 0.5, passes from 1)",)
    with (
        toy.open() as context,
        pytest.raises(ApprovalRefused, match=r"the guard holds the undo: students, hash .*mass"),
    ):
        undo(context, toy.source, plan.hash, seen.hash, who="ann", why="oops")
    assert set(toy.core("students", "phone")) == {("2",)}
    with toy.open() as context:
        (waiting,) = held_plans(context, "toy")  # the look before it was refused took the place of the first one
        assert (waiting.hash, waiting.id > held.id) == (held.hash, True)
        assert approve_and_apply(context, toy.source, held.hash, who="ben", why="oops").verified
    assert set(toy.core("students", "phone")) == {("1",)}
    assert [action for _, action, _, _ in toy.rows(LOGGED)] == ["plan accepted", "undone"]


def test_the_command_says_how_a_held_undo_is_approved(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command shows the guard's reason and the approval that releases the undo, instead of how to apply it."""
    plan = school(toy, make)
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", toy.url)
    monkeypatch.setattr(afterwards, "declared", lambda _: toy.source)
    settings.cache_clear()
    said = CliRunner().invoke(app, ["undo", "toy", plan.hash[:12]]).output
    settings.cache_clear()
    with toy.open() as context:
        (held,) = held_plans(context, "toy")
    assert f"connector-pipelines plan approve toy {held.hash[:12]} --why" in " ".join(said.split())
    assert ("mass update: 30 of 30" in said, "--apply" in said) == (True, False)


def test_what_would_become_inactive_counts_as_dropped(toy: Toy, make: Records) -> None:
    """Undoing a first load is held by the limit of drops, by that of its season where there is one."""
    plan = changed(toy, *(make.student(n) for n in range(30)))
    assert previewed(toy, plan.hash).held[0].reasons == (
        "shrunk: 30 of 30 records are gone (absent: limit 0.2, passes from 1)",
        "dropped: 30 of 30 would become inactive (dropped: limit 0.1, passes from 1)",
        "become inactive: 30 rows",
    )
    days = {"name": "a week", "from": "2020-01-01", "until": "2999-12-31"}
    toy.may(guard={"seasons": [days | {"limits": {"absent": 0.5, "dropped": 1}}]})
    reasons = previewed(toy, plan.hash).held[0].reasons
    assert (reasons[0][:6], reasons[1:]) == ("shrunk", ("season: a week", "become inactive: 30 rows"))
    toy.may(guard={"seasons": [days | {"limits": {"absent": 1, "dropped": 1}}]})
    undone(toy, plan.hash)
    assert set(toy.core("students", "status")) == {("inactive",)}


def test_a_held_undo_waits_through_later_syncs(toy: Toy, make: Records) -> None:
    """A full read takes no held undo's place, and does not outdate it; one that writes the same rows changes it."""
    plan = school(toy, make)
    (held,) = previewed(toy, plan.hash).held
    assert toy.sync("students")["students"].plan.counts.unchanged == 30
    toy.may(guard={"limits": {"updated": 1}})
    changed(toy, make.student(0, phone="3"), *(make.student(n, phone="2") for n in range(1, 30)))
    toy.may(guard={"limits": {"updated": 0.5}})
    with toy.open() as context:
        with pytest.raises(ApprovalRefused, match="core changed since plan"):
            approve_and_apply(context, toy.source, held.hash, who="ann", why="looked at")
        (now,) = held_plans(context, "toy")
        assert now.counts.updated == 29
        toy.sync("students")
        assert approve_and_apply(context, toy.source, now.hash, who="ann", why="looked at").verified
    assert Counter(toy.core("students", "phone")) == {("1",): 29, ("3",): 1}


def test_nothing_of_a_run_is_undone_while_the_guard_holds_some_of_it(toy: Toy, make: Records) -> None:
    """Of a run that is undone whole, plans within the limits wait for those beyond them; approved, the rest follows."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations", "students")
    students = school(toy, make)
    toy.sends["organizations"] = [[make.organization(1, name="Other")]]
    toy.sync("organizations")
    toy.execute(
        "UPDATE connector.sync_runs SET launched_by = 'dagster run 12345678-9' WHERE id IN"
        f" (SELECT run_id FROM connector.sync_plans WHERE id = {students.id} OR id ="
        " (SELECT max(id) FROM connector.sync_plans WHERE entity = 'organizations'))"
    )
    seen = previewed(toy, "12345678-9")
    with toy.open() as context, pytest.raises(ApprovalRefused, match="the guard holds the undo: students"):
        undo(context, toy.source, "12345678-9", seen.hash, who="ann", why="oops")
    assert toy.core("organizations", "name") == [("Other",)]
    with toy.open() as context:
        approve_and_apply(context, toy.source, seen.held[0].hash, who="ben", why="oops")
    undone(toy, "12345678-9")
    assert (toy.core("organizations", "name"), set(toy.core("students", "phone"))) == ([("School 1",)], {("1",)})


def test_an_undo_whose_rows_were_lost_is_planned_anew(toy: Toy, make: Records) -> None:
    """Unlogged rows that went with the server's memory cost a held undo nothing."""
    plan = school(toy, make)
    (held,) = previewed(toy, plan.hash).held
    toy.execute(f"DROP TABLE staging.plan_{held.id}, staging.rows_{held.read_id}")
    with toy.open() as context:
        assert approve_and_apply(context, toy.source, held.hash, who="ann", why="looked at").verified
    assert set(toy.core("students", "phone")) == {("1",)}


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


@rules(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
