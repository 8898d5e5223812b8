"""The connector against the simulator, which misbehaves as a site may."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.canvas import CONNECTOR, wire
from connector_pipelines.connectors.canvas.simulator import Simulator
from connector_pipelines.errors import (
    AuthFailed,
    BrokenPage,
    ConfigurationError,
    NetworkError,
    RateLimited,
    RefusedBySource,
    SyncError,
)
from connector_pipelines.external.turns import Turns
from connector_pipelines.model import Stream, Window
from connector_pipelines.pages import Stability

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTITIES = (
    "organizations",
    "terms",
    "courses",
    "sections",
    "students",
    "instructors",
    "enrollments",
    "teaching_assignments",
    "assessments",
    "grades",
    "submissions",
    "rubric_scores",
)


@pytest.fixture(scope="module")
def small() -> Iterator[Simulator]:
    """A site with 250 people in one course."""
    with Simulator(scenario="small", seed=7) as running:
        yield running


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize(("in_flight", "page_size"), [(1, 100), (4, 9)])
def test_every_record_arrives(site_of: Any, small: Simulator, entity: str, in_flight: int, page_size: int) -> None:
    """A full read accepts exactly the records there are, whatever the pages."""
    site = site_of(small)
    frame = site.read(entity, in_flight=in_flight, page_size=page_size).frame
    assert sorted(set(frame["external_id"][~frame["deleted"]])) == sorted(site.truth()[entity])


def test_a_roster_of_250_arrives_whole(site_of: Any, small: Simulator) -> None:
    """250 people in one course, behind bookmarks and ten to a page, arrive to the last one (G42, P5)."""
    site = site_of(small)
    begun = len(small.requests)
    frame = site.read("enrollments", page_size=10).frame
    asked = [one for one in small.requests[begun:] if one.path == "/api/v1/courses/1/enrollments"]
    assert (frame["section"] == "1").sum() == 250
    assert len(asked) == 25
    assert [dict(one.pairs)["page"].partition(":")[0] for one in asked[1:]] == ["bookmark"] * 24


def test_states_are_asked_for_by_name(site: Any) -> None:
    """Deleted, completed and inactive enrollments come, and deleted courses and terms, because each is asked for."""
    world = site.simulator.world
    numbers = [one["id"] for one in site.simulator.expected("enrollments") if one["type"] == "StudentEnrollment"]
    for number, state in zip(numbers, ("deleted", "completed", "inactive", "rejected"), strict=False):
        world.change(number, state)
    world.remove_course(3)
    frame = site.read("enrollments").frame.set_index("external_id")
    told = [frame.loc[str(number), "status"] for number in numbers[:4]]
    assert told == ["dropped", "enrolled", "withdrawn", "dropped"]
    assert frame.loc[str(numbers[0]), "deleted"]
    courses = site.read("courses").frame.set_index("external_id")
    assert (courses.loc["3", "status"], courses.loc["3", "deleted"]) == ("inactive", True)
    assert site.read("terms").frame["deleted"].sum() == 1


def _stream(config: Any, entity: str) -> Stream:
    return next(one for one in CONNECTOR.streams(config) if one.entity == entity)


HARMLESS = [
    ["bookmarks"],
    ["page-numbers"],
    ["no-last"],
    ["relative-links"],
    ["wrapped"],
    ["clamp=4"],
    ["lower-case-headers", "clamp=4"],
    ["gzip"],
    ["numeric-ids"],
    ["unknown-fields"],
    ["duplicate"],
    ["ignore-filter"],
    ["500@3"],
    ["503=3"],
    ["reset@3"],
    ["429@3"],
    ["429-every=3"],
    ["403-throttle@3"],
    ["shift=insert@2:enrollments", "clamp=4"],
    ["shift=rename@3:enrollments", "clamp=4"],
]


@pytest.mark.parametrize("faults", HARMLESS, ids=[" ".join(faults) for faults in HARMLESS])
def test_harmless_faults_lose_nothing(site: Any, faults: list[str]) -> None:
    """Passing failures, both forms of throttling, odd links and headers, and rows that move lose nothing."""
    site.simulator.set_faults(faults)
    frame = site.read("enrollments").frame
    site.simulator.clear_faults()
    assert set(frame["external_id"][~frame["deleted"]]) >= set(site.truth()["enrollments"])


@pytest.mark.parametrize("entity", ["students", "terms", "sections"])
def test_other_collections_bear_them_too(site: Any, entity: str) -> None:
    """People, terms and sections come whole by bookmarks, without totals, in an object, and with numbers for ids."""
    for faults in (["bookmarks", "clamp=2"], ["no-last", "clamp=2"], ["wrapped"], ["numeric-ids", "relative-links"]):
        site.simulator.set_faults(faults)
        found = site.read(entity).frame
        assert set(found["external_id"][~found["deleted"]]) == set(site.truth()[entity])


DEADLY: list[tuple[str, type[SyncError], str]] = [
    ("429", RateLimited, "Rate Limit Exceeded"),
    ("403-throttle", RateLimited, "Rate Limit Exceeded"),
    ("403", AuthFailed, "user not authorized"),
    ("401", AuthFailed, "Revoked access token"),
    ("401-unauthorized", AuthFailed, "user not authorized"),
    ("404", RefusedBySource, "404"),
    ("500", NetworkError, "error report 4711"),
    ("reset", NetworkError, "tried 4 times"),
    ("html-200", BrokenPage, "HTML"),
    ("truncated", BrokenPage, "is no list"),
    ("no-link", BrokenPage, "Link header"),
    ("repeat-page", BrokenPage, "repeats a page"),
    ("link-other-host", ConfigurationError, "may not go"),
]


@pytest.mark.parametrize(("fault", "error", "says"), DEADLY)
def test_failing_reads_say_why(site: Any, fault: str, error: type[SyncError], says: str) -> None:
    """What cannot be read ends with its own error, in the site's words, and without the token."""
    site.simulator.set_faults([fault, "clamp=4"])
    with pytest.raises(error) as caught:
        site.pages("students")
    assert says in str(caught.value)
    assert site.simulator.token not in str(caught.value)


def test_a_real_403_is_asked_once_and_a_throttled_one_again(site: Any) -> None:
    """A 403 that is meant is final; one that throttles is waited for three times (K2)."""
    asked = {}
    for fault, error in (("403", AuthFailed), ("401-unauthorized", AuthFailed), ("403-throttle", RateLimited)):
        site.simulator.set_faults([fault])
        begun = len(site.simulator.requests)
        with pytest.raises(error):
            site.pages("students")
        asked[fault] = len(site.simulator.requests) - begun
    assert asked == {"403": 1, "401-unauthorized": 1, "403-throttle": 4}


def test_a_throttled_site_is_left_alone_for_ever_longer(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Retry-After the pauses are 10, 20 and 40 seconds, and everybody else is told of the first."""
    paused: list[float] = []
    monkeypatch.setattr(Turns, "paused", lambda _, seconds: paused.append(seconds))
    waited: list[float] = []
    config = site.config()
    site.simulator.set_faults(["429"])
    with CONNECTOR.open(config) as canvas:
        canvas.http._sleep = lambda seconds, _: waited.append(seconds)
        with pytest.raises(RateLimited):
            canvas.http.get("accounts/self")
    assert (waited, paused) == ([10, 20, 40], [10] * 4)


def test_a_proxy_may_name_another_host(site: Any) -> None:
    """Where the source says that the other host is the same site, all pages are asked for at its own address."""
    site.simulator.set_faults(["link-other-host", "clamp=4"])
    assert site.ids("students", other_host=True) == sorted(site.truth()["students"])


def test_many_in_parallel_fill_the_bucket_and_few_do_not(site: Any) -> None:
    """What is under way counts 50 each, so that side by side is throttled where one after another is not."""
    throttled = {}
    for in_flight in (1, 3):
        site.simulator.set_faults(["bucket=60", *(["delay=400:enrollments"] if in_flight > 1 else [])])
        begun = len(site.simulator.requests)
        with suppress(RateLimited):  # where nothing waits, a throttled read may not get through
            site.pages("enrollments", in_flight=in_flight)
        throttled[in_flight] = any(one.status == 429 for one in site.simulator.requests[begun:])
    assert throttled == {1: False, 3: True}


def test_at_most_as_many_as_said_are_under_way(site: Any) -> None:
    """Courses are read side by side, and never more of them than `in_flight`."""
    site.simulator.set_faults(["delay=200:enrollments"])
    site.pages("enrollments", in_flight=2)
    assert max(one.under_way for one in site.asked("enrollments")) == 2


def test_signing_in_with_a_refresh_token(site: Any, keep: Any) -> None:
    """Access tokens that end between pages are renewed with the one refresh token, and no other is ever given."""
    site.simulator.set_faults(["token-expiry=3", "clamp=4"])
    assert site.ids("students", auth=site.oauth2) == sorted(site.truth()["students"])
    assert site.simulator.service.issuer.issued > 1
    assert keep.held["refresh_token"] == site.simulator.refresh_token


def test_ids_are_asked_for_as_text(site: Any) -> None:
    """Every request asks for ids as text, and some of them have more digits than a number may have in JSON."""
    ids = site.ids("students")
    assert any(int(one) > 2**53 for one in ids)
    assert {one.headers["accept"] for one in site.simulator.requests} == {"application/json+canvas-string-ids"}


def test_an_account_below_the_top_has_no_parent(site_of: Any, small: Simulator) -> None:
    """Of an account that is read by its SIS id, what lies below is read, and the one above is not missed."""
    site = site_of(small)
    found = site.read("organizations", account="sis_account_id:SCH-002").frame.set_index("external_id")
    assert found["parent"].dropna().to_dict() == {"4": "3"}
    assert set(found.index) == {"3", "4"}
    assert set(site.read("courses", account="3").frame["organization"]) == {"3", "4"}


@pytest.mark.parametrize(
    ("fault", "stability", "passes"),
    [
        ("", Stability.STABLE, 2),
        ("shift=remove@4:enrollments", Stability.STABLE, 2),  # a state among others: it is in the list as before
        ("shift=insert@4:enrollments", Stability.REPAIRED, 3),
    ],
)
def test_absence_is_proven_by_two_passes_that_agree(site: Any, fault: str, stability: Stability, passes: int) -> None:
    """A fenced read is done twice: alike it is stable, and once more where somebody came in between."""
    site.simulator.set_faults([fault] if fault else [])
    config = site.config()
    with CONNECTOR.open(config) as client:
        reading = _stream(config, "enrollments").read(client, Window())
        assert reading.fenced is not None
        fenced = reading.fenced()
        pages = list(fenced.pages)
    assert fenced.stability() is stability
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert len(site.asked("courses")) == passes


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_record_can_be_told_apart(site: Any, entity: str) -> None:
    """The id of every record, composed or not, is found in it as it came: by these ids two passes are compared."""
    rows = [bytes(row) for page in site.pages(entity) for row in page.rows]
    assert set(map(wire.id_of, rows)) >= set(site.truth()[entity]) != set()
    assert None not in set(map(wire.id_of, rows))


@pytest.mark.parametrize(("entity", "table"), [("sections", "sections"), ("organizations", "accounts")])
def test_composed_records_are_compared_too(site: Any, entity: str, table: str) -> None:
    """A section or an account that goes away between two passes of a fenced read means a third."""
    config, gone = site.config(in_flight=1), max(one["id"] for one in site.simulator.expected(table))
    with CONNECTOR.open(config) as client:
        fenced = _stream(config, entity).read(client, Window()).fenced
        assert fenced is not None
        reading = fenced()
        for page in reading.pages:
            if str(gone) in {wire.id_of(bytes(row)) for row in page.rows}:
                del site.simulator.world.tables[table][gone]
    assert reading.stability() is Stability.REPAIRED


def test_an_increment_asks_for_what_was_graded_or_handed_in(site: Any) -> None:
    """Grades are asked for by when they were given, submissions by when they were handed in and by when graded."""
    since = site.simulator.world.now
    site.simulator.evolve(20)
    config = site.config()
    changed = {
        str(row["id"])
        for row in site.simulator.expected("submissions")
        if max(row["submitted_at"] or "", row["graded_at"] or "") >= since.strftime("%Y-%m-%dT%H:%M:%SZ")
    }
    found = {}
    with CONNECTOR.open(config) as client:
        for entity in ("grades", "submissions"):
            begun = len(site.simulator.requests)
            reading = _stream(config, entity).read(client, Window(since))
            found[entity] = {wire.id_of(bytes(row)) for page in reading.pages for row in page.rows}
            asked = [one for one in site.simulator.requests[begun:] if one.collection == "submissions"]
            assert not reading.snapshot
            assert {name for one in asked for name, _ in one.pairs if name.endswith("since")} == {
                "grades": {"graded_since"},
                "submissions": {"graded_since", "submitted_since"},
            }[entity]
    assert found["submissions"] == changed
    assert set() < found["grades"] < changed
