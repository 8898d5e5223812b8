"""Walks over rosters: all of it, or a named reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import AuthFailed, BrokenPage, RefusedBySource
from connector_pipelines.external.passes import MAX_PASSES, Passes
from connector_pipelines.model import Window
from connector_pipelines.pages import Page, Stability

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUR = ("students", "instructors", "enrollments", "teaching_assignments")
STATES = ["ACTIVE", "ARCHIVED", "PROVISIONED", "DECLINED", "SUSPENDED"]


def places(domain: Any, roster: str = "students") -> list[str]:
    """The external ids of who is in which course."""
    return sorted(f"{one['courseId']}:{one['userId']}" for one in domain.simulator.expected(roster))


def test_a_roster_of_many_pages_arrives_whole(domain: Any) -> None:
    """250 people in one course come in nine pages of 30, asked for alike but for the token that leads on."""
    world = domain.simulator.world
    course = world.add_course()
    for _ in range(250):
        world.join(course, world.add_person())
    assert domain.ids("enrollments", page_size=30) == places(domain)
    asked = [dict(request.params) for request in domain.asked("students") if request.course == course]
    assert len(asked) == 9
    assert len({params.pop("pageToken", "") for params in asked}) == 9
    assert all(params == asked[0] for params in asked)


def test_every_state_is_read(domain: Any) -> None:
    """All five states are asked for by name, and courses of all of them come with their rosters."""
    assert domain.ids("courses") == sorted(one["id"] for one in domain.simulator.expected("courses"))
    assert domain.ids("enrollments") == places(domain)
    assert {one["courseState"] for one in domain.simulator.expected("courses")} == set(STATES)
    url = domain.pages("courses")[0].url
    assert all(f"courseStates={state}" in url for state in STATES)


def test_fewer_states_prove_no_absence(domain: Any) -> None:
    """A source that leaves a state out reads no snapshot: a course that does not come may be in that state."""
    config = domain.config(course_states=STATES[:4])
    for stream in domain.stream("courses"), domain.stream("students"):
        from connector_pipelines.connectors.google_classroom import CONNECTOR

        with CONNECTOR.open(config) as client:
            reading = stream.read(client, Window())
        assert (reading.snapshot, reading.fenced) == (False, None)


@pytest.mark.parametrize("fault", ["clamp=2", "short-page", "empty-token", "empty-list", "gzip", "unknown-fields"])
def test_no_friendly_spelling_loses_anybody(domain: Any, fault: str) -> None:
    """Short and empty pages, an empty token and an empty list are read as what they mean."""
    domain.simulator.set_faults([fault])
    assert domain.ids("enrollments") == places(domain)
    assert domain.ids("courses") == sorted(one["id"] for one in domain.simulator.expected("courses"))


def test_a_person_is_one_wherever_they_are(domain: Any) -> None:
    """Somebody in many courses is the same bytes in each, and who teaches and learns is both."""
    world = domain.simulator.world
    both = next(key for key in world.people if any(key in one for one in world.rosters["teachers"].values()))
    for course in world.courses:
        world.join(course, both)
    rows = [bytes(row) for page in domain.pages("students") for row in page.rows]
    assert len([row for row in rows if both.encode() in row]) == len(world.courses)
    assert len({row for row in rows if both.encode() in row}) == 1
    assert both in domain.ids("students")
    assert both in domain.ids("instructors")


def test_nothing_is_asked_that_is_not_used(domain: Any) -> None:
    """Codes to join and photos never come, and who is in a course comes without names and addresses."""
    for entity in ("courses", "sections", *FOUR):
        told = b"".join(page.body for page in domain.pages(entity))
        assert b"enrollmentCode" not in told
        assert b"photoUrl" not in told
        assert (b"givenName" in told) is (entity in {"students", "instructors"})


def test_a_course_that_went_away_is_named_and_nothing_is_concluded(
    domain: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A course deleted between list and roster costs the read its proof, watched or not, and the log says which."""
    domain.simulator.set_faults(["gone@2"])
    pages, stability = domain.watched("enrollments")
    [gone] = domain.simulator.service.hidden
    assert stability is Stability.UNSTABLE
    assert f"course {gone} was deleted between the list and its roster" in caplog.text
    kept = [place for place in places(domain) if not place.startswith(gone)]
    assert sorted(set(domain.accepted("enrollments", pages).frame["external_id"])) == kept


def test_an_unwatched_read_tells_of_a_course_that_went_away(domain: Any) -> None:
    """A read that nobody watches is unstable as well where a course went away, and says nothing of it otherwise."""
    from connector_pipelines.connectors.google_classroom import CONNECTOR

    found = []
    for faults in ([], ["gone@2"]):
        domain.simulator.set_faults(faults)
        with CONNECTOR.open(domain.config()) as client:
            reading = domain.stream("students").read(client, Window())
            list(reading.pages)
            found.append(reading.stability())
    assert found == [None, Stability.UNSTABLE]


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("gone=listed@2", RefusedBySource, r"course \d+ is listed, and Google knows no roster of it"),
        ("refused@2", AuthFailed, r"courses/\d+/students answered 403 \(PERMISSION_DENIED: The caller does not have"),
        ("403=ClassroomDisabled:students", AuthFailed, "@ClassroomDisabled The user is not permitted"),
        ("404:courses", RefusedBySource, r"GET courses answered 404 \(NOT_FOUND: Requested entity"),
        ("other-course", BrokenPage, "holds some of another course"),
        ("missing-field:courses", BrokenPage, "a course whose id cannot be read"),
        ("stale-token", RefusedBySource, "INVALID_ARGUMENT: Request contains an invalid argument: page_token"),
        ("error-200", BrokenPage, "is not empty either"),
        ("token-loop", BrokenPage, "repeats a page"),
    ],
)
def test_what_cannot_be_read_stops_the_read(domain: Any, fault: str, error: type[Exception], said: str) -> None:
    """A roster that is refused, missing or of another course is never taken for an empty one."""
    domain.simulator.set_faults([fault])
    with pytest.raises(error, match=said):
        domain.pages("enrollments", page_size=3)


@pytest.mark.parametrize("entity", ["courses", *FOUR])
def test_a_still_domain_is_proven(domain: Any, entity: str) -> None:
    """A watched read of a domain that holds still is stable, and brings what an unwatched one brings."""
    pages, stability = domain.watched(entity, page_size=3)
    assert stability is Stability.STABLE
    assert sorted(set(domain.accepted(entity, pages).frame["external_id"])) == domain.ids(entity)
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))


def test_a_row_that_slips_over_a_page_edge_is_caught(domain: Any) -> None:
    """Where somebody leaves between two pages one row is missed unnoticed; a watched read finds it, and says so."""
    world = domain.simulator.world
    course = world.add_course()
    there = [world.add_person() for _ in range(9)]
    for key in there:
        world.join(course, key)
    domain.simulator.set_faults(["shift@2:students"])
    missed = f"{course}:{there[3]}"
    assert missed not in domain.ids("enrollments", page_size=3)
    world.join(course, there[0])
    world.rosters["students"][course].insert(0, world.rosters["students"][course].pop())
    domain.simulator.set_faults(["shift@2:students"])
    pages, stability = domain.watched("enrollments", page_size=3)
    assert missed in set(domain.accepted("enrollments", pages).frame["external_id"])
    assert stability is Stability.REPAIRED


def test_a_course_that_slips_over_a_page_edge_is_walked(domain: Any) -> None:
    """Where a course is deleted between two pages of the list, a watched walk still reads the one that was missed."""
    domain.simulator.set_faults(["shift@2:courses"])
    pages, stability = domain.watched("enrollments", page_size=2)
    assert set(domain.accepted("enrollments", pages).frame["external_id"]) >= set(places(domain))
    assert stability in {Stability.REPAIRED, Stability.UNSTABLE}


def test_a_collection_that_never_holds_still_is_unstable() -> None:
    """Where no two passes agree in four, all that was seen came, and nothing is proven."""
    number = iter(range(100))

    def read() -> Iterator[Page]:
        this = next(number)
        yield Page(1, "", 200, f"{this}".encode(), ())
        yield Page(2, "", 200, b"always", ())

    passes = Passes()
    bodies = [page.body for page in passes.pages(read, lambda page: {page.body.decode()})]
    assert bodies == [b"0", b"always", b"1", b"2", b"3"]
    assert next(number) == MAX_PASSES
    assert passes.stability is Stability.UNSTABLE
