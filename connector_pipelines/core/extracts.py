"""Extracts: the only way core is read for the outside. Each is one documented query.

The first column of every extract is `key`: which row it is, for good ("students/17", "courses/3@terms/5"). A reference
is a column that holds the key of a row of another extract. Days are judged by `today`: what ends, ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

from connector_pipelines.database.connection import query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date


@dataclass(frozen=True, slots=True)
class Extract:
    """Rows of core, made ready for other systems.

    Attributes:
        entities: the core entities it is made of; its exports run after them.
        columns: what they say, without key and references; nothing for a column that is as core has it.
        references: the columns that hold keys of another extract's rows, and which extract that is.
        text: the query, with `{today}` where it needs a day, and the parts `{in_sections}` and `{graded}`.
    """

    name: str
    entities: tuple[str, ...]
    columns: Mapping[str, str]
    references: Mapping[str, str]
    text: LiteralString

    def query(self, today: date) -> sql.Composed:
        """The query as of a day (UTC)."""
        day = sql.Literal(today)
        return query(self.text, today=day, in_sections=_IN_SECTIONS, graded=query(_GRADED, today=day))


_IN_SECTIONS = sql.SQL("""
    SELECT 'enrollments/' || e.id AS key, 'students/' || e.student_id AS person, e.section_id, 'student' AS role,
        NULL::boolean AS is_primary, e.status = 'enrolled' AS active, e.status, e.start_date, e.end_date
    FROM core.enrollments e
    UNION ALL
    SELECT 'teaching_assignments/' || a.id, 'instructors/' || a.instructor_id, a.section_id, 'instructor',
        a.is_primary, a.status = 'active', a.status, a.start_date, a.end_date
    FROM core.teaching_assignments a
""")

# A grade is in the section that it names, else in that of its assessment.
_GRADED: LiteralString = """
    SELECT 'grades/' || g.id AS key, 'students/' || g.student_id AS person, 'assessments/' || a.id AS assessment,
        'sections/' || s.id AS section, 'courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS offering,
        g.grade_type, g.score, coalesce(g.max_score, a.max_score) AS max_score, g.letter_grade, g.achievement,
        g.comment,
        coalesce(g.is_override, false) AS is_override, g.graded_at, g.status, a.title AS assessment_title,
        a.learning_outcome, a.program_outcome, a.id IS NULL OR coalesce(a.is_finalized, false) AS finalized,
        coalesce(t.end_date < {today}, false) AS ended
    FROM core.grades g LEFT JOIN core.assessments a ON a.id = g.assessment_id
    LEFT JOIN core.sections s ON s.id = coalesce(g.section_id, a.section_id)
    LEFT JOIN core.terms t ON t.id = s.term_id
"""

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
    {"person": "people", "section": "sections", "offering": "offerings"},
    """
    SELECT m.key, m.person, 'sections/' || s.id AS section,
        'courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS offering,
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

_GRADE = {
    "grade_type": "assignment_grade, section_total or course_total",
    "score": "",
    "max_score": "",
    "letter_grade": "",
    "achievement": "Exceeded, Met, Partially Met or Not Met",
    "comment": "",
    "is_override": "a person set it against what was computed; false where nobody says",
    "graded_at": "",
    "status": "active or inactive",
    "assessment_title": "",
    "learning_outcome": "code of what the assessment shows that somebody has learned",
    "program_outcome": "",
    "finalized": "its assessment is finalized, or it belongs to none",
    "ended": "the last day of its section's term is over",
}
_GRADE_REFERENCES = {"person": "people", "assessment": "assessments", "section": "sections", "offering": "offerings"}
_GRADE_ENTITIES = ("grades", "assessments", "sections", "terms")

_ASSESSMENTS = Extract(
    "assessments",
    ("assessments", "sections"),
    {
        "title": "",
        "assessment_type": "",
        "available_at": "",
        "due_at": "",
        "min_score": "",
        "max_score": "",
        "learning_outcome": "code of what it shows that somebody has learned",
        "program_outcome": "",
        "finalized": "false where nobody says",
        "status": "active or inactive",
    },
    {"section": "sections", "offering": "offerings"},
    """
    SELECT 'assessments/' || a.id AS key, 'sections/' || a.section_id AS section,
        'courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS offering, a.title, a.assessment_type,
        a.available_at, a.due_at, a.min_score, a.max_score, a.learning_outcome, a.program_outcome,
        coalesce(a.is_finalized, false) AS finalized, a.status
    FROM core.assessments a LEFT JOIN core.sections s ON s.id = a.section_id
    """,
)

_GRADES = Extract("grades", _GRADE_ENTITIES, _GRADE, _GRADE_REFERENCES, "SELECT * FROM ({graded}) g")

_FINAL_GRADES = Extract(
    "final_grades",
    _GRADE_ENTITIES,
    _GRADE,
    _GRADE_REFERENCES,
    "SELECT * FROM ({graded}) g WHERE grade_type = 'course_total' OR is_override",
)

_OUTCOMES = Extract(
    "outcomes",
    _GRADE_ENTITIES,
    _GRADE,
    _GRADE_REFERENCES,
    "SELECT * FROM ({graded}) g WHERE learning_outcome IS NOT NULL AND status = 'active'",
)

_PROGRAM_OUTCOMES = Extract(
    "program_outcomes",
    _GRADE_ENTITIES,
    {
        "program_outcome": "",
        "term_title": "",
        "people": "how many persons it is made of; few of them can be told apart",
        "results": "how many finalized results it is made of",
        "exceeded": "how many of them",
        "met": "how many of them",
        "partially_met": "how many of them",
        "not_met": "how many of them",
        "share_met": "of the results, met or exceeded; from 0 to 1",
        "mean_score": "share of the points that could be had, from 0 to 1; null where no result has points",
    },
    {"term": "terms"},
    """
    SELECT 'programs/' || g.program_outcome || coalesce('@terms/' || s.term_id, '') AS key,
        'terms/' || s.term_id AS term, g.program_outcome, t.title AS term_title,
        count(DISTINCT g.person) AS people, count(*) AS results,
        count(*) FILTER (WHERE g.achievement = 'Exceeded') AS exceeded,
        count(*) FILTER (WHERE g.achievement = 'Met') AS met,
        count(*) FILTER (WHERE g.achievement = 'Partially Met') AS partially_met,
        count(*) FILTER (WHERE g.achievement = 'Not Met') AS not_met,
        round(count(*) FILTER (WHERE g.achievement IN ('Exceeded', 'Met'))::numeric / count(*), 4) AS share_met,
        round(avg(g.score / nullif(g.max_score, 0)), 4) AS mean_score
    FROM ({graded}) g LEFT JOIN core.sections s ON 'sections/' || s.id = g.section
    LEFT JOIN core.terms t ON t.id = s.term_id
    WHERE g.program_outcome IS NOT NULL AND g.finalized AND g.status = 'active' AND g.achievement IS NOT NULL
    GROUP BY g.program_outcome, s.term_id, t.title
    """,
)

EXTRACTS: Mapping[str, Extract] = {
    one.name: one
    for one in (
        *(_TERMS, _OFFERINGS, _SECTIONS, _PEOPLE, _MEMBERSHIPS, _PARTICIPATIONS),
        *(_ASSESSMENTS, _GRADES, _FINAL_GRADES, _OUTCOMES, _PROGRAM_OUTCOMES),
    )
}
"""Every extract by name.

`memberships` are persons in sections; `participations` are persons in offerings, whatever sections they are in there:
who changes from one section to another stays in the course. `final_grades` are those that core owns: the last ones of a
course, and what a person set against what was computed (K8); `grades` are all of them. `outcomes` are results on a
learning outcome. What is not finalized is among all of these, and says so: exports choose by it, or by dates (G49).
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
