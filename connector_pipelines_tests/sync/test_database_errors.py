from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy

RULE = "ALTER TABLE core.students ADD CONSTRAINT \"100% of phones\" CHECK (phone <> 'bad')"
TRIGGER = (
    "CREATE FUNCTION core.refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ DECLARE some int; BEGIN IF new.phone = 'bad' THEN {}; END IF; RETURN new; END $$;"
    " CREATE {} TRIGGER refuse {} INSERT OR UPDATE ON core.students {} FOR EACH ROW EXECUTE FUNCTION core.refuse()"
)


def trigger(does: str, kind: str = "", when: str = "BEFORE", how: str = "") -> str:
    """A trigger that refuses bad phones."""
    return TRIGGER.format(does, kind, when, how)


RULES = {
    "constraint": RULE,
    "trigger": trigger("RAISE EXCEPTION '100%% refused'"),
    "no privilege": trigger("RAISE EXCEPTION '100%% refused' USING ERRCODE = 'insufficient_privilege'"),
    "own state": trigger("RAISE EXCEPTION '100%% refused' USING ERRCODE = 'ZX001'"),
    "assertion": trigger("ASSERT false, '100% refused'"),
    "strict": trigger("SELECT 1 INTO STRICT some WHERE false"),
    "deferred": trigger("RAISE EXCEPTION '100%% refused'", "CONSTRAINT", "AFTER", "DEFERRABLE INITIALLY DEFERRED"),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("chunk_rows", [1, 4, 20_000])
def test_row_that_core_refuses_stands_alone(toy: Toy, make: Records, rule: str, chunk_rows: int) -> None:
    """A chunk with rows that break a rule of core is halved until they stand alone; all neighbors are durable."""
    toy.execute(rule)
    toy.chunk_rows = chunk_rows
    toy.sends["students"] = [[make.student(n, phone="bad" if n in {2, 3, 7} else "good") for n in range(10)]]
    outcome = toy.sync("students")["students"]
    assert outcome.verified
    assert outcome.receipt is not None
    assert (outcome.receipt.counts.created, outcome.receipt.counts.dead_lettered) == (7, 3)
    assert outcome.plan.counts == outcome.receipt.counts
    assert len(toy.core("students", "id")) == 7
    assert toy.letters("external_id", "rule", "page", "row") == [
        ("s2", "database", 1, 2),
        ("s3", "database", 1, 3),
        ("s7", "database", 1, 7),
    ]
    assert ("100%" in toy.letters("reason")[0][0]) is ("100%" in rule)
    assert toy.letters("staged")[0][0]["given_name"] == "Given2"


def test_row_that_an_index_refuses_stands_alone(toy: Toy, make: Records) -> None:
    """A value that is too long for somebody's index is refused with its row alone."""
    toy.execute("CREATE INDEX ON core.students (phone)")
    long = "".join(random.Random(1).choices(string.printable[:94], k=9_000))  # which no compression makes short
    toy.sends["students"] = [[make.student(n, phone=long if n == 3 else "fine") for n in range(8)]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.created, outcome.plan.counts.dead_lettered, outcome.verified) == (7, 1, True)
    assert toy.letters("external_id", "rule") == [("s3", "database")]


def test_update_that_core_refuses_keeps_the_old_values(toy: Toy, make: Records) -> None:
    """A refused update leaves core, the changes and the version alone, and is tried again with the next read."""
    toy.execute(RULE)
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="bad"), make.student(2, phone="good")]]
    for attempt in (1, 2):
        assert toy.sync("students")["students"].verified
        assert toy.core("students", "phone", "sync_status", "sync_version") == [
            (None, "error", 1),
            ("good", "synced", 2),
        ]
        assert toy.letters("attempts") == [(attempt,)]
    toy.execute('ALTER TABLE core.students DROP CONSTRAINT "100% of phones"')
    toy.sync("students")
    assert toy.core("students", "phone", "sync_status", "sync_version") == [("bad", "synced", 2), ("good", "synced", 2)]
    assert toy.letters("state") == [("resolved",)]
    assert toy.rows("SELECT external_id FROM connector.sync_changes ORDER BY plan_id") == [("s2",), ("s1",)]


def test_row_that_staging_refuses_stands_alone(toy: Toy, make: Records) -> None:
    """A row that PostgreSQL itself cannot hold is dead-lettered on the way into staging; its neighbors go on."""
    toy.sends["students"] = [[make.student(n, given_name="nul \x00" if n == 3 else "fine") for n in range(8)]]
    outcome = toy.sync("students")["students"]
    assert outcome.verified
    assert (outcome.plan.counts.created, outcome.plan.counts.dead_lettered) == (7, 1)
    ((external_id, rule, row),) = toy.letters("external_id", "rule", "row")
    assert (external_id, rule, row) == ("s3", "database", 3)


def test_id_that_cannot_be_stored_is_refused(toy: Toy, make: Records) -> None:
    """A row whose very id PostgreSQL cannot hold is dead-lettered without it."""
    toy.sends["students"] = [[make.student(1), make.student(2, id="nul \x00")]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.created, outcome.plan.counts.dead_lettered, outcome.verified) == (1, 1, True)
    assert toy.letters("external_id", "rule") == [(None, "database")]


def test_rows_refused_by_core_in_a_plan_made_anew(toy: Toy, make: Records) -> None:
    """A row that core refused before its plan was made anew and takes now is synced, and its letter is resolved."""
    toy.execute(RULE)
    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="bad"), make.student(2, phone="good")]]
    toy.prepare("students")
    toy.execute("UPDATE core.students SET notes = 'mine' WHERE given_name = 'Given2'")

    def allow(_: object) -> None:
        toy.execute('ALTER TABLE core.students DROP CONSTRAINT IF EXISTS "100% of phones"')

    toy.report = allow
    (receipt,) = toy.apply("students")
    assert (receipt.verified, receipt.counts.updated, receipt.counts.dead_lettered) == (True, 2, 0)
    assert toy.core("students", "phone", "sync_status", "notes") == [
        ("bad", "synced", None),
        ("good", "synced", "mine"),
    ]
    assert toy.letters("state") == [("resolved",)]
