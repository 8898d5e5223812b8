from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Mode
from connector_pipelines.policy import Rule, SyncPolicy
from connector_pipelines.sync.reconciling import Difference, reconcile
from connector_pipelines.sync.undoing import preview, undo

if TYPE_CHECKING:
    from connector_pipelines.sync.reconciling import Reconciliation
    from connector_pipelines_tests.sync.conftest import Records, Toy

BEHIND = "SET session_replication_role = replica"  # past all triggers, as who restores a backup


def compared(toy: Toy, *, policy: SyncPolicy | None = None, limit: int = 100) -> Reconciliation:
    """Reconcile the students."""
    source = replace(toy.source, policy=policy or SyncPolicy())
    with toy.open() as context:
        return reconcile(context, source, "students", limit=limit)


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """Ten students of two schools after a full read and an increment, in core and clean."""
    toy.sends["organizations"] = [[make.organization(1), make.organization(2)]]
    toy.sends["students"] = [[make.student(n, phone="1", organization="o1") for n in range(10)]]
    toy.sync("organizations", "students")
    toy.sends["students"] = [[make.student(3, phone="2", organization="o2"), make.student(10)]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    return toy


def test_a_clean_core_has_no_difference(school: Toy) -> None:
    """After full and incremental reads core is what the source said, and looking leaves nothing behind."""
    runs = school.rows("SELECT * FROM connector.sync_runs ORDER BY id")
    found = compared(school)
    assert (found.counts, found.named, found.reads) == ({}, (), (2, 3))
    assert school.rows("SELECT * FROM connector.sync_runs ORDER BY id") == runs
    assert school.rows("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace") == []


@pytest.mark.parametrize("seed", range(4))
def test_a_corrupted_row_is_named(school: Toy, seed: int) -> None:
    """A value that changed behind everybody's back is an alarm, by external id and field."""
    chance = random.Random(seed)
    number, field = chance.randrange(11), chance.choice(["phone", "email", "given_name", "status"])
    school.execute(
        BEHIND,
        sql.SQL("UPDATE core.students SET {} = 'spoiled' WHERE given_name = {}").format(
            sql.Identifier(field), sql.Literal(f"Given{number}")
        ),
    )
    found = compared(school)
    assert [(one.external_id, one.field, one.kind, one.core) for one in found.named] == [
        (f"s{number}", field, "differs", "spoiled")
    ]
    assert (found.counts, found.alarms) == ({"differs": 1}, 1)


def test_a_lost_row_a_stray_one_and_a_moved_one_are_alarms(school: Toy) -> None:
    """A deleted core row is missing, a mapping that no read knows is extra, and a reference that moved differs."""
    school.execute(
        BEHIND,
        "UPDATE connector.toy_mappings SET external_id = 's77' WHERE external_id = 's7'",
        "UPDATE core.students SET organization_id = NULL WHERE given_name = 'Given8'",
        "DELETE FROM core.students WHERE given_name = 'Given9'",
    )
    assert {(one.external_id, one.field, one.kind) for one in compared(school).named} == {
        ("s7", "", "missing"),
        ("s77", "", "extra"),
        ("s8", "organization_id", "differs"),
        ("s9", "", "missing"),
    }


def test_what_can_be_explained_is_no_alarm(school: Toy, make: Records) -> None:
    """Edits, fields that core owns, undone values, absent and refused records are told apart from alarms."""
    people = [make.student(n, phone="1", organization="o1") for n in range(8)] + [make.student(8, given_name=None)]
    school.sends["students"] = [[*people, make.student(10, email="new")]]
    plan = school.sync("students")["students"].plan
    with school.open() as context:
        seen = preview(context, school.source, plan.hash)
        undo(context, school.source, plan.hash, seen.hash, who="ann", why="looked at")
    school.execute(
        BEHIND,
        "UPDATE core.students SET phone = 'mine' WHERE given_name = 'Given1'",
        "UPDATE core.students SET grades = 'ours' WHERE given_name = 'Given2'",
        "INSERT INTO connector.core_edits (entity, internal_id, field, before, after, edited_by)"
        " SELECT 'students', id, 'phone', '\"1\"', '\"mine\"', 'ann' FROM core.students WHERE given_name = 'Given1'",
    )
    found = compared(school, policy=SyncPolicy(conflicts={"students": {"grades": Rule.CORE_OWNS}}))
    assert {(one.external_id, one.field, one.kind) for one in found.named} == {
        ("s1", "phone", "edited in core"),
        ("s2", "grades", "owned by core"),
        ("s3", "phone", "corrected"),
        ("s3", "organization_id", "corrected"),
        ("s8", "given_name", "dead letter"),
        ("s8", "phone", "dead letter"),
        ("s8", "organization_id", "dead letter"),
        ("s9", "", "absent"),
        ("s10", "email", "corrected"),
    }
    assert found.alarms == 0


def test_output_is_bounded_and_alarms_come_first(school: Toy) -> None:
    """However much differs, only so much is named, unless all of it is asked for, and all of it is counted."""
    school.execute(BEHIND, "UPDATE core.students SET phone = 'spoiled'")
    found = compared(school, limit=3)
    assert (len(found.named), found.counts) == (3, {"differs": 11})
    assert found.named[0] == Difference("s0", "phone", "differs", "spoiled", "1")
    assert len(compared(school, limit=0).named) == 11


def test_a_plan_that_waits_is_not_what_core_should_hold(school: Toy, make: Records) -> None:
    """A dry run and a held plan are not compared: they were never applied."""
    school.sends["students"] = [[make.student(1, phone="9")]]
    school.dry_run("students")
    assert compared(school).counts == {}


def test_without_a_full_read_there_is_nothing_to_compare(toy: Toy) -> None:
    """A source that was never read whole is refused."""
    with pytest.raises(ConfigurationError, match="no complete full read"):
        compared(toy)
