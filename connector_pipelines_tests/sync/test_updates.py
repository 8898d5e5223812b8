from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Mode
from connector_pipelines.sync.reconciling import reconcile

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy


def test_changes_are_kept_field_by_field(toy: Toy, make: Records) -> None:
    """Each update leaves the values before and after of the fields that changed, and of no others."""
    toy.sends["students"] = [[make.student(1, phone="1", email="a@toy"), make.student(2)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="2", email=None), make.student(2)]]
    toy.sync("students")
    assert toy.rows("SELECT external_id, changes FROM connector.sync_changes") == [
        ("s1", {"phone": ["1", "2"], "email": ["a@toy", None]})
    ]


def test_changed_reference_is_a_change_of_its_column(toy: Toy, make: Records) -> None:
    """A record that names another parent moves there, and its change holds the ids of core before and after."""
    toy.sends["organizations"] = [[make.organization(1), make.organization(2)]]
    toy.sends["students"] = [[make.student(1, organization="o1")]]
    toy.sync("organizations", "students")
    toy.sends["students"] = [[make.student(1, organization="o2")]]
    toy.sync("students")
    (first,), (second,) = toy.core("organizations", "id")
    assert toy.core("students", "organization_id") == [(second,)]
    assert toy.rows("SELECT changes FROM connector.sync_changes") == [({"organization_id": [first, second]},)]


def test_version_counts_effective_changes(toy: Toy, make: Records) -> None:
    """`sync_version` rises by one with every effective change and stays where nothing changed."""
    versions = []
    for phone in ("1", "1", "2", "2", None):
        toy.sends["students"] = [[make.student(1, phone=phone)]]
        toy.sync("students")
        versions += toy.core("students", "sync_version")
    assert versions == [(1,), (1,), (2,), (2,), (3,)]


def test_one_id_in_two_entities_is_two_records(toy: Toy, make: Records) -> None:
    """Records of different entities may have the same id: one changes, waits or goes without the other."""
    school, student = make.organization(1) | {"id": "same"}, make.student(1, organization="same") | {"id": "same"}
    toy.sends |= {"organizations": [[school]], "students": [[student]]}
    toy.sync("organizations", "students")
    toy.sends["students"] = [[student | {"phone": "new"}]]
    done = toy.sync("organizations", "students")
    assert [done[name].plan.counts.updated for name in ("organizations", "students")] == [0, 1]
    assert (toy.core("organizations", "sync_version"), toy.core("students", "sync_version")) == ([(1,)], [(2,)])
    toy.sends["students"] = [[make.student(2)]]
    counts = toy.sync("organizations", "students")["students"].plan.counts
    assert (counts.created, counts.absent) == (1, 1)
    absent = "SELECT entity_type, external_id FROM connector.external_system_mappings WHERE absent_since IS NOT NULL"
    assert toy.rows(absent) == [("students", "same")]
    assert toy.sync("organizations", "students")["organizations"].plan.counts.unchanged == 1


def test_sync_without_changes_writes_no_row(toy: Toy, make: Records) -> None:
    """A second sync of the same content leaves every core row and mapping in the version it had."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    before = (
        toy.rows("SELECT xmin::text FROM core.students"),
        toy.rows("SELECT xmin::text FROM connector.external_system_mappings"),
    )
    toy.sync("students")
    assert before == (
        toy.rows("SELECT xmin::text FROM core.students"),
        toy.rows("SELECT xmin::text FROM connector.external_system_mappings"),
    )


def test_synced_view_has_the_six_columns(toy: Toy, make: Records) -> None:
    """The view shows where a row comes from, and that a full read saw it again although nothing was written."""
    started = datetime.now(UTC)
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    between = datetime.now(UTC)
    columns = ("external_id", "external_system_id", "sync_status", "sync_version", "sync_metadata", "last_sync_at")
    ((*others, first),) = toy.core("students", *columns)
    assert others == ["s1", "toy", "synced", 1, {}]
    assert started <= first <= between
    toy.sync("students")
    ((seen,),) = toy.core("students", "last_sync_at")
    assert seen > between


def test_row_of_core_that_no_source_feeds_stands_in_the_view(toy: Toy) -> None:
    """A row that people made in core has null sync columns."""
    toy.execute("INSERT INTO core.students (given_name, family_name, status) VALUES ('Own', 'Row', 'active')")
    assert toy.rows("SELECT given_name, external_id, sync_status FROM core.synced_students") == [("Own", None, None)]


def test_other_form_of_the_same_values_is_no_change(toy: Toy, make: Records) -> None:
    """When the stored hash differs and core holds the same, a row counts as unchanged and is cheap next time."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.execute("UPDATE connector.external_system_mappings SET row_hash = md5('old')::uuid, fingerprint = NULL")
    touched = toy.sync("students")["students"]
    assert (touched.plan.counts.unchanged, touched.plan.counts.updated, touched.plan.chunks) == (1, 0, 1)
    assert touched.verified
    assert toy.core("students", "sync_version") == [(1,)]
    assert toy.sync("students")["students"].plan.chunks == 0


def test_absent_record_is_marked_and_nothing_more(toy: Toy, make: Records) -> None:
    """A record that a complete full read no longer holds is marked absent, once; core and its status stay."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    before = toy.rows("SELECT s, xmin::text FROM core.students s ORDER BY id")
    toy.sends["students"] = [[make.student(2)]]
    assert toy.sync("students")["students"].plan.counts.absent == 1
    assert toy.sync("students")["students"].plan.counts.absent == 0
    assert toy.rows("SELECT s, xmin::text FROM core.students s ORDER BY id") == before
    marked = [
        (name, at is not None, status)
        for name, at, status in toy.mappings("students", "external_id", "absent_since", "sync_status")
    ]
    assert marked == [("s1", True, "synced"), ("s2", False, "synced")]


@pytest.mark.parametrize("mode", list(Mode))
def test_record_that_comes_back_is_not_absent(toy: Toy, make: Records, mode: Mode) -> None:
    """A record that was absent and is sent again keeps its row, and its mark is cleared, by any read."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    ids = toy.core("students", "id")
    toy.sends["students"] = [[make.student(2)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    assert toy.sync("students", mode=mode)["students"].plan.counts.unchanged == 2
    assert toy.mappings("students", "absent_since") == [(None,), (None,)]
    assert toy.core("students", "id") == ids


def test_incremental_read_proves_no_absence(toy: Toy, make: Records) -> None:
    """A read of what changed marks nothing absent, even when it holds nothing at all."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[]]
    outcome = toy.sync("students", mode=Mode.INCREMENTAL)["students"]
    assert outcome.verified
    assert outcome.plan.counts.absent == 0
    assert toy.mappings("students", "absent_since") == [(None,)]


def test_refused_or_waiting_record_is_not_absent(toy: Toy, make: Records) -> None:
    """A record that the read holds in a form core cannot take was still sent."""
    toy.sends["students"] = [[make.student(1), make.student(2), make.student(3), make.student(4)]]
    toy.sync("students")
    toy.sends["students"] = [
        [
            make.student(1, given_name="nul \x00 byte"),
            make.student(2, organization="o9"),
            make.student(3, phone="1"),
            make.student(3, phone="2"),
        ]
    ]
    counts = toy.sync("students")["students"].plan.counts
    assert (counts.dead_lettered, counts.waiting, counts.absent) == (4, 1, 1)


def test_deleted_record_updates_its_status(toy: Toy, make: Records) -> None:
    """A known record that the source calls deleted is an update of what changed; its row stays."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, deleted=True, status="deleted")]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.updated, outcome.plan.counts.skipped) == (1, 0)
    assert toy.core("students", "external_id", "status") == [("s1", "deleted")]


def test_deleted_record_says_its_status_alone(toy: Toy, make: Records) -> None:
    """Of a deleted record the id may be all that is left: its row keeps every other value, references included."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sends["students"] = [[make.student(1, phone="12", email="a@b.example")]]
    toy.sync("organizations", "students")
    before = toy.core("students", "given_name", "family_name", "phone", "email", "organization_id")
    toy.sends["students"] = [[{"id": "s1", "deleted": True, "status": "inactive"}]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.updated, outcome.verified) == (1, True)
    assert toy.core("students", "given_name", "family_name", "phone", "email", "organization_id") == before
    assert toy.core("students", "status") == [("inactive",)]
    assert toy.rows("SELECT changes FROM connector.sync_changes") == [({"status": ["active", "inactive"]},)]
    with toy.open() as context:
        assert reconcile(context, toy.source, "students").alarms == 0
    assert toy.sync("students")["students"].plan.counts.unchanged == 1
    toy.sends["students"] = [[make.student(1, phone=None)]]
    toy.sync("students")
    assert toy.core("students", "status", "phone") == [("active", None)]


def test_deleted_record_keeps_its_required_reference(toy: Toy, make: Records) -> None:
    """A deleted enrollment that does not name its student and section any more is dropped where it stands."""
    toy.sends |= {
        "organizations": [[make.organization(1)]],
        "students": [[make.student(1)]],
        "sections": [[make.section(1)]],
        "enrollments": [[make.enrollment(1, "s1", "c1")]],
    }
    toy.sync()
    before = toy.core("enrollments", "student_id", "section_id")
    toy.sends["enrollments"] = [[{"id": "e1", "deleted": True, "status": "dropped"}]]
    outcome = toy.sync("enrollments")["enrollments"]
    assert (outcome.plan.counts.updated, outcome.plan.counts.dead_lettered) == (1, 0)
    assert toy.core("enrollments", "student_id", "section_id") == before
    assert toy.core("enrollments", "status") == [("dropped",)]


def test_deleted_record_never_seen_is_skipped(toy: Toy, make: Records) -> None:
    """A record that was deleted before it ever came to core is skipped, and the plan says how many and why."""
    toy.sends["students"] = [[make.student(1, deleted=True), make.student(2, deleted=True)]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.skipped, outcome.verified) == (2, True)
    assert outcome.plan.reasons == ("skipped: 2 deleted at the source before they came to core",)
    assert toy.mappings("students", "external_id") == []
