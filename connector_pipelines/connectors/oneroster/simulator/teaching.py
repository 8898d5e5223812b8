"""Records of courses, classes and enrollments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from connector_pipelines.connectors.oneroster.simulator.calendar import taught_in
from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, hashes
from connector_pipelines.connectors.oneroster.simulator.identifiers import Record, identify
from connector_pipelines.connectors.oneroster.simulator.organizations import FIRST_SCHOOL, stamps

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.evolution import Change
    from connector_pipelines.connectors.oneroster.simulator.world import World

# Title, subject and SCED-like code of the course of each round.
SUBJECTS = (
    ("Mathematics", "Mathematics", "02"),
    ("English Language Arts", "English", "01"),
    ("Science & Engineering", "Science", "03"),
    ("Social Studies", "History", "04"),
    ("Español", "World Languages", "24"),
    ("Physical Education", "PE", "08"),
    ("Visual Arts", "Arts", "05"),
    ("Music / Chorus", "Music", "05"),
    ('Computing "Hands On"', "Computer Science", "10"),
    ("Health, Safety, and You", "Health", "08"),
)
PERIODS_A_DAY = 8
BUILDINGS = ("Main", "North", "Annex", "Gym", "Science Wing")


def courses(world: World, indices: Indices) -> list[Record]:
    """One course for each school, grade and round."""
    modified = stamps(world.timeline("courses", indices).modified)
    return [_course(world, index, stamp) for index, stamp in zip(indices.tolist(), modified, strict=True)]


def _course(world: World, index: int, stamp: str) -> Record:
    slot, number = divmod(index, world.shape.scenario.rounds)
    title, subject, code = SUBJECTS[number]
    grade = world.shape.slot_grade[slot]
    record: Record = {
        "sourcedId": identify("courses", index),
        "status": "active",
        "dateLastModified": stamp,
        "title": f"{title} {grade}",
        "schoolYear": world.links.session(0),
        "courseCode": f"{code}{grade}{number:02d}",
        "grades": [grade],
        "subjects": [subject],
        "org": world.links.org(FIRST_SCHOOL + world.shape.slot_school[slot]),
        "subjectCodes": [code],
    }
    if index % 3 == 0:
        record["resources"] = [world.links.resource(index)]
    return record


def classes(world: World, indices: Indices) -> list[Record]:
    """The sections of the courses, as this version knows them."""
    line = world.timeline("classes", indices)
    placed = world.place.classes(indices)
    rows = zip(
        indices.tolist(),
        zip(placed.cohort.tolist(), placed.round.tolist(), placed.section.tolist(), strict=True),
        hashes(world.key("rooms"), indices).tolist(),
        stamps(line.modified),
        strict=True,
    )
    records = [_class(world, *row) for row in rows]
    for change in line.changes:
        for position, choice in zip(change.positions.tolist(), change.choices, strict=True):
            _change_class(records[position], change.number, choice)
    for position in np.flatnonzero(line.deleted).tolist():
        records[position]["status"] = "tobedeleted"
    return records


def _class(world: World, index: int, place: tuple[int, int, int], drawn: int, stamp: str) -> Record:
    shape = world.shape
    cohort, number, section = place
    slot = int(shape.cohort_slot[cohort])
    course = slot * shape.scenario.rounds + number
    title, subject, code = SUBJECTS[number]
    grade = shape.slot_grade[slot]
    record: Record = {
        "sourcedId": identify("classes", index),
        "status": "active",
        "dateLastModified": stamp,
        "title": f"{title} {grade} - Section {section + 1}",
        "classCode": f"{code}{grade}-{cohort:03d}-{section + 1}",
        "classType": "homeroom" if number == 0 and grade in {"KG", "01"} else "scheduled",
        "grades": [grade],
        "subjects": [subject],
        "course": world.links.course(course),
        "school": world.links.org(FIRST_SCHOOL + shape.slot_school[slot]),
        "terms": [world.links.session(term) for term in taught_in(world.sessions, number)],
        "subjectCodes": [code],
        "periods": [str((number + shift) % PERIODS_A_DAY + 1) for shift in range(1 + drawn % 2)],
    }
    if (drawn >> 8) % 7:
        record["location"] = f"{BUILDINGS[(drawn >> 12) % len(BUILDINGS)]} {(drawn >> 20) % 300 + 1:03d}"
    if course % 3 == 0:
        record["resources"] = [world.links.resource(course)]
    return record


def _change_class(record: Record, version: int, choice: int) -> None:
    """What one step does to a class: a new title or a new room; deletions are marked elsewhere."""
    if choice % 100 < 10:  # noqa: PLR2004  (evolution.DELETED_PERCENT)
        return
    if choice % 2:
        record["title"] = f"{record['title'].split(' (')[0]} (changed {version})"
    else:
        record["location"] = f"Moved {version}-{(choice >> 20) % 300 + 1:03d}"


def enrollments(world: World, indices: Indices) -> list[Record]:
    """Teachers and students of the classes, as this version knows them."""
    line = world.timeline("enrollments", indices)
    seats = world.place.seats(indices)
    shape = world.shape
    schools = shape.cohort_school[world.place.classes(seats.school_class).cohort]
    begin, end = world.sessions[0].start.isoformat(), world.sessions[0].end.isoformat()
    links = world.links
    org_of = {school: links.org(FIRST_SCHOOL + school) for school in np.unique(schools).tolist()}
    class_of = {number: links.school_class(number) for number in np.unique(seats.school_class).tolist()}
    rows = zip(
        indices.tolist(),
        seats.school_class.tolist(),
        seats.user.tolist(),
        schools.tolist(),
        seats.teaches.tolist(),
        seats.second.tolist(),
        hashes(world.key("stays"), indices).tolist(),
        stamps(line.modified),
        strict=True,
    )
    records: list[Record] = []
    for index, school_class, user, school, teaches, second, drawn, stamp in rows:
        record: Record = {
            "sourcedId": f"enr-{index:07d}",
            "status": "active",
            "dateLastModified": stamp,
            "user": links.user(user),
            "class": class_of[school_class],
            "school": org_of[school],
            "role": "teacher" if teaches else "student",
            "primary": "true" if teaches and not second else "false",
        }
        if drawn % 8:
            record["beginDate"] = begin
            if drawn % 3:
                record["endDate"] = end
        records.append(record)
    for change in line.changes:
        _change_enrollments(records, change)
    for position in np.flatnonzero(line.deleted).tolist():
        records[position]["status"] = "tobedeleted"
    return records


def _change_enrollments(records: list[Record], change: Change) -> None:
    """What one step does to enrollments: most end, some begin later; deletions are marked elsewhere."""
    day = datetime.fromtimestamp(change.step.at / 1000, UTC).date().isoformat()
    for position, choice in zip(change.positions.tolist(), change.choices, strict=True):
        if choice % 100 < 30:  # noqa: PLR2004  (evolution.DELETED_PERCENT)
            continue
        records[position]["beginDate" if choice % 10 == 0 else "endDate"] = day
