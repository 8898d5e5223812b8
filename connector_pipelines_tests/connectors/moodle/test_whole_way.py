"""From a Moodle site to core: what was graded, handed in and looked at, by people whom core sent there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connector_pipelines.connectors.moodle.simulator import grading
from connector_pipelines.connectors.moodle.simulator.site import person
from connector_pipelines.connectors.moodle.streams import STREAMS
from connector_pipelines.errors import BrokenPage, NetworkError
from connector_pipelines.external.surroundings import share
from connector_pipelines.sync.preview import preview

pytestmark = pytest.mark.phase3

PEOPLE = "SELECT s::text FROM core.students s ORDER BY id"


def at_work(campus: Any) -> None:
    """Ada hands in homework and is graded; a teacher sets another grade; both were seen."""
    campus.push()
    site = campus.simulator.site
    course, ada = campus.course("courses/1@terms/2")["id"], campus.user("ada")["id"]
    grading.activity(site, course, "Announcements", modname="forum")
    homework = grading.assignment(site, course, "Homework 1", due=1_793_000_000)
    quiz = grading.activity(site, course, "Quiz", modname="quiz", most=20)
    grading.submit(site, homework["instance"], ada)
    feedback = {"assignfeedbackcomments_editor": {"text": "<p>Well&nbsp;done</p>", "format": 1}}
    grades = [{"userid": ada, "grade": 87.5, "plugindata": feedback}]
    grading.save(site, {"assignmentid": homework["instance"], "grades": grades})
    (item,) = site.where("items", cmid=quiz["id"])
    grading.override(site, item["id"], ada, 12)
    site.enrol(course, ada, site.enrolled(course)[ada] | {"lastaccess": 1_792_900_000})
    site.put("users", ada, lastaccess=1_792_950_000, firstname="Renamed there")


def test_visits_and_rubrics_are_read_once_a_day() -> None:
    """Visits take a call for each course, and rubrics one for each: daily; the rest as often as the source is read."""
    assert [stream.entity for stream in STREAMS if stream.once_a_day] == ["engagement", "rubric_scores"]


def test_each_function_is_counted_by_itself(campus: Any) -> None:
    """The statistics name functions, which share one path, and count what failed or was refused with status 200."""
    campus.simulator.set_faults(["maintenance@1:core_user_create_users", "access:core_user_get_users"])
    campus.simulator.site.add("users", **person("so", "Søren", "Øst", "Soren@School.example"))
    with share(campus.url):
        with pytest.raises(NetworkError):
            campus.push("users")
        campus.push("users")
    counted = campus.rows(
        "SELECT endpoint, sum(failed)::int, sum(refused)::int FROM connector.api_calls GROUP BY 1 ORDER BY 1"
    )
    assert counted == [
        ("POST core_user_create_users", 1, 0),
        ("POST core_user_get_users", 0, 1),
        ("POST core_user_get_users_by_field", 0, 0),
    ]


def test_work_comes_to_core(campus: Any) -> None:
    """Assignments, quizzes and totals are assessments; grades, submissions and visits are those of core's people."""
    at_work(campus)
    before = campus.rows(PEOPLE)
    outcomes = campus.sync()
    assert [outcome.verified for outcome in outcomes.values()] == [True] * 4
    assessments = "SELECT title, assessment_type, max_score, course_id FROM core.assessments ORDER BY title, id"
    assert campus.rows(assessments) == [
        ("Course total", "course_total", None, 1),
        ("Course total", "course_total", None, 2),
        ("Homework 1", "assignment", 100, 1),
        ("Quiz", "quiz", 20, 1),
    ]
    grades = campus.rows(
        "SELECT a.title, g.grade_type, g.score, g.is_override, g.comment, g.student_id FROM core.grades g"
        " JOIN core.assessments a ON a.id = g.assessment_id ORDER BY a.title"
    )
    assert grades == [
        ("Course total", "course_total", Decimal("99.5"), False, None, 1),
        ("Homework 1", "assignment_grade", Decimal("87.5"), False, "Well done", 1),
        ("Quiz", "assignment_grade", 12, True, None, 1),
    ]
    handed = campus.rows("SELECT state, attempt, student_id FROM core.submissions")
    assert handed == [("submitted", 1, 1)]
    seen = campus.rows(
        "SELECT student_id, course_id, extract(epoch FROM last_login_at)::int, extract(epoch FROM last_access_at)::int"
        " FROM core.engagement ORDER BY course_id, student_id"
    )
    assert seen == [(1, 1, 1_792_950_000, 1_792_900_000), (2, 1, None, None), (1, 2, 1_792_950_000, None)]
    assert campus.rows(PEOPLE) == before


def test_a_second_sync_changes_nothing(campus: Any) -> None:
    """Reading the same site again writes nothing, and neither does pushing after it."""
    at_work(campus)
    campus.sync()
    again = campus.sync()
    assert {(o.plan.counts.created, o.plan.counts.updated) for o in again.values()} == {(0, 0)}
    campus.push(compare=True)
    before = len(campus.simulator.ledger)
    campus.push(compare=True)
    assert len(campus.simulator.ledger) == before


GRADED = (
    "SELECT score, is_override FROM core.grades g JOIN core.assessments a ON a.id = assessment_id WHERE a.title = %s"
)


@pytest.mark.parametrize("later", ["core", "moodle"])
@pytest.mark.parametrize(
    ("title", "edit", "stays"),
    [
        ("Course total", "score = 95", True),
        ("Homework 1", "score = 95, is_override = true", True),
        ("Homework 1", "score = 95", False),
    ],
    ids=["final grade", "override", "other"],
)
def test_final_grades_and_overrides_are_core_s(campus: Any, title: str, edit: str, later: str, *, stays: bool) -> None:
    """What a person set in a final grade or an override stays, whoever changed it last; of other grades the later wins
    (K8, M49).
    """
    at_work(campus)
    campus.sync()
    campus.execute(
        f"UPDATE core.grades g SET {edit} FROM core.assessments a WHERE a.id = assessment_id AND title = '{title}'"
    )
    if later == "moodle":
        campus.execute("UPDATE connector.core_edits SET edited_at = '2000-01-01'")
    site = campus.simulator.site
    ada, (homework,) = campus.user("ada")["id"], site.where("modules", name="Homework 1")
    grading.save(
        site, {"assignmentid": homework["instance"], "grades": [{"userid": ada, "grade": 50, "plugindata": {}}]}
    )
    for _ in range(2):
        assert campus.sync()["grades"].verified
        ((score, override),) = campus.rows(GRADED, title)
        assert (score == 95) is (stays or later == "core")
        assert override is ("is_override" in edit)
    assert [one for one in campus.letters() if one[0] == "grades"] == []


def test_strangers_wait_and_nobody_is_created(campus: Any) -> None:
    """The grade of somebody whom core does not know waits as a dead letter; no person comes into being by it."""
    at_work(campus)
    site = campus.simulator.site
    stranger = site.add("users", **site["users"][1] | {"id": 90, "username": "stranger"})
    course = campus.course("courses/2@terms/2")["id"]
    site.enrol(course, stranger["id"], {"roles": (5,), "start": 0, "end": 0, "suspended": 0, "lastaccess": 0})
    outcomes = campus.sync()
    assert outcomes["engagement"].plan.counts.waiting == 1
    assert campus.rows("SELECT count(*) FROM core.students") == [(3,)]


def test_a_read_that_breaks_changes_nothing(campus: Any) -> None:
    """A page of the web server in the place of a gradebook stops the read; what core had stays."""
    at_work(campus)
    campus.sync()
    before = campus.rows("SELECT count(*), max(updated_at) FROM core.grades")
    campus.simulator.set_faults(["html:gradereport_user_get_grade_items"])
    with pytest.raises(BrokenPage):
        campus.sync()
    assert campus.rows("SELECT count(*), max(updated_at) FROM core.grades") == before


def test_a_preview_asks_a_site_once(campus: Any) -> None:
    """Who looks again within the hour is shown the same page without a call, and told how old it is (M22)."""
    at_work(campus)
    with share(campus.url):
        first = preview(campus.source(), "assessments")
        assert (first.records > 0, first.age_seconds) == (True, 0)
        campus.simulator.set_faults(["500=1000000"])
        again = preview(campus.source(), "assessments")
        assert (replace(again, age_seconds=0), again.age_seconds > 0) == (first, True)
        with pytest.raises(NetworkError, match="500"):
            preview(campus.source(), "assessments", fresh=True)
