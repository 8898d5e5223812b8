"""The extracts of what can be told about many people without telling of anybody (requirements G96, G97).

A row is a group of finalized results that agree in everything that the row tells, and `people` is how many persons they
are of. So a row says of each of them what it says of all: k-anonymity is a least number of people, which an export
keeps (`Extract.crowd`). No name, number, address or id of a person, a grade or an assessment is a column, and no key.
"""

from __future__ import annotations

from connector_pipelines.core.extract import Extract

_ENTITIES = ("grades", "assessments", "sections", "terms")
_CROWD = {
    "people": "how many persons it is made of; few of them can be told apart",
    "results": "how many finalized results it is made of",
    "mean_score": "share of the points that could be had, from 0 to 1; null where no result has points",
}
_LEVELS = {
    "exceeded": "how many of the results",
    "met": "how many of the results",
    "partially_met": "how many of the results",
    "not_met": "how many of the results",
    "share_met": "of the results, met or exceeded; from 0 to 1",
}
_TERM = {"term_title": "null where nobody knows the term", "school_year": "null where nobody knows it"}

PROGRAM_OUTCOMES = Extract(
    "program_outcomes",
    _ENTITIES,
    {"program_outcome": "", "term_title": _TERM["term_title"], **_CROWD, **_LEVELS},
    {"term": "terms"},
    """
    SELECT 'programs/' || r.program_outcome || coalesce('@terms/' || r.term_id, '') AS key,
        'terms/' || r.term_id AS term, r.program_outcome, r.term_title, {counted}, {levels}
    FROM ({final}) r WHERE r.program_outcome IS NOT NULL AND r.achievement IS NOT NULL
    GROUP BY r.program_outcome, r.term_id, r.term_title
    """,
    crowd="people",
)

ANONYMOUS_RESULTS = Extract(
    "anonymous_results",
    _ENTITIES,
    {
        "assessment_type": "",
        "learning_outcome": "",
        "program_outcome": "",
        **_TERM,
        "achievement": "the level that all of them reached",
        **_CROWD,
    },
    {"term": "terms"},
    """
    SELECT 'results/' || jsonb_build_array(r.assessment_type, r.learning_outcome, r.program_outcome, r.term_id,
            r.achievement)::text AS key,
        'terms/' || r.term_id AS term, r.assessment_type, r.learning_outcome, r.program_outcome, r.term_title,
        r.school_year, r.achievement, {counted}
    FROM ({final}) r WHERE r.achievement IS NOT NULL
    GROUP BY r.assessment_type, r.learning_outcome, r.program_outcome, r.term_id, r.term_title, r.school_year,
        r.achievement
    """,
    crowd="people",
)

RESULT_STATISTICS = Extract(
    "result_statistics",
    (*_ENTITIES, "courses"),
    {
        "course_title": "",
        "course_code": "",
        **_TERM,
        **_CROWD,
        "median_score": "the same of the one in the middle",
        "deviation": "standard deviation of these shares; null of a single one",
    },
    {"term": "terms"},
    """
    SELECT 'statistics/courses/' || c.id || coalesce('@terms/' || r.term_id, '') AS key, 'terms/' || r.term_id AS term,
        c.title AS course_title, c.course_code, r.term_title, r.school_year, {counted},
        round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.share)::numeric, 4) AS median_score,
        round(stddev_samp(r.share), 4) AS deviation
    FROM ({final}) r JOIN core.courses c ON c.id = r.course_id
    WHERE r.share IS NOT NULL AND r.grade_type = 'assignment_grade'
    GROUP BY c.id, c.title, c.course_code, r.term_id, r.term_title, r.school_year
    """,
    crowd="people",
)

OUTCOME_TRENDS = Extract(
    "outcome_trends",
    _ENTITIES,
    {"learning_outcome": "", "month": "its first day, in UTC", **_CROWD, **_LEVELS},
    {},
    """
    SELECT 'trends/' || jsonb_build_array(r.learning_outcome, r.month)::text AS key, r.learning_outcome, r.month,
        {counted}, {levels}
    FROM (SELECT *, date_trunc('month', given_at AT TIME ZONE 'UTC')::date AS month FROM ({final}) f) r
    WHERE r.learning_outcome IS NOT NULL AND r.achievement IS NOT NULL AND r.month IS NOT NULL
    GROUP BY r.learning_outcome, r.month
    """,
    crowd="people",
)

INSTITUTION_OUTCOMES = Extract(
    "institution_outcomes",
    (*_ENTITIES, "organizations"),
    {
        "organization": "its name",
        "organization_type": "",
        "school_year": _TERM["school_year"],
        "program_outcome": "",
        **_CROWD,
        **_LEVELS,
    },
    {"school": "organizations"},
    """
    SELECT 'institutions/' || jsonb_build_array(o.id, r.school_year, r.program_outcome)::text AS key,
        'organizations/' || o.id AS school, o.name AS organization, o.organization_type, r.school_year,
        r.program_outcome, {counted}, {levels}
    FROM ({final}) r JOIN core.organizations o ON o.id = r.organization_id
    WHERE r.program_outcome IS NOT NULL AND r.achievement IS NOT NULL
    GROUP BY o.id, o.name, o.organization_type, r.school_year, r.program_outcome
    """,
    crowd="people",
)
