"""What a warehouse is given: many people's results, and nobody's (G97)."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.core.extracts import EXTRACTS
from connector_pipelines.database.connection import connect

if TYPE_CHECKING:
    from connector_pipelines_tests.connectors.json_api.conftest import There

LEAST = 10
ABOUT_MANY = ("anonymous_results", "result_statistics", "outcome_trends", "institution_outcomes")
PEOPLE = "SELECT given_name, family_name, username, email, student_number, phone, notes, id::text FROM core.students"

# Two schools: in the first thirteen students meet W1 or not, in the second three do. Odd ones are better.
DISTRICT = """
    DELETE FROM core.grades; DELETE FROM core.assessments; DELETE FROM core.students; DELETE FROM core.sections;
    INSERT INTO core.organizations (id, name, organization_type, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'North', 'school', 'active'), (2, 'South', 'school', 'active');
    INSERT INTO core.terms (id, title, school_year, start_date, end_date, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Fall', '2026/27', '2026-08-15', '2026-12-20', 'active');
    INSERT INTO core.courses (id, title, course_code, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Writing', 'WR', 'active');
    INSERT INTO core.sections (id, title, status, course_id, term_id, organization_id) OVERRIDING SYSTEM VALUE
        VALUES (1, 'North 1', 'active', 1, 1, 1), (2, 'South 1', 'active', 1, 1, 2);
    INSERT INTO core.students (id, given_name, family_name, username, email, student_number, phone, status, notes)
        OVERRIDING SYSTEM VALUE
    SELECT n, 'Givenzq' || n, 'Familyzq' || n, 'userzq' || n, 'mailzq' || n || '@school.example', 'numberzq' || n,
        'phonezq' || n, 'active', 'notezq' || n FROM generate_series(9001, 9016) n;
    INSERT INTO core.assessments (id, title, assessment_type, learning_outcome, program_outcome, is_finalized,
        max_score, status, section_id) OVERRIDING SYSTEM VALUE
        VALUES (7001, 'titlezq', 'essay', 'W1', 'PO1', true, 20, 'active', 1),
            (7002, 'titlezq', 'essay', 'W1', 'PO1', true, 20, 'active', 2);
    INSERT INTO core.grades (id, grade_type, score, achievement, comment, graded_at, status, student_id, assessment_id)
        OVERRIDING SYSTEM VALUE
    SELECT 8000 + n, 'assignment_grade', CASE WHEN n = 9002 THEN 5 ELSE 15 END,
        CASE WHEN n = 9002 THEN 'Not Met' ELSE 'Met' END, 'commentzq', '2026-09-11', 'active', n,
        CASE WHEN n <= 9013 THEN 7001 ELSE 7002 END FROM generate_series(9001, 9016) n;
"""


@pytest.fixture
def lake(there: There) -> There:
    """A warehouse that takes every column of all that is about many."""
    there.execute(DISTRICT)
    there.exports = {
        name: {"path": f"kept/{name}/$id", "fields": {column: column for column in EXTRACTS[name].columns}}
        for name in ABOUT_MANY
    }
    return there


def stands(lake: There) -> dict[str, list[dict[str, Any]]]:
    """The records that stand there, by what they are of."""
    found = defaultdict(list)
    for (kind, _), record in lake.simulator.service.kept.items():
        if record["status"] == "active":
            found[kind].append(record)
    return dict(found)


def test_a_warehouse_is_given_what_is_true_of_many(lake: There) -> None:
    """Anonymous results, statistics, trends and outcomes of institutions stand there, each of enough people."""
    assert all(one.verified for one in lake.push().values())
    told = stands(lake)
    assert sorted(told) == sorted(ABOUT_MANY)
    (results,) = told["anonymous_results"]
    assert (results["achievement"], results["people"], results["mean_score"]) == ("Met", 15, 0.75)
    (course,) = told["result_statistics"]
    assert (course["course_code"], course["results"], course["median_score"]) == ("WR", 16, 0.75)
    assert (course["mean_score"], course["deviation"]) == (round((15 * 0.75 + 0.25) / 16, 4), 0.125)
    (trend,) = told["outcome_trends"]
    assert (trend["month"], trend["met"], trend["not_met"], trend["share_met"]) == ("2026-09-01", 15, 1, 0.9375)
    (school,) = told["institution_outcomes"]
    assert (school["organization"], school["people"], school["school_year"]) == ("North", 13, "2026/27")


def test_nobody_is_told_apart(lake: There) -> None:
    """No record, id or ledger row of these holds a word by which a person, a grade or an assessment is known, and
    what each tells is true of enough persons, looked up in core by all that it tells.
    """
    lake.push()
    told = stands(lake)
    with connect(lake.url) as connection:
        people: list[Any] = connection.execute(PEOPLE).fetchall()
        kept = connection.execute("SELECT key, record::text FROM connector.exports").fetchall()
        groups: list[Any] = connection.execute(
            "SELECT a.assessment_type, a.learning_outcome, a.program_outcome, t.title, t.school_year, g.achievement,"
            " count(DISTINCT g.student_id) FROM core.grades g JOIN core.assessments a ON a.id = g.assessment_id"
            " JOIN core.sections s ON s.id = a.section_id JOIN core.terms t ON t.id = s.term_id GROUP BY 1,2,3,4,5,6"
        ).fetchall()
    written = json.dumps([list(lake.simulator.service.kept.items()), kept], default=str)
    words = {str(word) for person in people for word in person} | {"titlezq", "commentzq", "7001", "7002"}
    words |= {str(8000 + int(person[-1])) for person in people}
    assert [word for word in sorted(words) if word in written] == []
    names = ("assessment_type", "learning_outcome", "program_outcome", "term_title", "school_year", "achievement")
    true_of = {tuple(group[:-1]): group[-1] for group in groups}
    assert min(true_of[tuple(one[name] for name in names)] for one in told["anonymous_results"]) >= LEAST
    assert min(one["people"] for records in told.values() for one in records) >= LEAST


def test_a_group_that_becomes_too_small_is_withdrawn(lake: There) -> None:
    """When people leave too few behind, what was told of them is withdrawn, and nothing newer of them is written."""
    lake.push()
    lake.execute("UPDATE core.grades SET status = 'inactive' WHERE student_id BETWEEN 9001 AND 9004")
    lake.push()
    assert "institution_outcomes" not in stands(lake)
    gone = [one for (kind, _), one in lake.simulator.service.kept.items() if kind == "institution_outcomes"]
    assert [(one["status"], one["people"]) for one in gone] == [("withdrawn", 13)]


@pytest.mark.parametrize(("least", "schools"), [(None, 1), (3, 2), (14, 0)])
def test_the_least_number_is_declared(lake: There, least: int | None, schools: int) -> None:
    """Ten people are the least unless the declaration names another number."""
    if least:
        lake.exports["institution_outcomes"]["at_least"] = {"people": least}
    lake.push()
    assert len(stands(lake).get("institution_outcomes", [])) == schools


def test_notes_of_students_are_written_where_they_are_declared(lake: There) -> None:
    """A student's note and what was not met go to a system that is declared to take them, and to no other (G94)."""
    lake.push()
    assert "notezq9002" not in str(lake.simulator.service.kept)
    lake.exports = {
        "people": {"path": "kept/people/$id", "fields": {"number": "number"}},
        "student_notes": {
            "path": "kept/notes/$id",
            "fields": {"who": "person", "note": "note", "not_met": "not_met"},
            "refers": {"person": "people"},
        },
    }
    assert lake.push()["student_notes"].plan.counts.created == 16
    note = lake.kept("notes", "students/9002")
    assert note == {"who": "core-students-9002", "note": "notezq9002", "not_met": 1, "status": "active"}
