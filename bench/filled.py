"""What core is filled with before something is written to a simulated site."""

from __future__ import annotations

_SCHOOL = """
    INSERT INTO core.courses (id, title, course_code, status) OVERRIDING SYSTEM VALUE
        SELECT n, 'Course ' || n, 'C' || n, 'active' FROM generate_series(1, {courses}) n;
    INSERT INTO core.sections (id, title, section_code, status, course_id, term_id) OVERRIDING SYSTEM VALUE
        SELECT n, 'Section ' || n, 'S' || n, 'active', n, 1 FROM generate_series(1, {courses}) n;
    INSERT INTO core.students (id, given_name, family_name, username, email, student_number, status)
        OVERRIDING SYSTEM VALUE
        SELECT n, 'Ada', 'Person ' || n, 'p' || n, 'p' || n || '@school.example', n::text, 'active'
        FROM generate_series(1, {people}) n;
"""


def school(courses: int, people: int) -> str:
    """Statements for courses with a section each, in the term 1, and for students."""
    return _SCHOOL.format(courses=courses, people=people)
