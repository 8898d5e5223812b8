from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.core.apply import apply_chunk
from connector_pipelines.core.entities import entity
from connector_pipelines.database.tables import plan_table, rows_table
from connector_pipelines.errors import PlanOutdated
from connector_pipelines.model import Mode, PlanState, Progress
from connector_pipelines.sync import records
from connector_pipelines.sync.planning import plan_read, replan

if TYPE_CHECKING:
    from connector_pipelines.model import Plan
    from connector_pipelines_tests.sync.conftest import Records, Toy


def states(toy: Toy) -> list[str]:
    """The states of all plans, oldest first."""
    return [state for (state,) in toy.rows("SELECT state FROM connector.sync_plans ORDER BY id")]


def test_core_that_was_edited_is_planned_anew(toy: Toy, make: Records) -> None:
    """When somebody edits a row between plan and apply, the external value wins and their internal columns stay."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2")]]
    toy.prepare("students")
    toy.execute("UPDATE core.students SET phone = 'by hand', notes = 'mine'")
    (receipt,) = toy.apply("students")
    assert receipt.verified
    assert toy.core("students", "phone", "notes", "sync_version") == [("2", "mine", 2)]
    assert toy.rows("SELECT changes FROM connector.sync_changes") == [({"phone": ["by hand", "2"]},)]
    assert states(toy) == ["applied", "superseded", "applied"]


def test_core_that_was_edited_to_the_same_value(toy: Toy, make: Records) -> None:
    """When somebody already wrote what the plan wants, the new plan counts the row as unchanged."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2")]]
    toy.prepare("students")
    toy.execute("UPDATE core.students SET phone = '2'")
    (receipt,) = toy.apply("students")
    assert (receipt.counts.updated, receipt.counts.unchanged, receipt.verified) == (0, 1, True)


def test_core_that_always_moves_stops_the_run(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """When core moves under three plans in a row, the run stops, says so, and leaves an accepted plan for the next."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2")]]
    toy.prepare("students")

    def disturbed(*args: object) -> Plan:
        plan = replan(*args)  # type: ignore[arg-type]  # passed through
        toy.execute("UPDATE core.students SET notes = 'again'")
        return plan

    monkeypatch.setattr("connector_pipelines.sync.applying.replan", disturbed)
    toy.execute("UPDATE core.students SET notes = 'first'")
    with pytest.raises(PlanOutdated, match="toy/students: core moved under the plan 3 times in a row"):
        toy.apply("students")
    monkeypatch.undo()
    (receipt,) = toy.apply("students")
    assert receipt.verified


def test_two_plans_that_create_the_same_record_make_one_row(toy: Toy, make: Records) -> None:
    """Of two outstanding plans with the same new record, the second is made anew and finds the row of the first."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    toy.sends["students"] = [[make.student(1, phone="2")]]
    toy.prepare("students")
    first, second = toy.apply("students")
    assert (first.counts.created, second.counts.created, second.counts.updated) == (1, 0, 1)
    assert toy.rows("SELECT phone FROM core.students") == [("2",)]


@pytest.mark.parametrize("waits", [True, False])
def test_mapping_that_somebody_made_meanwhile_is_not_pointed_elsewhere(toy: Toy, make: Records, *, waits: bool) -> None:
    """A new record that got a mapping and a row between plan and apply keeps them, and the plan is made anew;
    also where another record waits, whose mapping has no row yet.
    """
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.prepare("students")
    if waits:
        toy.execute(
            "INSERT INTO connector.external_system_mappings (connector_id, entity_type, external_id, sync_status)"
            " VALUES ('toy', 'students', 's9', 'pending')"
        )
    toy.execute(
        "INSERT INTO core.students (given_name, family_name, status) VALUES ('Given1', 'Hand', 'active')",
        "INSERT INTO connector.external_system_mappings"
        " (connector_id, entity_type, external_id, internal_id, sync_status)"
        " SELECT 'toy', 'students', 's1', id, 'synced' FROM core.students",
    )
    before = toy.mappings("students", "internal_id")[:1]
    (receipt,) = toy.apply("students")
    assert (receipt.verified, receipt.counts.created, receipt.counts.updated) == (True, 1, 1)
    assert toy.mappings("students", "internal_id")[:1] == before
    assert toy.core("students", "given_name") == [("Given1",), ("Given2",)]


def test_second_plan_does_not_miss_what_the_first_changed(toy: Toy, make: Records) -> None:
    """A record that goes forth and back while plans are outstanding ends as the last read saw it."""
    toy.sends["students"] = [[make.student(1, phone="before")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="forth")]]
    toy.prepare("students")
    toy.sends["students"] = [[make.student(1, phone="before")]]
    assert toy.prepare("students").counts.unchanged == 1
    assert [receipt.counts.updated for receipt in toy.apply("students")] == [1, 1]
    assert toy.core("students", "phone", "sync_version") == [("before", 3)]


def test_plans_are_applied_in_the_order_of_their_reads(toy: Toy, make: Records) -> None:
    """A plan that was made anew late still goes before the plan of a later read."""
    for phone in ("1", "2"):
        toy.sends["students"] = [[make.student(1, phone=phone)]]
        outstanding = toy.prepare("students")
    with toy.open() as context:
        replan(context, toy.source, plan_of_read(toy, outstanding.read_id - 1))
    toy.apply("students")
    assert toy.core("students", "phone") == [("2",)]


def plan_of_read(toy: Toy, read_id: int) -> Plan:
    """The newest plan of a read."""
    from connector_pipelines.sync.records import plan_of

    with toy.open() as context:
        return plan_of(context.connection, read_id)


@pytest.mark.parametrize("loss", ["DROP TABLE", "TRUNCATE"])
@pytest.mark.parametrize("moment", ["read", "planned", "begun"])
def test_lost_staging_is_made_again(toy: Toy, make: Records, loss: str, moment: str) -> None:
    """Staged rows and plans that went with the server's memory are made again from the landed pages."""
    toy.chunk_rows = 2
    toy.sends["organizations"] = [[make.organization(1, parent="o9")]]
    toy.sync("organizations")
    toy.sends["organizations"] = [
        [make.organization(n, parent="o9" if n < 3 else None) for n in range(12)] + [make.organization(9)]
    ]
    read = toy.pull("organizations", mode=Mode.INCREMENTAL)
    with toy.open() as context:
        plan = plan_read(context, toy.source, read) if moment != "read" else None
    if moment == "begun":
        interrupt_after_first_chunk(toy)
    for table in [rows_table(read.id)] + ([plan_table(plan.id)] if plan else []):
        toy.execute(f"{loss} {table.as_string()}")
    with toy.open() as context:
        plan = plan or plan_read(context, toy.source, read)
    (receipt,) = toy.apply("organizations")
    assert receipt.verified
    assert toy.rows("SELECT count(*), count(parent_id) FROM core.organizations") == [(12, 3)]
    assert toy.mappings("organizations", "sync_version") == [(1,)] * 12


def interrupt_after_first_chunk(toy: Toy) -> None:
    """Begin to apply, and be cancelled."""

    def cancel(_: Progress) -> None:
        raise KeyboardInterrupt

    toy.report = cancel
    with pytest.raises(KeyboardInterrupt):
        toy.apply("organizations")
    toy.report = lambda _: None


def test_first_load_that_loses_its_plan_midway_is_not_held(toy: Toy, make: Records) -> None:
    """Rows that the lost plan created itself do not make the rest of the same load look like a doubling."""
    toy.chunk_rows = 30
    toy.sends["organizations"] = [[make.organization(n) for n in range(90)]]
    plan = toy.prepare("organizations")
    interrupt_after_first_chunk(toy)
    toy.execute(f"TRUNCATE {plan_table(plan.id).as_string()}")
    (receipt,) = toy.apply("organizations")
    assert (receipt.counts.created, receipt.counts.unchanged, receipt.verified) == (60, 30, True)


@pytest.mark.parametrize("lost", [True, False])
def test_replay_has_the_same_hash(toy: Toy, make: Records, lost: bool) -> None:  # noqa: FBT001 -- pytest's parameter
    """The same pages over the same core give the same plan hash, also with rows that point to new rows of the plan."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.sends["organizations"] = [
        [make.organization(1, name="New", parent="o2"), make.organization(2), make.organization(3)]
    ]
    plan = toy.prepare("organizations")
    if lost:
        toy.execute(f"TRUNCATE {rows_table(plan.read_id).as_string()}")
    with toy.open() as context:
        again = replan(context, toy.source, plan)
    assert (again.hash, again.counts, again.chunks) == (plan.hash, plan.counts, plan.chunks)
    assert again.id != plan.id


def test_other_content_has_another_hash(toy: Toy, make: Records) -> None:
    """One field more, or another value before, and the hash is another."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    hashes = set()
    for before, after in (("a", "b"), ("a", "c"), ("d", "b")):
        toy.rows("UPDATE core.students SET phone = %s RETURNING id", before)
        toy.sends["students"] = [[make.student(1, phone=after)]]
        hashes.add(toy.prepare("students").hash)
    assert len(hashes) == 3


def test_another_parent_before_is_another_hash(toy: Toy, make: Records) -> None:
    """The hash of a plan that moves a row beneath another parent says from which, by the id that the source knows."""
    toy.sends["organizations"] = [[make.organization(n) for n in (1, 2, 3)]]
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("organizations", "students")
    toy.sends["students"] = [[make.student(1, organization="o3")]]
    hashes = []
    for before in (1, 2, 1):
        toy.rows("UPDATE core.students SET organization_id = %s RETURNING id", before)
        hashes.append(toy.prepare("students").hash)
    assert hashes[0] == hashes[2] != hashes[1]
    toy.execute("UPDATE connector.toy_mappings SET external_id = 'o0' WHERE external_id = 'o1'")
    assert toy.prepare("students").hash != hashes[0]


def test_taken_up_rows_survive_a_new_plan(toy: Toy, make: Records) -> None:
    """Waiting rows that an outdated plan took up are taken up again, once, by the plan in its place."""
    toy.sends["students"] = [[make.student(1), make.student(2, organization="o1")]]
    toy.sync("students")
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.sends["students"] = [[make.student(1, phone="2")]]
    assert toy.prepare("students", mode=Mode.INCREMENTAL).counts.retried == 1
    toy.execute("UPDATE core.students SET notes = 'mine'")
    (receipt,) = toy.apply("students")
    assert receipt.verified
    assert (receipt.counts.fetched, receipt.counts.retried, receipt.counts.created) == (1, 1, 1)


def test_plan_that_is_not_accepted_is_not_applied(toy: Toy, make: Records) -> None:
    """A plan that was refused or superseded while the run waited for its lock writes nothing."""
    toy.sends["students"] = [[make.student(1)]]
    for state in set(PlanState) - {PlanState.ACCEPTED}:
        toy.prepare("students")
        toy.rows("UPDATE connector.sync_plans SET state = %s WHERE state = 'accepted' RETURNING id", state)
        assert toy.apply("students") == []
    assert toy.core("students", "id") == []


@pytest.mark.parametrize("state", sorted(set(PlanState) - {PlanState.ACCEPTED}))
def test_decision_that_comes_while_the_plan_is_applied_stops_it(toy: Toy, make: Records, state: PlanState) -> None:
    """A plan that is decided on otherwise between two chunks writes no further row."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.chunk_rows = 1
    plan = toy.prepare("students")
    toy.rows("UPDATE connector.sync_plans SET state = %s WHERE id = %s RETURNING id", state, plan.id)
    with toy.open() as context:
        read = records.load_read(context.connection, plan.read_id)
        with pytest.raises(PlanOutdated, match=f"plan {plan.id} is .*{state}.*, not accepted"):
            apply_chunk(
                context.connection, entity("students"), read, plan, number=1, chunk_rows=1, parents_settled=True
            )
    assert toy.core("students", "id") == []


def test_chunk_that_another_run_applied_is_not_applied_again(toy: Toy, make: Records) -> None:
    """Who believes that a chunk is still to come, and it is durable already, writes nothing."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2"), make.student(2)]]
    toy.chunk_rows = 1
    plan = toy.prepare("students")
    with toy.open() as context:
        read = records.load_read(context.connection, plan.read_id)
        outcomes: tuple[Any, ...] = (nullcontext(), pytest.raises(PlanOutdated))
        for outcome in outcomes:
            with outcome:
                apply_chunk(
                    context.connection, entity("students"), read, plan, number=1, chunk_rows=1, parents_settled=True
                )
    assert toy.core("students", "phone", "sync_version") == [("2", 2)]
    assert toy.rows("SELECT applied_chunks FROM connector.sync_plans WHERE id = %s", plan.id) == [(1,)]
