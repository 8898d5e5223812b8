"""Each extract against core rows that were put there by hand."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.rows import dict_row

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.core.extracts import EXTRACTS, extract

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

SCHOOL = """
    INSERT INTO core.organizations (name, status) VALUES ('School', 'active');
    INSERT INTO core.terms (title, status, start_date, end_date, parent_id) VALUES
        ('year', 'active', '2026-01-01', '2026-12-31', NULL), ('spring', 'active', '2026-01-01', '2026-06-30', 1);
    INSERT INTO core.courses (title, status) VALUES ('Algebra', 'active'), ('Latin', 'active');
    INSERT INTO core.sections (title, status, course_id, term_id) VALUES
        ('A1', 'active', 1, 2), ('A2', 'active', 1, 2), ('L1', 'inactive', 2, 2), ('L2', 'active', 2, NULL),
        ('X', 'active', NULL, 2);
    INSERT INTO core.students (given_name, family_name, status, student_number) VALUES ('Ada', 'L', 'active', '7');
    INSERT INTO core.instructors (given_name, family_name, status, staff_number) VALUES ('Bob', 'M', 'active', '8');
    INSERT INTO core.enrollments (student_id, section_id, status, start_date) VALUES
        (1, 1, 'dropped', '2026-02-01'), (1, 2, 'enrolled', '2026-03-01'), (1, 5, 'enrolled', NULL);
    INSERT INTO core.teaching_assignments (instructor_id, section_id, status, is_primary) VALUES (1, 1, 'active', true);
    INSERT INTO core.assessments (title, status, section_id, learning_outcome, program_outcome, is_finalized, max_score,
        due_at) VALUES ('Quiz', 'active', 1, 'SLO1', 'PO1', true, 10, '2026-04-01T10:00Z'),
        ('Draft', 'active', 2, 'SLO2', 'PO1', NULL, 10, NULL);
    INSERT INTO core.grades (grade_type, status, student_id, assessment_id, section_id, score, achievement, is_override)
        VALUES ('assignment_grade', 'active', 1, 1, NULL, 8, 'Met', NULL),
            ('assignment_grade', 'active', 1, 2, NULL, 2, 'Not Met', true),
            ('course_total', 'active', 1, NULL, 1, 90, NULL, NULL),
            ('section_total', 'active', 1, NULL, 1, 80, NULL, NULL);
    UPDATE core.sections SET organization_id = 1;
    UPDATE core.students SET notes = 'Sits in front';
"""

LATER = """
    INSERT INTO core.assessments (title, status, section_id, learning_outcome, is_finalized, max_score, assessment_type)
        VALUES ('Exam', 'active', 1, 'SLO1', true, 20, 'exam');
    INSERT INTO core.grades (grade_type, status, student_id, assessment_id, score, achievement, graded_at)
        VALUES ('assignment_grade', 'active', 1, 3, 19, 'Exceeded', '2026-05-02T10:00Z'),
            ('assignment_grade', 'inactive', 1, 3, 1, 'Not Met', '2026-05-03T10:00Z');
"""


@pytest.fixture
def school(connection: Connection) -> Any:
    """Gives the rows of an extract, by key, as of a day."""
    connection.execute(SCHOOL)

    def rows(name: str, today: date = date(2026, 5, 1)) -> dict[str, dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(extract(name).query(today)).fetchall()
        assert len({row["key"] for row in found}) == len(found)
        return {row["key"]: row for row in found}

    return rows


@pytest.mark.parametrize("name", EXTRACTS)
def test_columns_are_as_declared(school: Any, name: str) -> None:
    """Key, columns and references are what the query gives, and every row has a key of its own."""
    one = extract(name)
    rows = school(name)
    assert rows
    assert all(set(row) == {"key", *one.columns, *one.references} for row in rows.values())
    assert set(one.entities) <= set(ENTITIES)


@pytest.mark.parametrize("name", EXTRACTS)
def test_references_are_keys(school: Any, name: str) -> None:
    """A reference is null, or the key of a row of the extract it names."""
    for column, target in extract(name).references.items():
        keys = set(school(target))
        assert {row[column] for row in school(name).values()} - {None} <= keys


def test_offering_is_finalized_by_active_section_and_known_term(school: Any) -> None:
    """An offering without an active section, or without a term, is not finalized (M43)."""
    assert {key: row["finalized"] for key, row in school("offerings").items()} == {
        "courses/1@terms/2": True,
        "courses/2@terms/2": False,
        "courses/2": False,
    }


@pytest.mark.parametrize(("today", "ended"), [(date(2026, 6, 30), False), (date(2026, 7, 1), True)])
def test_term_ends_after_its_last_day(school: Any, today: date, *, ended: bool) -> None:
    """What belongs to a term has ended the day after its last one, by the given day."""
    for name, key in (("terms", "terms/2"), ("offerings", "courses/1@terms/2"), ("memberships", "enrollments/2")):
        assert school(name, today)[key]["ended"] is ended


def test_membership_takes_the_dates_of_its_term(school: Any) -> None:
    """A membership's own dates come first, those of the term fill the gaps."""
    rows = school("memberships")
    dates = (rows["enrollments/2"]["start_date"], rows["enrollments/2"]["end_date"])
    assert dates == (date(2026, 3, 1), date(2026, 6, 30))
    assert rows["teaching_assignments/1"]["start_date"] == date(2026, 1, 1)


def test_who_changes_the_section_stays_in_the_course(school: Any) -> None:
    """A participation is active while any membership of the person in the offering is, with that one's dates."""
    row = school("participations")["students/1@courses/1@terms/2"]
    assert (row["active"], row["role"], row["start_date"]) == (True, "student", date(2026, 3, 1))


def test_final_grades_are_what_core_owns(school: Any) -> None:
    """Totals of courses, and what a person set against what was computed; all grades are another extract (K8)."""
    assert set(school("final_grades")) == {"grades/2", "grades/3"}
    assert set(school("grades")) == {f"grades/{n}" for n in range(1, 5)}


def test_results_say_whether_they_are_final(school: Any) -> None:
    """A grade on an assessment that is not finalized is told as such, with its outcome and section (G49)."""
    told = {key: (row["learning_outcome"], row["finalized"], row["section"]) for key, row in school("grades").items()}
    assert (told["grades/1"], told["grades/2"]) == (("SLO1", True, "sections/1"), ("SLO2", False, "sections/2"))


def test_newest_final_result_is_what_was_shown(school: Any, connection: Connection) -> None:
    """Of several finalized results on an outcome in a section the newest counts, by when it was given or due."""
    connection.execute(LATER)
    (row,) = school("outcomes").values()
    shown = (row["key"], row["item"], row["achievement"], float(row["share"]), row["results"])
    assert shown == ("outcomes/SLO1@sections/1@students/1", "outcomes/SLO1@sections/1", "Exceeded", 0.95, 2)
    (item,) = school("outcome_items").values()
    assert (item["key"], item["kind"], item["people"]) == ("outcomes/SLO1@sections/1", "kinds/learning outcome", 1)


def test_assessments_know_when_they_were_graded(school: Any, connection: Connection) -> None:
    """An assessment spans the times of its active grades, and belongs to the school of its section and to a kind."""
    connection.execute(LATER)
    rows = school("assessments")
    last = rows["assessments/3"]["last_graded_at"]
    assert (last.date(), rows["assessments/3"]["kind"]) == (date(2026, 5, 2), "kinds/exam")
    assert (rows["assessments/1"]["first_graded_at"], rows["assessments/1"]["school"]) == (None, "organizations/1")


def test_programs_are_made_of_final_results_alone(school: Any) -> None:
    """A program's outcome in a term counts finalized results, by level."""
    (row,) = school("program_outcomes").values()
    assert (row["key"], row["people"], row["results"], row["met"], row["not_met"]) == (
        "programs/PO1@terms/2",
        1,
        1,
        1,
        0,
    )
    assert (float(row["share_met"]), float(row["mean_score"])) == (1.0, 0.8)


def test_rows_about_many_refer_to_nobody() -> None:
    """What says of how many persons a row is made refers to no person, grade or assessment (G97)."""
    about = [one for one in EXTRACTS.values() if one.crowd]
    assert {one.name for one in about} == {
        "program_outcomes",
        "anonymous_results",
        "result_statistics",
        "outcome_trends",
        "institution_outcomes",
    }
    assert {target for one in about for target in one.references.values()} <= {"terms", "organizations"}
    assert all(one.crowd in one.columns for one in about)


def test_notes_are_of_students_of_whom_there_is_something_to_know(school: Any, connection: Connection) -> None:
    """A note, or an outcome that was not met by the newest result, makes a row; without either there is none (G94)."""
    told = {key: (row["note"], row["not_met"]) for key, row in school("student_notes").items()}
    assert told == {"students/1": ("Sits in front", 0)}
    connection.execute(
        "UPDATE core.students SET notes = ''; UPDATE core.grades SET achievement = 'Not Met' WHERE id = 1"
    )
    told = {key: (row["note"], row["not_met"]) for key, row in school("student_notes").items()}
    assert told == {"students/1": (None, 1)}
    connection.execute(LATER)
    assert school("student_notes") == {}


def test_grades_of_a_course_alone_are_of_the_student_s_term(school: Any, connection: Connection) -> None:
    """A grade of an assessment that names no section is in the offering in which the student is, if there is one."""
    connection.execute(
        "INSERT INTO core.assessments (title, status, course_id) VALUES ('There', 'active', 1);"
        "INSERT INTO core.grades (grade_type, status, student_id, assessment_id)"
        " VALUES ('course_total', 'active', 1, 3)"
    )
    row = school("final_grades", date(2026, 7, 1))["grades/5"]
    assert (row["offering"], row["section"], row["ended"]) == ("courses/1@terms/2", None, True)
    connection.execute(
        "INSERT INTO core.sections (title, status, course_id, term_id) VALUES ('A3', 'active', 1, 1);"
        "INSERT INTO core.enrollments (student_id, section_id, status) VALUES (1, 6, 'enrolled')"
    )
    assert school("final_grades")["grades/5"]["offering"] is None


def test_grades_know_when_core_changed_them(school: Any, connection: Connection) -> None:
    """A grade was changed when somebody set it, or when it was given, whichever is later; a settled edit is none."""
    connection.execute("UPDATE core.grades SET graded_at = '2026-05-02T10:00Z', score = 9 WHERE id = 1")
    row = school("grades")["grades/1"]
    assert row["changed_at"] >= row["edited_at"] > row["graded_at"]
    assert school("grades")["grades/2"]["changed_at"] is None
    connection.execute("DELETE FROM connector.core_edits")
    row = school("grades")["grades/1"]
    assert (row["changed_at"], row["edited_at"]) == (row["graded_at"], None)


def test_unknown_extract_is_named() -> None:
    """A wrong name says which there are."""
    with pytest.raises(KeyError, match="there are organizations, terms, offerings"):
        extract("grades of nobody")
