from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.client import clauses
from connector_pipelines.errors import (
    AuthFailed,
    BrokenPage,
    ConfigurationError,
    NetworkError,
    RateLimited,
    RefusedBySource,
    SecretMissing,
)
from connector_pipelines.model import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connector_pipelines.pages import Page

MONDAY, TUESDAY = datetime(2026, 9, 7, tzinfo=UTC), datetime(2026, 9, 8, tzinfo=UTC)


def serving(*users: str, name: str = "users") -> Callable[[Any], tuple[int, bytes, dict[str, str]]]:
    """Answers with pages of these ids."""

    def answer(asked: Any) -> tuple[int, bytes, dict[str, str]]:
        offset, limit = int(asked.query["offset"]), int(asked.query["limit"])
        rows = [{"sourcedId": user} for user in users[offset : offset + limit]]
        return 200, json.dumps({name: rows}).encode(), {"X-Total-Count": str(len(users))}

    return answer


def ids(pages: Iterable[Page]) -> list[str]:
    """The ids of all rows, in order."""
    return [str(json.loads(bytes(row))["sourcedId"]) for page in pages for row in page.rows]


@pytest.mark.parametrize(
    ("version", "root"),
    [("1.2", "/ims/oneroster/rostering/v1p2"), ("1.1", "/ims/oneroster/v1p1"), (1.2, "/ims/oneroster/rostering/v1p2")],
)
def test_paths_of_the_versions(roster: Any, version: Any, root: str) -> None:
    """Each version is read at its root, in pages sorted by id, also if YAML made the version a number."""
    roster.answers = serving("1", "2", "3")
    pages = roster.pages("students", version=version)
    assert ids(pages) == ["1", "2", "3"]
    assert {asked.path for asked in roster.asked} == {f"{root}/students"}
    assert roster.asked[0].query == {"limit": "2", "offset": "0", "sort": "sourcedId", "orderBy": "asc"}
    assert roster.asked[0].headers["Authorization"] == "Bearer t0k3n"


def test_whole_root_may_be_given(roster: Any) -> None:
    """A base URL that ends in the version is taken as it is, for servers with a root of their own."""
    roster.answers = serving("1", name="orgs")
    roster.pages("organizations", base_url=f"{roster.url}/edfi/2026/v1p2/")
    assert roster.asked[0].path == "/edfi/2026/v1p2/orgs"


PATHS = {
    "organizations": "orgs",
    "terms": "academicSessions",
    "courses": "courses",
    "sections": "classes",
    "students": "students",
    "instructors": "teachers",
    "enrollments": "enrollments",
    "teaching_assignments": "enrollments",
}


@pytest.mark.parametrize(("entity", "path"), PATHS.items())
def test_endpoint_of_each_entity(roster: Any, entity: str, path: str) -> None:
    """Each entity is read from its collection."""
    envelope = "users" if entity in {"students", "instructors"} else path
    roster.answers = serving("1", name=envelope)
    assert sum(len(page.rows) for page in roster.pages(entity)) == 1
    assert roster.asked[0].path.endswith(f"/{path}")


def test_timeback(roster: Any) -> None:
    """TimeBack: a trailing slash, at most 3,000 rows a page, and the total beside the list."""

    def answer(asked: Any) -> tuple[int, bytes, dict[str, str]]:
        rows = [{"sourcedId": asked.query["offset"]}] if int(asked.query["offset"]) < 3 else []
        return 200, json.dumps({"students": rows, "totalCount": 3, "limit": 3000}).encode(), {}

    roster.answers = answer
    pages = roster.pages("students", flavour="timeback", page_size=10_000)
    assert ids(pages) == ["0", "1", "2"]
    assert roster.asked[0].path.endswith("/students/")
    assert roster.asked[0].query["limit"] == "3000"


@pytest.mark.parametrize(
    ("window", "role", "expected"),
    [
        (Window(), None, ()),
        (Window(), "student", ("role='student'",)),
        (Window(MONDAY), None, ("dateLastModified>='2026-09-07T00:00:00.000Z'",)),
        (Window(MONDAY), "teacher", ("dateLastModified>='2026-09-07T00:00:00.000Z'", "role='teacher'")),
        (
            Window(MONDAY, TUESDAY),
            "student",
            ("dateLastModified>='2026-09-07T00:00:00.000Z'", "dateLastModified<'2026-09-08T00:00:00.000Z'"),
        ),
        (Window(until=TUESDAY), None, ("dateLastModified<'2026-09-08T00:00:00.000Z'",)),
    ],
)
def test_filter_has_at_most_two_clauses(window: Window, role: str | None, expected: tuple[str, ...]) -> None:
    """A window takes precedence; the role is asked for where the grammar leaves room."""
    assert clauses(window, role) == expected


def test_a_declared_filter_takes_the_first_clause() -> None:
    """Beside a declared filter a window keeps its earlier end, and the role is asked for where no window is."""
    since = "dateLastModified>='2026-09-07T00:00:00.000Z'"
    assert clauses(Window(MONDAY, TUESDAY), "student", "status='active'") == ("status='active'", since)
    assert clauses(Window(until=TUESDAY), "student", "status='active'")[0] == "status='active'"
    assert clauses(Window(), "student", "status='active'") == ("status='active'", "role='student'")


@pytest.mark.parametrize(
    ("moment", "asked"),
    [
        ("2026-03-29T03:30:00+02:00", "2026-03-29T01:30:00.000Z"),  # the hour after Europe's clocks change
        ("2024-12-30T23:30:00-01:00", "2024-12-31T00:30:00.000Z"),  # days of the ISO year 2025
        ("2024-02-29T00:00:00+05:45", "2024-02-28T18:15:00.000Z"),
    ],
)
def test_moments_are_asked_for_in_utc(moment: str, asked: str) -> None:
    """A moment with an offset of its own is asked for as the same moment in UTC, around every edge of a calendar."""
    assert clauses(Window(datetime.fromisoformat(moment))) == (f"dateLastModified>='{asked}'",)


def test_window_is_asked_for(roster: Any) -> None:
    """An increment filters by modification time, joined by one AND, and is no snapshot."""
    roster.answers = serving("1", name="enrollments")
    roster.pages("enrollments", Window(MONDAY))
    assert roster.asked[0].query["filter"] == "dateLastModified>='2026-09-07T00:00:00.000Z' AND role='student'"


@pytest.mark.parametrize(
    ("window", "snapshot"), [(Window(), True), (Window(MONDAY), False), (Window(until=MONDAY), False)]
)
def test_only_everything_is_a_snapshot(roster: Any, window: Window, snapshot: bool) -> None:  # noqa: FBT001 -- a table
    """Absence can mean something only after everything was asked for."""
    config = roster.config()
    stream = next(iter(CONNECTOR.streams(config)))
    with CONNECTOR.open(config) as client:
        assert stream.read(client, window).snapshot is snapshot
    assert roster.asked == []


def test_refused_role_filter_is_left_out(roster: Any) -> None:
    """A server that cannot filter by role is read without; the role of each row decides anyway."""
    good = serving("1", "2", "3", name="enrollments")
    refusal = {"imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "invalid_filter_field"}]}}
    roster.answers = lambda asked: (400, json.dumps(refusal).encode(), {}) if "filter" in asked.query else good(asked)
    pages = roster.pages("enrollments")
    assert ids(pages) == ["1", "2", "3"]
    assert [page.number for page in pages][:2] == [1, 2]


def test_refused_window_is_an_error(roster: Any) -> None:
    """A server that cannot filter by time is not read as if it could; its words are in the error."""
    roster.answers = lambda _: (400, b'{"imsx_description": "cannot filter by dateLastModified"}', {})
    with pytest.raises(RefusedBySource, match=r"400 \(cannot filter by dateLastModified\)"):
        roster.pages("enrollments", Window(MONDAY))


HTML = b"<!doctype html><html><body>Please log in</body></html>"

BAD_ANSWERS = [
    ("wrong URL", (404, HTML, {}), RefusedBySource, "answered 404.*Check the base URL"),
    (
        "wrong credentials",
        (401, b'{"imsx_description": "bad token"}', {}),
        AuthFailed,
        r"401 \(bad token\).*env:ROSTER_TOKEN",
    ),
    ("forbidden", (403, b'{"imsx_codeMinor": "forbidden"}', {}), AuthFailed, r"403 \(forbidden\)"),
    ("HTML with 200", (200, HTML, {}), BrokenPage, "HTML or XML where JSON should be"),
    ("cut off", (200, b'{"users": [{"sourcedId": "1"}, {"sou', {}), BrokenPage, "breaks off"),
    ("null", (200, b'{"users": null}', {}), BrokenPage, "lacks its list"),
    ("another list", (200, b'{"orgs": []}', {}), BrokenPage, "lacks its list 'users' or 'students'"),
    ("limit as HTML", (429, b"<html>Too many requests</html>", {"Retry-After": "1"}), RateLimited, "answered 429"),
    ("down", (503, HTML, {}), NetworkError, "503.*tried 4 times"),
    (
        "elsewhere",
        (302, b"", {"Location": "https://login.example/"}),
        ConfigurationError,
        "redirects to https://login.example/",
    ),
    (
        "same page",
        (200, b'{"users": [{"sourcedId": "1"}, {"sourcedId": "2"}]}', {}),
        BrokenPage,
        "repeats a page: number 2",
    ),
]


@pytest.mark.parametrize(
    ("sent", "error", "words"), [row[1:] for row in BAD_ANSWERS], ids=[row[0] for row in BAD_ANSWERS]
)
def test_bad_answers_are_errors(roster: Any, sent: Any, error: type[Exception], words: str) -> None:
    """Whatever is no page is an error that says what came and what to do, never an empty read."""
    roster.answers = lambda _: sent
    with pytest.raises(error, match=words) as caught:
        roster.pages("students")
    assert "t0k3n" not in str(caught.value)


def test_failure_in_the_middle_fails_the_read(roster: Any) -> None:
    """A page that cannot be had ends the read with an error, after the pages before it."""
    good = serving("1", "2", "3", "4", "5", "6")
    roster.answers = lambda asked: (500, b"", {}) if asked.query["offset"] == "4" else good(asked)
    with pytest.raises(NetworkError, match="tried 4 times"):
        roster.pages("students")


def test_passing_failure_loses_nothing(roster: Any) -> None:
    """A page that fails twice and then comes is read once."""
    good, left = serving("1", "2", "3", "4", "5"), [500, 502]
    roster.answers = lambda asked: (left.pop(), b"", {}) if asked.query["offset"] == "2" and left else good(asked)
    pages = roster.pages("students")
    assert ids(pages) == ["1", "2", "3", "4", "5"]


def test_unset_secret_is_named(roster: Any) -> None:
    """A source whose secret is not set fails with the variable's name, before anything is sent."""
    with pytest.raises(SecretMissing, match="NOT_SET_ANYWHERE"):
        roster.pages("students", auth={"type": "bearer", "token": "env:NOT_SET_ANYWHERE"})
    assert roster.asked == []


def test_check_reads_one_row(roster: Any) -> None:
    """A connection test asks for a single organization and says how long it took."""
    roster.answers = serving("1", "2", name="orgs")
    config = roster.config()
    with CONNECTOR.open(config) as client:
        health = CONNECTOR.check(client)
    assert health.ok
    assert health.detail == "OneRoster 1.2 answers."
    assert health.latency_seconds > 0
    assert [asked.query["limit"] for asked in roster.asked] == ["1"]


def test_switched_off_entities_are_no_streams(roster: Any) -> None:
    """A source provides the entities it lists and no others."""
    config = roster.config(entities=["students", "organizations"])
    assert [stream.entity for stream in CONNECTOR.streams(config)] == ["organizations", "students"]


def test_collection_that_never_holds_still(roster: Any) -> None:
    """If rows vanish during every pass, absence proves nothing: the read fails instead of passing for complete."""
    totals = iter(range(100, 0, -1))

    def answer(asked: Any) -> tuple[int, bytes, dict[str, str]]:
        status, body, _ = serving("1", "2", "3", "4", "5")(asked)
        return status, body, {"X-Total-Count": str(next(totals))}

    roster.answers = answer
    with pytest.raises(NetworkError, match=r"GET /students lost rows while it was read, 3 times"):
        roster.pages("students", in_flight=1)


def test_collection_that_grows_is_read_once(roster: Any) -> None:
    """New rows push others to later pages and hide none: one pass is enough."""
    totals = iter(range(5, 100))

    def answer(asked: Any) -> tuple[int, bytes, dict[str, str]]:
        status, body, _ = serving("1", "2", "3", "4", "5")(asked)
        return status, body, {"X-Total-Count": str(next(totals))}

    roster.answers = answer
    assert [page.number for page in roster.pages("students", in_flight=1)] == [1, 2, 3, 4]
