"""Scores by rubrics: how they are composed, what is asked for them, and what becomes of them in core."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from requests.adapters import HTTPAdapter

from connector_pipelines.connectors.canvas import CONNECTOR, rubrics
from connector_pipelines.connectors.canvas.client import ASSIGNMENTS_AT_ONCE
from connector_pipelines.errors import BrokenPage, RefusedBySource
from connector_pipelines.model import Window
from connector_pipelines.pages import Stability

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

    from connector_pipelines.validation.accept import Accepted

DONE = {
    "id": "4",
    "assignment_id": "7",
    "user_id": "5",
    "workflow_state": "graded",
    "graded_at": "2026-09-02T10:00:00Z",
    "excused": False,
}
GOOD = {"points": 5.50, "rating_id": "_2", "comments": "See page 2"}


def assessed(**given: Any) -> dict[str, Any]:
    """A submission with what was given for each criterion."""
    return DONE | {"rubric_assessment": given}


def test_a_score_has_the_words_of_its_rubric(core_of: Any) -> None:
    """A score is called by its criterion and level, has its points and the most there may be, and says when (G95)."""
    (found,) = core_of("rubric_scores", assessed(_1=GOOD))
    told = {name: found[name] for name in ("external_id", "criterion", "level", "points", "max_points", "comment")}
    assert told == {
        "external_id": "4:_1",
        "criterion": "Argument",
        "level": "Good",
        "points": "5.5",
        "max_points": "10",
        "comment": "See page 2",
    }
    assert (found["student"], found["assessment"], found["status"], found["deleted"]) == ("5", "7", "active", False)
    assert found["graded_at"] == datetime(2026, 9, 2, 10, tzinfo=UTC)
    assert found["modified_at"] is None


@pytest.mark.parametrize(
    ("given", "level", "points", "comment"),
    [
        ({"points": 0, "rating_id": "_3"}, "No Marks", "0", None),
        ({"points": 7.25, "rating_id": None, "comments": ""}, None, "7.25", None),
        ({"points": 7.25}, None, "7.25", None),
        ({"points": 7, "rating_id": "gone"}, None, "7", None),
        ({"rating_id": "_2"}, "Good", None, None),
        ({"rating_id": "_3", "comments": "Where is it?"}, None, None, "Where is it?"),
        ({"points": None, "rating_id": "_3", "comments": "Where is it?"}, None, None, "Where is it?"),
        ({"points": 10, "rating_id": "blank", "comments": None}, "Excellent", "10", None),
    ],
)
def test_what_may_be_missing(
    core_of: Any, given: dict[str, Any], level: str | None, points: str | None, comment: str | None
) -> None:
    """Points without level, a comment alone: all is a score; the rating of no points counts only with its points."""
    (found,) = core_of("rubric_scores", assessed(_1=given))
    assert (found["level"], found["points"], found["comment"]) == (level, points, comment)


def test_where_points_are_hidden_there_are_none(core_of: Any) -> None:
    """Of a rubric that shows no points, the level counts, and Canvas' points behind it are left out."""
    hidden = {"rubric_settings": {"hide_points": True}}
    (found,) = core_of("rubric_scores", assessed(_1=GOOD), assignment=hidden)
    assert (found["level"], found["points"], found["max_points"]) == ("Good", None, None)


def test_a_criterion_without_words_is_called_by_its_id(core_of: Any) -> None:
    """Where nobody gave a criterion words, its id stands in for them; a rating's id is looked for in it alone."""
    (found,) = core_of("rubric_scores", assessed(crit2={"points": 4, "rating_id": "blank"}))
    assert (found["external_id"], found["criterion"], found["level"]) == ("4:crit2", "crit2", "A")


def test_what_is_no_score_is_counted(accepted_of: Callable[..., Accepted]) -> None:
    """Criteria that are left open, or that the rubric lost, are skipped, with why."""
    rows = [
        assessed(_1={"rating_id": "_3", "comments": ""}, crit2=None),
        assessed(_1=GOOD, lost=GOOD),
        assessed(),
        DONE | {"rubric_assessment": None},
        DONE,
        assessed(_1=GOOD) | {"assignment_id": "8"},
    ]
    found = accepted_of("rubric_scores", rows)
    assert list(found.frame["external_id"]) == ["4:_1"]
    assert found.skipped == {"is not assessed": 2, "has a criterion that its rubric lost": 2}


def test_who_is_excused_has_no_score(core_of: Any) -> None:
    """A score is taken back where the grade is: of who is excused, and of a submission that is deleted."""
    for more in ({"excused": True}, {"workflow_state": "deleted"}):
        (found,) = core_of("rubric_scores", assessed(_1=GOOD) | more)
        assert (found["deleted"], found["status"], found["criterion"]) == (True, "inactive", "Argument")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"_1": {"points": "a lot"}}, "points must be a number"),
        ({"_1": {"points": 1, "comments": "x" * 10_001}}, "comment must have at most 10,000 characters"),
        ({"_1": {"points": 1, "comments": ["x"]}}, "Expected `str | null`, got `array` - at `$.given.comments`"),
        ({"x" * 260: {"points": 1}}, "id must have at most 255 characters"),
        (["none"], "Expected `object | null`, got `array` - at `$.submission.rubric_assessment`"),
    ],
)
def test_bad_scores_say_why(accepted_of: Callable[..., Accepted], bad: Any, says: str) -> None:
    """A score that is no good is set aside with the field and the rule; its neighbor is taken."""
    found = accepted_of("rubric_scores", [assessed(_1=GOOD), DONE | {"rubric_assessment": bad}])
    assert list(found.frame["external_id"]) == ["4:_1"]
    assert [says in one.reason for one in found.rejections] == [True]


@pytest.mark.parametrize(
    ("more", "known"),
    [
        ({}, True),
        ({"workflow_state": "unpublished"}, False),
        ({"rubric": None}, False),
        ({"rubric": []}, False),
        ({"rubric_settings": None}, True),
    ],
)
def test_which_assignments_have_a_rubric(more: dict[str, Any], known: bool) -> None:  # noqa: FBT001 -- a column of the table
    """Submissions are asked for where there is a rubric, and the assignment is published: others are refused."""
    assignment = {"id": 12, "workflow_state": "published", "rubric": [{"id": "_1"}]}
    found = rubrics.rubric_of(json.dumps(assignment | more).encode())
    assert (found is not None and found.id == "12") is known


@pytest.mark.parametrize("more", [{"id": None}, {"id": "../1"}, {"id": ["12"]}, {"rubric": "none"}])
def test_a_rubric_that_cannot_be_read_breaks_the_read(more: dict[str, Any]) -> None:
    """Where it is not known which scores there are, nothing is taken for gone: the read ends."""
    assignment = {"id": 12, "workflow_state": "published", "rubric": [{"id": "_1"}]}
    with pytest.raises(BrokenPage, match="an assignment"):
        rubrics.rubric_of(json.dumps(assignment | more).encode())


def standing(site: Any) -> list[str]:
    """The ids of the scores that are read and stand, each once, in order."""
    frame = site.read("rubric_scores").frame
    return sorted(set(frame["external_id"][~frame["deleted"]]))


def test_as_little_is_asked_as_can_be(site: Any) -> None:
    """A course costs its assignments, and the submissions to those with a rubric; without any nothing more."""
    pieces = list(site.simulator.expected("assignments"))
    with_rubric = {
        course: [str(p["id"]) for p in pieces if p["course_id"] == course and "rubric" in p] for course in (1, 2, 3)
    }
    site.pages("rubric_scores")
    asked = {
        one.path.split("/")[4]: [v for name, v in one.pairs if name == "assignment_ids[]"]
        for one in site.asked("submissions")
    }
    assert {int(course): ids for course, ids in asked.items()} == {1: with_rubric[1], 2: with_rubric[2]}
    assert with_rubric[3] == []
    assert len(site.simulator.requests) == 1 + 3 + 2


def test_many_assignments_are_asked_for_in_parts(site: Any) -> None:
    """No address grows beyond what servers take: so many assignments are named in one, and the others in the next."""
    piece = next(one for one in site.simulator.expected("assignments") if "rubric" in one)
    for _ in range(ASSIGNMENTS_AT_ONCE):
        site.simulator.put("assignments", **{name: piece[name] for name in piece if name != "id"})
    assert standing(site) == sorted(site.truth()["rubric_scores"])
    named = [len([1 for name, _ in one.pairs if name == "assignment_ids[]"]) for one in site.asked("submissions")]
    assert sorted(named) == [1, 2, ASSIGNMENTS_AT_ONCE]


@pytest.mark.parametrize(
    "faults", [["clamp=3"], ["bookmarks", "clamp=3"], ["wrapped"], ["numeric-ids"], ["duplicate"], ["ignore-filter"]]
)
def test_harmless_faults_lose_no_score(site: Any, faults: list[str]) -> None:
    """Small pages, bookmarks, objects around lists, numbers for ids, repeated rows and a deaf site lose nothing."""
    site.simulator.set_faults(faults)
    assert standing(site) == sorted(site.truth()["rubric_scores"])


def test_nothing_is_kept_of_who_was_not_assessed(site: Any) -> None:
    """A landed page holds the submissions of which records are made, and no other: else erasure would miss those."""
    pages = site.pages("rubric_scores")
    scored = {json.loads(bytes(row))["submission"]["id"] for page in pages for row in page.rows}
    landed = {one["id"] for page in pages for one in json.loads(page.body)["submissions"]}
    assert landed == scored < {str(one["id"]) for one in site.simulator.expected("submissions")}


def test_an_assignment_that_goes_meanwhile_is_no_matter_of_permission(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an assignment is hidden between the two requests, the read ends, and not as if the token were no good."""
    send = HTTPAdapter.send

    def meanwhile(adapter: HTTPAdapter, request: PreparedRequest, *rest: Any, **how: Any) -> Any:
        if "submissions" in str(request.url):
            for piece in list(site.simulator.expected("assignments")):
                site.simulator.put("assignments", id=piece["id"], workflow_state="unpublished")
        return send(adapter, request, *rest, **how)

    monkeypatch.setattr(HTTPAdapter, "send", meanwhile)
    with pytest.raises(RefusedBySource, match="invalid assignment ids requested"):
        site.pages("rubric_scores")


def test_two_passes_prove_which_scores_are_gone(site: Any) -> None:
    """A fenced read compares scores by their ids: where one is taken back between passes there is a third."""
    config = site.config(page_size=5, in_flight=1)
    one = next(iter(site.simulator.expected("rubric_scores")))["submission_id"]
    with CONNECTOR.open(config) as client:
        stream = next(stream for stream in CONNECTOR.streams(config) if stream.entity == "rubric_scores")
        reading = stream.read(client, Window())
        assert reading.snapshot
        assert reading.fenced is not None
        fenced = reading.fenced()
        for page in fenced.pages:
            if any(b'"id":"%d:' % one in row for row in page.rows):
                site.simulator.put("submissions", id=one, rubric_assessment=None, _scores=())
    assert fenced.stability() is Stability.REPAIRED
    assert len(site.asked("courses")) == 3
    assert stream.filters_by_time is False


def test_one_page_of_scores_is_read_twice(site: Any) -> None:
    """Where all scores are on one page, a fenced read proves which assignments and courses there are, too."""
    for piece in [one for one in site.simulator.expected("assignments") if one["course_id"] != 1 and "rubric" in one]:
        site.simulator.put("assignments", id=piece["id"], rubric=[])
    config = site.config()
    with CONNECTOR.open(config) as client:
        stream = next(stream for stream in CONNECTOR.streams(config) if stream.entity == "rubric_scores")
        fenced = stream.read(client, Window()).fenced
        assert fenced is not None
        reading = fenced()
        pages = list(reading.pages)
    assert [bool(page.rows) for page in pages] == [True, False, False, False]
    assert [list(stream.split(page.body)) for page in pages] == [list(page.rows) for page in pages]
    assert reading.stability() is Stability.STABLE
    assert len(site.asked("courses")) == 2
