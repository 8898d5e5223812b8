"""The simulator, asked by a client that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from connector_pipelines.connectors.canvas.simulator import FAULTS, Simulator
from connector_pipelines.connectors.canvas.simulator.bucket import Bucket
from connector_pipelines.connectors.canvas.simulator.faults import KNOWN
from connector_pipelines.connectors.canvas.simulator.rubrics import lose_criterion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def ask(simulator: Simulator) -> Iterator[Callable[..., requests.Response]]:
    """Asks with the token, by whole addresses or paths."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {simulator.token}"

        def get(path: str, **how: Any) -> requests.Response:
            url = path if "://" in path else f"{simulator.url}/api/v1/{path}"
            return session.get(url, timeout=20, **how)

        yield get


def walked(ask: Any, path: str) -> tuple[list[dict[str, Any]], int]:
    """All rows behind the links, and how many pages they were."""
    rows, url, pages = [], path, 0
    while url:
        response = ask(url)
        rows += response.json()
        pages += 1
        url = response.links.get("next", {}).get("url", "")
    return rows, pages


def test_pages_are_cut_and_linked(ask: Any) -> None:
    """Ten rows unless asked otherwise, never more than 100, each page with links; a number past the end is empty."""
    usual = ask("accounts/self/users")
    assert len(usual.json()) == 10
    assert {"current", "next", "first", "last"} == usual.links.keys()
    assert "per_page=100" in ask("accounts/self/users?per_page=5000").links["current"]["url"]
    assert "per_page=1>" in ask("accounts/self/users?per_page=0").headers["Link"]
    assert ask("accounts/self/users?page=99").json() == []


def test_bookmarks_lead_through_everything_once(simulator: Simulator, ask: Any) -> None:
    """By bookmarks every row comes once, in the same order as by numbers, and the last page is not named."""
    path = "courses/1/enrollments?state[]=active&state[]=deleted&per_page=7"
    marked, pages = walked(ask, path)
    assert pages == -(-len(marked) // 7) > 3
    assert "last" not in ask(path).links
    simulator.set_faults(["page-numbers"])
    assert walked(ask, path)[0] == marked
    assert len({row["id"] for row in marked}) == len(marked)


def test_a_bookmark_stays_where_it_is(simulator: Simulator, ask: Any) -> None:
    """A row that goes before the bookmark takes none behind it along; by numbers it takes one over the edge."""
    path = "courses/1/enrollments?type[]=StudentEnrollment&per_page=7"
    whole = [row["id"] for row in walked(ask, path)[0]]
    following = ask(path).links["next"]["url"]
    simulator.world.change(whole[0], "deleted")
    assert [row["id"] for row in ask(following).json()] == whole[7:14]
    simulator.set_faults(["page-numbers"])
    assert [row["id"] for row in ask(f"{path}&page=2").json()] == whole[8:15]


def test_ids_are_text_where_they_are_asked_for_as_text(ask: Any) -> None:
    """Ids are numbers, or texts for who accepts them so; SIS ids are what they are."""
    plain = ask("accounts/self/users").json()
    texts = ask("accounts/self/users", headers={"Accept": "application/json+canvas-string-ids"}).json()
    assert [str(one["id"]) for one in plain] == [one["id"] for one in texts]
    assert all(isinstance(one["id"], int) for one in plain)
    assert all(not name.startswith("_") for one in plain for name in one)


def test_what_is_left_out_unless_asked_for(simulator: Simulator, ask: Any) -> None:
    """Deleted courses and terms, enrollments that are neither active nor invited, and addresses are left out."""
    simulator.world.remove_course(3)
    user = next(simulator.expected("student"))["id"]
    simulator.leave(user)
    assert [one["id"] for one in ask("accounts/self/courses").json()] == [1, 2]
    assert len(ask("accounts/self/courses?state[]=all").json()) == 3
    terms = ask("accounts/self/terms").json()["enrollment_terms"]
    assert {one["workflow_state"] for one in terms} == {"active"}
    assert user not in {one["user_id"] for one in walked(ask, "courses/1/enrollments?per_page=100")[0]}
    assert user not in {one["id"] for one in walked(ask, "accounts/self/users?per_page=100")[0]}
    deleted, _ = walked(ask, "courses/1/enrollments?state[]=deleted")
    assert [one["user_id"] for one in deleted] == [user]
    assert "email" not in ask("accounts/self/users").json()[0]
    assert ask("courses/3/sections").status_code == 404


def test_submissions_are_asked_for_by_time(simulator: Simulator, ask: Any) -> None:
    """Everybody's work is there for who asks for everybody, by strict times of handing in or of grading."""
    path = "courses/2/students/submissions"
    every, _ = walked(ask, f"{path}?student_ids[]=all&per_page=100")
    graded, _ = walked(ask, f"{path}?student_ids[]=all&graded_since=2026-08-28T00:00:00Z&per_page=100")
    handed, _ = walked(ask, f"{path}?student_ids[]=all&submitted_since=2026-08-28T02:00:00%2B02:00&per_page=100")
    assert [one for one in every if (one["graded_at"] or "") >= "2026-08-28T00:00:00Z"] == graded != []
    assert [one for one in every if (one["submitted_at"] or "") >= "2026-08-28T00:00:00Z"] == handed != graded
    assert ask(path).json() == []
    assert ask(f"{path}?student_ids=all&per_page=100").json() == every
    assert ask(f"{path}?student_ids[]=all&graded_since=yesterday").status_code == 400
    assert {one["id"] for one in ask("courses/2/assignments").json()} == {one["assignment_id"] for one in every}
    assert len(every) == sum(one["_course"] == 2 for one in simulator.expected("submissions"))


def test_assessments_are_shown_where_they_are_asked_for(simulator: Simulator, ask: Any) -> None:
    """Rubrics stand in assignments; assessments in submissions for who asks, and none in three ways."""
    pieces = {one["id"]: one for one in ask("courses/2/assignments").json()}
    rubrics = {number: {one["id"] for one in piece.get("rubric", ())} for number, piece in pieces.items()}
    assert {bool(ids) for ids in rubrics.values()} == {True, False}
    assert {one["rubric_settings"]["hide_points"] for one in pieces.values() if "rubric" in one} == {True, False}
    path = "courses/2/students/submissions?student_ids[]=all&per_page=100"
    assert not any("rubric_assessment" in one for one in ask(path).json())
    told = ask(f"{path}&include[]=rubric_assessment").json()
    assessed = [one for one in told if one.get("rubric_assessment")]
    assert {repr(one.get("rubric_assessment", "absent")) for one in told if one not in assessed} == {
        "'absent'",
        "None",
        "{}",
    }
    given = [given for one in assessed for given in one["rubric_assessment"].values()]
    assert {"points" in one for one in given} == {True, False}
    assert None in {one["rating_id"] for one in given}
    assert all(one["rubric_assessment"].keys() <= rubrics[one["assignment_id"]] for one in assessed)
    piece = assessed[0]["assignment_id"]
    lose_criterion(simulator.world, simulator.world.tables["assignments"][piece])
    assert len(simulator.world.tables["assignments"][piece]["rubric"]) == len(rubrics[piece]) - 1
    assert ask(f"{path}&include[]=rubric_assessment").json() == told


def test_assignments_are_named_where_only_theirs_are_wanted(simulator: Simulator, ask: Any) -> None:
    """Submissions to named assignments come alone; one that is not published, or not there, is refused with 403."""
    path = "courses/2/students/submissions?student_ids[]=all&per_page=100"
    first, second, *_ = [one["id"] for one in ask("courses/2/assignments").json()]
    named = ask(f"{path}&assignment_ids[]={first}&assignment_ids[]={second}").json()
    assert named == [one for one in ask(path).json() if one["assignment_id"] in {first, second}] != []
    simulator.put("assignments", id=first, workflow_state="unpublished")
    for wanted in (first, 4711, "x"):
        refused = ask(f"{path}&assignment_ids[]={wanted}")
        assert (refused.status_code, refused.json()) == (403, {"error": "invalid assignment ids requested"})
    assert first not in {one["assignment_id"] for one in ask(path).json()}


def test_records_are_named_by_sis_ids(ask: Any) -> None:
    """Accounts, courses and sections answer to their SIS ids; terms belong to the root account alone."""
    assert ask("accounts/sis_account_id:SCH-001").json()["id"] == 2
    by_sis, by_id = (ask(f"courses/{name}/sections").json() for name in ("sis_course_id:C-0002", "2"))
    assert by_sis == by_id != []
    assert ask("sections/sis_section_id:C-0002-A/enrollments").status_code == 200
    assert ask("accounts/2/terms").json() == {"message": "Terms only belong to root_accounts."}


def test_who_may_ask(simulator: Simulator) -> None:
    """Without a token, or with a wrong one, the answer is 401, and a challenge only where a token was sent."""
    url = f"{simulator.url}/api/v1/accounts/self"
    without = requests.get(url, timeout=20)
    wrong = requests.get(url, headers={"Authorization": "Bearer nonsense"}, timeout=20)
    assert (without.status_code, without.json()["status"]) == (401, "unauthenticated")
    assert (wrong.status_code, wrong.json()["errors"]) == (401, [{"message": "Invalid access token."}])
    assert "WWW-Authenticate" in wrong.headers
    assert "WWW-Authenticate" not in without.headers


def test_a_refresh_token_stays(simulator: Simulator) -> None:
    """A refresh token gives access tokens and no other refresh token; each ends the one before."""
    form = {
        "grant_type": "refresh_token",
        "client_id": simulator.client_id,
        "client_secret": simulator.client_secret,
        "refresh_token": simulator.refresh_token,
    }
    first, second = (requests.post(simulator.token_url, data=form, timeout=20).json() for _ in range(2))
    url = f"{simulator.url}/api/v1/accounts/self"
    told = [
        requests.get(url, headers={"Authorization": f"Bearer {one['access_token']}"}, timeout=20).status_code
        for one in (first, second)
    ]
    assert told == [401, 200]
    assert "refresh_token" not in second
    bad = [form | {"refresh_token": "x"}, form | {"client_secret": "x"}, form | {"grant_type": "client_credentials"}]
    answers = [requests.post(simulator.token_url, data=one, timeout=20) for one in bad]
    assert [(one.status_code, one.json()["error"]) for one in answers] == [
        (400, "invalid_grant"),
        (401, "invalid_client"),
        (400, "unsupported_grant_type"),
    ]


def test_throttling_in_both_forms(simulator: Simulator, ask: Any) -> None:
    """Throttled is 429 or the older 403, as text, without Retry-After and without a cost."""
    for fault, status in (("429", 429), ("403-throttle", 403)):
        simulator.set_faults([fault])
        answer = ask("accounts/self")
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (status, "text/plain")
        assert "Rate Limit Exceeded" in answer.text
        assert answer.headers["X-Rate-Limit-Remaining"] == "0.0"
        assert not {"Retry-After", "X-Request-Cost"} & answer.headers.keys()
    simulator.clear_faults()
    assert float(ask("accounts/self").headers["X-Request-Cost"]) > 0


def test_a_bucket_fills_and_leaks() -> None:
    """Each request that is under way counts 50 and each answer what it cost; ten units leak in a second."""
    bucket = Bucket()
    assert not bucket.full(now=0, under_way=1, high_water=600)
    assert not bucket.full(now=0, under_way=13, high_water=600)
    assert bucket.full(now=0, under_way=14, high_water=600)
    for _ in range(5):
        headers = dict(bucket.charge(rows=100, high_water=5))
    assert headers == {"X-Request-Cost": "1.200", "X-Rate-Limit-Remaining": "0.000"}
    assert bucket.full(now=0, under_way=1, high_water=5)
    assert not bucket.full(now=0.5, under_way=1, high_water=5)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_written(name: str) -> None:
    """Each fault is switched on by its name alone, for one collection, and for one request."""
    for text in (name, f"{name}@3", f"{name}:enrollments"):
        assert KNOWN.parse(text).name == name


@pytest.mark.parametrize("text", ["nonsense", "clamp=many", "429:people", "shift=sideways"])
def test_mistakes_are_refused(text: str) -> None:
    """A fault, value or target that there is not is refused."""
    with pytest.raises(ValueError, match="fault"):
        Simulator(faults=[text])


def test_same_seed_same_bytes() -> None:
    """A seed gives the same site each time, also after changes, and another seed another one."""
    told = []
    for seed in (7, 7, 8):
        simulator = Simulator(scenario="tiny", seed=seed)
        simulator.evolve(30)
        told.append([list(simulator.expected(name)) for name in ("accounts", "courses", "student", "enrollments")])
    assert told[0] == told[1] != told[2]


def test_changes_are_those_of_a_site(simulator: Simulator) -> None:
    """Going on, some people leave with all their enrollments, some come, and nothing disappears without a state."""
    before = {name: len(rows) for name, rows in simulator.world.tables.items()}
    simulator.evolve(50)
    world = simulator.world
    gone = {one["id"] for one in world.rows("users") if one["_state"] == "deleted"}
    left = {one["enrollment_state"] for one in world.rows("enrollments") if one["user_id"] in gone}
    assert gone
    assert left == {"deleted"}
    assert all(len(world.tables[name]) >= count for name, count in before.items())
    assert len(world.tables["users"]) > before["users"]
    with pytest.raises(ValueError, match="share"):
        simulator.evolve(101)


def test_control_and_greeting() -> None:
    """In a process of its own it says where it listens and how to sign in, and is looked at and evolved."""
    with Simulator(scenario="tiny", control=True) as simulator:
        said = simulator.greeting()
        assert any(simulator.token in line for line in said)
        control = next(line.split()[-1] for line in said if "__sim__/state" in line).removesuffix("state")
        assert requests.get(f"{control}state", timeout=20).json()["records"]["users"] == len(
            simulator.world.tables["users"]
        )
        assert requests.post(f"{control}evolve?percent=5", timeout=20).json()["version"] == 1
        assert requests.post(f"{control}evolve?vanish=true", timeout=20).status_code == 400
