"""Chunks that are written at the same time on two connections leave what one after the other would leave."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_pipelines.core.apply import apply_chunk
from connector_pipelines.core.entities import entity
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import PlanOutdated
from connector_pipelines.sync import records

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy

HELD = ("external_id", "given_name", "phone", "sync_version")


@pytest.fixture(autouse=True)
def with_two_connections(toy: Toy) -> None:
    """Every sync here may use a second connection."""
    toy.beside = True


@settings(
    max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the toy is reset by hand
@given(
    bad=st.sets(st.integers(0, 11)),
    changed=st.sets(st.integers(0, 11)),
    chunk_rows=st.integers(1, 5),
)
def test_two_at_once_leave_what_one_by_one_leaves(
    toy: Toy, make: Records, bad: set[int], changed: set[int], chunk_rows: int
) -> None:
    """However rows are cut into chunks, and whichever core refuses, rows, versions, letters and counts are the same."""
    left = []
    for beside in (False, True):
        toy.reset()
        toy.execute("ALTER TABLE core.students DROP CONSTRAINT IF EXISTS phones")
        toy.execute("ALTER TABLE core.students ADD CONSTRAINT phones CHECK (phone <> 'bad')")
        toy.beside, toy.chunk_rows = beside, chunk_rows
        toy.sends["students"] = [[make.student(n, phone="1") for n in range(12)]]
        toy.sync("students")
        toy.sends["students"] = [
            [make.student(n, phone="bad" if n in bad else "2" if n in changed else "1") for n in range(14)]
        ]
        outcome = toy.sync("students")["students"]
        assert outcome.verified
        left.append((toy.core("students", *HELD), sorted(toy.letters("external_id", "rule")), outcome.plan.counts))
    assert left[0] == left[1]


def test_two_that_wait_for_each_other_are_parted(toy: Toy, make: Records) -> None:
    """Where core's owner wants a column to be unique, two chunks may wait for each other: both end."""
    toy.execute("CREATE UNIQUE INDEX ON core.students (phone)")
    toy.chunk_rows = 2
    phones = ["a", "b", "b", "a", "c", "d", "d", "c"]  # each pair of chunks, in opposite orders
    toy.sends["students"] = [[make.student(n, phone=phone) for n, phone in enumerate(phones)]]
    outcome = toy.sync("students")["students"]
    assert outcome.verified
    assert (outcome.plan.counts.created, outcome.plan.counts.dead_lettered) == (4, 4)
    assert [phone for (phone,) in toy.core("students", "phone")] == ["a", "b", "c", "d"]


def test_chunk_is_not_durable_before_the_one_before(toy: Toy, make: Records) -> None:
    """A chunk whose predecessor did not become durable is rolled back whole."""
    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    plan = toy.prepare("students")
    with toy.open() as context:
        read = records.load_read(context.connection, plan.read_id)
        with pytest.raises(PlanOutdated, match="not accepted with 1 chunks applied"):
            apply_chunk(
                context.connection, entity("students"), read, plan, number=2, chunk_rows=1, parents_settled=True
            )
    assert toy.core("students", "id") == []
    assert toy.apply("students")[0].counts.created == 2


def test_chunk_waits_for_the_one_before(toy: Toy, make: Records) -> None:
    """A chunk that is done while the one before is still being written waits until that is durable, and follows it."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(n, phone="2") for n in (1, 2)]]
    plan = toy.prepare("students")

    def write(number: int) -> int:
        with toy.open() as context:
            read = records.load_read(context.connection, plan.read_id)
            return apply_chunk(
                context.connection, entity("students"), read, plan, number=number, chunk_rows=1, parents_settled=True
            ).applied_chunks

    with ThreadPoolExecutor() as threads, connect(toy.url) as other:
        with other.transaction():
            other.execute("SELECT FROM core.students WHERE given_name = 'Given1' FOR UPDATE")
            first = threads.submit(write, 1)
            while not toy.rows(WAITS, "transactionid"):
                assert not first.done()
            second = threads.submit(write, 2)
            while not second.done() and not toy.rows(WAITS, "advisory"):
                continue
        assert (first.result(), second.result()) == (1, 2)
    assert toy.core("students", "phone") == [("2",), ("2",)]


WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = %s"


def test_lost_second_connection_costs_nothing_but_time(toy: Toy, make: Records) -> None:
    """When the server ends the second connection in the middle, the first one writes all chunks alone."""
    toy.chunk_rows = 1
    toy.execute(
        "CREATE TABLE core.ended (); CREATE FUNCTION core.end_second() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF new.given_name = 'Given2' AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
        " AND pid = pg_backend_pid() AND objsubid = 2) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
        " RETURN new; END $$;"
        " CREATE TRIGGER end_second BEFORE INSERT ON core.students FOR EACH ROW EXECUTE FUNCTION core.end_second()"
    )
    toy.sends["students"] = [[make.student(n) for n in range(6)]]
    outcome = toy.sync("students")["students"]
    assert (outcome.verified, outcome.plan.counts.created) == (True, 6)


def test_first_that_fails_takes_the_second_with_it(toy: Toy, make: Records) -> None:
    """What stops a chunk stops the one beside it, too; the next run goes on at the first that is not durable."""
    toy.chunk_rows = 1
    toy.execute(
        "CREATE FUNCTION core.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.given_name = 'Given2' THEN"
        " RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END IF; RETURN new; END $$;"
        " CREATE TRIGGER no_room BEFORE INSERT ON core.students FOR EACH ROW EXECUTE FUNCTION core.full()"
    )
    toy.sends["students"] = [[make.student(n) for n in range(6)]]
    with pytest.raises(psycopg.errors.DiskFull):
        toy.sync("students")
    assert toy.rows("SELECT applied_chunks FROM connector.sync_plans") == [(2,)]
    assert len(toy.core("students", "id")) == 2
    toy.execute("DROP TRIGGER no_room ON core.students")
    assert [receipt.counts.created for receipt in toy.apply("students")] == [6]


def test_an_outer_transaction_stays_whole(toy: Toy, make: Records) -> None:
    """A plan that is applied within somebody's transaction is written on that connection alone."""
    from connector_pipelines.sync.applying import apply_now

    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(n) for n in range(4)]]
    plan = toy.prepare("students")
    with toy.open() as context, context.connection.transaction(force_rollback=True):
        assert apply_now(context, plan).counts.created == 4
        with connect(toy.url) as other:
            assert other.execute("SELECT count(*) FROM core.students").fetchone() == (0,)
    assert toy.core("students", "id") == []
