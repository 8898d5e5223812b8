"""Children may be planned before their parents are applied, so that a backfill plans all its days in one run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from connector_pipelines.model import PlanState
from connector_pipelines.sync import records
from connector_pipelines.sync.planning import replan

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy


def prepare_all(toy: Toy, make: Records) -> None:
    """Plan a student, a section and an enrollment; apply nothing."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    for entity in ("students", "sections", "enrollments"):
        assert toy.prepare(entity).state is PlanState.ACCEPTED


def test_children_of_planned_parents_are_created(toy: Toy, make: Records) -> None:
    """An enrollment that was planned before its student and section were applied points to them once all are."""
    prepare_all(toy, make)
    receipts = [receipt for entity in ("students", "sections", "enrollments") for receipt in toy.apply(entity)]
    assert [(r.counts.created, r.counts.waiting, r.verified) for r in receipts] == [(1, 0, True)] * 3
    assert toy.rows(
        "SELECT s.external_id, c.external_id FROM core.enrollments e"
        " JOIN core.synced_students s ON s.id = e.student_id JOIN core.synced_sections c ON c.id = e.section_id"
    ) == [("s1", "c1")]


def test_child_whose_planned_parent_was_not_applied_waits(toy: Toy, make: Records) -> None:
    """An enrollment is planned anew and waits when it is applied before the student it counted on."""
    prepare_all(toy, make)
    toy.apply("sections")
    (receipt,) = toy.apply("enrollments")
    assert (receipt.counts.created, receipt.counts.waiting, receipt.verified) == (0, 1, True)
    assert toy.letters("state", "waits_for") == [("waiting", [["students", "s1"]])]


def test_child_whose_parent_was_refused_by_core_waits(toy: Toy, make: Records) -> None:
    """An enrollment waits when the database refused the student it counted on; its neighbors are created."""
    toy.execute("ALTER TABLE core.students ADD CHECK (given_name <> 'Refused')")
    toy.sends["students"] = [[make.student(1, given_name="Refused"), make.student(2)]]
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1"), make.enrollment(2, "s2", "c1")]]
    for entity in ("students", "sections", "enrollments"):
        toy.prepare(entity)
    for entity in ("students", "sections"):
        toy.apply(entity)
    (receipt,) = toy.apply("enrollments")
    assert (receipt.counts.created, receipt.counts.waiting, receipt.verified) == (1, 1, True)


def test_a_parent_that_is_planned_anew_meanwhile_is_still_coming(toy: Toy, make: Records) -> None:
    """While another run makes the plan of a parent anew, its child is planned: it counts on the new plan, and does not
    wait for a parent that is about to come.
    """
    toy.sends["students"] = [[make.student(1)]]
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    old, _ = toy.prepare("students"), toy.prepare("sections")
    toy.pull("enrollments")
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
    with toy.open() as context, ThreadPoolExecutor() as beside:
        with context.connection.transaction():
            replan(context, toy.source, records.load_plan(context.connection, old.id))
            planned = beside.submit(toy.plan, "enrollments")
            while not planned.done() and not toy.rows(waits, f"staging.plan_{old.id}"):
                continue
        plan = planned.result()
    assert (plan.counts.created, plan.counts.waiting) == (1, 0)
    receipts = [receipt for entity in ("students", "sections", "enrollments") for receipt in toy.apply(entity)]
    assert [(r.counts.created, r.verified) for r in receipts] == [(1, True)] * 3
