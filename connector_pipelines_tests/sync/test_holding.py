from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import ApprovalRefused, ConfigurationError
from connector_pipelines.model import Mode, PlanState
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.deciding import approve, reject
from connector_pipelines.sync.planning import sample_changes

if TYPE_CHECKING:
    from connector_pipelines.model import Plan
    from connector_pipelines_tests.sync.conftest import Records, Toy


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """A toy with ten students in core and a guard that looks at every row."""
    toy.may(guard={"limits": {"floor": 1}})
    toy.sends["students"] = [[make.student(n) for n in range(10)]]
    toy.sync("students")
    return toy


def released(toy: Toy, plan_hash: str) -> Plan:
    """Approve a plan as a person does."""
    with toy.open() as context:
        return approve(context, toy.source, plan_hash, who="ann")


def test_empty_read_is_held(school: Toy) -> None:
    """A source that sends nothing after it sent much is held: core, mappings and the cursor stay as they were."""
    before = school.rows("SELECT m FROM connector.external_system_mappings m ORDER BY external_id")
    cursors = school.rows("SELECT * FROM connector.sync_cursors")
    school.sends["students"] = [[]]
    outcome = school.sync("students")["students"]
    assert (outcome.plan.state, outcome.receipt) == (PlanState.HELD, None)
    assert outcome.plan.reasons == ("empty: the source sent nothing, and had 10 records before",)
    assert school.rows("SELECT m FROM connector.external_system_mappings m ORDER BY external_id") == before
    assert school.rows("SELECT * FROM connector.sync_cursors") == cursors
    assert school.apply("students") == []


def test_half_a_read_is_held(school: Toy, make: Records) -> None:
    """A source that lost half of its records is held, and nothing is marked absent."""
    school.sends["students"] = [[make.student(n) for n in range(5)]]
    plan = school.sync("students")["students"].plan
    assert (plan.state, plan.reasons) == (
        PlanState.HELD,
        ("shrunk: 5 of 10 records are gone (absent: limit 0.2, passes from 0.5)",),
    )
    assert school.mappings("students", "absent_since") == [(None,)] * 10


def test_approved_plan_is_applied(school: Toy, make: Records) -> None:
    """A person's approval of the hash lets the plan through, and the audit log knows who it was."""
    school.sends["students"] = [[make.student(n) for n in range(5)]]
    held = school.sync("students")["students"].plan
    accepted = released(school, held.hash[:12])
    assert (accepted.state, accepted.hash) == (PlanState.ACCEPTED, held.hash)
    (receipt,) = school.apply("students")
    assert (receipt.counts.absent, receipt.verified) == (5, True)
    assert school.rows("SELECT who, action, source, entity, detail FROM connector.integration_audit_logs") == [
        ("ann", "plan accepted", "toy", "students", {"hash": held.hash, "why": ""})
    ]


def test_approval_is_refused_when_core_changed(school: Toy, make: Records) -> None:
    """A plan that would do something else today is not released; the error names the hash to look at instead."""
    school.sends["students"] = [[make.student(n, phone="2") for n in range(10)]]
    held = school.sync("students")["students"].plan
    school.execute("UPDATE core.students SET phone = 'by hand' WHERE given_name = 'Given1'")
    with pytest.raises(ApprovalRefused, match=f"toy/students: core changed since plan {held.hash[:12]}") as refused:
        released(school, held.hash)
    assert school.apply("students") == []
    assert released(school, refused.value.remedy.split()[3]).state is PlanState.ACCEPTED
    assert school.apply("students")[0].counts.updated == 10


def test_rejected_plan_is_gone(school: Toy, make: Records) -> None:
    """A rejected plan is never applied, its staged rows are removed, and the next read is planned as ever."""
    school.sends["students"] = [[]]
    held = school.sync("students")["students"].plan
    with school.open() as context:
        assert reject(context, school.source, held.hash, who="ann").state is PlanState.REFUSED
        assert sample_changes(context, held) == []
    assert school.rows("SELECT action FROM connector.integration_audit_logs") == [("plan refused",)]
    assert school.rows("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace") == []
    school.sends["students"] = [[make.student(n) for n in range(10)]]
    assert school.sync("students")["students"].plan.counts.unchanged == 10


@pytest.mark.parametrize("given", ["", "0123456", "0123456789ab", "%%%%%%%%%%", "________"])
def test_only_a_held_hash_can_be_decided_on(school: Toy, given: str) -> None:
    """A hash that is too short, unknown or a pattern decides nothing."""
    school.sends["students"] = [[]]
    school.sync("students")
    with pytest.raises(ConfigurationError):
        released(school, given)


def test_next_full_read_takes_the_place_of_a_held_plan(school: Toy, make: Records) -> None:
    """A held plan gives way to the plan of the next full read and leaves no staged rows."""
    school.sends["students"] = [[]]
    held = school.sync("students")["students"].plan
    school.sends["students"] = [[make.student(n) for n in range(10)]]
    assert school.sync("students")["students"].verified
    assert school.rows("SELECT state, decided_by FROM connector.sync_plans WHERE id = %s", held.id) == [
        ("superseded", "a newer read of the same span")
    ]
    assert school.rows("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace") == []
    with pytest.raises(ConfigurationError):
        released(school, held.hash)


def test_incremental_read_leaves_a_held_full_one(school: Toy, make: Records) -> None:
    """An incremental read does not make a held full plan go away, and what it found goes to core."""
    school.sends["students"] = [[]]
    held = school.sync("students")["students"].plan
    school.sends["students"] = [[make.student(1, phone="2")]]
    assert school.sync("students", mode=Mode.INCREMENTAL)["students"].verified
    assert school.rows("SELECT state FROM connector.sync_plans WHERE id = %s", held.id) == [("held",)]


def test_held_plan_does_not_put_older_values_back(school: Toy, make: Records) -> None:
    """A held plan can not be approved when core holds what a later read found."""
    school.sends["students"] = [[make.student(n, phone="old") for n in range(10)]]
    held = school.sync("students")["students"].plan
    assert held.state is PlanState.HELD
    school.policy = SyncPolicy()
    school.sends["students"] = [[make.student(1, phone="new")]]
    assert school.sync("students", mode=Mode.INCREMENTAL)["students"].verified
    with pytest.raises(ApprovalRefused, match="a later read was applied"):
        released(school, held.hash)
    assert school.core("students", "phone")[1] == ("new",)


def test_newer_incremental_read_takes_the_place_of_a_held_one(school: Toy, make: Records) -> None:
    """A held incremental plan gives way to the next incremental read, which starts from the same cursor."""
    school.sends["students"] = [[make.student(n, phone="2") for n in range(10)]]
    held = [school.sync("students", mode=Mode.INCREMENTAL)["students"].plan for _ in range(2)]
    assert [plan.state for plan in held] == [PlanState.HELD, PlanState.HELD]
    assert school.rows("SELECT state FROM connector.sync_plans ORDER BY id") == [
        ("applied",),
        ("superseded",),
        ("held",),
    ]


def test_sample_of_changes(school: Toy, make: Records) -> None:
    """The sample a person looks at shows updates first, with each field before and after."""
    school.sends["students"] = [[make.student(n) for n in range(9)] + [make.student(9, phone="2"), make.student(10)]]
    plan = school.prepare("students")
    with school.open() as context:
        assert sample_changes(context, plan) == [("s9", "update", {"phone": [None, "2"]}), ("s10", "create", {})]
