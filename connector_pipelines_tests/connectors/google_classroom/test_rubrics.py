"""What was given for each criterion of a rubric: composed of submissions and of the rubrics they were assessed by."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd
import pytest

from connector_pipelines.connectors.google_classroom import CONNECTOR, wire
from connector_pipelines.connectors.google_classroom.config import COURSEWORK_SCOPE, Gradebook, Rosters
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import AuthFailed, BrokenPage
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.surroundings import share
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Source
from connector_pipelines.pages import Page, Stability
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import sync
from connector_pipelines.validation.accept import Accepted, accept
from connector_pipelines_tests.kept import kept
from proof import held

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, Any]
ALL = (*get_args(Rosters), *get_args(Gradebook))
HANDED = {"courseId": "1", "courseWorkId": "2", "id": "Cg4I", "userId": "5", "updateTime": "2026-09-01T08:00:00Z"}
LEVELS = [{"id": "l2", "title": "Good", "points": 4}, {"id": "l1", "points": 1.5}]
UNSCORED = [{"id": "l2", "title": "Good"}]
THESIS = {"id": "c1", "title": "Thesis", "levels": LEVELS}


def page(domain: Any, *submissions: Record, criteria: Any = (THESIS,)) -> Page:
    """A landed page of these submissions, and the criteria of the rubric of course work 2."""
    body = json.dumps({"studentSubmissions": list(submissions)}).encode()
    body = wire.of_course(wire.Course(id="1", ownerId="9"), body, {"rubrics": {"2": criteria}})
    return Page(1, "", 200, body, domain.stream("rubric_scores", entities=ALL).split(body))


def accepted(domain: Any, grades: Any, **more: Any) -> Accepted:
    """What becomes of a submission with these rubric grades."""
    stream, one = domain.stream("rubric_scores", entities=ALL), HANDED | {"assignedRubricGrades": grades}
    return accept(stream, [Sieve(0, None).sift(page(domain, one, **more))])


def row(domain: Any, grade: Record, **more: Any) -> Record:
    """The row that is given for criterion c1; missing values are None."""
    found = accepted(domain, {"c1": {"criterionId": "c1"} | grade}, **more)
    assert found.rejections == []
    [one] = found.frame.to_dict("records")
    return {str(k): None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in one.items()}


def _number(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def truth(domain: Any) -> dict[str, Record]:
    """What core must hold, worked out from the domain itself."""
    criteria = {
        (rubric["courseId"], rubric["courseWorkId"], one["id"]): one
        for rubric in domain.simulator.expected("rubrics")
        for one in rubric["criteria"]
    }
    found = {}
    for handed in domain.simulator.expected("studentSubmissions"):
        place = (handed["courseId"], handed["courseWorkId"])
        for key, grade in handed.get("assignedRubricGrades", {}).items():
            criterion = criteria.get((*place, key), {"title": key, "levels": []})
            titles = {level["id"]: level.get("title", level["id"]) for level in criterion["levels"]}
            most = [level["points"] for level in criterion["levels"] if "points" in level]
            found[":".join((*place, handed["id"], key))] = {
                "criterion": criterion["title"],
                "level": titles.get(grade.get("levelId"), grade.get("levelId")),
                "points": _number(grade.get("points")),
                "max_points": _number(max(most, default=None)),
                "comment": None,
                "graded_at": None,
                "status": "active",
                "student": handed["userId"],
                "assessment": ":".join(place),
            }
    return found


def synced(database: str, folder: Path, domain: Any, **policy: Any) -> Any:
    """Sync all of the domain; what became of the rubric scores."""
    config = domain.config(entities=ALL, page_size=7, in_flight=4)
    source = Source("classroom", CONNECTOR, config, SyncPolicy.model_validate(policy))
    with share(database), connect(database) as connection:
        done = sync(Context(connection, Landing(str(folder)), url=database), source)
        return next(one.plan.counts for one in done if one.entity == "rubric_scores")


def core(database: str, *, absent: bool = False) -> dict[str, Record]:
    """What core holds of the domain's rubric scores."""
    with kept(database) as connection:
        return held.core(connection, "rubric_scores", "classroom", absent=absent)


def test_rubric_scores_arrive_whole(database: str, tmp_path: Path, domain: Any) -> None:
    """Each criterion of each submission is in core with its words and points; a second sync writes nothing."""
    counts = [synced(database, tmp_path, domain) for _ in range(2)]
    expected = truth(domain)
    assert core(database) == expected
    assert [(one.created, one.updated, one.dead_lettered) for one in counts] == [(len(expected), 0, 0), (0, 0, 0)]
    rows = list(expected.values())
    assert any(one["points"] is None for one in rows)
    assert any(one["level"] is None for one in rows)
    assert any(one["points"] == 0 for one in rows)
    assert any(one["max_points"] and one["points"] and one["points"] > one["max_points"] for one in rows)
    assert {"Nremoved", "Thesis"} < {one["criterion"] for one in rows}


def test_what_is_taken_back_is_dropped(database: str, tmp_path: Path, domain: Any) -> None:
    """What a criterion is called now is in core with the next sync; scores of one that is assessed no more go."""
    synced(database, tmp_path, domain, drops=["rubric_scores"])
    before, world = truth(domain), domain.simulator.world
    rubrics = [one for listed in world.rubrics.values() for one in listed]
    for rubric in rubrics:
        del rubric["criteria"][1]
        rubric["criteria"][0] |= {"title": "Claim"}
    counts = synced(database, tmp_path, domain, drops=["rubric_scores"])
    gone = before.keys() - truth(domain).keys()
    assert core(database) == truth(domain)
    assert "Claim" in {one["criterion"] for one in core(database).values()}
    assert counts.dropped == len(gone) > 0
    assert core(database, absent=True) == {key: before[key] | {"status": "inactive"} for key in gone}


def test_rubrics_are_asked_for_where_they_are_needed(domain: Any) -> None:
    """Each rubric is asked for once, however many pages need it, and none of course work without a score."""
    domain.pages("rubric_scores", entities=ALL, page_size=4)
    asked = [request.path.removeprefix("/v1/courses/").removesuffix("/rubrics") for request in domain.asked("rubrics")]
    assert sorted(asked) == sorted({one["assessment"].replace(":", "/courseWork/") for one in truth(domain).values()})


def test_a_domain_without_rubrics_pays_nothing_for_them(domain: Any) -> None:
    """Where nobody was assessed by a rubric there are none asked for, and every submission is accounted for."""
    world = domain.simulator.world
    world.rubrics = {course: [] for course in world.rubrics}
    found = domain.read("rubric_scores", entities=ALL)
    submissions = len(list(domain.simulator.expected("studentSubmissions")))
    assert (len(found.frame), found.skipped) == (0, {"is not assessed by a rubric": submissions})
    assert domain.asked("rubrics") == []


def test_drafts_never_come(domain: Any) -> None:
    """What a teacher drafted, and what the levels are described by, is not asked for."""
    assert any("draftRubricGrades" in one for one in domain.simulator.expected("studentSubmissions"))
    told = b"".join(one.body for one in domain.pages("rubric_scores", entities=ALL))
    assert b"assignedRubricGrades" in told
    assert b"draft" not in told
    assert b"description" not in told


def test_the_scope_is_that_of_course_work(domain: Any) -> None:
    """Rubric scores take the scope that grades take, and no other."""
    assert domain.config(entities=["rubric_scores"]).asked_scopes[-1] == COURSEWORK_SCOPE
    with pytest.raises(AuthFailed, match="insufficient authentication scopes"):
        domain.pages("rubric_scores", entities=ALL, scopes=domain.config().asked_scopes)


@pytest.mark.parametrize(
    ("grade", "criteria", "expected"),
    [
        ({"levelId": "l2", "points": 4}, [THESIS], ("Thesis", "Good", "4", "4")),
        ({"levelId": "l1", "points": 1.5}, [THESIS], ("Thesis", "l1", "1.5", "4")),
        ({"points": 0}, [THESIS], ("Thesis", None, "0", "4")),
        ({"levelId": "", "points": 9.99}, [THESIS], ("Thesis", None, "9.99", "4")),
        ({"levelId": "gone"}, [THESIS], ("Thesis", "gone", None, "4")),
        ({"levelId": "l2"}, [{"id": "c1", "title": " ", "levels": UNSCORED}], ("c1", "Good", None, None)),
        ({"levelId": "l2", "points": 4}, [THESIS | {"id": "other"}], ("c1", "l2", "4", None)),
        ({"levelId": "l2", "points": 4}, [{"title": "nobody's"}, 7], ("c1", "l2", "4", None)),
        ({"levelId": "l2", "points": 4}, [{"id": "c1"}], ("c1", "l2", "4", None)),
    ],
)  # fmt: skip
def test_words_and_points(domain: Any, grade: Record, criteria: Any, expected: tuple[Any, ...]) -> None:
    """Words and most points are the rubric's; what has no words there, or is there no more, is called by its id."""
    found = row(domain, grade, criteria=criteria)
    assert tuple(found[name] for name in ("criterion", "level", "points", "max_points")) == expected
    assert found.items() >= {"external_id": "1:2:Cg4I:c1", "student": "5", "assessment": "1:2"}.items()


@pytest.mark.parametrize("grades", [None, {}, {"c1": None}, {"c1": {}}, {"c1": {"criterionId": "c1", "levelId": ""}}])
def test_what_is_open_is_skipped(domain: Any, grades: Any) -> None:
    """A submission that was not assessed is skipped with the reason, and so is a criterion that is open."""
    assert accepted(domain, grades).skipped == {"is not assessed by a rubric": 1}


@pytest.mark.parametrize(
    ("grades", "more", "rule", "key"),
    [
        ({"c1": {"points": -1}}, {}, "points must be a number", "1:2:Cg4I:c1"),
        ({"c1": {"points": "A"}}, {}, "points must be a number", "1:2:Cg4I:c1"),
        ({"c1": {"levelId": 7}}, {}, "wire: wrong type", "1:2:Cg4I:c1"),
        ({"c1": 7}, {}, "wire: wrong type", "1:2:Cg4I:c1"),
        ({"c 1": {"points": 1}}, {}, "id must be a number", "1:2:Cg4I:c 1"),
        ({"": {"points": 1}}, {}, "id is required", None),
        ({"c1": {"levelId": "l1"}}, {"criteria": [THESIS | {"levels": 7}]}, "wire: wrong type", "1:2:Cg4I:c1"),
        ({"c1": {"points": 1}}, {"criteria": [THESIS | {"title": "x" * 9_000}]}, "criterion must have", "1:2:Cg4I:c1"),
        ([7], {}, "wire: wrong type", "1:2:Cg4I"),
    ],
)
def test_what_is_no_score_is_a_dead_letter(domain: Any, grades: Any, more: Record, rule: str, key: str | None) -> None:
    """What cannot be taken is set aside with the reason and its id, criterion by criterion."""
    found = accepted(domain, grades, **more)
    assert [(one.rule[: len(rule)], one.external_id) for one in found.rejections] == [(rule, key)]
    others = accepted(domain, {"c9": {"points": 1}} | grades, **more) if isinstance(grades, dict) else found
    assert len(others.frame) == isinstance(grades, dict)


def test_a_score_without_its_course_work_is_no_open_one(domain: Any) -> None:
    """A submission whose ids are missing is a dead letter, although nobody can say which rubric it is of."""
    one = {"courseId": "1", "id": "Cg4I", "userId": "5", "assignedRubricGrades": {"c1": {"points": 1}}}
    stream = domain.stream("rubric_scores", entities=ALL)
    found = accept(stream, [Sieve(0, None).sift(page(domain, one))])
    assert [letter.rule for letter in found.rejections] == ["id is required"]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_page_is_read_however_it_is_written(domain: Any, indent: int | None) -> None:
    """Rubrics that come in many lines stand in one before the page, and the page stays as it came."""
    import msgspec

    raw = [msgspec.Raw(json.dumps(THESIS, indent=indent).encode())]
    body = json.dumps({"studentSubmissions": [HANDED]}, indent=indent).encode()
    landed = wire.of_course(wire.Course(id="1"), body, {"rubrics": {"2": raw}})
    head, _, rest = landed.partition(b"\n")
    assert json.loads(head.partition(b" ")[2])["rubrics"]["2"] == [THESIS]
    assert rest == body
    assert len(domain.stream("rubric_scores", entities=ALL).split(landed)) == 1


def test_a_page_whose_rubrics_are_none_is_no_page(domain: Any) -> None:
    """A page that was landed behind something else than rubrics is broken, and so is one without a course."""
    stream = domain.stream("rubric_scores", entities=ALL)
    with pytest.raises(BrokenPage, match="by which rubrics"):
        stream.split(wire.of_course(wire.Course(id="1"), b"{}", {"rubrics": 7}))
    with pytest.raises(BrokenPage):
        stream.split(b'{"studentSubmissions": []}')


def test_rubrics_of_many_pages_are_read_to_the_end(domain: Any) -> None:
    """Google has one rubric a course work and one a page today; of two, both name their criteria."""
    world = domain.simulator.world
    rubric = next(one for listed in world.rubrics.values() for one in listed if len(one["criteria"]) == 3)
    second = rubric | {"id": "second", "criteria": [rubric["criteria"].pop()]}
    world.rubrics[rubric["courseId"]].append(second)
    expected = truth(domain)
    found = domain.read("rubric_scores", entities=ALL).frame
    assert set(found["external_id"]) == set(expected)
    assert {tuple(one) for one in found[["external_id", "criterion"]].to_numpy()} == {
        (key, one["criterion"]) for key, one in expected.items()
    }


def test_a_rubric_that_is_gone_leaves_the_ids(domain: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where Google knows no rubric of a course work, its scores come with ids for words, and the log names it."""
    domain.simulator.set_faults(["404:rubrics"])
    found = domain.read("rubric_scores", entities=ALL).frame
    assert set(found["external_id"]) == set(truth(domain))
    assert [key.rpartition(":")[2] for key in found["external_id"]] == list(found["criterion"])
    assert "has scores, and Google knows no rubric of it" in caplog.text


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("refused@1:rubrics", AuthFailed, r"rubrics answered 403 \(PERMISSION_DENIED: The caller does not have"),
        ("other-course:rubrics", BrokenPage, "holds the one of another"),
        ("number-ids:rubrics", BrokenPage, "holds none that can be read"),
        ("error-200:rubrics", BrokenPage, "is not empty either"),
        ("truncated:rubrics", BrokenPage, "is no JSON object"),
        ("html-200:studentSubmissions", BrokenPage, "is no JSON object"),
    ],
)
def test_a_rubric_that_cannot_be_read_is_not_taken_for_none(
    domain: Any, fault: str, error: type[Exception], said: str
) -> None:
    """A rubric that is refused, of another course work or unreadable ends the read, and its words are not ids."""
    domain.simulator.set_faults([fault])
    with pytest.raises(error, match=said):
        domain.pages("rubric_scores", entities=ALL)


@pytest.mark.parametrize("fault", ["wrong-type=criteria:rubrics", "missing-field=criteria:rubrics", "empty:rubrics"])
def test_a_rubric_without_what_is_looked_for_loses_no_score(domain: Any, fault: str) -> None:
    """Of a rubric that is empty or whose criteria are none, the scores come all the same, under their ids."""
    domain.simulator.set_faults([fault])
    found = domain.read("rubric_scores", entities=ALL).frame
    assert set(found["external_id"]) == set(truth(domain))
    assert found["max_points"].isna().all()


@pytest.mark.parametrize("fault", ["clamp=2", "short-page", "empty-token", "empty-list", "gzip", "unknown-fields"])
def test_no_friendly_spelling_loses_a_score(domain: Any, fault: str) -> None:
    """Short and empty pages, of submissions and of rubrics, are read as what they mean."""
    domain.simulator.set_faults([fault])
    found = domain.read("rubric_scores", entities=ALL).frame
    assert dict(zip(found["external_id"], found["criterion"], strict=True)) == {
        key: one["criterion"] for key, one in truth(domain).items()
    }


def test_a_watched_read_sees_every_submission(domain: Any) -> None:
    """A read that is to prove absence tells all submissions apart, also those without a score."""
    pages, stability = domain.watched("rubric_scores", entities=ALL, page_size=5)
    assert stability is Stability.STABLE
    assert set(domain.accepted("rubric_scores", pages).frame["external_id"]) == set(truth(domain))
    submissions = len(list(domain.simulator.expected("studentSubmissions")))
    assert sum(request.status == 200 for request in domain.asked("studentSubmissions")) > submissions / 5
