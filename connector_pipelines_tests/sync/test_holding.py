from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import ApprovalRefused, ConfigurationError
from connector_pipelines.model import Mode, PlanState
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.settings import settings
from connector_pipelines.sync import deciding
from connector_pipelines.sync.deciding import approve, reject
from connector_pipelines.sync.planning import Change, sample_changes

if TYPE_CHECKING:
    from connector_pipelines.model import Plan
    from connector_pipelines.sync.context import Context
    from connector_pipelines_tests.sync.conftest import Records, Toy


DAY = timedelta(days=1)


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """A toy with ten students in core and a guard that looks at every row."""
    toy.may(guard={"limits": {"floor": 1}})
    toy.sends["students"] = [[make.student(n) for n in range(10)]]
    toy.sync("students")
    return toy


def test_of_two_who_decide_at_once_one_is_told(school: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who rejects a plan that somebody approves in this moment is refused; the approved plan stays as it is."""
    school.sends["students"] = [[make.student(n) for n in range(5)]]
    held = school.sync("students")["students"].plan
    found = deciding.undecided

    def overtaken(context: Context, source: str, plan_hash: str) -> Plan:
        waiting = found(context, source, plan_hash)
        monkeypatch.setattr(deciding, "undecided", found)
        released(school, held.hash)
        return waiting

    monkeypatch.setattr(deciding, "undecided", overtaken)
    with school.open() as context, pytest.raises(ConfigurationError, match="somebody else decided"):
        reject(context, school.source, held.hash, who="ben", why="wrong")
    (receipt,) = school.apply("students")
    assert receipt.verified


def released(toy: Toy, plan_hash: str) -> Plan:
    """Approve a plan as a person does."""
    with toy.open() as context:
        return approve(context, toy.source, plan_hash, who="ann", why="looked at")


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


def test_shares_are_of_what_stands_in_core(school: Toy, make: Records) -> None:
    """What waits, what is absent and what another entity has does not count as there before."""
    school.sends["sections"] = [[make.section(n) for n in range(10)]]
    school.sends["students"] = [[make.student(n) for n in range(10)], [make.student("w", organization="o9")]]
    assert school.sync("sections", "students")["students"].plan.counts.waiting == 1
    school.sends["students"] = [[make.student(n) for n in range(8)]]
    assert school.sync("students")["students"].plan.counts.absent == 2
    school.sends["students"] = [[make.student(n) for n in range(4)]]
    plan = school.sync("students")["students"].plan
    assert plan.reasons == ("shrunk: 4 of 8 records are gone (absent: limit 0.2, passes from 0.5)",)


def test_a_held_plan_names_its_season(school: Toy, make: Records) -> None:
    """In a season its limits hold; a plan that they hold says which season it is, and one that passes says nothing."""
    today = datetime.now(UTC).date()
    summer = {"name": "summer", "from": today - DAY, "until": today + DAY, "limits": {"absent": 0.6}}
    school.may(guard={"limits": {"floor": 1}, "seasons": [summer]})
    school.sends["students"] = [[make.student(n) for n in range(5)]]
    plan = school.sync("students")["students"].plan
    assert (plan.state, plan.reasons) == (PlanState.APPLIED, ())
    school.sends["students"] = [[make.student(1)]]
    plan = school.sync("students")["students"].plan
    shrunk = "shrunk: 4 of 5 records are gone (absent: limit 0.6, passes from 0.8)"
    assert (plan.state, plan.reasons) == (PlanState.HELD, (shrunk, "season: summer"))


def test_a_doubled_read_is_held(school: Toy, make: Records) -> None:
    """A source that sends each record once more under another id is held, and core has none of the new ones."""
    school.sends["students"] = [[make.student(n) for n in range(20)]]
    plan = school.sync("students")["students"].plan
    assert (plan.state, plan.reasons) == (
        PlanState.HELD,
        ("doubled: 10 new records, 10 before (created: limit 0.9, passes from 1)",),
    )
    assert len(school.core("students", "id")) == 10


def test_approved_plan_is_applied(school: Toy, make: Records) -> None:
    """A person's approval of the hash lets the plan through, and the audit log knows who it was."""
    school.sends["students"] = [[make.student(n) for n in range(5)]]
    held = school.sync("students")["students"].plan
    accepted = released(school, held.hash[:12])
    assert (accepted.state, accepted.hash) == (PlanState.ACCEPTED, held.hash)
    (receipt,) = school.apply("students")
    assert (receipt.counts.absent, receipt.verified) == (5, True)
    assert school.rows("SELECT who, action, source, entity, detail FROM connector.integration_audit_logs") == [
        ("ann", "plan accepted", "toy", "students", {"hash": held.hash, "why": "looked at"})
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
        assert reject(context, school.source, held.hash, who="ann", why="looked at").state is PlanState.REFUSED
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


def test_sample_of_changes(school: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample a person looks at shows updates first, a row for each field with before, after and why; so many rows
    as are asked for, or as the settings say.
    """
    changed = make.student(9, phone="2", email="9@x.example")
    school.sends["students"] = [[make.student(n) for n in range(9)] + [changed, make.student(10)]]
    plan = school.prepare("students")
    expected = [
        Change("students", "s9", "update", "email", None, "9@x.example", "differs"),
        Change("students", "s9", "update", "phone", None, "2", "differs"),
        Change("students", "s10", "create", "", None, None, "is new"),
    ]
    with school.open() as context:
        for limit in (None, 0, 3, 2, 1):
            assert sample_changes(context, plan, limit=limit) == expected[: limit or None]
        monkeypatch.setenv("CONNECTOR_PIPELINES_CHANGES_SHOWN", "2")
        settings.cache_clear()
        assert sample_changes(context, plan) == expected[:2]
    settings.cache_clear()
