"""Extracts: the only way core is read for the outside. Each is one documented query.

The first column of every extract is `key`: which row it is, for good ("students/17", "courses/3@terms/5"). A reference
is a column that holds the key of a row of another extract. Days are judged by `today`: what ends, ends by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.core import anonymous, graded
from connector_pipelines.core.extract import Extract

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERSON = {
    "kind": "student or instructor",
    "given_name": "",
    "family_name": "",
    "middle_name": "",
    "preferred_name": "",
    "username": "as core has it; systems differ in what they take",
    "email": "",
    "phone": "",
    "number": "student or staff number",
    "enabled": "whether the person may log in; null where nobody says",
    "status": "active or inactive",
}
_TIMES = {
    "start_date": "its own first day, else that of the term",
    "end_date": "its own last day, else that of the term",
    "ended": "the last day of the term is over",
}

_ORGANIZATIONS = Extract(
    "organizations",
    ("organizations",),
    {"name": "", "organization_type": "", "identifier": "", "status": "active or inactive"},
    {"parent": "organizations"},
    """
    SELECT 'organizations/' || id AS key, 'organizations/' || parent_id AS parent, name, organization_type, identifier,
        status
    FROM core.organizations
    """,
)

_TERMS = Extract(
    "terms",
    ("terms",),
    {
        "title": "",
        "term_type": "",
        "start_date": "",
        "end_date": "",
        "school_year": "",
        "status": "active or inactive",
        "ended": "its last day is over",
    },
    {"parent": "terms"},
    """
    SELECT 'terms/' || t.id AS key, 'terms/' || t.parent_id AS parent, t.title, t.term_type, t.start_date, t.end_date,
        t.school_year, t.status, coalesce(t.end_date < {today}, false) AS ended
    FROM core.terms t
    """,
)

_OFFERINGS = Extract(
    "offerings",
    ("courses", "terms", "sections"),
    {
        "title": "of the course",
        "course_code": "",
        "grades": "",
        "subjects": "",
        "status": "active or inactive, of the course",
        "term_title": "null where its sections name no term",
        "school_year": "",
        "start_date": "of the term",
        "end_date": "of the term",
        "ended": "the last day of the term is over",
        "sections": "how many active sections it has",
        "finalized": "it has an active section and its term is known (M43)",
    },
    {"term": "terms"},
    """
    SELECT 'courses/' || c.id || coalesce('@terms/' || t.id, '') AS key, 'terms/' || t.id AS term,
        c.title, c.course_code, c.grades, c.subjects, c.status, t.title AS term_title, t.school_year, t.start_date,
        t.end_date, coalesce(t.end_date < {today}, false) AS ended, s.sections,
        s.sections > 0 AND t.id IS NOT NULL AS finalized
    FROM (SELECT course_id, term_id, count(*) FILTER (WHERE status = 'active') AS sections
        FROM core.sections WHERE course_id IS NOT NULL GROUP BY course_id, term_id) s
    JOIN core.courses c ON c.id = s.course_id
    LEFT JOIN core.terms t ON t.id = s.term_id
    """,
)

_SECTIONS = Extract(
    "sections",
    ("sections", "courses", "terms"),
    {
        "title": "",
        "section_code": "",
        "section_type": "",
        "location": "",
        "periods": "",
        "status": "active or inactive",
        "course_title": "",
        "course_code": "",
        "term_title": "",
        "start_date": "of the term",
        "end_date": "of the term",
        "ended": "the last day of the term is over",
        "finalized": "it is active, and its course and term are known",
    },
    {"offering": "offerings", "term": "terms"},
    """
    SELECT 'sections/' || s.id AS key, 'courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS offering,
        'terms/' || s.term_id AS term, s.title, s.section_code, s.section_type, s.location, s.periods, s.status,
        c.title AS course_title, c.course_code, t.title AS term_title, t.start_date, t.end_date,
        coalesce(t.end_date < {today}, false) AS ended,
        s.status = 'active' AND c.id IS NOT NULL AND t.id IS NOT NULL AS finalized
    FROM core.sections s LEFT JOIN core.courses c ON c.id = s.course_id LEFT JOIN core.terms t ON t.id = s.term_id
    """,
)

_PEOPLE = Extract(
    "people",
    ("students", "instructors"),
    _PERSON,
    {},
    """
    SELECT 'students/' || id AS key, 'student' AS kind, given_name, family_name, middle_name, preferred_name, username,
        email, phone, student_number AS number, enabled, status
    FROM core.students
    UNION ALL
    SELECT 'instructors/' || id, 'instructor', given_name, family_name, middle_name, preferred_name, username,
        email, phone, staff_number, enabled, status
    FROM core.instructors
    """,
)

_MEMBERSHIPS = Extract(
    "memberships",
    ("enrollments", "teaching_assignments", "sections", "terms"),
    {
        "role": "student or instructor",
        "is_primary": "of an instructor",
        "active": "the person is in the section now",
        "status": "of the enrollment or the teaching assignment",
        **_TIMES,
    },
    {"person": "people", "section": "sections", "offering": "offerings", "participation": "participations"},
    """
    SELECT m.key, m.person, 'sections/' || s.id AS section,
        'courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS offering,
        m.person || '@courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS participation,
        m.role, m.is_primary, m.active, m.status, coalesce(m.start_date, t.start_date) AS start_date,
        coalesce(m.end_date, t.end_date) AS end_date, coalesce(t.end_date < {today}, false) AS ended
    FROM ({in_sections}) m JOIN core.sections s ON s.id = m.section_id LEFT JOIN core.terms t ON t.id = s.term_id
    """,
)

_PARTICIPATIONS = Extract(
    "participations",
    ("enrollments", "teaching_assignments", "sections", "terms"),
    {
        "role": "student or instructor",
        "active": "the person is in a section of the offering now",
        **_TIMES,
    },
    {"person": "people", "offering": "offerings"},
    """
    SELECT m.person || '@courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS key, m.person,
        'courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS offering, min(m.role) AS role,
        bool_or(m.active) AS active,
        coalesce(min(m.start_date) FILTER (WHERE m.active), min(m.start_date), min(t.start_date)) AS start_date,
        coalesce(max(coalesce(m.end_date, t.end_date)) FILTER (WHERE m.active), max(m.end_date), min(t.end_date))
            AS end_date,
        bool_and(coalesce(t.end_date < {today}, false)) AS ended
    FROM ({in_sections}) m JOIN core.sections s ON s.id = m.section_id AND s.course_id IS NOT NULL
    LEFT JOIN core.terms t ON t.id = s.term_id
    GROUP BY m.person, s.course_id, s.term_id
    """,
)

_STUDENT_NOTES = Extract(
    "student_notes",
    ("students", "grades", "assessments", "engagement"),
    {
        "note": "core's own, as people wrote it",
        "not_met": "how many learning outcomes the student has not met, by the newest finalized result of each",
        "last_access_at": "when the student was last in a course of a learning platform",
        "status": "active or inactive, of the student",
    },
    {"person": "people"},
    """
    SELECT 'students/' || s.id AS key, 'students/' || s.id AS person, nullif(s.notes, '') AS note,
        coalesce(o.not_met, 0) AS not_met, e.last_access_at, s.status
    FROM core.students s
    LEFT JOIN (SELECT person, count(*) AS not_met FROM ({shown}) o WHERE achievement = 'Not Met' GROUP BY person) o
        ON o.person = 'students/' || s.id
    LEFT JOIN (SELECT student_id, max(last_access_at) AS last_access_at FROM core.engagement GROUP BY student_id) e
        ON e.student_id = s.id
    WHERE s.notes <> '' OR o.not_met > 0
    """,
)

EXTRACTS: Mapping[str, Extract] = {
    one.name: one
    for one in (
        *(_ORGANIZATIONS, _TERMS, _OFFERINGS, _SECTIONS, _PEOPLE, _MEMBERSHIPS, _PARTICIPATIONS, _STUDENT_NOTES),
        *(
            graded.KINDS,
            graded.ASSESSMENTS,
            graded.GRADES,
            graded.FINAL_GRADES,
            graded.OUTCOME_ITEMS,
            graded.OUTCOMES,
        ),
        *(
            anonymous.PROGRAM_OUTCOMES,
            anonymous.ANONYMOUS_RESULTS,
            anonymous.RESULT_STATISTICS,
            anonymous.OUTCOME_TRENDS,
            anonymous.INSTITUTION_OUTCOMES,
        ),
    )
}
"""Every extract by name.

`memberships` are persons in sections; `participations` are persons in offerings, whatever sections they are in there:
who changes from one section to another stays in the course. `final_grades` are those that core owns: the last ones of a
course, and what a person set against what was computed (K8); `grades` are all of them. What is not finalized is among
these, and says so: exports choose by it, or by dates (G49). `kinds` are what assessments are grouped by. `outcomes` are
what each student has shown of a learning outcome in a section, and `outcome_items` what was to be shown there;
`program_outcomes` are aggregates of many persons. These three are made of finalized results alone (G96); so are
`anonymous_results`, `result_statistics`, `outcome_trends` and `institution_outcomes`, for warehouses (G97).
`student_notes` are the students of whom there is something to know (G94).
"""


def extract(name: str) -> Extract:
    """The extract of that name.

    Raises:
        KeyError: there is none; the message lists those there are.
    """
    try:
        return EXTRACTS[name]
    except KeyError:
        message = f"no extract is called {name!r}; there are {', '.join(EXTRACTS)}"
        raise KeyError(message) from None
