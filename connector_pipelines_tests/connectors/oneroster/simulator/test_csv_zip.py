"""CSV zips: exact headers, a complete manifest, the rows of the world, and the mistakes of the wild on demand."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import World
from connector_pipelines.connectors.oneroster.simulator.csv_zip import write_zip

WORLD = World(7, "small").evolve(20)
USERS_1P2 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,"
    "phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,"
    "preferredFamilyName,primaryOrgSourcedId,pronouns"
)
USERS_1P1 = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,"
    "identifier,email,sms,phone,agentSourcedIds,grades,password"
)


def written(world: World = WORLD, **options: Any) -> zipfile.ZipFile:
    """A zip of a world, opened."""
    target = io.BytesIO()
    write_zip(world, target, **options)
    return zipfile.ZipFile(target)


def table(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """The rows of one file."""
    return list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode("utf-8-sig"), newline="")))


def header(archive: zipfile.ZipFile, name: str) -> str:
    """The header line of one file."""
    return archive.read(f"{name}.csv").decode().split("\r\n", 1)[0]


def active(collection: str) -> list[dict[str, Any]]:
    """The records of the world that a bulk file holds."""
    return [record for record in WORLD.stream(collection) if record["status"] == "active"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("academicSessions", "title,type,startDate,endDate,parentSourcedId,schoolYear"),
        ("orgs", "name,type,identifier,parentSourcedId"),
        ("courses", "schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes"),
        (
            "classes",
            (
                "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,"
                "subjectCodes,periods"
            ),
        ),
        ("roles", "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId"),
        ("enrollments", "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate"),
        ("scoreScales", "title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue"),
        ("userResources", "userSourcedId,orgSourcedId,classSourcedId,resourceSourcedId"),
    ],
)
def test_headers_are_those_of_the_binding(name: str, expected: str) -> None:
    """The columns stand in the order the binding demands (contract 1.3)."""
    with written() as archive:
        assert header(archive, name) == f"sourcedId,status,dateLastModified,{expected}"


def test_users_have_the_columns_of_their_version() -> None:
    """1.2 has roles in a file of their own, 1.1 one role and the organizations in users.csv."""
    with written() as new, written(version="1.1") as old:
        assert (header(new, "users"), header(old, "users")) == (USERS_1P2, USERS_1P1)
        assert {"roles.csv", "userProfiles.csv"} & set(old.namelist()) == set()
        assert {row["role"] for row in table(old, "users")} <= {
            "student",
            "teacher",
            "administrator",
            "guardian",
            "aide",
        }


@pytest.mark.parametrize(("version", "files"), [("1.1", 13), ("1.2", 21)])
def test_the_manifest_names_every_file(version: str, files: int) -> None:
    """Each file of the binding has a row, bulk when it is in the zip and absent when it is not."""
    with written(version=version) as archive:
        told = {row["propertyName"]: row["value"] for row in table(archive, "manifest")}
        states = {name.removeprefix("file."): value for name, value in told.items() if name.startswith("file.")}
        assert (told["manifest.version"], told["oneroster.version"]) == ("1.0", version)
        assert len(states) == files
        present = {name.removesuffix(".csv") for name in archive.namelist()} - {"manifest"}
        assert states == {name: "bulk" if name in present else "absent" for name in states}
        assert {"source.systemName", "source.systemCode"} <= set(told)


def test_bulk_holds_everything_active_with_blank_status() -> None:
    """Every active record is there, without status and date; deleted ones are left out."""
    with written() as archive:
        for name in ("users", "classes", "enrollments", "orgs", "academicSessions", "results"):
            rows = table(archive, name)
            assert [row["sourcedId"] for row in rows] == [record["sourcedId"] for record in active(name)]
            assert {(row["status"], row["dateLastModified"]) for row in rows} == {("", "")}


def test_cells_say_what_the_records_say() -> None:
    """References become ids, lists one cell, userIds braces, and difficult names come back as they were."""
    with written() as archive:
        classes, users = table(archive, "classes"), {row["sourcedId"]: row for row in table(archive, "users")}
    for row, record in zip(classes, active("classes"), strict=True):
        assert row["termSourcedIds"] == ",".join(term["sourcedId"] for term in record["terms"])
        assert (row["courseSourcedId"], row["title"]) == (record["course"]["sourcedId"], record["title"])
    for record in active("users"):
        row = users[record["sourcedId"]]
        assert (row["givenName"], row["familyName"]) == (record["givenName"], record["familyName"])
        assert row["preferredGivenName"] == record.get("preferredFirstName", "")
        pairs = ",".join(f"{{{pair['type']}:{pair['identifier']}}}" for pair in record.get("userIds", []))
        assert row["userIds"] == pairs


def test_roles_and_resources_have_rows_of_their_own() -> None:
    """roles.csv and classResources.csv hold one row for each entry, with ids of their own."""
    with written() as archive:
        roles, resources = table(archive, "roles"), table(archive, "classResources")
    expected = [(u["sourcedId"], r["role"], r["org"]["sourcedId"]) for u in active("users") for r in u["roles"]]
    assert [(row["userSourcedId"], row["role"], row["orgSourcedId"]) for row in roles] == expected
    assert len({row["sourcedId"] for row in roles}) == len(roles)
    named = [(c["sourcedId"], r["sourcedId"]) for c in active("classes") for r in c.get("resources", [])]
    assert [(row["classSourcedId"], row["resourceSourcedId"]) for row in resources] == named


def test_delta_holds_what_changed_since_a_version() -> None:
    """Only changed records come, deletions too, with status and date; unchanged files are absent."""
    later = WORLD.evolve(20)
    known = {record["sourcedId"]: record for record in WORLD.stream("enrollments")}
    changed = [r for r in later.stream("enrollments") if known.get(r["sourcedId"]) != r]
    with written(later, since=1) as archive:
        rows = table(archive, "enrollments")
        states = {row["propertyName"]: row["value"] for row in table(archive, "manifest")}
    told = [(row["sourcedId"], row["status"], row["dateLastModified"]) for row in rows]
    assert told == [(r["sourcedId"], r["status"], r["dateLastModified"]) for r in changed]
    assert {"active", "tobedeleted"} == {row["status"] for row in rows}
    assert (states["file.enrollments"], states["file.orgs"]) == ("delta", "absent")


def test_dirty_zips_have_the_mistakes_of_the_wild() -> None:
    """Misspelled headers, trailing empty columns, a misnamed file, a byte order mark, a manifest with blanks (1.3)."""
    with written(dirty=True) as archive:
        users = archive.read("users.csv")
        manifest = {row["propertyName"]: row["value"] for row in table(archive, "manifest")}
        assert users.startswith(b"\xef\xbb\xbfsourcedId,status,dataLastModified,")
        assert b"prefferedGivenName" in users.split(b"\r\n")[0]
        assert users.split(b"\r\n")[0].endswith(b",,")
        assert "userProfiles.csv" not in archive.namelist()
        assert b"userSourcedId,roleType,role" in archive.read("userprofiles.csv").split(b"\r\n")[0]
        assert "" in manifest.values()
        assert not any(name.startswith("source.") for name in manifest)


def test_the_gradebook_can_be_left_out() -> None:
    """Without the gradebook its files are absent, which spares millions of rows of a district."""
    with written(gradebook=False) as archive:
        assert not {"results.csv", "lineItems.csv", "categories.csv"} & set(archive.namelist())


def test_a_zip_is_reproducible() -> None:
    """The same world gives the same bytes."""
    first, second = io.BytesIO(), io.BytesIO()
    write_zip(WORLD, first)
    write_zip(WORLD, second)
    assert first.getvalue() == second.getvalue()
