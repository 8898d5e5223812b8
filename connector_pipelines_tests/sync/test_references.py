from __future__ import annotations

import itertools
from datetime import date
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy


def test_row_waits_for_its_parents(toy: Toy, make: Records) -> None:
    """A row whose parents are not in core is kept with what it waits for, and its mapping is pending."""
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    outcome = toy.sync("enrollments")["enrollments"]
    assert outcome.verified
    assert (outcome.plan.counts.dead_lettered, outcome.plan.counts.waiting) == (1, 1)
    assert toy.letters("state", "reason", "waits_for") == [
        ("waiting", "waits for students s1, sections c1", [["students", "s1"], ["sections", "c1"]])
    ]
    assert toy.mappings("enrollments", "external_id", "internal_id", "sync_status", "error_message") == [
        ("e1", None, "pending", "waits for students s1, sections c1")
    ]


def test_waiting_row_is_taken_up_by_itself(toy: Toy, make: Records) -> None:
    """Parents that come one after the other free a waiting row, although its source does not send it again."""
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1", start_date="2026-09-01")]]
    toy.sync("enrollments")
    toy.sends["enrollments"] = [[]]
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    still = toy.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"]
    assert (still.plan.counts.retried, still.plan.counts.created) == (0, 0)
    toy.sends["sections"] = [[make.section(1)]]
    toy.sync("sections")
    freed = toy.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"]
    assert freed.verified
    assert (freed.plan.counts.fetched, freed.plan.counts.retried, freed.plan.counts.created) == (0, 1, 1)
    assert toy.core("enrollments", "external_id", "start_date", "sync_status") == [("e1", date(2026, 9, 1), "synced")]
    assert toy.letters("state", "attempts") == [("resolved", 1)]
    again = toy.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"]
    assert (again.plan.counts.retried, again.plan.chunks) == (0, 0)


def test_newest_waiting_version_is_taken_up(toy: Toy, make: Records) -> None:
    """Of a record that waited in two versions only the newer comes into core."""
    for status in ("enrolled", "withdrawn"):
        toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1", status=status)]]
        toy.sync("enrollments", mode=Mode.INCREMENTAL)
    toy.sends = {"students": [[make.student(1)]], "sections": [[make.section(1)]], "enrollments": [[]]}
    toy.sync("students", "sections")
    outcome = toy.sync("enrollments", mode=Mode.INCREMENTAL)["enrollments"]
    assert (outcome.plan.counts.retried, outcome.verified) == (1, True)
    assert toy.core("enrollments", "status") == [("withdrawn",)]
    assert toy.letters("state") == [("resolved",), ("resolved",)]


def test_waiting_version_gives_way_to_a_newer_refused_one(toy: Toy, make: Records) -> None:
    """A record that was refused since it began to wait does not come into core in its older version."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    toy.sync("enrollments")
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", None)]]
    toy.sync("enrollments", mode=Mode.INCREMENTAL)
    toy.sends = {"sections": [[make.section(1)]], "enrollments": [[]]}
    toy.sync("sections")
    toy.sync("enrollments", mode=Mode.INCREMENTAL)
    assert toy.core("enrollments", "external_id") == []
    assert toy.letters("state", "rule") == [("resolved", "waiting"), ("open", "section is required")]


def test_sent_row_takes_the_place_of_the_waiting_one(toy: Toy, make: Records) -> None:
    """A waiting record that the source sends again itself comes in as sent, once."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1", status="enrolled")]]
    toy.sync("students", "enrollments")
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1", status="dropped")]]
    outcome = toy.sync("sections", "enrollments", mode=Mode.INCREMENTAL)["enrollments"]
    assert (outcome.plan.counts.retried, outcome.plan.counts.created) == (0, 1)
    assert toy.core("enrollments", "status") == [("dropped",)]
    assert toy.letters("state") == [("resolved",)]


def test_waiting_row_that_a_full_read_no_longer_holds_is_resolved(toy: Toy, make: Records) -> None:
    """A record that its source stopped sending does not come into core when its parents arrive later."""
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1")]]
    toy.sync("enrollments")
    toy.sends = {"students": [[make.student(1)]], "sections": [[make.section(1)]], "enrollments": [[]]}
    toy.sync("students", "sections", "enrollments")
    toy.sync("enrollments", mode=Mode.INCREMENTAL)
    assert toy.core("enrollments", "external_id") == []
    assert toy.letters("state") == [("resolved",)]


def test_update_that_names_an_unknown_parent_waits(toy: Toy, make: Records) -> None:
    """A known record that now names a parent core lacks waits as a whole; core keeps what it had."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2", organization="o1")]]
    toy.sync("students")
    assert toy.core("students", "phone", "organization_id", "sync_status") == [(None, None, "pending")]
    toy.sends = {"organizations": [[make.organization(1)]], "students": [[]]}
    toy.sync("organizations")
    toy.sync("students", mode=Mode.INCREMENTAL)
    ((phone, organization, status),) = toy.core("students", "phone", "organization_id", "sync_status")
    assert (phone, organization is not None, status) == ("2", True, "synced")


@pytest.mark.parametrize("chunk_rows", [1, 2, 20_000])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_parents_come_first_whatever_the_order(
    toy: Toy, make: Records, order: tuple[int, ...], chunk_rows: int
) -> None:
    """A chain within one entity is written from its top down, in one plan, however it arrives and is cut."""
    chain = [make.organization(n, parent=f"o{n - 1}" if n else None) for n in range(4)]
    toy.chunk_rows = chunk_rows
    toy.sends["organizations"] = [[chain[n] for n in order]]
    assert toy.sync("organizations")["organizations"].verified
    assert toy.rows(PARENTS) == [("o0", None), ("o1", "o0"), ("o2", "o1"), ("o3", "o2")]


PARENTS = (
    "SELECT c.external_id, p.external_id FROM core.synced_organizations c"
    " LEFT JOIN core.synced_organizations p ON p.id = c.parent_id ORDER BY 1"
)


def test_deep_chain(toy: Toy, make: Records) -> None:
    """A chain two hundred records deep, its ids against the order, comes in whole."""
    toy.chunk_rows = 50
    deep: list[Record] = [make.organization(999 - n, parent=f"o{1000 - n}" if n else None) for n in range(200)]
    toy.sends["organizations"] = [deep]
    assert toy.sync("organizations")["organizations"].plan.counts.created == 200


def test_cycle_waits(toy: Toy, make: Records) -> None:
    """Records that name each other as parents wait, and so do those beneath them; their neighbors go on."""
    toy.sends["organizations"] = [
        [make.organization(1, parent="o2"), make.organization(2, parent="o1"), make.organization(3, parent="o1")],
        [make.organization(4), make.organization(5, parent="o5")],
    ]
    outcome = toy.sync("organizations")["organizations"]
    assert (outcome.plan.counts.created, outcome.plan.counts.waiting, outcome.verified) == (1, 4, True)
    toy.sends["organizations"] = [[make.organization(1)]]
    healed = toy.sync("organizations", mode=Mode.INCREMENTAL)["organizations"]
    assert (healed.plan.counts.created, healed.plan.counts.retried, healed.verified) == (3, 2, True)
    assert toy.rows(PARENTS) == [("o1", None), ("o2", "o1"), ("o3", "o1"), ("o4", None)]


def test_waiting_chain_is_taken_up_at_once(toy: Toy, make: Records) -> None:
    """When the top of a chain arrives, all that waited beneath it, child after child, comes in with the same plan."""
    toy.sends["organizations"] = [[make.organization(n, parent=f"o{n - 1}") for n in (3, 4, 2)]]
    toy.sync("organizations")
    toy.sends["organizations"] = [[make.organization(1)]]
    outcome = toy.sync("organizations", mode=Mode.INCREMENTAL)["organizations"]
    assert (outcome.plan.counts.created, outcome.plan.counts.retried, outcome.verified) == (4, 3, True)


def test_parent_that_is_mapped_already(toy: Toy, make: Records) -> None:
    """A new child finds a parent that stands in core since an earlier sync and did not change."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.sends["organizations"] = [[make.organization(0, parent="o1"), make.organization(1)]]
    assert toy.sync("organizations")["organizations"].verified
    assert toy.rows(PARENTS) == [("o0", "o1"), ("o1", None)]


@pytest.mark.parametrize("changes", [{}, {"name": "Renamed"}])
def test_known_record_gets_a_new_parent(toy: Toy, make: Records, changes: Record) -> None:
    """A record in core that moves beneath a parent of the same read is an update, also when nothing else changed."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sync("organizations")
    toy.sends["organizations"] = [[make.organization(1, parent="o2", **changes), make.organization(2)]]
    outcome = toy.sync("organizations")["organizations"]
    assert (outcome.plan.counts.updated, outcome.plan.counts.created, outcome.verified) == (1, 1, True)
    assert toy.rows(PARENTS) == [("o1", "o2"), ("o2", None)]
    ((_,), (new,)) = toy.core("organizations", "id")
    renamed = {"name": ["School 1", "Renamed"]} if changes else {}
    assert toy.rows("SELECT changes FROM connector.sync_changes") == [({"parent_id": [None, new]} | renamed,)]


def test_required_reference_that_is_null_is_refused(toy: Toy, make: Records) -> None:
    """A row without a reference that core requires is refused with the name of what it lacks."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", None), make.enrollment(2, None, None)]]
    outcome = toy.sync("students", "enrollments")["enrollments"]
    assert (outcome.plan.counts.dead_lettered, outcome.plan.counts.waiting, outcome.verified) == (2, 0, True)
    assert sorted(toy.letters("external_id", "state", "rule")) == [
        ("e1", "open", "section is required"),
        ("e2", "open", "student is required"),
    ]


def test_mapping_is_never_pointed_to_another_row(toy: Toy, make: Records) -> None:
    """A changed record whose core row is gone is refused; no new row is made for its id, and the mapping stays."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    mapped = toy.mappings("students", "external_id", "internal_id")
    toy.execute("DELETE FROM core.students WHERE given_name = 'Given1'")
    toy.sends["students"] = [[make.student(1, phone="2"), make.student(2, phone="2")]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.dead_lettered, outcome.plan.counts.updated, outcome.verified) == (1, 1, True)
    assert toy.core("students", "external_id") == [("s2",)]
    assert toy.mappings("students", "external_id", "internal_id") == mapped
    assert toy.letters("external_id", "rule") == [("s1", "core row missing")]
    assert toy.mappings("students", "sync_status") == [("error",), ("synced",)]
