"""The simulator keeps to Google's rules, so that who reads it must, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from connector_pipelines.connectors.google_classroom.simulator import Simulator, fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A domain with remote control."""
    with Simulator(scenario="tiny", seed=7, control=True) as running:
        yield running


@pytest.fixture
def ask(simulator: Simulator) -> Callable[..., requests.Response]:
    """Asks as a person who signed in."""
    form = {"grant_type": "refresh_token", "refresh_token": simulator.refresh_token}
    who = {"client_id": simulator.client_id, "client_secret": simulator.client_secret}
    token = requests.post(simulator.token_url, form | who, timeout=10).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    def asking(path: str, **params: Any) -> requests.Response:
        return requests.get(f"{simulator.url}/v1/{path}", params, headers=headers, timeout=10)

    return asking


def crowded(simulator: Simulator, size: int) -> str:
    """A course with so many students."""
    course = simulator.world.add_course()
    for _ in range(size):
        simulator.world.join(course, simulator.world.add_person())
    return f"courses/{course}/students"


def test_a_page_has_thirty_unless_told_otherwise(simulator: Simulator, ask: Any) -> None:
    """Rosters come 30 at a time, or as many as asked for up to 100, and the last page has no token."""
    path = crowded(simulator, 130)
    pages = [ask(path).json(), ask(path, pageSize=1_000).json()]
    assert [len(page["students"]) for page in pages] == [30, 100]
    rest = ask(path, pageSize=1_000, pageToken=pages[1]["nextPageToken"]).json()
    assert len(rest["students"]) == 30
    assert "nextPageToken" not in rest


def test_a_page_token_refuses_other_parameters(simulator: Simulator, ask: Any) -> None:
    """A token is good for the very request that led to it: another size, course or selection is refused with 400."""
    path = crowded(simulator, 40)
    token = ask(path, pageSize=10).json()["nextPageToken"]
    assert ask(path, pageSize=10, pageToken=token).status_code == 200
    for other, params in ((path, {"pageSize": 11}), (path, {"pageSize": 10, "fields": "students"}), ("courses", {})):
        refused = ask(other, pageToken=token, **params)
        assert (refused.status_code, refused.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert ask(path, pageToken="nonsense").status_code == 400


def test_empty_lists_are_left_out(simulator: Simulator, ask: Any) -> None:
    """A course without students answers {}, and false is left out of courses."""
    assert ask(crowded(simulator, 0)).json() == {}
    found = ask("courses").json()["courses"]
    assert {one.get("guardiansEnabled") for one in found} <= {True, None}


def test_states_and_people_choose_courses(simulator: Simulator, ask: Any) -> None:
    """Courses are chosen by states and by who teaches or learns in them, the newest first."""
    found = ask("courses", courseStates=["ARCHIVED", "SUSPENDED"]).json()["courses"]
    assert sorted(one["courseState"] for one in found) == ["ARCHIVED", "SUSPENDED"]
    teacher = found[0]["ownerId"]
    mine = ask("courses", teacherId=teacher).json()["courses"]
    assert {one["id"] for one in mine} == {
        course for course, there in simulator.world.rosters["teachers"].items() if teacher in there
    }
    times = [one["creationTime"] for one in ask("courses").json()["courses"]]
    assert times == sorted(times, reverse=True)
    assert ask("courses", courseStates="UNHEARD").status_code == 400


def test_single_records(simulator: Simulator, ask: Any) -> None:
    """A course and a profile are found by their ids; an alias of nothing and an unknown parameter are refused."""
    course = next(iter(simulator.world.courses))
    person = next(iter(simulator.world.people))
    assert ask(f"courses/{course}").json() == simulator.world.courses[course]
    assert ask(f"userProfiles/{person}").json()["id"] == person
    assert [ask(path).status_code for path in ("courses/d:none", "userProfiles/0", "nothing")] == [404, 404, 404]
    assert ask("courses", colour="red").status_code == 400


def test_rubrics_are_asked_of_one_course_work(simulator: Simulator, ask: Any) -> None:
    """A course work has one rubric or none, one a page whatever is asked for; of all course work there are none."""
    rubric = next(one for listed in simulator.world.rubrics.values() for one in listed)
    simulator.world.rubrics[rubric["courseId"]].append(rubric | {"id": "second"})
    place = f"courses/{rubric['courseId']}/courseWork"
    page = ask(f"{place}/{rubric['courseWorkId']}/rubrics", pageSize=10).json()
    assert page["rubrics"] == [rubric]
    rest = ask(f"{place}/{rubric['courseWorkId']}/rubrics", pageSize=10, pageToken=page["nextPageToken"]).json()
    assert [one["id"] for one in rest["rubrics"]] == ["second"]
    assert "nextPageToken" not in rest
    assert [ask(f"{place}/{work}/rubrics").status_code for work in ("-", "999")] == [404, 404]


def test_rubrics_are_applied_as_teachers_do(simulator: Simulator) -> None:
    """Scores are drafted before they are given; criteria stay open, and points, levels and words are missing."""
    handed = [*simulator.expected("studentSubmissions")]
    given = [grade for one in handed for grade in one.get("assignedRubricGrades", {}).values()]
    most = max(
        level.get("points", 0)
        for rubric in simulator.expected("rubrics")
        for criterion in rubric["criteria"]
        for level in criterion["levels"]
    )
    assert {one["state"] for one in handed if "assignedRubricGrades" in one} == {"RETURNED"}
    assert any("assignedRubricGrades" not in one for one in handed if "draftRubricGrades" in one)
    assert {frozenset(one) - {"criterionId"} for one in given} == {
        frozenset({"levelId"}),
        frozenset({"points"}),
        frozenset({"levelId", "points"}),
    }
    assert any(one.get("points", 0) > most for one in given)
    assert "Nremoved" in {one["criterionId"] for one in given}


def test_nobody_is_let_in_without_a_token(simulator: Simulator) -> None:
    """A request without a token, or with one that ended, is 401 UNAUTHENTICATED."""
    answer = requests.get(f"{simulator.url}/v1/courses", timeout=10)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", {"a": {}}),
        ("a,b(c,d/e)", {"a": {}, "b": {"c": {}, "d": {"e": {}}}}),
        ("a/b/c, d", {"a": {"b": {"c": {}}}, "d": {}}),
    ],
)
def test_selections_are_read(text: str, found: Any) -> None:
    """Google's language for partial answers: names, brackets, and slashes."""
    assert fields.parse(text) == found


@pytest.mark.parametrize("text", ["", "a(", "a(b", "a)", "a/", "a b", "(a)", "a,b)c"])
def test_what_is_no_selection_is_refused(ask: Any, text: str) -> None:
    """A selection that cannot be read is 400, or all where there is none."""
    assert ask("courses", fields=text).status_code == (400 if text else 200)


def test_the_same_seed_is_the_same_domain() -> None:
    """What a domain holds, also after it changed, follows from seed and scenario."""

    def told(seed: int) -> Any:
        simulator = Simulator(scenario="small", seed=seed)
        simulator.evolve(10)
        return [list(simulator.expected(name)) for name in ("courses", "students", "teachers")]

    assert told(7) == told(7) != told(8)


def test_it_is_steered_while_it_runs(simulator: Simulator, ask: Any) -> None:
    """By remote control it evolves, misbehaves, says what it is, and hands out its key."""
    control = f"{simulator.url}/__sim__"
    before = requests.get(f"{control}/state", timeout=10).json()["records"]
    after = requests.post(f"{control}/evolve?percent=20", timeout=10).json()["records"]
    assert after["courses"] == before["courses"] + 1
    assert requests.post(f"{control}/faults?fault=503:courses", timeout=10).json()["faults"] == ["503"]
    assert ask("courses").status_code == 503
    assert requests.post(f"{control}/faults?fault=nonsense", timeout=10).status_code == 400
    assert requests.get(f"{control}/state", timeout=10).json()["private_key"] == simulator.private_key
    assert any("/v1/courses" in line for line in simulator.greeting())


def test_a_share_must_be_one(simulator: Simulator) -> None:
    """A share beyond a hundred, and a scenario that there is not, are refused."""
    with pytest.raises(ValueError, match="from 0 to 100"):
        simulator.evolve(101)
    with pytest.raises(ValueError, match="unknown scenario"):
        Simulator(scenario="continent")
