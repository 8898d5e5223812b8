"""The client against a site that cuts, loses and refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector_pipelines.connectors.moodle import answers, client, wire
from connector_pipelines.connectors.moodle.client import Enrolment
from connector_pipelines.connectors.moodle.config import SERVICES, MoodleConfig
from connector_pipelines.connectors.moodle.errorcodes import Refused
from connector_pipelines.connectors.moodle.simulator.service import FUNCTIONS, INFO
from connector_pipelines.errors import AuthFailed, BrokenPage, ConfigurationError, NetworkError
from connector_pipelines.external.messages import Request
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.moodle.simulator import Simulator

pytestmark = pytest.mark.phase1


def user(number: int, **more: Any) -> dict[str, Any]:
    """A user to be created."""
    name = f"new{number:04}"
    names = {"username": name, "firstname": "New", "lastname": f"Person {number}", "email": f"{name}@school.example"}
    return names | {"idnumber": f"N{number}", "createpassword": True, "auth": "manual"} | more


def created(simulator: Simulator) -> list[str]:
    """The user names that were created, in order, as the ledger has them."""
    calls = [effect for effect in simulator.ledger if effect.function == "core_user_create_users"]
    return [one["username"] for effect in calls for one in effect.params["users"]]


def test_batches_have_neither_too_many_rows_nor_fields(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """A thousand users of seven fields go in ten calls of a hundred, or as many as the limit of fields demands."""
    with asked() as moodle:
        assert len(list(client.create_users(moodle, map(user, range(250))))) == 250
    assert [len(effect.params["users"]) for effect in simulator.ledger] == [100, 100, 50]
    with asked(batch_size=5_000, max_fields=700) as moodle:
        assert len(list(client.create_users(moodle, map(user, range(1_000, 1_200))))) == 200
    assert max(request.fields for request in simulator.requests) <= 704
    assert len(created(simulator)) == 450


rows = st.lists(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers() | st.none(), max_size=4))


@given(rows=rows, most_rows=st.integers(1, 5), most_fields=st.integers(5, 20))
def test_batches_are_the_rows(rows: list[dict[str, Any]], most_rows: int, most_fields: int) -> None:
    """Batches together are the rows in order; none is empty, and none is too large unless its only row is."""
    cut = list(wire.batches(rows, most_rows=most_rows, most_fields=most_fields))
    assert [row for batch in cut for row in batch] == rows
    for batch in cut:
        assert 1 <= len(batch) <= most_rows
        assert len(batch) == 1 or sum(len(list(wire.fields(row))) for row in batch) <= most_fields


@pytest.mark.parametrize("function", ["core_user_create_users", "core_user_update_users"])
def test_what_is_cut_goes_again_in_smaller_calls(
    simulator: Simulator, asked: Callable[..., Any], function: str
) -> None:
    """Where PHP takes fewer fields than we think, a cut call does nothing, and the next ones have fewer (M121)."""
    simulator.set_faults(["max-input-vars=300"])
    with asked() as moodle:
        if function == "core_user_create_users":
            effects = list(client.create_users(moodle, map(user, range(130))))
        else:
            there = [row["id"] for row in simulator.site["users"].values()][3:]
            names = {"firstname": "New", "lastname": "Name", "department": "X"}
            effects = list(client.update_users(moodle, ({"id": there[n % 12]} | names for n in range(130))))
    assert [effect.refused for effect in effects] == [None] * 130
    sent = [request for request in simulator.requests if request.function == function]
    assert 1 <= [request.error for request in sent].count("invalidtoken") <= 3
    assert sum(len(effect.params["users"]) for effect in simulator.ledger) == 130
    assert max(request.fields for request in sent if not request.error) <= 300


def test_a_wrong_token_is_no_cut(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """A token that a small call is refused for, too, is an error that names it, after one look."""
    simulator.set_faults(["invalid-token"])
    with asked() as moodle, pytest.raises(AuthFailed, match="max_input_vars"):
        list(client.create_users(moodle, map(user, range(60))))
    assert (len(simulator.requests), simulator.ledger) == (2, [])


def test_a_lost_answer_creates_nobody_twice(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """An answer that is lost after the effect is followed by a look, and only who is not there is sent again."""
    simulator.set_faults(["reset@1:core_user_create_users"])
    with asked() as moodle:
        effects = list(client.create_users(moodle, map(user, range(30))))
    assert all(effect.found and effect.refused is None for effect in effects)
    assert len({effect.id for effect in effects}) == 30
    assert created(simulator) == [f"new{number:04}" for number in range(30)]


@pytest.mark.parametrize(
    ("function", "make"),
    [
        (
            "core_course_create_courses",
            lambda m: client.create_courses(
                m, [{"fullname": "A", "shortname": s, "categoryid": 1, "idnumber": s} for s in "XY"]
            ),
        ),
        (
            "core_course_create_categories",
            lambda m: client.create_categories(m, [{"name": s, "parent": 0, "idnumber": s} for s in "XY"]),
        ),
        (
            "core_group_create_groups",
            lambda m: client.create_groups(
                m, [{"courseid": 2, "name": s, "description": "", "idnumber": s} for s in "XY"]
            ),
        ),
    ],
)
def test_lost_answers_of_other_creations(
    simulator: Simulator, asked: Callable[..., Any], function: str, make: Callable[[Any], Any]
) -> None:
    """Courses, categories and groups are looked up in the same way."""
    simulator.set_faults([f"reset@1:{function}"])
    with asked() as moodle:
        effects = list(make(moodle))
    assert [effect.found for effect in effects] == [True, True]
    assert [effect.function for effect in simulator.ledger] == [function]


def test_what_is_down_is_tried_again_until_it_is_not(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """Maintenance said with status 200 is waited for; when it goes on, the error says so and nothing was done."""
    simulator.set_faults(["maintenance@1:core_user_create_users"])
    with asked() as moodle:
        assert client.create_user(moodle, user(1)) == {"id": 16, "username": "new0001"}
    simulator.set_faults(["maintenance"])
    with asked() as moodle, pytest.raises(NetworkError, match="sitemaintenance"):
        client.site_info(moodle)


def test_one_bad_row_stands_alone(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """Of an all-or-nothing batch only the bad row is refused; every other one is created, once."""
    with asked() as moodle:
        bad = {3: {"username": "Capital"}, 9: {"email": "student0001@school.example"}, 11: {"lastname": "x" * 101}}
        effects = list(client.create_users(moodle, (user(n, **bad.get(n, {})) for n in range(16))))
    refused = {at: effect.refused.code for at, effect in enumerate(effects) if effect.refused}
    assert refused == {3: "invalidparameter", 9: "invalidparameter", 11: "dmlwriteexception"}
    assert sorted(created(simulator)) == [f"new{n:04}" for n in range(16) if n not in bad]


def test_enrolling_again_keeps_the_dates(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """Every enrolment says its dates and whether it is suspended; a stranger among them is refused alone."""
    with asked() as moodle:
        list(client.enroll_users(moodle, [Enrolment(4, 3, 5, 1_000, 2_000)]))
        twice = [Enrolment(4, 3, 5, 1_000, 3_000, suspended=True), Enrolment(999, 3, 5, 0, 0)]
        effects = list(client.enroll_users(moodle, twice))
    assert [effect.refused and effect.refused.code for effect in effects] == [None, "invaliduser"]
    row = simulator.site.enrolled(3)[4]
    assert (row["start"], row["end"], row["suspended"], row["roles"]) == (1_000, 3_000, 1, (5,))


def test_single_calls(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """The calls for one user, course or enrolment give back what became of it, or raise why not (M23-M26)."""
    course = {"fullname": "R&D", "shortname": "RD", "categoryid": 1, "startdate": 0, "enddate": 0}
    with asked() as moodle:
        made = client.create_user(moodle, user(1))
        place = client.create_course(moodle, course)
        assert client.enroll_user(moodle, made["id"], place["id"], "student")
        assert not client.enroll_user(moodle, 999, place["id"], "student")
        assert client.update_user(moodle, made["id"], {"suspended": True}) == {"id": made["id"]}
        with pytest.raises(Refused, match="useremailduplicate"):
            client.update_user(moodle, made["id"], {"email": "student0001@school.example"})
        with pytest.raises(Refused, match="shortnametaken"):
            client.create_course(moodle, course)
        with pytest.raises(ConfigurationError, match="there is no role 'janitor'; there are student"):
            client.enroll_user(moodle, made["id"], place["id"], "janitor")
        assert [one["fullname"] for one in client.courses(moodle, [place["id"]])] == ["R&D"]
    assert simulator.site["users"][made["id"]]["suspended"] == 1


def test_enrolled_users_come_in_pages(simulator: Simulator, asked: Callable[..., Any]) -> None:
    """All users of a course come, each once, however small a page is."""
    expected = list(simulator.site.enrolled(2))
    with asked(page_size=2) as moodle:
        found = [one["id"] for one in client.enrolled_users(moodle, 2, userfields="id")]
    assert found == expected
    assert len(simulator.requests) == 3


def test_health_names_what_the_service_lacks(
    exchanges: Any, stand: Callable[..., Any], reply: type[Any], opened: Callable[..., Any]
) -> None:
    """The connection test of the recorded site is not green: its service lacks a function that reading calls."""
    site = stand(lambda _: reply(exchanges["site_info"].body))
    with opened(site.url) as moodle:
        health = client.check(moodle)
    assert not health.ok
    assert health.detail.endswith("release 4.5.6 (Build: 20250811); its service lacks mod_assign_get_submissions.")


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("invalid-token", AuthFailed, "env:MOODLE_API_TOKEN"),
        ("access", AuthFailed, "external service"),
        ("rest-off", AuthFailed, "switched off"),
        ("cli-maintenance", NetworkError, "503"),
        ("html", BrokenPage, "no JSON"),
    ],
)
def test_what_a_person_must_mend_is_said(
    simulator: Simulator, asked: Callable[..., Any], fault: str, error: type[Exception], words: str
) -> None:
    """Each way a site refuses everybody has its own error and says what to look at; the token is in none."""
    simulator.set_faults([fault])
    with asked() as moodle, pytest.raises(error, match=words) as caught:
        client.site_info(moodle)
    assert simulator.token not in str(caught.value)


@pytest.mark.parametrize("function", answers.NEEDED)
@pytest.mark.parametrize("answer", [None, {}, [None], [[]], [{}], [{"id": "1"}], [{"userid": [1]}]])
def test_an_answer_without_what_we_need_is_a_broken_page(function: str, answer: object) -> None:
    """Rows that lack a field we go on with are no error of Python, and are named with their function."""
    with pytest.raises(BrokenPage, match=f"{function} answers in another shape"):
        answers.rows(answer, function)


def test_configuration_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a source leaves out, the environment says; without a site in either there is nothing to ask."""
    with pytest.raises(ConfigurationError, match="MOODLE_BASE_URL"):
        _ = MoodleConfig().site
    with pytest.raises(ValidationError, match="https"):
        MoodleConfig(base_url="http://moodle.school.example")
    assert MoodleConfig().batch == 100
    assert str(MoodleConfig().token) == "env:MOODLE_API_TOKEN"
    monkeypatch.setenv("MOODLE_BATCH_SIZE", "7")
    monkeypatch.setenv("MOODLE_BASE_URL", "https://moodle.school.example/")
    settings.cache_clear()
    assert MoodleConfig().batch == 7
    assert MoodleConfig().site == "https://moodle.school.example"
    monkeypatch.undo()
    settings.cache_clear()


def test_every_function_is_about_one_thing() -> None:
    """Each function belongs to one service, with its limit and its breaker; what is about the site alone to none."""
    limits = MoodleConfig.model_validate({"service_requests_per_minute": {"users": 20}}).limits()
    of = {name: limits.service(Request("x", counts_as=name)) for name in (*FUNCTIONS, INFO)}
    assert [name for name, service in of.items() if service is None] == [INFO]
    matching = [sum(bool(re.search(calls, name)) for calls in SERVICES.values()) for name in FUNCTIONS]
    assert set(matching) == {1}
    assert [service.name for service in limits.services if service.budgets] == ["users"]
    with pytest.raises(ValidationError, match="at least 1 a minute"):
        MoodleConfig.model_validate({"service_requests_per_minute": {"users": 0}})


def test_a_source_may_say_its_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's rate holds for a source that names none; one that names its own is not held to both."""
    monkeypatch.setenv("MOODLE_RATE_LIMIT", "70")
    settings.cache_clear()
    rates = [
        [rate.requests for budget in MoodleConfig.model_validate(told).limits().budgets for rate in budget.rates]
        for told in ({}, {"requests_per_minute": 500})
    ]
    monkeypatch.undo()
    settings.cache_clear()
    assert rates == [[70], [500]]
