"""From the rubrics of a Moodle site to core: what each student was given for each criterion (G95)."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.moodle import CONNECTOR, client, reading, records
from connector_pipelines.connectors.moodle.calls import ask
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.errorcodes import Refused
from connector_pipelines.connectors.moodle.simulator import grading, rubrics
from connector_pipelines.connectors.moodle.simulator.php import as_json
from connector_pipelines.connectors.moodle.simulator.school import work
from connector_pipelines.errors import AuthFailed, SyncError
from connector_pipelines.model import Window
from connector_pipelines.simulating.exchange import Reply
from connector_pipelines.sync.preview import preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.moodle.simulator import Simulator

pytestmark = pytest.mark.phase3

NAMED = ["assessments", "rubric_scores"]
CRITERIA = {"R&D": ((0, "None"), (2.5, "<3 pages"), (5, "3 pages")), "Form": ((1, "Late"), (2, ""))}
HELD = (
    "SELECT r.criterion, r.level, r.points, r.max_points, r.comment, r.student_id, a.title"
    " FROM core.rubric_scores r JOIN core.assessments a ON a.id = r.assessment_id ORDER BY r.id"
)


class Class:
    """Ada's homework with a rubric, and a teacher."""

    def __init__(self, campus: Any) -> None:
        campus.more = {"entities": NAMED}
        campus.push()
        self.campus = campus
        self.site: Any = campus.simulator.site
        self.ada = campus.user("ada")["id"]
        self.task = grading.assignment(self.site, campus.course("courses/1@terms/2")["id"], "Homework")
        self.form = rubrics.form(self.site, self.task["id"], CRITERIA)
        self.first, self.second = self.form["criteria"]

    def assess(self, *chosen: tuple[int | None, str] | None, form: dict[str, Any] | None = None) -> None:
        """Grade Ada, and choose a level by its place, and a remark, for each criterion that is not left open."""
        grades = [{"userid": self.ada, "grade": 80.0}]
        grading.save(self.site, {"assignmentid": self.task["instance"], "grades": grades})
        filled = {
            criterion["id"]: (None if one[0] is None else criterion["levels"][one[0]]["id"], one[1])
            for criterion, one in zip(self.form["criteria"], chosen, strict=True)
            if one is not None
        }
        rubrics.fill(self.site, form or self.form, self.ada, filled)

    def read(self) -> Any:
        """Read everything; the plan of the scores."""
        outcomes = self.campus.sync()
        assert all(outcome.verified for outcome in outcomes.values())
        return outcomes["rubric_scores"].plan

    def letters(self) -> list[str]:
        """Why scores are set aside."""
        return [reason for entity, _, _, reason in self.campus.letters() if entity == "rubric_scores"]

    def skipped(self) -> dict[str, int]:
        """Why records are no scores, and how many."""
        found = preview(self.campus.source(), "rubric_scores", fresh=True).verdicts
        return {why.partition(": ")[2]: number for why, number in found.items() if why.startswith("skipped: ")}


@pytest.fixture
def lab(campus: Any) -> Class:
    """The class of the R&D lab."""
    return Class(campus)


def test_what_is_filled_in_comes_to_core(lab: Class) -> None:
    """A criterion comes with the name and the points of its level, or without either, and texts without markup."""
    lab.assess((1, "<p>Well&nbsp;done: 2 < 3</p>"), (1, ""))
    assert lab.read().counts.created == 2
    assert lab.campus.rows(HELD) == [
        ("R&D", "<3 pages", Decimal("2.5"), 5, "Well done: 2 < 3", 1, "Homework"),
        ("Form", None, 2, 2, None, 1, "Homework"),
    ]
    moments = lab.campus.rows("SELECT DISTINCT extract(epoch FROM graded_at)::int, status FROM core.rubric_scores")
    assert moments == [(lab.site.clock(), "active")]


def test_core_comes_to_hold_what_a_school_filled_in(campus: Any) -> None:
    """After a term at work core holds what was filled in for its students, each criterion once, and no more."""
    campus.more = {"entities": NAMED}
    campus.execute(
        "INSERT INTO core.students (id, given_name, family_name, username, email, status) OVERRIDING SYSTEM VALUE"
        " SELECT n, 'G', 'F', 'p' || n, 'p' || n || '@school.example', 'active' FROM generate_series(11, 40) n;"
        "ALTER TABLE core.enrollments ALTER id RESTART WITH 100;"
        "INSERT INTO core.enrollments (status, student_id, section_id)"
        " SELECT 'enrolled', n, n % 3 + 1 FROM generate_series(11, 40) n"
    )
    campus.simulator.service.after.append(work)
    campus.push()
    outcome = campus.sync()["rubric_scores"]
    there, site = [], campus.simulator.site
    whose = {row["number"]: user for (_, user), row in site["marks"].items()}
    for form in site["forms"].values():
        criteria = {one["id"]: one for one in form["criteria"]}
        for filled in site.where("fillings", form=form["id"]):
            for row in filled["rows"]:
                levels = {one["id"]: one for one in criteria[row["criterionid"]]["levels"]}
                level = levels.get(row["levelid"], {})
                username = site["users"][whose[filled["grade"]]]["username"]
                most = Decimal(str(max(one["score"] for one in levels.values())))
                points = Decimal(str(level["score"])) if level else None
                if level or row["remark"]:
                    name = criteria[row["criterionid"]]["description"]
                    there.append((username, name, level.get("definition") or None, points, most))
    here = campus.rows(
        "SELECT lower(coalesce(s.username, s.email)), r.criterion, r.level, r.points, r.max_points"
        " FROM core.rubric_scores r JOIN core.students s ON s.id = r.student_id"
    )
    assert outcome.verified
    assert Counter(here) == Counter(there)
    assert {one[3] is None for one in here} == {one[2] is None for one in here} == {True, False}
    assert campus.sync()["rubric_scores"].plan.counts.updated == 0


def test_a_teacher_grades_again(lab: Class) -> None:
    """What is filled in again takes the place of what was before; a criterion that is left open then is no score."""
    lab.assess((1, ""), (0, "Late"))
    lab.read()
    lab.assess((2, ""), None)
    plan = lab.read()
    assert (plan.counts.updated, plan.counts.absent + plan.counts.dropped) == (1, 1)
    assert lab.campus.rows(HELD)[0][:3] == ("R&D", "3 pages", 5)
    lab.assess((None, ""), None)
    assert (lab.read().counts.skipped, lab.skipped()) == (1, {"is not assessed": 1})


def test_a_rubric_is_changed(lab: Class) -> None:
    """Other words for a level come, a criterion that is gone is skipped, and a level that is gone leaves its remark."""
    lab.assess((1, "Fine"), (0, ""))
    lab.read()
    levels = [one | {"definition": "Short"} for one in lab.first["levels"]]
    lab.site.put("forms", lab.form["id"], criteria=[lab.first | {"levels": levels}], changed=lab.site.clock() + 60)
    counts = lab.read().counts
    assert (counts.updated, counts.skipped) == (1, 1)
    assert lab.skipped() == {"is of a criterion that the rubric has no more": 1}
    assert lab.campus.rows(HELD)[0][1] == "Short"
    lab.site.put("forms", lab.form["id"], criteria=[lab.first | {"levels": []}], changed=lab.site.clock() + 120)
    lab.read()
    assert lab.campus.rows(HELD)[0][1:5] == (None, None, None, "Fine")
    lab.assess((1, ""), None)
    assert (lab.read().counts.skipped, lab.skipped()) == (1, {"is of a level that the rubric has no more": 1})


def test_a_criterion_without_words_is_called_by_its_place(lab: Class) -> None:
    """Where a criterion is described by a picture alone it is called by its place in the rubric."""
    picture = lab.second | {"description": "<img src='form.png'>"}
    lab.site.put("forms", lab.form["id"], criteria=[lab.first, picture])
    lab.assess((1, ""), (0, ""))
    lab.read()
    assert [row[0] for row in lab.campus.rows(HELD)] == ["R&D", "Criterion 2"]


@pytest.mark.parametrize(
    ("fault", "struck", "reason"),
    [
        ("wrong-type=levelid", "core_grading_get_gradingform_instances", "Expected `int | null`"),
        ("nul-byte", "core_grading_get_gradingform_instances", "no NUL"),
        ("missing-field=criterionid", "core_grading_get_gradingform_instances", "id is required"),
        ("missing-field", "core_grading_get_definitions", "missing required field `id`"),
        ("decimal-comma", "core_grading_get_definitions", "Expected `int | float"),
    ],
)
def test_a_score_that_cannot_be_used_is_set_aside(lab: Class, fault: str, struck: str, reason: str) -> None:
    """What is wrong with one filling or one level becomes a dead letter, and comes by itself when it is right again."""
    lab.assess((1, "Fine"), (0, "Late"))
    lab.campus.simulator.set_faults([f"{fault}:{struck}"])
    counts = lab.read().counts
    assert counts.dead_lettered > 0
    assert counts.dead_lettered + counts.created == counts.fetched == 2
    assert all(reason in said for said in lab.letters())
    lab.campus.simulator.set_faults([])
    assert lab.read().counts.dead_lettered == 0
    assert (len(lab.campus.rows(HELD)), lab.letters()) == (2, [])


def test_only_the_latest_attempt_counts(lab: Class) -> None:
    """What was filled in for an earlier attempt names nobody any more, and is kept nowhere, nor in landed pages."""
    lab.assess((1, "Try again"), (0, ""))
    grading.submit(lab.site, lab.task["instance"], lab.ada, attempt=1)
    assert lab.read().counts.fetched == 0
    lab.assess((2, "Better"), (1, ""))
    lab.read()
    assert [(row[1], row[4]) for row in lab.campus.rows(HELD)] == [("3 pages", "Better"), (None, None)]
    landed = b"".join(
        page.body
        for read in lab.campus.landing.reads("campus", "rubric_scores")
        for page in lab.campus.landing.pages("campus", "rubric_scores", read)
    )
    assert b"Better" in landed
    assert b"Try again" not in landed


def test_what_waits_for_a_teacher_is_not_told(lab: Class) -> None:
    """Where a rubric was changed and has to be filled in again, what was filled in before does not come."""
    lab.assess((1, ""), (0, ""))
    (key,) = lab.site["fillings"]
    lab.site.put("fillings", key, status=rubrics.OUTDATED)
    assert lab.read().counts.fetched == 0


def test_rubrics_are_read_only_where_they_are_named(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """A source that names no entities neither reads rubrics nor misses their functions in a service."""
    functions = {"core_grading_get_definitions", "core_grading_get_gradingform_instances", "mod_assign_get_grades"}
    assert [one.entity for one in CONNECTOR.streams(MoodleConfig())][-1] == "engagement"
    named = MoodleConfig(entities=("rubric_scores",))
    (stream,) = CONNECTOR.streams(named)
    assert stream.once_a_day
    assert {*client.NEEDED_BY["rubric_scores"]} == functions
    with asked(entities=NAMED) as moodle:
        assert client.check(moodle).ok
        list(reading.rubric_scores(moodle, Window()).pages)
    assert functions <= {request.function for request in simulator.requests}


def test_the_connection_test_names_what_rubrics_lack(
    exchanges: Any, stand: Callable[..., Any], reply: type[Any], opened: Callable[..., Any]
) -> None:
    """Where rubrics are to be read, the connection test of the recorded site names their functions, too."""
    site = stand(lambda _: reply(exchanges["site_info"].body))
    with opened(site.url, entities=NAMED) as moodle:
        health = client.check(moodle)
    assert not health.ok
    missing = "mod_assign_get_submissions, core_grading_get_definitions, core_grading_get_gradingform_instances."
    assert health.detail.endswith(f"its service lacks {missing}")


@pytest.mark.parametrize("function", client.NEEDED_BY["rubric_scores"])
def test_a_service_that_lacks_a_function_ends_the_read(lab: Class, function: str) -> None:
    """A function that the service lacks is an error that names it and says what to do; core stays as it was."""
    lab.assess((1, ""), (0, ""))
    lab.read()
    before = lab.campus.rows(HELD)
    lab.campus.simulator.set_faults([f"access:{function}"])
    with pytest.raises(AuthFailed, match=rf"{function}.*Add the function to the external service"):
        lab.campus.sync()
    assert lab.campus.rows(HELD) == before != []


def test_calls_are_as_few_as_rubrics(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """A site pays one call for each batch of assignments, one for each rubric, and one for the grades of a batch."""
    with asked(batch_size=2) as moodle:
        list(reading.rubric_scores(moodle, Window()).pages)
    functions = Counter(request.function for request in simulator.requests)
    assert functions["core_grading_get_definitions"] == 2 + 1  # four assignments in two courses, two in the third
    assert functions["core_grading_get_gradingform_instances"] == 3
    assert functions["mod_assign_get_grades"] == 3
    simulator.site.tables["forms"] = {}
    simulator.requests.clear()
    with asked() as moodle:
        assert list(reading.rubric_scores(moodle, Window()).pages) == []
    assert [request.function for request in simulator.requests] == [
        *("core_course_get_courses", "mod_assign_get_assignments", "core_grading_get_definitions"),
    ]


def test_marking_guides_and_simple_grades_are_none(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """An assignment that is graded by a guide, or by a rubric no more, or simply, has no rubric that is read."""
    plain, guided, left = (module for module in simulator.site.where("modules", name="Homework 2"))
    rubrics.form(simulator.site, guided["id"], {}, method=rubrics.GUIDE)
    rubrics.form(simulator.site, left["id"], CRITERIA)
    simulator.site.put("modules", left["id"], method=None)
    with asked() as moodle:
        pages = list(reading.rubric_scores(moodle, Window()).pages)
        params = {"cmids": [plain["id"]], "areaname": "submissions", "activeonly": True}
        with pytest.raises(Refused, match="invalid_method_name"):
            ask(moodle, "core_grading_get_definitions", params)
    assert len(pages) == len(simulator.site.where("modules", method="rubric")) == 3


@pytest.mark.parametrize(
    ("areas", "warnings", "said"),
    [
        ([], [], "for other assignments"),
        (None, [], "another shape"),
        ([], [{"warningcode": "1", "message": "No access rights"}], "No access"),
    ],
)
def test_an_answer_that_leaves_assignments_out_is_none(
    stand: Callable[..., Any], opened: Callable[..., Any], areas: Any, warnings: Any, said: str
) -> None:
    """What a site does not tell of an assignment that it was asked for is no assignment without rubric."""
    told = {
        "core_course_get_courses": [{"id": 2, "shortname": "A"}],
        "mod_assign_get_assignments": {"courses": [{"assignments": [{"id": 1, "cmid": 3}]}], "warnings": []},
        "core_grading_get_definitions": {"areas": areas, "warnings": warnings},
    }
    site: Any = stand(lambda _: Reply(200, as_json(told[site.asked[-1][0]])))
    with opened(site.url) as moodle, pytest.raises(SyncError, match=said):
        list(reading.rubric_scores(moodle, Window()).pages)


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("<p>Well&nbsp;done</p>", "Well done"),
        ("<3 errors, or >1 page", "<3 errors, or >1 page"),
        ("a < b and c > d", "a < b and c > d"),
        ("x<br/>y<!-- z -->", "x y"),
        ("R&amp;D", "R&D"),
        ("<p> </p>", None),
    ],
)
def test_texts_lose_their_markup_alone(html: str, plain: str | None) -> None:
    """What is markup goes; what a teacher wrote with the same signs stays."""
    assert records.words(html) == plain
