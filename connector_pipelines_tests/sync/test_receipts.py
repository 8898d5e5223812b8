from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from connector_pipelines.sync.context import silent
from connector_pipelines.sync.proving import receipts
from connector_pipelines.sync.receipts import Seal, kept
from connector_pipelines.sync.whole import resync, sync

if TYPE_CHECKING:
    from connector_pipelines.model import Progress
    from connector_pipelines.sync.receipts import Kept
    from connector_pipelines_tests.sync.conftest import Records, Toy

ALTERS = (
    "CREATE FUNCTION core.alter_value() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN IF new.phone = 'odd' THEN new.phone = 'altered'; END IF; RETURN new; END $$;"
    " CREATE TRIGGER alter_value BEFORE INSERT OR UPDATE ON core.students"
    " FOR EACH ROW EXECUTE FUNCTION core.alter_value()"
)


@pytest.mark.parametrize("known", [True, False])
def test_value_that_core_altered_is_named(toy: Toy, make: Records, known: bool) -> None:  # noqa: FBT001 -- a parameter
    """When core does not hold what was planned, the receipt is not verified and names the rows."""
    toy.execute(ALTERS)
    if known:
        toy.sends["students"] = [[make.student(1), make.student(2)]]
        toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="odd"), make.student(2, phone="fine")]]
    receipt = toy.sync("students")["students"].receipt
    assert receipt is not None
    assert (receipt.verified, receipt.differences, receipt.counts.accounted_for) == (False, ("s1",), True)
    assert receipt.planned_checksum != receipt.core_checksum
    assert toy.rows("SELECT verified, differences FROM connector.sync_receipts ORDER BY plan_id DESC LIMIT 1") == [
        (False, ["s1"])
    ]


def test_row_that_core_lost_is_named(toy: Toy, make: Records) -> None:
    """A row that somebody deletes while the plan is applied is a difference, too."""
    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.report = lambda _: toy.execute("DELETE FROM core.students WHERE given_name = 'Given1'")
    receipt = toy.sync("students")["students"].receipt
    assert receipt is not None
    assert (receipt.verified, receipt.differences) == (False, ("s1",))


def test_every_difference_is_named(toy: Toy, make: Records) -> None:
    """The receipt names all rows that differ, in order."""
    toy.execute(ALTERS)
    toy.sends["students"] = [[make.student(n, phone="odd") for n in range(10, 40)]]
    receipt = toy.sync("students")["students"].receipt
    assert receipt is not None
    assert receipt.differences == tuple(f"s{n}" for n in range(10, 40))


def test_counts_that_do_not_add_up_are_not_verified(toy: Toy, make: Records) -> None:
    """A plan whose counts lost a row is applied and its receipt says that it is not accounted for."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    toy.execute("UPDATE connector.sync_plans SET counts = counts || '{\"fetched\": 2}'")
    (receipt,) = toy.apply("students")
    assert (receipt.verified, receipt.counts.accounted_for, receipt.differences) == (False, False, ())


def test_receipt_is_kept(toy: Toy, make: Records) -> None:
    """Every applied plan has one receipt with its counts and equal checksums; a plan of nothing has sums of zero."""
    toy.sends["students"] = [[make.student(1)]]
    for _ in range(2):
        toy.sync("students")
    first, second = toy.rows(
        "SELECT planned_checksum = core_checksum, core_checksum = 0, verified, counts -> 'created'"
        " FROM connector.sync_receipts ORDER BY plan_id"
    )
    assert (first, second) == ((True, False, True, 1), (True, True, True, 0))


TAMPERINGS = (
    "UPDATE connector.sync_receipts SET verified = true, differences = '[]'",
    "UPDATE connector.sync_receipts SET counts = counts || '{\"fetched\": 3}'",
    "UPDATE connector.sync_receipts SET core_checksum = planned_checksum + 1",
    "UPDATE connector.sync_receipts SET created_at = created_at - interval '1 day'",
    "UPDATE connector.sync_plans SET hash = 'x'",
    "UPDATE connector.sync_runs SET receipt = 'x'",
    "DELETE FROM connector.sync_receipts",
)
ALSO_REFUSED = (
    "TRUNCATE connector.sync_receipts",
    "UPDATE connector.sync_changes SET changes = '{}'",
    "DELETE FROM connector.sync_changes",
    "TRUNCATE connector.sync_changes",
    "UPDATE connector.sync_plans SET state = 'accepted'",
    "DELETE FROM connector.sync_plans",
    "DELETE FROM connector.sync_runs",
)


@pytest.fixture
def proven(toy: Toy, make: Records) -> Toy:
    """A toy that synced two students, of whom core altered one, and an update of the other."""
    toy.execute(ALTERS)
    for phone in ("fine", "fine, too"):
        toy.sends["students"] = [[make.student(1, phone="odd"), make.student(2, phone=phone)]]
        toy.sync("students")
    return toy


@pytest.mark.parametrize("statement", TAMPERINGS + ALSO_REFUSED)
def test_what_was_proven_cannot_be_changed(proven: Toy, statement: str) -> None:
    """The database refuses to change or remove receipts, the changes and plans they rest on, and their signatures."""
    tables = ("sync_receipts", "sync_changes", "sync_plans", "sync_runs")
    before = [proven.rows(f"SELECT * FROM connector.{table} ORDER BY 1") for table in tables]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        proven.execute(statement)
    assert [proven.rows(f"SELECT * FROM connector.{table} ORDER BY 1") for table in tables] == before


@pytest.mark.parametrize("statement", TAMPERINGS)
def test_a_receipt_that_was_changed_all_the_same_is_noticed(proven: Toy, statement: str) -> None:
    """Who gets past the triggers leaves a receipt that is not what its run has signed, or an applied plan without."""
    assert {one.seal for one in asked(proven, "1")} == {Seal.INTACT}
    proven.execute("SET session_replication_role = replica", statement)
    (found,) = asked(proven, "1")
    assert found.seal is (Seal.GONE if "DELETE" in statement else Seal.CHANGED)


def test_a_receipt_of_before_they_were_signed_says_so(proven: Toy) -> None:
    """Where the run has no signature, the receipt counts and is told to be unsigned."""
    proven.execute("SET session_replication_role = replica", "UPDATE connector.sync_runs SET receipt = NULL")
    (found,) = asked(proven, "2")
    assert (found.seal, found.receipt is not None) == (Seal.UNSIGNED, True)


def test_receipts_are_found_by_plan_read_and_run(proven: Toy) -> None:
    """A receipt is found by its plan's hash or its first 8 characters, by the read, and by the run in Dagster; without
    any of these it is the newest of each entity.
    """
    proven.sync("organizations")
    plans = proven.rows("SELECT id, hash, run_id FROM connector.sync_plans ORDER BY id")
    for plan, plan_hash, read in plans:
        assert [one.plan for one in asked(proven, str(read))] == [plan]
        assert plan in [one.plan for one in asked(proven, plan_hash[:8])]
        assert asked(proven, plan_hash[:7]) == []
    assert [one.plan for one in asked(proven)] == [2, 3]
    with proven.open() as context:
        own = replace(context, launched_by="dagster run 1234-5678")
        list(sync(own, proven.source, entities=["students", "sections"]))
    assert [(one.entity, one.applied_by) for one in asked(proven, "1234-5678")] == [
        ("sections", "dagster run 1234-5678"),
        ("students", "dagster run 1234-5678"),
    ]


def asked(toy: Toy, what: str = "") -> list[Kept]:
    """The receipts that somebody asks for."""
    with toy.open() as context:
        return kept(context.connection, toy.name, what)


def test_a_row_that_is_spoiled_is_named_and_nothing_else(toy: Toy, make: Records) -> None:
    """However the data go, a clean run is proven; of a row that somebody spoils while the plan is applied the receipt
    has the name, and of one that is spoiled later, whoever asks for it with a check.
    """
    chance = random.Random(11)
    toy.may(guard={"limits": {"floor": 1000}})
    fields = ("given_name", "family_name", "phone", "email", "grades", "status")
    for _ in range(12):
        people = chance.sample(range(60), 30)
        send(toy, make, people, chance)
        assert toy.sync("students")["students"].verified
        assert alarms(toy) == []
        victim, field = f"s{chance.choice(people)}", chance.choice(fields)
        spoil(toy, victim, field)
        assert alarms(toy) == [(victim, field)]
        send(toy, make, people, chance)
        toy.report = partial(spoiling, toy, victim, field)
        receipt = toy.sync("students")["students"].receipt
        toy.report = silent
        assert receipt is not None
        assert (receipt.verified, receipt.differences) == (False, (victim,))
        with toy.open() as context:
            list(resync(context, toy.source, who="ann", apply=True, entities=["students"]))


def send(toy: Toy, make: Records, people: list[int], chance: random.Random) -> None:
    """Let the toy send these students, each with another phone than before."""
    toy.sends["students"] = [[make.student(n, phone=str(chance.random())) for n in people]]


def spoil(toy: Toy, external_id: str, field: str) -> None:
    """Change a field of a student behind everybody's back."""
    row = f"SELECT internal_id FROM connector.toy_mappings WHERE external_id = '{external_id}'"
    toy.execute(
        "SET session_replication_role = replica", f"UPDATE core.students SET {field} = 'spoiled' WHERE id = ({row})"
    )


def spoiling(toy: Toy, external_id: str, field: str, step: Progress) -> None:
    """The same, between the last chunk and the read-back."""
    if step.step == "apply":
        spoil(toy, external_id, field)


def alarms(toy: Toy) -> list[tuple[str, str]]:
    """What the newest receipt says with a check that nothing explains: record and field."""
    with toy.open() as context:
        (shown,) = receipts(context, toy.source, check=True)
    assert shown.now is not None
    assert shown.sound is (shown.now.alarms == 0)
    return [(one.external_id, one.field) for one in shown.now.named if one.kind == "differs"]
