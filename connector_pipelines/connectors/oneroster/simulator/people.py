"""Records of users and demographics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, hashes
from connector_pipelines.connectors.oneroster.simulator.identifiers import Record, identify
from connector_pipelines.connectors.oneroster.simulator.names import FAMILY, GIVEN, PLACES, PLAIN_FAMILY, PLAIN_GIVEN
from connector_pipelines.connectors.oneroster.simulator.organizations import DISTRICT, FIRST_SCHOOL, stamps

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.world import World

# Odd places are guardians: `Placement.guardian` counts on it.
STAFF = ("principal", "guardian", "counselor", "guardian", "aide", "guardian", "siteAdministrator", "guardian")
DISTRICT_STAFF = ("districtAdministrator", "systemAdministrator")
EMAIL_FROM_GRADE = 3  # children below it have no address of their own
PRONOUNS = ("she/her", "he/him", "they/them")
PERMUTER = 7_919_077  # odd and no multiple of 5, so that index -> identifier is a bijection modulo 10^8
EIGHT_DIGITS = 10**8
GRADES = {"KG": 0}


@dataclass(frozen=True, slots=True)
class Person:
    """What the numbering says of a user: role, organization, and for students the grade."""

    role: str
    org: int
    grade: str | None = None


def users(world: World, indices: Indices) -> list[Record]:
    """Students, teachers and staff, as this version knows them."""
    line = world.timeline("users", indices)
    rows = zip(
        indices.tolist(),
        persons(world, indices),
        hashes(world.key("names"), indices).tolist(),
        hashes(world.key("traits"), indices).tolist(),
        stamps(line.modified),
        strict=True,
    )
    records = [
        _user(world, index, person, drawn=drawn, traits=traits, stamp=stamp)
        for index, person, drawn, traits, stamp in rows
    ]
    for change in line.changes:
        for position, choice in zip(change.positions.tolist(), change.choices, strict=True):
            _change(records[position], change.number, choice)
    for position in np.flatnonzero(line.deleted).tolist():
        records[position]["status"] = "tobedeleted"
    return records


def persons(world: World, indices: Indices) -> list[Person]:
    """Role, organization and grade of users."""
    shape = world.shape
    cohorts = world.place.student_cohort(indices)
    schools = shape.cohort_school[cohorts].tolist()
    slots = shape.cohort_slot[cohorts].tolist()
    return [
        Person("student", FIRST_SCHOOL + school, shape.slot_grade[slot])
        if index < shape.students or index >= shape.users
        else _adult(world, index)
        for index, school, slot in zip(indices.tolist(), schools, slots, strict=True)
    ]


def _adult(world: World, index: int) -> Person:
    shape = world.shape
    if index < shape.staff_first:
        cohort = (index - shape.students) // shape.scenario.teachers_per_cohort
        return Person("teacher", FIRST_SCHOOL + int(shape.cohort_school[cohort]))
    school, number = divmod(index - shape.staff_first, shape.scenario.staff_per_school)
    if school >= len(shape.schools):
        return Person(DISTRICT_STAFF[number % 2], DISTRICT)
    return Person(STAFF[number % len(STAFF)], FIRST_SCHOOL + school)


def _user(world: World, index: int, person: Person, *, drawn: int, traits: int, stamp: str) -> Record:
    given, family = drawn % len(GIVEN), (drawn >> 16) % len(FAMILY)
    username = f"{PLAIN_GIVEN[given]}.{PLAIN_FAMILY[family]}{index}"
    student = person.role == "student"
    record: Record = {
        "sourcedId": identify("users", index),
        "status": "active",
        "dateLastModified": stamp,
        "username": username,
        "enabledUser": "false" if traits % 50 == 0 else "true",
        "givenName": GIVEN[given],
        "familyName": FAMILY[family],
        "roles": _roles(world, person, traits),
        "identifier": f"{index * PERMUTER % EIGHT_DIGITS:08d}",
    }
    if (traits >> 6) % 10:
        record["userIds"] = [{"type": "SIS", "identifier": f"{index:09d}"}, {"type": "LDAP", "identifier": username}]
    if (traits >> 12) % 20:
        record["primaryOrg"] = world.links.org(person.org)
    if (traits >> 18) % 33 and not (student and _grade(person) < EMAIL_FROM_GRADE):
        record["email"] = f"{username}@{'students' if student else 'staff'}.example.org"
    if student:
        record["grades"] = [person.grade]
        guardian = world.place.guardian(index)
        if guardian is not None:
            record["agents"] = [world.links.user(guardian)]
    _add_optional(world, record, index, drawn >> 32, traits >> 24)
    return record


def _grade(person: Person) -> int:
    grade = person.grade or "12"
    return GRADES[grade] if grade in GRADES else int(grade)


def _roles(world: World, person: Person, traits: int) -> list[Record]:
    """The primary role; some teachers also work in the district's office."""
    roles: list[Record] = [{"roleType": "primary", "role": person.role, "org": world.links.org(person.org)}]
    if person.role == "student" and (traits >> 30) % 4 == 0:
        roles[0]["beginDate"] = world.sessions[0].start.isoformat()
    if person.role == "teacher" and (traits >> 30) % 25 == 0:
        roles.append({"roleType": "secondary", "role": "aide", "org": world.links.org(DISTRICT)})
    return roles


def _add_optional(world: World, record: Record, index: int, drawn: int, traits: int) -> None:
    """What many rosters leave out."""
    if drawn % 5 < 2:  # noqa: PLR2004  (two in five)
        record["middleName"] = GIVEN[(drawn >> 3) % len(GIVEN)]
    if traits % 12 == 0:
        record["preferredFirstName"] = GIVEN[(drawn >> 11) % len(GIVEN)]
    if traits % 31 == 0:
        record["pronouns"] = PRONOUNS[drawn % len(PRONOUNS)]
    if (traits >> 8) % 9 == 0:
        record["phone"] = f"+1-555-{drawn % 10_000:04d}"
    if (traits >> 8) % 11 == 0:
        record["sms"] = f"+1555{drawn % 10_000_000:07d}"
    if (traits >> 12) % 3 == 0:
        record["metadata"] = {"homeroom": f"R{traits % 90 + 10}", "locker": traits % 2000}
    if (traits >> 16) % 40 == 0:
        record["userMasterIdentifier"] = f"{index:012d}"
    if (traits >> 20) % 60 == 0:
        profile = f"https://learn.example/profiles/{index}"
        record["userProfiles"] = [{"profileId": profile, "profileType": "LMS", "vendorId": "learn.example"}]
    if record["roles"][0]["role"] == "teacher" and (traits >> 20) % 5 == 0:
        record["resources"] = [world.links.resource(index % world.shape.courses)]


def _change(record: Record, version: int, choice: int) -> None:
    """What one step does to a user: half get a new address, others a new name; deletions are marked elsewhere."""
    drawn = choice >> 8
    match choice % 100 // 10:
        case 0:
            pass
        case 1 | 2 | 3 | 4 | 5:
            record["email"] = f"{record['username']}.v{version}@moved.example.org"
        case 6 | 7 | 8:
            names = FAMILY[drawn % len(FAMILY)], FAMILY[(drawn + 1) % len(FAMILY)]
            record["familyName"] = names[1] if names[0] == record["familyName"] else names[0]
        case _:
            record["enabledUser"] = "true" if record["enabledUser"] == "false" else "false"


FLAGS = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
)
SEXES = ("male", "female", "male", "female", "male", "female", "male", "female", "unspecified", "other")
STATES = ("CA", "NY", "TX", "WA", "NM", "HI")


def subjects(world: World, indices: Indices) -> Indices:
    """The users whom demographics records describe: the students."""
    shape = world.shape
    return np.where(indices < shape.students, indices, indices - shape.students + shape.users)


def demographics_index(world: World, user: int) -> int | None:
    """The index of a user's demographics record, None for anyone but students."""
    shape = world.shape
    if user < shape.students:
        return user
    return user - shape.users + shape.students if user >= shape.users else None


def demographics(world: World, indices: Indices) -> list[Record]:
    """One record for each student, with the student's sourcedId."""
    modified = stamps(world.timeline("demographics", indices).modified)
    people = subjects(world, indices)
    drawn = hashes(world.key("demographics"), people).tolist()
    grades = [_grade(person) for person in persons(world, people)]
    rows = zip(people.tolist(), modified, drawn, grades, strict=True)
    return [_demographics(world, *row) for row in rows]


def _demographics(world: World, user: int, stamp: str, drawn: int, grade: int) -> Record:
    year = world.start.year - 5 - grade
    flags = {flag: "true" if (drawn >> (20 + number)) % 5 == 0 else "false" for number, flag in enumerate(FLAGS)}
    several = sum(value == "true" for value in flags.values()) > 1
    record: Record = {
        "sourcedId": identify("users", user),
        "status": "active",
        "dateLastModified": stamp,
        "birthDate": f"{year}-{drawn % 12 + 1:02d}-{(drawn >> 8) % 28 + 1:02d}",
        "sex": SEXES[(drawn >> 14) % len(SEXES)],
        **flags,
        "demographicRaceTwoOrMoreRaces": "true" if several else "false",
        "hispanicOrLatinoEthnicity": "true" if (drawn >> 28) % 4 == 0 else "false",
    }
    if (drawn >> 32) % 4:
        record["countryOfBirthCode"] = "US"
        record["stateOfBirthAbbreviation"] = STATES[(drawn >> 36) % len(STATES)]
        record["cityOfBirth"] = PLACES[(drawn >> 40) % len(PLACES)]
    if (drawn >> 48) % 6 == 0:
        record["publicSchoolResidenceStatus"] = "01652"
    return record
