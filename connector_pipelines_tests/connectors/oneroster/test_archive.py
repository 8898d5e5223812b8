from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster import CONNECTOR, archive
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Health, Window
from connector_pipelines.validation.accept import Accepted, accept

if TYPE_CHECKING:
    from pathlib import Path

ORGS = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n"
USERS = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,"
    "sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,"
    "preferredFamilyName,primaryOrgSourcedId,pronouns\n"
)
ROLES = (
    "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,"
    "userProfileSourcedId\n"
)
CLASSES = (
    "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,"
    "termSourcedIds,subjects,subjectCodes,periods\n"
)
ENROLLMENTS = (
    "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
)


def user(number: str, given: str, status: str = "", org: str = "") -> str:
    """A row of 1.2's users.csv."""
    when = "2026-01-01T00:00:00Z" if status else ""
    return (
        f'{number},{status},{when},true,u{number},"{{LDAP:{number}}}",{given},Doe,,00{number},,,,,"09,10",,,,,,{org},\n'
    )


def role(user_id: str, name: str, org: str, *, kind: str = "primary", status: str = "") -> str:
    """A row of roles.csv."""
    return f"r-{user_id}-{name}-{org},{status},,{user_id},{kind},{name},,,{org},\n"


def manifest(version: str = "1.2", **modes: str) -> str:
    """manifest.csv."""
    rows = [("manifest.version", "1.0"), ("oneroster.version", version)]
    rows += [(f"file.{name}", mode) for name, mode in modes.items()]
    return "propertyName,value\n" + "".join(f"{name},{value}\n" for name, value in rows)


@pytest.fixture
def zipped(tmp_path: Path) -> Any:
    """Makes the config of a source from the files of a zip."""

    def make(files: dict[str, str | bytes], **more: Any) -> OneRosterConfig:
        path = tmp_path / "export.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name, text in files.items():
                target.writestr(name, text)
        return OneRosterConfig(version="csv", path=str(path), **more)

    return make


def read(config: OneRosterConfig, entity: str) -> tuple[Accepted, bool]:
    """An entity of a zip, through decoding, validation and transform; and whether it was a snapshot."""
    stream = next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)
    with CONNECTOR.open(config) as client:
        reading = stream.read(client, Window())
        pages = list(reading.pages)
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    return accept(stream, [Sieve(0, None).sift(page) for page in pages]), reading.snapshot


def ids(accepted: Accepted) -> list[str]:
    """The ids that were accepted."""
    return list(accepted.frame["external_id"])


def test_bulk_is_a_snapshot(zipped: Any) -> None:
    """A bulk file is read whole and proves what is absent; blank status means active."""
    rows = "o1,,,Springfield,district,7,\no2,,,High,school,8,o1\n"
    accepted, snapshot = read(zipped({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ORGS + rows}), "organizations")
    assert snapshot
    frame = accepted.frame
    assert ids(accepted) == ["o1", "o2"]
    assert frame["parent"].tolist()[1] == "o1"
    assert set(frame["status"]) == {"active"}
    assert frame["modified_at"].isna().all()


def test_delta_is_none(zipped: Any) -> None:
    """A delta file lists changes: it carries times and deletions, and proves no absence."""
    rows = "o2,tobedeleted,2026-01-02T00:00:00Z,High,school,8,o1\n"
    accepted, snapshot = read(
        zipped({"manifest.csv": manifest(orgs="delta"), "orgs.csv": ORGS + rows}), "organizations"
    )
    assert not snapshot
    assert accepted.frame["deleted"].tolist() == [True]
    assert accepted.frame["modified_at"].notna().all()


def test_file_that_a_delta_leaves_out_had_no_changes(zipped: Any) -> None:
    """A delta zip without a file reads as no changes of it, and proves no absence."""
    accepted, snapshot = read(zipped({"manifest.csv": manifest(users="delta"), "users.csv": ""}), "organizations")
    assert (ids(accepted), snapshot) == ([], False)


def test_users_get_their_roles(zipped: Any) -> None:
    """1.2: students and instructors are told apart by roles.csv, and get the organization of their primary role."""
    files = {
        "manifest.csv": manifest(users="bulk", roles="bulk"),
        "users.csv": USERS + user("1", "Ana") + user("2", "Ben") + user("3", "Cy", org="o9") + user("4", "Di"),
        "roles.csv": ROLES
        + role("1", "student", "o2", kind="secondary")
        + role("1", "student", "o1")
        + role("2", "teacher", "o1")
        + role("3", "student", "o1")
        + role("3", "teacher", "o2")
        + role("4", "parent", "o1"),
    }
    config = zipped(files)
    students, snapshot = read(config, "students")
    instructors, _ = read(config, "instructors")
    assert snapshot
    assert dict(zip(ids(students), students.frame["organization"], strict=True)) == {"1": "o1", "3": "o9"}
    assert ids(instructors) == ["2", "3"]
    assert students.frame["grades"].tolist() == ["09,10", "09,10"]
    assert students.frame["student_number"].tolist() == ["001", "003"]
    assert students.frame["enabled"].all()


def test_version_1p1_has_the_role_in_the_user(zipped: Any) -> None:
    """1.1: role and organizations stand in users.csv itself."""
    header = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName\n"
    rows = '1,,,true,"o1,o2",student,a,,Ana,Ng\n2,,,true,o1,Teacher,b,,Ben,Ng\n'
    config = zipped({"manifest.csv": manifest("1.1", users="bulk"), "users.csv": header + rows})
    students, _ = read(config, "students")
    assert (ids(students), students.frame["organization"].tolist()) == (["1"], ["o1"])
    assert ids(read(config, "instructors")[0]) == ["2"]


def test_lists_and_references(zipped: Any) -> None:
    """Lists in one cell and references become what the REST service sends."""
    row = 's1,,,"Algebra, 1","09,10",c1,A-1,scheduled,R1,o1,"t1,t2","Math","M","1,2"\n'
    accepted, _ = read(zipped({"manifest.csv": manifest(classes="bulk"), "classes.csv": CLASSES + row}), "sections")
    found = accepted.frame.iloc[0]
    assert (found["title"], found["grades"], found["periods"]) == ("Algebra, 1", "09,10", "1,2")
    assert (found["course"], found["organization"], found["term"]) == ("c1", "o1", "t1")


def test_enrollments_by_role(zipped: Any) -> None:
    """Enrollments of students and of teachers feed their entities."""
    rows = "e1,,,s1,o1,u1,student,false,2026-08-15,\ne2,,,s1,o1,u2,teacher,true,,\n"
    config = zipped({"manifest.csv": manifest(enrollments="bulk"), "enrollments.csv": ENROLLMENTS + rows})
    enrollments, _ = read(config, "enrollments")
    assignments, _ = read(config, "teaching_assignments")
    assert (ids(enrollments), ids(assignments)) == (["e1"], ["e2"])
    assert assignments.frame["is_primary"].tolist() == [True]


def test_real_files_are_dirty(zipped: Any) -> None:
    """A BOM, misspelled headers, empty columns at the end, other cases and folders do no harm."""
    orgs = "\ufeffSourcedID,status,dataLastModified,name,type,identifier,parentSourcedId,,\n"
    files = {
        "export/Manifest.csv": "\ufeffpropertyName,value\nmanifest.version,\noneroster.version,1.2\nfile.orgs,bulk\n",
        "export/Orgs.csv": orgs + "o1,,,Springfield,district,7,,,\no2,,,High,school,8,o1\n\n",
    }
    accepted, snapshot = read(zipped(files), "organizations")
    assert (ids(accepted), snapshot, accepted.rejections) == (["o1", "o2"], True, [])


def test_roles_in_a_misnamed_file(zipped: Any) -> None:
    """A userprofiles.csv with the header of roles.csv is read as it, and preferred names from a misspelled column."""
    users = USERS.replace("preferredGivenName", "prefferedGivenName")
    row = user("1", "Ana").replace('"09,10",,,,,', '"09,10",,,Annie,,')
    files = {
        "manifest.csv": manifest(users="bulk", roles="absent", userProfiles="bulk"),
        "users.csv": users + row,
        "userprofiles.csv": ROLES + role("1", "student", "o1"),
    }
    students, snapshot = read(zipped(files), "students")
    assert (ids(students), students.frame["preferred_name"].tolist(), snapshot) == (["1"], ["Annie"], True)


def test_ragged_row_is_rejected_with_its_line(zipped: Any) -> None:
    """A row with too few or too many cells becomes a dead letter that names its line; its neighbors are read."""
    rows = 'o1,,,"Two\nlines",district,7,\no2,,,High\no3,,,Low,school,9,,extra\no4,,,End,school,9,\n'
    accepted, _ = read(zipped({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ORGS + rows}), "organizations")
    assert ids(accepted) == ["o1", "o4"]
    assert [(r.row, r.external_id, r.reason) for r in accepted.rejections] == [
        (1, "o2", "line 4 has 4 cells where the header has 7"),
        (2, "o3", "line 5 has 8 cells where the header has 7"),
    ]


def test_changed_user_without_a_role_is_not_lost(zipped: Any) -> None:
    """Where only changes are listed, a user whose role is not among them becomes a dead letter instead of vanishing."""
    files = {
        "manifest.csv": manifest(users="delta", roles="delta"),
        "users.csv": USERS + user("1", "Ana", "active") + user("2", "Ben", "active") + user("3", "Cy", "active"),
        "roles.csv": ROLES
        + role("1", "student", "o1", status="active")
        + role("3", "student", "o1", status="tobedeleted"),
    }
    students, snapshot = read(zipped(files), "students")
    assert not snapshot
    assert dict(zip(ids(students), students.frame["deleted"], strict=True)) == {"1": False, "3": True}
    assert [(r.external_id, r.reason) for r in students.rejections] == [
        ("2", "line 3 is of a user whose role roles.csv does not tell")
    ]


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({"orgs.csv": ORGS}, BrokenPage, "has no manifest.csv"),
        ({"manifest.csv": manifest(orgs="absent"), "orgs.csv": ORGS}, ConfigurationError, "does not provide orgs.csv"),
        ({"manifest.csv": manifest()}, ConfigurationError, "does not provide orgs.csv"),
        ({"manifest.csv": manifest(orgs="bulk")}, BrokenPage, "lacks orgs.csv, which its manifest promises"),
        ({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ""}, BrokenPage, "has no column sourcedId"),
        ({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": "name\nx\n"}, BrokenPage, "has no column sourcedId"),
        (
            {"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ORGS.encode() + b"o1,,,\xe9,,,\n"},
            BrokenPage,
            "not UTF-8",
        ),
    ],
)
def test_what_is_not_there_is_not_empty(zipped: Any, files: dict[str, Any], error: type[Exception], words: str) -> None:
    """A missing manifest, an absent file, a broken promise and a broken file are errors, never an empty collection."""
    with pytest.raises(error, match=words):
        read(zipped(files), "organizations")


def test_roles_must_be_known(zipped: Any) -> None:
    """Users without any word on their roles cannot be told apart; that is an error."""
    files = {"manifest.csv": manifest(users="bulk"), "users.csv": USERS + user("1", "Ana")}
    with pytest.raises(BrokenPage, match="no column role"):
        read(zipped(files), "students")


def test_bulk_without_rows_is_empty(zipped: Any) -> None:
    """A bulk file with a header alone is a whole collection without rows; it leaves a page that proves it."""
    config = zipped({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ORGS})
    accepted, snapshot = read(config, "organizations")
    assert (len(accepted.frame), snapshot) == (0, True)


def test_entry_without_a_word_proves_nothing(zipped: Any) -> None:
    """A file whose manifest entry is blank is read, and is no snapshot."""
    files = {"manifest.csv": manifest(orgs=""), "orgs.csv": ORGS + "o1,,,Springfield,district,7,\n"}
    accepted, snapshot = read(zipped(files), "organizations")
    assert (ids(accepted), snapshot) == (["o1"], False)


def test_long_files_come_in_pages(zipped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are handed over in pages of a fixed size, all of them, in order."""
    monkeypatch.setattr(archive, "ROWS_PER_PAGE", 10)
    rows = "".join(f"o{n},,,Name,school,7,\n" for n in range(25))
    config = zipped({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ORGS + rows})
    stream = next(iter(CONNECTOR.streams(config)))
    with CONNECTOR.open(config) as client:
        pages = list(stream.read(client, Window()).pages)
    assert [len(page.rows) for page in pages] == [10, 10, 5]
    assert [stream.decode(row).sourcedId for row in stream.split(pages[2].body)] == [f"o{n}" for n in range(20, 25)]
    assert not stream.filters_by_time


def test_megabyte_cell_is_one_dead_letter(zipped: Any) -> None:
    """A cell of a megabyte is refused like any other long text, and the file goes on."""
    rows = f"o1,,,{'x' * 1_000_000},school,7,\no2,,,High,school,8,\n"
    accepted, _ = read(zipped({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ORGS + rows}), "organizations")
    assert (ids(accepted), [r.external_id for r in accepted.rejections]) == (["o2"], ["o1"])


@pytest.mark.parametrize("damage", ["no zip", "cut", "flipped", "gone"])
def test_damaged_zip_is_an_error(zipped: Any, damage: str, tmp_path: Path) -> None:
    """A file that is no zip, is cut, or fails its checksum is an error that says so."""
    rows = "".join(f"o{n},,,Name{n},school,7,\n" for n in range(500))
    config = zipped({"manifest.csv": manifest(orgs="bulk"), "orgs.csv": ORGS + rows})
    path = tmp_path / "export.zip"
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(raw)) as whole:
        middle = whole.getinfo("orgs.csv").header_offset + 400
    raw[middle] ^= 0xFF
    path.write_bytes({"no zip": b"<html>", "cut": bytes(raw[:200]), "flipped": bytes(raw)}.get(damage, b""))
    if damage == "gone":
        path.unlink()
    with pytest.raises((BrokenPage, ConfigurationError), match=r"no usable zip|damaged|there is no file"):
        read(config, "organizations")


def test_check_names_what_is_missing(zipped: Any) -> None:
    """A connection test reads the manifest alone and says which promised files are not there."""

    def checked(files: dict[str, Any]) -> Health:
        with CONNECTOR.open(zipped(files)) as client:
            return CONNECTOR.check(client)

    good = checked({"manifest.csv": manifest(orgs="bulk", users="absent"), "orgs.csv": ORGS})
    bad = checked({"manifest.csv": manifest(orgs="bulk", users="bulk"), "orgs.csv": ORGS})
    assert (good.ok, good.detail) == (True, "OneRoster CSV 1.2: 1 files.")
    assert (bad.ok, bad.detail) == (False, "OneRoster CSV 1.2: lacks users.csv.")
