"""Grades both ways: what people set in core over a grade of the site goes back, and core's own results go there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.simulator import grading
from connector_pipelines.errors import SyncError

COURSE = {"groups": "courses/1@terms/2", "courses": "sections/1"}


def graded(campus: Any, layout: str = "groups") -> dict[str, dict[str, Any]]:
    """Ada is graded there for homework and a quiz, which a teacher overrides; core reads it. The lines, by name."""
    campus.more = {**campus.more, "layout": layout}
    campus.push()
    site = campus.simulator.site
    course, ada = campus.course(COURSE[layout])["id"], campus.user("ada")["id"]
    homework = grading.assignment(site, course, "Homework", due=1_793_000_000)
    quiz = grading.activity(site, course, "Quiz", modname="quiz", most=20)
    grades = [{"userid": ada, "grade": 87.5, "plugindata": {}}]
    grading.save(site, {"assignmentid": homework["instance"], "grades": grades})
    lines = {row["name"]: row for row in site["items"].values() if row["courseid"] == course and row.get("name")}
    grading.override(site, lines["Quiz"]["id"], ada, 12)
    assert quiz["id"] == lines["Quiz"]["cmid"]
    assert all(one.verified for one in campus.sync().values())
    return lines


def set_in_core(campus: Any, title: str, change: str) -> None:
    """A person changes a grade in core."""
    campus.execute(
        f"UPDATE core.grades g SET {change} FROM core.assessments a WHERE a.id = assessment_id AND title = '{title}'"
    )


def points(campus: Any, line: dict[str, Any], name: str = "ada") -> Any:
    """What stands on somebody's line of the gradebook; None for nothing."""
    return campus.simulator.site["grades"].get((line["id"], campus.user(name)["id"]), {}).get("value")


def pushes(campus: Any) -> list[tuple[str, int]]:
    """Every push of grades: the kind and the course-module id of its activity."""
    effects = [one.params for one in campus.simulator.ledger if one.function == "core_grades_update_grades"]
    return [(one["component"], one["activityid"]) for one in effects]


def letters(campus: Any) -> list[tuple[Any, ...]]:
    """Dead letters of exported grades: export and rule."""
    told = campus.letters()
    return [(entity, rule) for entity, _, rule, _ in told if entity in {"export/grades", "export/overrides"}]


@pytest.mark.parametrize("layout", ["groups", "courses"])
def test_an_override_goes_back_where_the_grade_came_from(campus: Any, layout: str) -> None:
    """What a person overrides in core is pushed to the very activity, by its course-module id, once (M47)."""
    lines = graded(campus, layout)
    set_in_core(campus, "Homework", "score = 95, is_override = true")
    for _ in range(2):
        assert campus.push("overrides", compare=True)["overrides"].verified
    assert points(campus, lines["Homework"]) == 95
    assert pushes(campus) == [("mod_assign", lines["Homework"]["cmid"])]


def test_core_wins_an_override_however_late_somebody_grades_there(campus: Any) -> None:
    """An override that stands there, too, is core's: a later grade there is neither taken nor left (K8)."""
    lines = graded(campus)
    set_in_core(campus, "Homework", "score = 95, is_override = true")
    campus.push("overrides")
    campus.sync()
    grading.push(
        campus.simulator.site,
        {
            "component": "mod_assign",
            "courseid": lines["Homework"]["courseid"],
            "activityid": lines["Homework"]["cmid"],
            "itemnumber": 0,
            "grades": [{"studentid": campus.user("ada")["id"], "grade": 50}],
        },
    )
    campus.sync()
    assert campus.rows("SELECT score FROM core.grades WHERE is_override AND score > 20") == [(95,)]
    campus.push("overrides", compare=True)
    assert points(campus, lines["Homework"]) == 95


def test_what_came_from_there_is_not_sent_back(campus: Any) -> None:
    """Grades, totals and overrides of the site itself, and other edits of core, are pushed nowhere."""
    campus.more = {"final_grade_activity": "FINAL"}
    lines = graded(campus)
    grading.assignment(campus.simulator.site, lines["Quiz"]["courseid"], "Final grade", idnumber="FINAL")
    set_in_core(campus, "Homework", "score = 95")
    campus.push(compare=True)
    assert (pushes(campus), letters(campus)) == ([], [])


@pytest.mark.parametrize("trap", ["capped", "locked", "overridden", "stranger", "no activity"])
def test_an_override_that_is_not_kept_is_told(campus: Any, trap: str) -> None:
    """What the site caps, locks, keeps overridden, or would store for a stranger is found out by reading back."""
    lines = graded(campus)
    site, line = campus.simulator.site, lines["Quiz" if trap == "overridden" else "Homework"]
    set_in_core(campus, line["name"], f"score = {150 if trap == 'capped' else 15}, is_override = true")
    if trap == "locked":
        site.put("items", line["id"], locked=True)
    if trap == "stranger":
        site.enrol(line["courseid"], campus.user("ada")["id"], None)
    if trap == "no activity":
        site.put("items", line["id"], cmid=None)
    campus.push("overrides")
    rule = {"capped": "kept otherwise", "overridden": "kept otherwise"}.get(trap, trap)
    assert letters(campus) == [("export/overrides", rule)]
    assert points(campus, line) == {"capped": 100, "overridden": 12}.get(trap, 87.5)
    before = len(campus.simulator.ledger)
    campus.push("overrides")
    assert len(campus.simulator.ledger) == before


def test_a_final_grade_that_somebody_sets_goes_to_its_activity(campus: Any) -> None:
    """The total that the site computed is not sent back; one that a person set goes to the activity for final grades,
    and where none is named a dead letter says so (M47).
    """
    lines = graded(campus)
    course = lines["Homework"]["courseid"]
    grading.assignment(campus.simulator.site, course, "Final grade", idnumber="FINAL")
    set_in_core(campus, "Course total", "score = 91")
    campus.push("grades")
    assert letters(campus) == [("export/grades", "no activity")]
    campus.more["final_grade_activity"] = "FINAL"
    assert campus.push("grades")["grades"].verified
    (item,) = campus.simulator.site.where("items", idnumber="FINAL")
    assert (points(campus, item), letters(campus)) == (91, [])
    campus.sync()
    assert campus.rows("SELECT score FROM core.grades WHERE grade_type = 'course_total'") == [(91,)]


def test_a_grade_of_an_unclear_term_is_sent_nowhere(campus: Any) -> None:
    """Who takes the course in two terms has a grade of either: nobody guesses, and the override stays in core."""
    graded(campus)
    campus.execute(
        "INSERT INTO core.sections (id, title, status, course_id, term_id) OVERRIDING SYSTEM VALUE"
        " VALUES (9, 'Again', 'active', 1, 3);"
        "INSERT INTO core.enrollments (id, status, student_id, section_id) OVERRIDING SYSTEM VALUE"
        " VALUES (9, 'enrolled', 1, 9)"
    )
    set_in_core(campus, "Homework", "score = 95, is_override = true")
    campus.push("overrides")
    assert (pushes(campus), letters(campus)) == ([], [("export/overrides", "unclear term")])


ASSESSED = """
    INSERT INTO core.assessments (id, title, status, section_id, is_finalized, max_score) OVERRIDING SYSTEM VALUE VALUES
        (17, 'Essay', 'active', 1, true, 20), (18, 'Draft', 'active', 1, NULL, 20), (19, 'Talk', 'active', 2, true, 20);
    INSERT INTO core.grades (id, grade_type, score, achievement, graded_at, status, student_id, assessment_id)
        OVERRIDING SYSTEM VALUE VALUES
        (1, 'assignment_grade', 18.50, 'Exceeded', '2026-09-10T12:00Z', 'active', 1, 17),
        (2, 'assignment_grade', NULL, 'Partially Met', '2026-09-20T12:00Z', 'active', 2, 17),
        (3, 'assignment_grade', 9, 'Met', '2026-09-20T12:00Z', 'active', 1, 18),
        (4, 'assignment_grade', 12, 'Met', '2026-09-20T12:00Z', 'active', 2, 19);
"""


def assessed(campus: Any, **more: Any) -> dict[str, Any]:
    """Core has assessments of its own, and the lab an activity for one of them; its line."""
    campus.more = {"result_activities": "CORE-{assessment}", "results": more}
    campus.push()
    lab = campus.course("courses/1@terms/2")["id"]
    grading.assignment(campus.simulator.site, lab, "Essay", idnumber="CORE-17", most=20)
    grading.assignment(campus.simulator.site, lab, "Draft", idnumber="CORE-18", most=20)
    campus.execute(ASSESSED)
    (line,) = campus.simulator.site.where("items", idnumber="CORE-17")
    return dict(line)


def refused(campus: Any) -> dict[str, tuple[str, str]]:
    """Dead letters of results: rule and reason by grade."""
    return {key: (rule, reason) for entity, key, rule, reason in campus.letters() if entity == "export/results"}


def test_results_of_core_s_assessments_are_points_of_their_activity(campus: Any) -> None:
    """A result goes to the activity for its assessment: its points, else what its level is worth; what is not final
    stays; one without an activity is told with the number of its assessment (G49-G52, G55).
    """
    line = assessed(campus)
    done = campus.push("results")["results"]
    assert (points(campus, line), points(campus, line, "soren@school.example")) == (18.5, 15)
    rule, reason = refused(campus)["grades/4"]
    assert (rule, "CORE-19" in reason, len(refused(campus))) == ("no activity", True, 1)
    assert (done.plan.counts.created, done.plan.counts.skipped) == (2, 1)
    before = len(campus.simulator.ledger)
    campus.push("results", compare=True)
    assert len(campus.simulator.ledger) == before


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ({"finalized": False}, {1, 2, 3, 4}),
        ({"since": "2026-09-11"}, {2, 4}),
        ({"until": "2026-09-10"}, {1}),
        ({"since": "2026-09-10", "until": "2026-09-20", "finalized": False}, {1, 2, 3, 4}),
    ],
)
def test_results_are_chosen_in_yaml(campus: Any, chosen: dict[str, Any], sent: set[int]) -> None:
    """Only finalized results, or those of a range of days, are wanted (G49)."""
    assessed(campus, **chosen)
    counts = campus.push("results")["results"].plan.counts
    assert counts.created + counts.dead_lettered == len(sent)
    assert counts.skipped == 4 - len(sent)


def test_a_lost_answer_is_asked_after(campus: Any) -> None:
    """When the answer to a push is lost, the next export looks what stands there, and pushes nothing twice (G54)."""
    line = assessed(campus)
    campus.simulator.set_faults(["reset@1:core_grades_update_grades"])
    with pytest.raises(SyncError):
        campus.push("results")
    campus.simulator.clear_faults()
    campus.push("results")
    assert (points(campus, line), len(pushes(campus))) == (18.5, 1)


def test_what_was_mended_is_retried(campus: Any) -> None:
    """A result whose activity has other points, or a level nobody knows, is refused before anything is pushed; once
    mended and retried it stands there, and its letter is settled (G51, G55).
    """
    line = assessed(campus)
    site = campus.simulator.site
    site.put("items", line["id"], grademax=100)
    campus.execute("UPDATE core.grades SET achievement = 'Splendid' WHERE id = 2")
    campus.push("results")
    told = refused(campus)
    assert {key: rule for key, (rule, _) in told.items()} == {
        "grades/1": "other points",
        "grades/2": "MAPPING_ERROR: unknown outcome",
        "grades/4": "no activity",
    }
    assert "assessment 17" in told["grades/2"][1]
    assert (pushes(campus), points(campus, line)) == ([], None)
    site.put("items", line["id"], grademax=20)
    campus.execute("UPDATE core.grades SET achievement = 'Met' WHERE id = 2")
    campus.retry()
    assert (points(campus, line), points(campus, line, "soren@school.example")) == (18.5, 17)
    assert set(refused(campus)) == {"grades/4"}


@pytest.mark.parametrize(("hours", "changed", "stands"), [(-1, True, 19), (0, True, 7), (1, True, 7), (1, False, 19)])
def test_the_later_of_two_results_stands(campus: Any, hours: int, *, changed: bool, stands: int) -> None:
    """Where core and a teacher of the site both changed a result the later one stays; equal times: the site's; what
    nobody changed there is core's to change (K8).
    """
    line = assessed(campus)
    campus.push("results")
    site = campus.simulator.site
    noon = int(datetime(2025, 10, 2, 12, tzinfo=UTC).timestamp())
    row = {"value": 7} if changed else {}
    site.put("grades", (line["id"], campus.user("ada")["id"]), at=noon + 3600 * hours, **row)
    campus.execute("UPDATE core.grades SET score = 19, graded_at = NULL WHERE id = 1")
    campus.execute(f"UPDATE connector.core_edits SET edited_at = to_timestamp({noon})")
    for _ in range(2):
        campus.push("results", compare=True)
        assert points(campus, line) == stands
    assert [rule for rule, _ in refused(campus).values()] == ["no activity"]


def test_a_letter_alone_is_no_points(campus: Any) -> None:
    """A result without points or a level that is worth some is a dead letter that names its assessment."""
    assessed(campus)
    campus.execute("UPDATE core.grades SET achievement = NULL, letter_grade = 'B' WHERE id = 2")
    campus.push("results")
    rule, reason = refused(campus)["grades/2"]
    assert (rule, "assessment 17" in reason) == ("points are required", True)


@pytest.mark.parametrize("number", ["CORE", "{assessment}{assessment}", "{assessment}{outcome}"])
def test_activities_of_results_name_the_assessment(number: str) -> None:
    """An ID number without the assessment's number, or with other braces, is a wrong configuration."""
    with pytest.raises(ValidationError, match=r"must hold \{assessment\} once"):
        MoodleConfig(result_activities=number)
