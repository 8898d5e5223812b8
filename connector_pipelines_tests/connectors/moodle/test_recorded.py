"""The client against the recorded exchanges of a running Moodle 4.5."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from connector_pipelines.connectors.moodle import calls, client, wire
from connector_pipelines.connectors.moodle.errorcodes import CODES, Means, Refused
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError, SyncError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.phase4

HEAD = b"moodlewsrestformat=json&moodlewssettingraw=1&wsfunction="


def test_requests_are_the_recorded_ones(exchanges: Any) -> None:
    """The client writes every recorded request byte for byte, behind what is its own."""
    compared = 0
    for exchange in exchanges.values():
        if not isinstance(exchange.params, dict) or exchange.encoded is None:
            continue
        raw = {"moodlewssettingraw", "moodlewsrestformat"} & exchange.encoded.keys()
        if raw or exchange.name == "array_empty_brackets":
            continue
        body = wire.form(exchange.function, exchange.params)
        recorded = urlencode(exchange.encoded).encode()
        assert body == HEAD + exchange.function.encode() + (b"&" + recorded if recorded else b""), exchange.name
        compared += 1
    assert compared > 170


def expected(exchange: Any) -> type[SyncError] | None:
    """What an answer has to become; None for a result."""
    answer = exchange.response
    if exchange.status == 403:
        return AuthFailed
    if exchange.status == 503:
        return NetworkError
    if "json" not in exchange.content_type or isinstance(answer, str):
        return BrokenPage
    if not isinstance(answer, dict) or "errorcode" not in answer:
        return None
    means = CODES.get(answer["errorcode"], Means.ROW)
    return {Means.LATER: NetworkError, Means.DENIED: AuthFailed}.get(means, Refused)


def test_answers_become_results_or_errors(
    exchanges: Any, stand: Callable[..., Any], reply: type[Any], opened: Callable[..., Any]
) -> None:
    """Every recorded answer becomes the result it holds, or the error that says what happens next."""
    answer: dict[str, Any] = {}
    site = stand(lambda _: answer["now"])
    with opened(site.url, max_retries=1) as moodle:
        for exchange in exchanges.values():
            body = str(exchange.response).encode() if isinstance(exchange.response, str) else exchange.body
            answer["now"] = reply(body, exchange.status, exchange.content_type)
            error = expected(exchange)
            if error is None:
                assert calls.ask(moodle, exchange.function) == exchange.response, exchange.name
            else:
                with pytest.raises(error):
                    calls.ask(moodle, exchange.function)


def test_no_error_shows_what_debugging_adds(exchanges: Any) -> None:
    """What `debuginfo` holds, SQL and personal data, is in no message."""
    told = [exchange for exchange in exchanges.values() if "debuginfo" in str(exchange.response)]
    assert len(told) == 9
    for exchange in told:
        assert exchange.response["debuginfo"] not in str(wire.failure(exchange.body))


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("users_create_weak_password", "text", "Passwords must be at least 8 characters long."),
        ("course_create_duplicate_shortname", "shortnametaken", "Short name is already used"),
        ("enrol_deleted_user", "userdeleted", "Moodle refuses (userdeleted)."),
        ("enrol_manual_disabled", "wsnoinstance", "Enable manual enrolment"),
    ],
)
def test_refusals_are_readable(exchanges: Any, name: str, code: str, words: str) -> None:
    """A refusal has a code to count by and a sentence without markup."""
    refused = wire.failure(exchanges[name].body)
    assert refused is not None
    assert refused.code == code
    assert words in str(refused)
    assert "<" not in str(refused)


ENDPOINTS: dict[str, Callable[[client.Moodle, dict[str, Any]], Any]] = {
    "users_create": lambda m, p: [e.id for e in client.create_users(m, p["users"])],
    "users_create_createpassword": lambda m, p: client.create_user(m, p["users"][0]),
    "users_update": lambda m, p: client.update_user(m, p["users"][0].pop("id"), p["users"][0]),
    "users_update_partial_failure": lambda m, p: [
        e.refused and e.refused.code for e in client.update_users(m, p["users"])
    ],
    "users_get_by_idnumber": lambda m, p: [u["id"] for u in client.users_by_field(m, p["field"], p["values"])],
    "course_create": lambda m, p: client.create_course(m, p["courses"][0]),
    "course_archive": lambda m, p: [e.id for e in client.update_courses(m, p["courses"])],
    "course_update_unknown": lambda m, p: [
        e.refused and e.refused.code for e in client.update_courses(m, p["courses"])
    ],
    "course_by_idnumber": lambda m, p: [c["id"] for c in client.courses_by_field(m, p["field"], p["value"])],
    "course_contents": lambda m, p: [
        module["modname"] for s in client.course_contents(m, p["courseid"]) for module in s["modules"]
    ],
    "category_create": lambda m, p: [e.id for e in client.create_categories(m, p["categories"])],
    "category_get_by_idnumber": lambda m, p: [
        c["id"] for c in client.categories(m, [(c["key"], c["value"]) for c in p["criteria"]])
    ],
    "group_create": lambda m, p: [e.id for e in client.create_groups(m, p["groups"])],
    "group_add": lambda m, p: [e.refused for e in client.add_group_members(m, p["members"])],
    "group_members": lambda m, p: client.group_members(m, p["groupids"]),
    "course_groups": lambda m, p: [g["idnumber"] for g in client.course_groups(m, p["courseid"])],
    "users_courses": lambda m, p: [c["idnumber"] for c in client.users_courses(m, p["userid"])],
    "unenrol": lambda m, p: [
        e.refused for e in client.unenroll_users(m, [(e["userid"], e["courseid"]) for e in p["enrolments"]])
    ],
    "grade_items_after": lambda m, p: [
        i["graderaw"] for g in client.get_course_grades(m, p["courseid"], p["userid"]) for i in g["gradeitems"]
    ],
    "assign_get_grades": lambda m, p: [
        g["grade"] for a in client.assignment_grades(m, p["assignmentids"]) for g in a["grades"]
    ],
    "courses_all": lambda m, _: [c["shortname"] for c in client.courses(m)],
}
DIGESTED = {
    "users_create": [4, 5],
    "users_create_createpassword": {"id": 8, "username": "stu0010"},
    "users_update": {"id": 4},
    "users_update_partial_failure": ["invaliduserid", "useremailduplicate", None],
    "users_get_by_idnumber": [4, 5, 7],
    "course_create": {"id": 2, "shortname": "PHY101-2026"},
    "course_archive": [2],
    "course_update_unknown": ["invalidrecord", "nopermissions"],
    "course_by_idnumber": [2],
    "course_contents": ["forum", "assign"],
    "category_create": [2],
    "category_get_by_idnumber": [2],
    "group_create": [1],
    "group_add": [None],
    "group_members": {1: [4]},
    "course_groups": ["SIS-G-1"],
    "users_courses": ["SIS-C-1"],
    "unenrol": [None],
    "grade_items_after": [87.5, 87.5],
    "assign_get_grades": ["66.50000"],
    "courses_all": ["PHY101-2026"],
}


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_endpoints_send_and_digest_what_was_recorded(
    exchanges: Any, stand: Callable[..., Any], reply: type[Any], opened: Callable[..., Any], name: str
) -> None:
    """Each endpoint sends the recorded request byte for byte and makes of the recorded answer what it says."""
    exchange = exchanges[name]
    body = wire.form(exchange.function, exchange.params or {})
    site = stand(lambda _: reply(exchange.body))
    with opened(site.url) as moodle:
        assert ENDPOINTS[name](moodle, deepcopy(exchange.params)) == DIGESTED[name]
    assert site.bodies == [body + b"&wstoken=0123456789abcdef0123456789abcdef"]


READS: dict[str, Callable[[client.Moodle], Any]] = {
    "users_get_bad_key": lambda moodle: client.users(moodle, [("shoesize", "1")]),
    "assign_get_assignments": lambda moodle: client.assignments(moodle, [2]),
}


@pytest.mark.parametrize("name", sorted(READS))
def test_reads_that_warn_are_no_reads(
    exchanges: Any, stand: Callable[..., Any], reply: type[Any], opened: Callable[..., Any], name: str
) -> None:
    """Everybody instead of nobody, and no course instead of one we may not see: a warning is a failed read."""
    site = stand(lambda _: reply(exchanges[name].body))
    with opened(site.url) as moodle, pytest.raises(Refused):
        READS[name](moodle)
