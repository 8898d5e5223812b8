"""A district goes to an empty Moodle, both sides are changed, and both come to agree without anything coming twice."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from connector_pipelines.connectors.moodle.simulator import grading
from connector_pipelines.connectors.moodle.simulator.school import work
from connector_pipelines.connectors.moodle.simulator.service import WRITES

pytestmark = pytest.mark.phase3

DISTRICT = """
    INSERT INTO core.students (id, given_name, family_name, username, email, student_number, status, notes)
        OVERRIDING SYSTEM VALUE
        SELECT n, 'Given ' || n, 'Family ' || n, 'p' || n, 'p' || n || '@school.example', 'P' || n, 'active', 'our note'
        FROM generate_series(11, 70) n;
    ALTER TABLE core.enrollments ALTER id RESTART WITH 100;
    INSERT INTO core.enrollments (status, student_id, section_id)
        SELECT 'enrolled', n, n % 3 + 1 FROM generate_series(11, 70) n;
    INSERT INTO core.enrollments (status, student_id, section_id)
        SELECT 'enrolled', n, 3 FROM generate_series(11, 70, 5) n WHERE n % 3 <> 2;
"""
CHANGED_HERE = """
    UPDATE core.students SET family_name = 'Renamed ' || id WHERE id > 12 AND id % 4 = 0;  -- 12 leaves
    UPDATE core.students SET status = 'inactive' WHERE id = 12;
    UPDATE core.enrollments SET status = 'dropped' WHERE student_id = 13;
    UPDATE core.enrollments SET section_id = 2 WHERE student_id = 15;
    UPDATE core.courses SET title = 'History of everything' WHERE id = 2;
    UPDATE core.grades SET notes = 'our note';
    INSERT INTO core.students (id, given_name, family_name, username, email, student_number, status, notes)
        OVERRIDING SYSTEM VALUE VALUES (71, 'New', 'Here', 'p71', 'p71@school.example', 'P71', 'active', 'our note');
    INSERT INTO core.enrollments (status, student_id, section_id) VALUES ('enrolled', 71, 1);
"""


def change_there(campus: Any) -> None:
    """A day later: what is ours is spoiled, what is theirs is written, teachers grade, a student comes by."""
    site = campus.simulator.site
    now = site.clock() + 86_400
    site.clock = lambda: now
    course = campus.course("courses/1@terms/2")["id"]
    site.put("users", campus.user("p20")["id"], firstname="Spoiled", department="Physics")
    site.put("courses", course, summary="What the teacher wrote")
    (group,) = site.where("groups", idnumber="sections/2")
    site.put("groups", group["id"], users=group["users"][1:])
    (homework, *_) = site.where("modules", course=course, modname="assign")
    (item,) = site.where("items", cmid=homework["id"])
    grading.override(site, item["id"], campus.user("p21")["id"], 12.5)
    grades = [{"userid": campus.user("p24")["id"], "grade": 99.0}]
    grading.save(site, {"assignmentid": homework["instance"], "grades": grades})
    grading.submit(site, homework["instance"], campus.user("p22")["id"], attempt=1)
    late = campus.user("p18")["id"]
    site.enrol(course, late, site.enrolled(course)[late] | {"lastaccess": now})


def until_quiet(campus: Any) -> int:
    """Export and sync until neither side changes any more; the number of rounds that changed something."""
    for rounds in range(5):
        before = len(campus.simulator.ledger)
        campus.push(compare=True)
        read = campus.sync().values()
        assert all(outcome.verified for outcome in read)
        if len(campus.simulator.ledger) == before and not any(
            o.plan.counts.created + o.plan.counts.updated for o in read
        ):
            return rounds
    raise AssertionError("the two sides do not come to rest")


def people(campus: Any) -> tuple[list[Any], list[Any]]:
    """The generated people here and there."""
    users = campus.simulator.site["users"].values()
    there = [(u["username"], u["firstname"], u["lastname"], u["email"], not u["suspended"]) for u in users]
    here = "SELECT username, given_name, family_name, email, status = 'active' FROM core.students WHERE id >= 11"
    return sorted(campus.rows(here)), sorted(row for row in there if row[0][1:].isdigit())


def places(campus: Any) -> tuple[list[Any], list[Any]]:
    """Who is in which course, and whether still, here and there."""
    site = campus.simulator.site
    there = [
        (site["users"][user]["username"], site["courses"][course]["idnumber"], not row["suspended"])
        for course, rows in site["enrolments"].items()
        for user, row in rows.items()
    ]
    here = (
        "SELECT s.username, format('courses/%s@terms/2', c.course_id), bool_or(e.status = 'enrolled')"
        " FROM core.enrollments e JOIN core.students s ON s.id = e.student_id"
        " JOIN core.sections c ON c.id = e.section_id WHERE s.id >= 11 GROUP BY s.id, c.course_id"
    )
    return sorted(campus.rows(here)), sorted(row for row in there if row[0][1:].isdigit())


def groups(campus: Any) -> tuple[list[Any], list[Any]]:
    """Who is in which group here and there."""
    site = campus.simulator.site
    there = [(site["users"][u]["username"], one["idnumber"]) for one in site["groups"].values() for u in one["users"]]
    here = (
        "SELECT s.username, 'sections/' || e.section_id FROM core.enrollments e JOIN core.students s"
        " ON s.id = e.student_id WHERE s.id >= 11 AND e.status = 'enrolled'"
    )
    return sorted(campus.rows(here)), sorted(row for row in there if row[0][1:].isdigit())


def graded(campus: Any) -> tuple[list[Any], list[Any]]:
    """Grades of work here and there."""
    site = campus.simulator.site
    there = []
    for (number, user), held in site["grades"].items():
        item = site["items"][number]
        place = site["users"][user]["username"], site["courses"][item["courseid"]]["idnumber"], item["name"]
        there.append((*place, Decimal(str(held["value"])), bool(held.get("overridden"))))
    here = (
        "SELECT lower(coalesce(s.username, s.email)), format('courses/%s@terms/2', a.course_id), a.title, g.score,"
        " g.is_override FROM core.grades g JOIN core.students s ON s.id = g.student_id"
        " JOIN core.assessments a ON a.id = g.assessment_id WHERE g.grade_type = 'assignment_grade'"
    )
    return sorted(campus.rows(here)), sorted(there)


def test_both_sides_come_to_agree(campus: Any) -> None:
    """Provisioned, changed on both sides and synced until quiet, core and Moodle say the same, each thing once."""
    campus.execute(DISTRICT)
    campus.simulator.service.after.append(work)
    assert until_quiet(campus) == 1
    campus.execute(CHANGED_HERE)
    change_there(campus)
    assert 1 <= until_quiet(campus) <= 2
    for compared in (people, places, groups, graded):
        here, there = compared(campus)
        assert here == there != []
    site = campus.simulator.site
    for table in ("users", "courses", "groups", "categories"):
        numbers = Counter(row["idnumber"] for row in site[table].values() if row["idnumber"])
        assert set(numbers.values()) == {1}
    twice = "SELECT count(*) - count(DISTINCT ({})) FROM core.{}"
    for table, key in (("grades", "student_id, assessment_id"), ("engagement", "student_id, course_id")):
        assert campus.rows(twice.format(key, table)) == [(0,)]
    assert campus.rows("SELECT count(*) FROM core.submissions") == [(len(site["submissions"]),)]
    assert campus.rows("SELECT count(*) FROM core.students") == [(64,)]


def test_what_belongs_to_one_side_alone_is_left(campus: Any) -> None:
    """Our notes, and what Moodle holds beside our fields, are as they were when both sides have come to rest."""
    campus.execute(DISTRICT)
    campus.simulator.service.after.append(work)
    until_quiet(campus)
    campus.execute(CHANGED_HERE)
    noted = campus.rows("SELECT id FROM core.grades WHERE notes = 'our note' ORDER BY id")
    change_there(campus)
    until_quiet(campus)
    assert campus.rows("SELECT DISTINCT notes FROM core.students WHERE id >= 11") == [("our note",)]
    assert campus.rows("SELECT id FROM core.grades WHERE notes = 'our note' ORDER BY id") == noted != []
    p20, lab = campus.user("p20"), campus.course("courses/1@terms/2")
    assert (p20["firstname"], p20["department"]) == ("Given 20", "Physics")
    assert lab["summary"] == "What the teacher wrote"


@pytest.mark.parametrize("batch", [10, 100])
def test_calls_are_as_few_as_batches_and_courses_demand(campus: Any, batch: int) -> None:
    """Batches are full, and who is in a course is asked once for each batch that touches it, compared or not."""
    campus.more = {"batch_size": batch}
    campus.execute(DISTRICT)
    campus.push()
    site = campus.simulator.site
    people = sum(map(len, site["enrolments"].values()))
    members = sum(len(row["users"]) for row in site["groups"].values())
    functions = Counter(request.function for request in campus.simulator.requests)
    assert functions["enrol_manual_enrol_users"] == math.ceil(people / batch)
    assert functions["core_group_add_group_members"] == math.ceil(members / batch)
    touched = math.ceil(people / batch) + len(site["enrolments"])
    assert functions["core_enrol_get_enrolled_users"] <= 2 * touched
    before = len(campus.simulator.requests)
    campus.push(compare=True)
    functions = Counter(request.function for request in campus.simulator.requests[before:])
    assert functions["core_enrol_get_enrolled_users"] <= touched
    assert functions["core_group_get_group_members"] <= math.ceil(members / batch)
    assert not functions.keys() & WRITES.keys()
