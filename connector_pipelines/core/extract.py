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
        text: the query, with `{today}` where it needs a day, and the parts that stand below.
        crowd: the column that says of how many persons a row is made; "" where rows are of persons or things.
    """

    name: str
    entities: tuple[str, ...]
    columns: Mapping[str, str]
    references: Mapping[str, str]
    text: LiteralString
    crowd: str = ""

    def query(self, today: date) -> sql.Composed:
        """The query as of a day (UTC)."""
        day = sql.Literal(today)
        graded = query(_GRADED, today=day)
        return query(
            self.text,
            today=day,
            in_sections=_IN_SECTIONS,
            graded=graded,
            shown=query(_SHOWN, graded=graded),
            final=query(_FINAL, graded=graded),
            counted=_COUNTED,
            levels=_LEVELS,
        )


_IN_SECTIONS = sql.SQL("""
    SELECT 'enrollments/' || e.id AS key, 'students/' || e.student_id AS person, e.section_id, 'student' AS role,
        NULL::boolean AS is_primary, e.status = 'enrolled' AS active, e.status, e.start_date, e.end_date
    FROM core.enrollments e
    UNION ALL
    SELECT 'teaching_assignments/' || a.id, 'instructors/' || a.instructor_id, a.section_id, 'instructor',
        a.is_primary, a.status = 'active', a.status, a.start_date, a.end_date
    FROM core.teaching_assignments a
""")

# A grade is in the section that it names, else in that of its assessment. Where that is of a course alone, as learning
# platforms tell it, it was given in the term in which the student is in that course, unless there are several.
_GRADED: LiteralString = """
    SELECT 'grades/' || g.id AS key, 'grades/' || g.id AS grade, 'students/' || g.student_id AS person,
        'assessments/' || a.id AS assessment, 'sections/' || s.id AS section,
        'courses/' || coalesce(s.course_id, p.course_id) || coalesce('@terms/' || t.id, '') AS offering,
        CASE WHEN i.student_id IS NOT NULL AND NOT coalesce(t.end_date < {today}, false)
            THEN 'students/' || g.student_id || '@courses/' || s.course_id || coalesce('@terms/' || t.id, '')
        END AS participation,
        g.grade_type, g.score, coalesce(g.max_score, a.max_score) AS max_score, g.letter_grade, g.achievement,
        g.comment, a.due_at,
        coalesce(g.is_override, false) AS is_override, g.graded_at, e.edited_at,
        greatest(g.graded_at, e.changed_at) AS changed_at, g.status, a.id AS assessment_number,
        a.title AS assessment_title, coalesce(a.status, 'active') AS assessment_status,
        a.learning_outcome, a.program_outcome, a.id IS NULL OR coalesce(a.is_finalized, false) AS finalized,
        coalesce(t.end_date < {today}, false) AS ended
    FROM core.grades g LEFT JOIN core.assessments a ON a.id = g.assessment_id
    LEFT JOIN core.sections s ON s.id = coalesce(g.section_id, a.section_id)
    LEFT JOIN (SELECT e.student_id, x.course_id, min(x.term_id) AS term_id
        FROM core.enrollments e JOIN core.sections x ON x.id = e.section_id WHERE x.course_id IS NOT NULL
        GROUP BY e.student_id, x.course_id HAVING min(coalesce(x.term_id, 0)) = max(coalesce(x.term_id, 0))
    ) p ON s.id IS NULL AND p.student_id = g.student_id AND p.course_id = a.course_id
    LEFT JOIN core.terms t ON t.id = coalesce(s.term_id, p.term_id)
    LEFT JOIN (SELECT DISTINCT student_id, section_id FROM core.enrollments WHERE status = 'enrolled') i
        ON i.student_id = g.student_id AND i.section_id = s.id
    LEFT JOIN (SELECT internal_id, max(edited_at) AS changed_at,
            max(edited_at) FILTER (WHERE field = 'score') AS edited_at
        FROM connector.core_edits WHERE entity = 'grades' AND settled_by IS NULL GROUP BY internal_id
    ) e ON e.internal_id = g.id
"""

# What somebody showed of an outcome last counts: of several finalized results in a section the newest (decision 0011).
_SHOWN: LiteralString = """
    SELECT DISTINCT ON (g.section, g.learning_outcome, g.person)
        'outcomes/' || g.learning_outcome || '@' || g.section || '@' || g.person AS key, g.person, g.section,
        g.offering, g.participation, 'outcomes/' || g.learning_outcome || '@' || g.section AS item,
        g.learning_outcome, g.achievement,
        round(g.score / nullif(g.max_score, 0), 4) AS share, coalesce(g.graded_at, g.due_at) AS graded_at,
        g.changed_at, count(*) OVER (PARTITION BY g.section, g.learning_outcome, g.person) AS results, g.ended
    FROM ({graded}) g
    WHERE g.learning_outcome IS NOT NULL AND g.finalized AND g.status = 'active' AND g.assessment_status = 'active'
        AND g.achievement IS NOT NULL AND g.section IS NOT NULL
    ORDER BY g.section, g.learning_outcome, g.person, coalesce(g.graded_at, g.due_at) DESC NULLS LAST, g.key
"""

# Finalized results as what is told of many people is made of: `r` in the two parts below.
_FINAL: LiteralString = """
    SELECT g.person, g.grade_type, g.achievement, g.score / nullif(g.max_score, 0) AS share, g.learning_outcome,
        g.program_outcome, coalesce(g.graded_at, g.due_at) AS given_at, a.assessment_type, s.organization_id,
        s.course_id, t.id AS term_id, t.title AS term_title, t.school_year
    FROM ({graded}) g LEFT JOIN core.assessments a ON a.id = g.assessment_number
    LEFT JOIN core.sections s ON 'sections/' || s.id = g.section LEFT JOIN core.terms t ON t.id = s.term_id
    WHERE g.finalized AND g.status = 'active' AND g.assessment_status = 'active'
"""
_COUNTED = sql.SQL("""
    count(DISTINCT r.person) AS people, count(*) AS results, round(avg(r.share), 4) AS mean_score
""")
_LEVELS = sql.SQL("""
    count(*) FILTER (WHERE r.achievement = 'Exceeded') AS exceeded,
    count(*) FILTER (WHERE r.achievement = 'Met') AS met,
    count(*) FILTER (WHERE r.achievement = 'Partially Met') AS partially_met,
    count(*) FILTER (WHERE r.achievement = 'Not Met') AS not_met,
    round(count(*) FILTER (WHERE r.achievement IN ('Exceeded', 'Met'))::numeric / count(*), 4) AS share_met
""")
