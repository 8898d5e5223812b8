"""The extracts of what is assessed, and how people did; see `extracts`."""

from __future__ import annotations

from connector_pipelines.core.extract import Extract

_GRADE = {
    "grade_type": "assignment_grade, section_total or course_total",
    "score": "",
    "max_score": "",
    "letter_grade": "",
    "achievement": "Exceeded, Met, Partially Met or Not Met",
    "comment": "",
    "is_override": "a person set it against what was computed; false where nobody says",
    "graded_at": "",
    "edited_at": "when somebody set the score in core, unless its source has spoken since",
    "changed_at": "when it was last set in core, or given; null where nobody knows",
    "due_at": "of the assessment",
    "status": "active or inactive",
    "assessment_number": "of the assessment in core, for systems in which people name it",
    "assessment_title": "",
    "assessment_status": "active or inactive; active where it belongs to none",
    "learning_outcome": "code of what the assessment shows that somebody has learned",
    "program_outcome": "",
    "finalized": "its assessment is finalized, or it belongs to none",
    "ended": "the last day of its section's term is over",
}
_GRADE_REFERENCES = {
    "grade": "grades",  # itself: a source that feeds it knows it by an id of its own
    "person": "people",
    "assessment": "assessments",
    "section": "sections",
    "offering": "offerings",
    "participation": "participations",  # of who is in the section now
}
_GRADE_ENTITIES = ("grades", "assessments", "sections", "terms")

KINDS = Extract(
    "kinds",
    ("assessments",),
    {"title": ""},
    {},
    """
    SELECT 'kinds/' || title AS key, title FROM (
        SELECT coalesce(assessment_type, 'other') AS title FROM core.assessments
        UNION SELECT 'learning outcome' FROM core.assessments WHERE learning_outcome IS NOT NULL
    ) k
    """,
)

ASSESSMENTS = Extract(
    "assessments",
    ("assessments", "sections", "grades"),
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
        "first_graded_at": "of its active grades",
        "last_graded_at": "of its active grades",
    },
    {"section": "sections", "offering": "offerings", "school": "organizations", "kind": "kinds"},
    """
    SELECT 'assessments/' || a.id AS key, 'sections/' || a.section_id AS section,
        'courses/' || s.course_id || coalesce('@terms/' || s.term_id, '') AS offering, a.title, a.assessment_type,
        a.available_at, a.due_at, a.min_score, a.max_score, a.learning_outcome, a.program_outcome,
        coalesce(a.is_finalized, false) AS finalized, a.status, g.first_graded_at, g.last_graded_at,
        'organizations/' || s.organization_id AS school, 'kinds/' || coalesce(a.assessment_type, 'other') AS kind
    FROM core.assessments a LEFT JOIN core.sections s ON s.id = a.section_id
    LEFT JOIN (SELECT assessment_id, min(graded_at) AS first_graded_at, max(graded_at) AS last_graded_at
        FROM core.grades WHERE status = 'active' GROUP BY assessment_id) g ON g.assessment_id = a.id
    """,
)

GRADES = Extract("grades", _GRADE_ENTITIES, _GRADE, _GRADE_REFERENCES, "SELECT * FROM ({graded}) g")

FINAL_GRADES = Extract(
    "final_grades",
    _GRADE_ENTITIES,
    _GRADE,
    _GRADE_REFERENCES,
    "SELECT * FROM ({graded}) g WHERE grade_type = 'course_total' OR is_override",
)

OUTCOMES = Extract(
    "outcomes",
    _GRADE_ENTITIES,
    {
        "learning_outcome": "code of what was learned",
        "achievement": "Exceeded, Met, Partially Met or Not Met",
        "share": "of the points that could be had, from 0 to 1; null where nobody gave points",
        "graded_at": "else when the assessment was due",
        "changed_at": "when it was last set in core, or given; null where nobody knows",
        "results": "how many finalized results there are; the newest counts",
        "ended": "the last day of the section's term is over",
    },
    {
        "person": "people",
        "section": "sections",
        "offering": "offerings",
        "participation": "participations",
        "item": "outcome_items",
    },
    "SELECT * FROM ({shown}) o",
)

OUTCOME_ITEMS = Extract(
    "outcome_items",
    _GRADE_ENTITIES,
    {
        "learning_outcome": "code of what is learned",
        "first_graded_at": "of what counts",
        "last_graded_at": "of what counts",
        "people": "how many have a result",
    },
    {"section": "sections", "offering": "offerings", "school": "organizations", "kind": "kinds"},
    """
    SELECT o.item AS key, o.section, o.offering, 'organizations/' || s.organization_id AS school,
        'kinds/learning outcome' AS kind, o.learning_outcome, min(o.graded_at) AS first_graded_at,
        max(o.graded_at) AS last_graded_at, count(*) AS people
    FROM ({shown}) o JOIN core.sections s ON 'sections/' || s.id = o.section
    GROUP BY o.item, o.section, o.offering, s.organization_id, o.learning_outcome
    """,
)
