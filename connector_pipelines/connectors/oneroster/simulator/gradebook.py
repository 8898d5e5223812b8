"""Records of the gradebook, of assessments and of learning resources. Evolution leaves them alone; consumers write
them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, hashes
from connector_pipelines.connectors.oneroster.simulator.identifiers import Record, identify
from connector_pipelines.connectors.oneroster.simulator.organizations import FIRST_SCHOOL, stamps

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.shape import Shape
    from connector_pipelines.connectors.oneroster.simulator.world import World

CATEGORIES = (("Homework", 20.0), ("Quizzes", 25.0), ("Exams", 40.0), ("Projects", 15.0), ("Extra Credit", 0.0))
ITEMS_PER_CLASS = 3
SCALE_EVERY = 10  # every tenth class has a score scale and an assessment
MAXIMUM = 100.0
LETTERS = (("A", "90-100"), ("B", "80-89"), ("C", "70-79"), ("D", "60-69"), ("F", "0-59"))
STATUSES = ("fully graded",) * 6 + ("partially graded", "submitted", "not submitted", "exempt")
UNSCORED = {"submitted", "not submitted", "exempt"}
NO_RESULT = "-"
COMMENTS = ("Well done", "See me after class", 'Says "it\'s done"', "Très bien, continuez !", "復習してください")


def counts(shape: Shape) -> dict[str, int]:
    """How many records of each of these collections a scenario has."""
    tenth = -(-shape.classes // SCALE_EVERY)
    return {
        "categories": len(CATEGORIES),
        "lineItems": shape.classes * ITEMS_PER_CLASS,
        "results": shape.classes * ITEMS_PER_CLASS * shape.scenario.class_size,
        "scoreScales": tenth,
        "assessmentLineItems": tenth,
        "assessmentResults": tenth * shape.scenario.class_size,
    }


def _base(collection: str, index: int, stamp: str) -> Record:
    return {"sourcedId": identify(collection, index), "status": "active", "dateLastModified": stamp}


def _stamped(world: World, collection: str, indices: Indices) -> list[tuple[int, str]]:
    return list(zip(indices.tolist(), stamps(world.timeline(collection, indices).modified), strict=True))


def categories(world: World, indices: Indices) -> list[Record]:
    """The district's grading categories."""
    return [
        _base("categories", index, stamp) | {"title": CATEGORIES[index][0], "weight": CATEGORIES[index][1]}
        for index, stamp in _stamped(world, "categories", indices)
    ]


def line_items(world: World, indices: Indices) -> list[Record]:
    """Three pieces of work for each class of version 0."""
    cohorts = world.place.classes(indices // ITEMS_PER_CLASS).cohort
    schools = world.shape.cohort_school[cohorts].tolist()
    rows = zip(_stamped(world, "lineItems", indices), schools, strict=True)
    return [_line_item(world, index, stamp, school) for (index, stamp), school in rows]


def _line_item(world: World, index: int, stamp: str, school: int) -> Record:
    school_class, number = divmod(index, ITEMS_PER_CLASS)
    assigned = world.sessions[0].start + timedelta(days=7 * number + school_class % 5)
    record = _base("lineItems", index, stamp) | {
        "title": f"{CATEGORIES[number][0]} {number + 1}",
        "assignDate": f"{assigned.isoformat()}T08:00:00.000Z",
        "dueDate": f"{(assigned + timedelta(days=5)).isoformat()}T23:59:59.000Z",
        "class": world.links.school_class(school_class),
        "school": world.links.org(FIRST_SCHOOL + school),
        "category": world.links.category(number),
        "gradingPeriod": world.links.session(grading_period(world)),
        "academicSession": world.links.session(grading_period(world) - 1),
        "resultValueMin": 0.0,
        "resultValueMax": MAXIMUM,
    }
    if index % 2:
        record["description"] = f"Pages {index % 40 + 1}-{index % 40 + 5}; don't forget your name"
    if school_class % SCALE_EVERY == 0:
        record["scoreScale"] = world.links.score_scale(school_class // SCALE_EVERY)
    return record


def grading_period(world: World) -> int:
    """The first grading period of the running year; the session before it in the list is its term."""
    return next(session.index for session in world.sessions if session.kind == "gradingPeriod")


def results(world: World, indices: Indices) -> list[Record]:
    """One result for each line item and student of its class."""
    size = world.shape.scenario.class_size
    items = indices // size
    students = world.place.student_at(items // ITEMS_PER_CLASS, indices % size).tolist()
    drawn = hashes(world.key("results"), indices).tolist()
    rows = zip(_stamped(world, "results", indices), items.tolist(), students, drawn, strict=True)
    return [
        _base("results", index, stamp)
        | {
            "lineItem": world.links.line_item(item),
            "class": world.links.school_class(item // ITEMS_PER_CLASS),
        }
        | _score(world, student, chance)
        for (index, stamp), item, student, chance in rows
    ]


def _score(world: World, student: int, drawn: int) -> Record:
    status = STATUSES[drawn % len(STATUSES)]
    day = world.sessions[0].start + timedelta(days=14 + (drawn >> 8) % 30)
    record: Record = {
        "student": world.links.user(student),
        "scoreStatus": status,
        "scoreDate": day.isoformat(),
        "late": "true" if (drawn >> 16) % 10 == 0 else "false",
    }
    if status not in UNSCORED:
        record["score"] = ((drawn >> 20) % 201) / 2
    if (drawn >> 32) % 8 == 0:
        record["comment"] = COMMENTS[(drawn >> 36) % len(COMMENTS)]
    if status == "not submitted":
        record["missing"] = "true"
    return record


def score_scales(world: World, indices: Indices) -> list[Record]:
    """Letter grades of every tenth class."""
    scale = [{"itemValueLHS": letter, "itemValueRHS": span} for letter, span in LETTERS]
    return [
        _base("scoreScales", index, stamp)
        | {
            "title": "Letter grades",
            "type": "letter",
            "class": world.links.school_class(index * SCALE_EVERY),
            "scoreScaleValue": scale,
        }
        for index, stamp in _stamped(world, "scoreScales", indices)
    ]


def assessment_line_items(world: World, indices: Indices) -> list[Record]:
    """An assessment of every tenth class; each second one is a part of the one before it."""
    records = []
    for index, stamp in _stamped(world, "assessmentLineItems", indices):
        record = _base("assessmentLineItems", index, stamp) | {
            "title": f"District assessment {index + 1}",
            "class": world.links.school_class(index * SCALE_EVERY),
            "scoreScale": world.links.score_scale(index),
            "resultValueMin": 0.0,
            "resultValueMax": MAXIMUM,
        }
        if index % 2:
            record["parentAssessmentLineItem"] = world.links.assessment_line_item(index - 1)
        records.append(record)
    return records


def assessment_results(world: World, indices: Indices) -> list[Record]:
    """One result for each assessment and student of its class."""
    size = world.shape.scenario.class_size
    items = indices // size
    students = world.place.student_at(items * SCALE_EVERY, indices % size).tolist()
    drawn = hashes(world.key("assessmentResults"), indices).tolist()
    rows = zip(_stamped(world, "assessmentResults", indices), items.tolist(), students, drawn, strict=True)
    return [
        _base("assessmentResults", index, stamp)
        | {"assessmentLineItem": world.links.assessment_line_item(item), "scorePercentile": float(chance % 100)}
        | _score(world, student, chance)
        for (index, stamp), item, student, chance in rows
    ]


def resources(world: World, indices: Indices) -> list[Record]:
    """A learning resource for each course."""
    return [
        _base("resources", index, stamp)
        | {
            "title": f"Workbook {index + 1}",
            "roles": ["student", "teacher"] if index % 2 else ["teacher"],
            "importance": "primary" if index % 3 == 0 else "secondary",
            "vendorResourceId": f"isbn-{9_780_000_000_000 + index * 13}",
            "vendorId": "publisher.example",
        }
        for index, stamp in _stamped(world, "resources", indices)
    ]


def scale_class(indices: Indices) -> Indices:
    """The classes that these score scales or assessments belong to."""
    return np.asarray(indices * SCALE_EVERY)
