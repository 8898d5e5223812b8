from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.pages import Rows
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from connector_pipelines.model import Stream

STREAMS = {s.entity: s for s in CONNECTOR.streams(OneRosterConfig(base_url="https://sis.example"))}
GOOD: dict[str, dict[str, Any]] = {
    "organizations": {"sourcedId": "o", "status": "active", "name": "Springfield", "type": "school"},
    "terms": {"sourcedId": "t", "title": "Fall", "type": "term", "startDate": "2026-08-15", "endDate": "2026-12-20"},
    "courses": {"sourcedId": "c", "title": "Algebra", "grades": ["09", "10"]},
    "sections": {"sourcedId": "s", "title": "Algebra 1", "terms": [{"sourcedId": "t"}]},
    "students": {"sourcedId": "u", "givenName": "Ana", "familyName": "Ng", "enabledUser": "true"},
    "instructors": {"sourcedId": "u", "givenName": "Ana", "familyName": "Ng", "enabledUser": False},
    "enrollments": {
        "sourcedId": "e",
        "role": "student",
        "user": {"sourcedId": "u"},
        "class": {"sourcedId": "s"},
        "beginDate": "2026-08-15",
    },
}
GOOD["teaching_assignments"] = GOOD["enrollments"] | {"role": "teacher", "primary": "true"}


def outcome(stream: Stream, record: dict[str, Any]) -> list[str]:
    """Why a record is refused: reasons, one text each; nothing if it is accepted."""
    import json

    envelope = {"organizations": "orgs", "terms": "academicSessions", "sections": "classes", "courses": "courses"}
    users = {"students": "users", "instructors": "users"}
    name = (envelope | users).get(stream.entity, "enrollments")
    body = json.dumps({name: [record]}).encode()
    accepted = accept(stream, [Rows(1, [0], stream.split(body), ["0" * 32])])
    assert len(accepted.frame) + len(accepted.rejections) == 1
    return [rejection.reason for rejection in accepted.rejections]


@pytest.mark.parametrize("entity", GOOD)
def test_good_records_are_accepted(entity: str) -> None:
    """A record with what the contract requires passes."""
    assert outcome(STREAMS[entity], GOOD[entity]) == []


REQUIRED = {
    "organizations": ["sourcedId", "name"],
    "terms": ["sourcedId", "title"],
    "courses": ["sourcedId", "title"],
    "sections": ["sourcedId", "title"],
    "students": ["sourcedId", "givenName", "familyName"],
    "instructors": ["sourcedId", "givenName", "familyName"],
    "enrollments": ["sourcedId", "role", "user", "class"],
}


@pytest.mark.parametrize(("entity", "name"), [(e, name) for e, names in REQUIRED.items() for name in names])
def test_required_fields(entity: str, name: str) -> None:
    """Without a field that core cannot be without, a record is refused in a sentence that names it."""
    missing = {key: value for key, value in GOOD[entity].items() if key != name}
    assert outcome(STREAMS[entity], missing) == [f"{name} is required"]
    blank: Any = {"sourcedId": "  "} if name in {"user", "class"} else "  "
    assert outcome(STREAMS[entity], GOOD[entity] | {name: blank}) == [f"{name} must not be blank"]


DAY = "must be a day from 1900 to 2200, as YYYY-MM-DD"
TIME = "must be an ISO 8601 time from 1900 to 2200"
LONG, ID = "must have at most 1,000 characters and no NUL", "must have at most 255 characters and no NUL"

BAD = [
    ("students", {"familyName": "x" * 1_000_000}, f"familyName {LONG}"),
    ("students", {"givenName": "A\x00na"}, f"givenName {LONG}"),
    ("students", {"sourcedId": "u\x00"}, f"sourcedId {ID}"),
    ("students", {"sourcedId": "u" * 256}, f"sourcedId {ID}"),
    ("students", {"email": "e" * 256}, f"email {ID}"),
    ("students", {"enabledUser": "perhaps"}, "enabledUser must be one of true, false"),
    ("students", {"status": "gone"}, "status must be one of active, inactive, tobedeleted"),
    ("students", {"dateLastModified": "yesterday"}, f"dateLastModified {TIME}"),
    ("students", {"dateLastModified": "0001-01-01T00:00:00Z"}, f"dateLastModified {TIME}"),
    ("students", {"primaryOrg": {"sourcedId": "o" * 256}}, f"org {ID}"),
    ("terms", {"startDate": "0001-01-01"}, f"startDate {DAY}"),
    ("terms", {"startDate": "2026-02-30"}, f"startDate {DAY}"),
    ("terms", {"endDate": "9999-12-31"}, f"endDate {DAY}"),
    ("terms", {"endDate": "12/20/2026"}, f"endDate {DAY}"),
    ("terms", {"startDate": "2026-8-15"}, f"startDate {DAY}"),
    ("terms", {"startDate": "2026-08-15x"}, f"startDate {DAY}"),
    ("terms", {"endDate": "2026-08-14"}, "period must not end before it begins"),
    ("enrollments", {"endDate": "2026-08-14"}, "period must not end before it begins"),
    ("enrollments", {"beginDate": "0001-01-01T00:00:00"}, f"beginDate {DAY}"),
    ("teaching_assignments", {"primary": "yes"}, "primary must be one of true, false"),
]


@pytest.mark.parametrize(("entity", "changes", "reason"), BAD, ids=[row[2] for row in BAD])
def test_bad_values(entity: str, changes: dict[str, Any], reason: str) -> None:
    """A value that core must not take is refused, in one sentence that does not repeat it."""
    assert outcome(STREAMS[entity], GOOD[entity] | changes) == [reason]


@pytest.mark.parametrize(
    ("entity", "changes"),
    [
        ("students", {"status": "ToBeDeleted"}),
        ("students", {"status": ""}),
        ("students", {"enabledUser": "TRUE"}),
        ("students", {"enabledUser": ""}),
        ("students", {"dateLastModified": "2026-01-01T00:01:00.123456+02:00"}),
        ("students", {"dateLastModified": "2026-01-01"}),
        ("students", {"dateLastModified": ""}),
        ("students", {"givenName": "x" * 1_000}),
        ("terms", {"endDate": "2026-08-15"}),
        ("terms", {"startDate": "2026-08-15T00:00:00.000Z", "endDate": None}),
        ("terms", {"startDate": ""}),
        ("terms", {"startDate": " 2026-08-15 "}),
        ("terms", {"schoolYear": 2027}),
    ],
)
def test_values_that_real_servers_send(entity: str, changes: dict[str, Any]) -> None:
    """Odd but clear values pass: other cases, time stamps for days, empty texts for nothing, numbers for years."""
    assert outcome(STREAMS[entity], GOOD[entity] | changes) == []


def test_all_rules_are_named_at_once() -> None:
    """A record with several faults is refused once, with each of them."""
    (reason,) = outcome(
        STREAMS["students"], GOOD["students"] | {"givenName": None, "enabledUser": "x", "email": "\x00"}
    )
    assert set(reason.split("; ")) == {"givenName is required", "enabledUser must be one of true, false", f"email {ID}"}
