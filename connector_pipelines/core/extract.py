"""What an extract is, and the parts that several of them share."""

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
        text: the query, with `{today}` where it needs a day, and the parts `{in_sections}`, `{graded}` and `{shown}`.
    """

    name: str
    entities: tuple[str, ...]
    columns: Mapping[str, str]
    references: Mapping[str, str]
    text: LiteralString

    def query(self, today: date) -> sql.Composed:
        """The query as of a day (UTC)."""
        day = sql.Literal(today)
        graded = query(_GRADED, today=day)
        shown = query(_SHOWN, graded=graded)
        return query(self.text, today=day, in_sections=_IN_SECTIONS, graded=graded, shown=shown)


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
        g.comment, a.due_at,
        coalesce(g.is_override, false) AS is_override, g.graded_at, g.status, a.title AS assessment_title,
        coalesce(a.status, 'active') AS assessment_status,
        a.learning_outcome, a.program_outcome, a.id IS NULL OR coalesce(a.is_finalized, false) AS finalized,
        coalesce(t.end_date < {today}, false) AS ended
    FROM core.grades g LEFT JOIN core.assessments a ON a.id = g.assessment_id
    LEFT JOIN core.sections s ON s.id = coalesce(g.section_id, a.section_id)
    LEFT JOIN core.terms t ON t.id = s.term_id
"""

# What somebody showed of an outcome last counts: of several finalized results in a section the newest (decision 0011).
_SHOWN: LiteralString = """
    SELECT DISTINCT ON (g.section, g.learning_outcome, g.person)
        'outcomes/' || g.learning_outcome || '@' || g.section || '@' || g.person AS key, g.person, g.section,
        g.offering, 'outcomes/' || g.learning_outcome || '@' || g.section AS item, g.learning_outcome, g.achievement,
        round(g.score / nullif(g.max_score, 0), 4) AS share, coalesce(g.graded_at, g.due_at) AS graded_at,
        count(*) OVER (PARTITION BY g.section, g.learning_outcome, g.person) AS results, g.ended
    FROM ({graded}) g
    WHERE g.learning_outcome IS NOT NULL AND g.finalized AND g.status = 'active' AND g.assessment_status = 'active'
        AND g.achievement IS NOT NULL AND g.section IS NOT NULL
    ORDER BY g.section, g.learning_outcome, g.person, coalesce(g.graded_at, g.due_at) DESC NULLS LAST, g.key
"""
