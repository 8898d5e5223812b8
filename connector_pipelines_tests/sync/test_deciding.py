from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import ApprovalRefused, ConfigurationError
from connector_pipelines.model import Mode, PlanState
from connector_pipelines.sync.deciding import approve_and_apply, held_plans, reject, undecided_plans

if TYPE_CHECKING:
    from connector_pipelines.sync.deciding import Applied
    from connector_pipelines_tests.sync.conftest import Records, Toy

STAGING = "SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r' ORDER BY 1"


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """A toy with ten students in core and a guard that looks at every row."""
    toy.may(guard={"limits": {"floor": 1}})
    toy.sends["students"] = [[make.student(n) for n in range(10)]]
    toy.sync("students")
    return toy


def released(toy: Toy, plan_hash: str) -> Applied:
    """Approve a plan and apply it, as a person does."""
    with toy.open() as context:
        return approve_and_apply(context, toy.source, plan_hash, who="ann", why="term ended")


def test_what_was_approved_is_applied_and_proven(school: Toy, make: Records) -> None:
    """Approving a held plan applies it, gives its receipt, and the audit log knows who did it and why."""
    school.sends["students"] = [[make.student(n, phone="2") for n in range(10)]]
    held = school.sync("students")["students"].plan
    done = released(school, held.hash[:8])
    assert (done.plan.hash, done.plan.state, done.verified) == (held.hash, PlanState.APPLIED, True)
    assert school.rows("SELECT who, action, detail FROM connector.integration_audit_logs") == [
        ("ann", "plan accepted", {"hash": held.hash, "why": "term ended"})
    ]


def test_rejecting_says_why(school: Toy) -> None:
    """The audit log knows who rejected a plan and why."""
    school.sends["students"] = [[]]
    held = school.sync("students")["students"].plan
    with school.open() as context:
        reject(context, school.source, held.hash, who="ann", why="the source was down")
        assert held_plans(context, "toy") == []
    assert school.rows("SELECT who, action, detail ->> 'why' FROM connector.integration_audit_logs") == [
        ("ann", "plan refused", "the source was down")
    ]


def test_a_decision_needs_its_reason(school: Toy) -> None:
    """Without a reason a plan is neither approved nor rejected, and goes on waiting; nothing is logged."""
    school.sends["students"] = [[]]
    held = school.sync("students")["students"].plan
    with school.open() as context:
        for decide in (approve_and_apply, reject):
            with pytest.raises(ConfigurationError, match="without a reason"):
                decide(context, school.source, held.hash, who="ann", why=" ")
        assert held_plans(context, "toy") == [held]
    assert school.rows("SELECT * FROM connector.integration_audit_logs") == []


def test_an_older_plan_that_goes_first_voids_the_approval(school: Toy, make: Records) -> None:
    """When an older accepted plan changes what the approved one would do, that is held with its new hash."""
    school.sends["students"] = [[make.student(1, phone="1")]]
    school.prepare("students", mode=Mode.INCREMENTAL)
    school.sends["students"] = [[make.student(n, phone="2") for n in range(10)]]
    held = school.prepare("students")
    with pytest.raises(ApprovalRefused, match="an older plan was applied first") as refused:
        released(school, held.hash)
    assert school.rows("SELECT state FROM connector.sync_plans ORDER BY id DESC LIMIT 1") == [("held",)]
    assert school.core("students", "phone")[:3] == [(None,), ("1",), (None,)]
    assert released(school, refused.value.remedy.split()[3]).verified
    assert set(school.core("students", "phone")) == {("2",)}


def test_a_dry_run_moves_nothing(school: Toy, make: Records) -> None:
    """A dry run leaves a plan, its rows and the landed pages; core, mappings, cursors and dead letters stay (P13)."""
    tables = ("core.students", "connector.toy_mappings", "connector.sync_cursors", "connector.dead_letters")
    before = [school.rows(f"SELECT t::text, xmin::text FROM {table} t ORDER BY 1") for table in tables]
    new = make.student(10, organization="nobody")
    school.sends["students"] = [[make.student(n, phone="2") for n in range(8)] + [new, make.student("x" * 300)]]
    for mode in Mode:
        plan = school.dry_run("students", mode=mode)["students"].plan
        assert (plan.state, plan.counts.updated, plan.counts.dead_lettered) == (PlanState.PLANNED, 8, 2)
        assert plan.counts.accounted_for
    assert [school.rows(f"SELECT t::text, xmin::text FROM {table} t ORDER BY 1") for table in tables] == before
    assert school.apply("students") == []


def test_a_dry_run_shows_what_the_guard_would_say(school: Toy) -> None:
    """The reasons for which the guard would hold the plan stand in the dry run's."""
    school.sends["students"] = [[]]
    plan = school.dry_run("students")["students"].plan
    assert (plan.state, plan.reasons) == (
        PlanState.PLANNED,
        ("empty: the source sent nothing, and had 10 records before",),
    )


def test_an_approved_dry_run_is_a_sync(school: Toy, make: Records) -> None:
    """Approving a dry run by its hash applies just that, keeps its dead letters, and moves the cursor."""
    school.sends["students"] = [[make.student(n, phone="2") for n in range(9)] + [make.student("x" * 300)]]
    plan = school.dry_run("students")["students"].plan
    cursors = school.rows("SELECT cursor FROM connector.sync_cursors")
    done = released(school, plan.hash)
    assert (done.verified, done.plan.counts) == (True, plan.counts)
    assert set(school.core("students", "phone")) == {("2",), (None,)}
    assert school.letters("state", "rule", "attempts") == [("open", "id must have 1 to 255 characters", 1)]
    assert school.mappings("students", "absent_since")[9] != (None,)
    assert len(school.rows("SELECT cursor FROM connector.sync_cursors")) == len(cursors) + 1
    assert school.rows(STAGING) == []


def test_a_dry_run_is_not_approved_when_core_moved(school: Toy, make: Records) -> None:
    """A dry run that would do something else today stays a dry run, under the hash that the error names."""
    school.sends["students"] = [[make.student(n, phone="2") for n in range(10)] + [make.student("x" * 300)]]
    plan = school.dry_run("students")["students"].plan
    school.execute("UPDATE core.students SET phone = 'by hand' WHERE given_name = 'Given1'")
    with pytest.raises(ApprovalRefused, match="core changed") as refused:
        released(school, plan.hash)
    with school.open() as context:
        (waiting,) = undecided_plans(context, "toy")
    assert (waiting.state, waiting.hash[:12]) == (PlanState.PLANNED, refused.value.remedy.split()[3])
    assert school.letters("state") == []
    assert released(school, waiting.hash).verified


def test_any_newer_plan_takes_the_place_of_a_dry_run(school: Toy, make: Records) -> None:
    """The plan of the next sync, whatever it read, supersedes a dry run, and nothing of it stays staged."""
    school.sends["students"] = [[]]
    school.dry_run("students")
    school.sends["students"] = [[make.student(1, phone="2")]]
    assert school.sync("students", mode=Mode.INCREMENTAL)["students"].verified
    assert school.rows("SELECT state, decided_by FROM connector.sync_plans ORDER BY id")[1] == (
        "superseded",
        "a newer plan",
    )
    assert school.rows(STAGING) == []


def test_a_dry_run_into_an_empty_core_counts_on_its_parents(toy: Toy, make: Records) -> None:
    """Children of parents that are only planned are planned, too; approved in order they come to core as shown."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sends["students"] = [[make.student(n, organization="o1") for n in range(3)]]
    plans = {entity: outcome.plan for entity, outcome in toy.dry_run("organizations", "students").items()}
    assert plans["students"].counts.created == 3
    with pytest.raises(ApprovalRefused, match="counts on parents"):
        released(toy, plans["students"].hash)
    assert [released(toy, plans[entity].hash).verified for entity in plans] == [True, True]
    assert len(toy.core("students", "organization_id")) == 3
