"""One plan that holds a row of every kind: each does its own and nothing else, however the plan is cut into chunks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Mode
from connector_pipelines.pages import Stability
from connector_pipelines.policy import Rule

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MAPPED = "SELECT m.external_id FROM connector.external_system_mappings m WHERE m.internal_id IS NOT NULL"
FORGOTTEN = (
    "UPDATE connector.toy_mappings SET row_hash = NULL, fingerprint = NULL"
    " WHERE entity_type = 'students' AND external_id IN ('s02', 's12')"
)


def student(make: Records, number: int, **changes: object) -> Record:
    """A student whose number tells who it is, so that two sources can have the same one."""
    return make.student(f"{number:02}", student_number=f"N{number}", **changes)


def before(toy: Toy, make: Records) -> None:
    """What core holds: students of the toy, some of another source, and sections that have the ids of students."""
    other = toy.twin("other")
    other.sends["students"] = [[student(make, n, email=f"{n}@x") for n in (6, 7, 8, 13)]]
    other.sync("students")
    toy.may(
        drops=["students"], matching={"students": ["student_number"]}, conflicts={"students": {"phone": Rule.MANUAL}}
    )
    toy.stability = Stability.STABLE
    toy.sends["sections"] = [[make.section(n) | {"id": f"s{n:02}"} for n in range(15)]]
    toy.sends["students"] = [
        [student(make, n, phone="1", email=f"{n}@x") for n in (1, 2, 3, 4, 8, 9, 10, 12)],
        [student(make, 11, phone="1", organization="o1")],
    ]
    toy.sync("sections", "students")
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.execute(FORGOTTEN)
    toy.execute("UPDATE core.students SET phone = 'ours' WHERE student_number IN ('N3', 'N12')")


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 20_000])
def test_each_kind_of_row_does_its_own(toy: Toy, make: Records, chunk_rows: int) -> None:
    """Core, mappings, changes and conflicts hold after a sync what each row was for, and what it left alone is as it
    was: values, versions, times.
    """
    before(toy, make)
    aged(toy, "core.students", "updated_at")
    aged(toy, "connector.external_system_mappings", "last_synced_at")
    toy.chunk_rows = chunk_rows
    toy.sends["students"] = [
        [
            student(make, 1, phone="2", email="1@x"),  # update
            student(make, 2, phone="1", email="2@x"),  # touch
            student(make, 3, phone="theirs", email="3@x"),  # conflict
            student(make, 4, phone="2", email="4@y"),  # update
            student(make, 5, phone="1", email="5@x"),  # create
            student(make, 6, email="6@x"),  # link that changes nothing
            student(make, 7, email="7@y"),  # link that changes
            # 8 is gone and stands for the other source, too; 9 is gone
            student(make, 10, phone="1", email="10@x"),  # the same
            student(make, 11, phone="1", organization="o1"),  # create that waited
            student(make, 12, phone="theirs", email="12@y"),  # conflict, and another field to write
        ]
    ]
    outcome = toy.sync("students")["students"]
    counts = outcome.plan.counts
    assert outcome.verified
    assert (counts.fetched, counts.created, counts.updated, counts.unchanged) == (10, 2, 3, 3)
    assert (counts.conflicts, counts.linked, counts.dropped, counts.absent) == (2, 2, 1, 1)

    columns = ("external_id", "phone", "email", "status", "sync_version", "sync_status")
    assert toy.core("students", *columns) == [
        ("s01", "2", "1@x", "active", 2, "synced"),
        ("s02", "1", "2@x", "active", 1, "synced"),
        ("s03", "ours", "3@x", "active", 1, "synced"),
        ("s04", "2", "4@y", "active", 2, "synced"),
        ("s05", "1", "5@x", "active", 1, "synced"),
        ("s06", None, "6@x", "active", 1, "synced"),
        ("s07", None, "7@y", "active", 1, "synced"),
        ("s08", "1", "8@x", "active", 1, "synced"),
        ("s09", "1", "9@x", "inactive", 1, "synced"),
        ("s10", "1", "10@x", "active", 1, "synced"),
        ("s11", "1", None, "active", 1, "synced"),
        ("s12", "ours", "12@y", "active", 2, "synced"),
    ]
    written = "SELECT external_id FROM core.synced_students WHERE updated_at > %s AND external_system_id = 'toy'"
    assert ids(toy, written, LONG_AGO) == ["s01", "s04", "s05", "s07", "s09", "s11", "s12"]
    changes = "SELECT external_id, action FROM connector.sync_changes WHERE plan_id = %s ORDER BY 1"
    assert toy.rows(changes, outcome.plan.id) == [
        ("s01", "update"), ("s04", "update"), ("s06", "link"), ("s07", "link"), ("s09", "drop"), ("s12", "update"),
    ]  # fmt: skip
    assert toy.rows("SELECT external_id, field, core_value, source_value FROM connector.conflicts ORDER BY 1") == [
        ("s03", "phone", "ours", "theirs"),
        ("s12", "phone", "ours", "theirs"),
    ]
    of_plan = {"m.last_synced_at > %s": LONG_AGO, "m.created_by = %s": outcome.plan.id}
    told, made = [ids(toy, f"{MAPPED} AND {which}", value) for which, value in of_plan.items()]
    assert told == ["s01", "s02", "s03", "s04", "s05", "s06", "s07", "s11", "s12"]
    assert made == ["s05", "s06", "s07", "s11"]
    assert ids(toy, f"{MAPPED} AND m.absent_since > %s", LONG_AGO) == ["s08", "s09"]
    assert ids(toy, f"{MAPPED} AND m.sync_metadata ? 'dropped by'") == ["s09"]
    assert ids(toy, f"{MAPPED} AND m.error_message IS NOT NULL") == []
    looked_at = toy.prepare("students", mode=Mode.INCREMENTAL)
    rows = toy.rows(f"SELECT external_id, action FROM staging.plan_{looked_at.id} ORDER BY 1")
    assert rows == [("s03", "conflict"), ("s12", "conflict")]
    assert (looked_at.counts.unchanged, looked_at.counts.conflicts) == (8, 2)
    assert ids(toy, f"{MAPPED} AND m.fingerprint IS NULL") == ["s03", "s12"]


def ids(toy: Toy, statement: str, *values: object) -> list[object]:
    """The first column, in order."""
    return sorted(row[0] for row in toy.rows(statement, *values))


def aged(toy: Toy, table: str, column: str) -> None:
    """Nothing was written for years, and nobody edited it to say so."""
    toy.execute("SET session_replication_role = replica", f"UPDATE {table} SET {column} = '{LONG_AGO}'")
