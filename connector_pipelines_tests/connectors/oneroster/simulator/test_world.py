"""The world: its sizes, its consistency, how it changes, and what it costs."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import COLLECTIONS, World
from connector_pipelines.connectors.oneroster.simulator.instants import parse_ms
from connector_pipelines.connectors.oneroster.simulator.render import render_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCED = {
    "user": "users",
    "org": "orgs",
    "class": "classes",
    "course": "courses",
    "academicSession": "academicSessions",
    "category": "categories",
    "lineItem": "lineItems",
    "scoreScale": "scoreScales",
    "assessmentLineItem": "assessmentLineItems",
    "resource": "resources",
}


def by_id(world: World, collection: str) -> dict[str, Any]:
    """All records of a collection by sourcedId."""
    return {record["sourcedId"]: record for record in world.stream(collection)}


def references(value: Any) -> Iterator[dict[str, str]]:
    """Every GUIDRef in a record, however deep."""
    if isinstance(value, dict) and "href" in value:
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from references(inner)


@pytest.mark.parametrize(
    ("scenario", "users", "enrollments"),
    [("small", 200, 920), ("school", 1_000, 5_800), ("district", 100_000, 1_000_000)],
)
def test_scenarios_have_their_sizes(scenario: str, users: int, enrollments: int) -> None:
    """small, school and district are as large as promised (F64)."""
    world = World(1, scenario)
    assert (world.count("users"), world.count("enrollments")) == (users, enrollments)


def test_an_unknown_scenario_is_refused_by_name() -> None:
    """A scenario that does not exist is refused, with those that do."""
    with pytest.raises(ValueError, match="unknown scenario 'galaxy'; there are small, school, district"):
        World(1, "galaxy").count("users")


@pytest.mark.parametrize("vanish", [False, True])
def test_every_reference_leads_somewhere(vanish: bool) -> None:  # noqa: FBT001  (a pytest parameter)
    """References of all records resolve, also after records vanished with what hung on them."""
    world = World(5, "small").evolve(30, vanish=vanish).evolve(30, vanish=vanish)
    present = {collection: set(by_id(world, collection)) for collection in COLLECTIONS}
    rostering = [
        name for name in COLLECTIONS if name in {"orgs", "academicSessions", "courses", "classes", "enrollments"}
    ]
    for collection in rostering if vanish else COLLECTIONS:
        for record in world.stream(collection):
            for reference in references(record):
                assert reference["sourcedId"] in present[REFERENCED[reference["type"]]], (collection, reference)


def test_sessions_are_a_tree_in_time() -> None:
    """Children name their parent, lie within it, and each level is of the next smaller kind."""
    sessions = by_id(World(1, "small"), "academicSessions")
    smaller = {"schoolYear": "semester", "semester": "term", "term": "gradingPeriod"}
    assert Counter(s["type"] for s in sessions.values()) == {
        "schoolYear": 2,
        "semester": 4,
        "term": 8,
        "gradingPeriod": 16,
    }
    for session in sessions.values():
        for child in (sessions[reference["sourcedId"]] for reference in session.get("children", [])):
            assert child["parent"]["sourcedId"] == session["sourcedId"]
            assert session["startDate"] <= child["startDate"] < child["endDate"] <= session["endDate"]
            assert child["type"] == smaller[session["type"]]


def test_classes_have_teachers_and_students_of_their_school_and_grade() -> None:
    """Each class has one primary teacher, distinct students, and all of them belong to its school and grade."""
    world = World(2, "small")
    users, classes = by_id(world, "users"), by_id(world, "classes")
    members: dict[str, list[dict[str, Any]]] = {name: [] for name in classes}
    for seat in world.stream("enrollments"):
        members[seat["class"]["sourcedId"]].append(seat)
        assert seat["school"] == classes[seat["class"]["sourcedId"]]["school"]
    for name, seats in members.items():
        ids = [seat["user"]["sourcedId"] for seat in seats]
        assert len(ids) == len(set(ids))
        assert [seat["role"] for seat in seats if seat["primary"] == "true"] == ["teacher"]
        for seat in seats:
            user = users[seat["user"]["sourcedId"]]
            assert user["roles"][0]["role"] == seat["role"]
            assert user["roles"][0]["org"]["sourcedId"] == seat["school"]["sourcedId"]
            assert seat["role"] == "teacher" or user["grades"] == classes[name]["grades"]


def test_a_student_takes_each_course_once() -> None:
    """No student sits in two classes of one course."""
    world = World(2, "school")
    course = {name: record["course"]["sourcedId"] for name, record in by_id(world, "classes").items()}
    taken = Counter(
        (seat["user"]["sourcedId"], course[seat["class"]["sourcedId"]])
        for seat in world.stream("enrollments")
        if seat["role"] == "student"
    )
    assert set(taken.values()) == {1}


def test_identifiers_and_usernames_are_unique() -> None:
    """userIds, identifiers, usernames and sourcedIds name one user each; identifiers keep their leading zeros."""
    users = list(World(2, "school").stream("users"))
    for name in ("sourcedId", "identifier", "username"):
        assert len({user[name] for user in users}) == len(users)
    assert any(user["identifier"].startswith("0") for user in users)
    assert {len(user["identifier"]) for user in users} == {8}


def test_names_are_as_difficult_as_real_ones() -> None:
    """A school has names with apostrophes, spaces, one letter, accents, other scripts, and missing optional fields."""
    users = list(World(2, "school").stream("users"))
    names = {user["familyName"] for user in users} | {user["givenName"] for user in users}
    for difficult in ("O'Neil", "de la Cruz", "O", "Nguyễn", "佐藤", "محمد", "Null"):
        assert difficult in names
    for optional in ("email", "middleName", "primaryOrg", "userIds", "agents", "phone"):
        assert 0 < sum(optional in user for user in users) < len(users)


def test_guardians_are_agents_of_students() -> None:
    """Who is an agent of a student has the role guardian."""
    users = by_id(World(2, "small"), "users")
    agents = [agent["sourcedId"] for user in users.values() for agent in user.get("agents", [])]
    assert len(agents) == 4
    assert {users[agent]["roles"][0]["role"] for agent in agents} == {"guardian"}


@pytest.mark.parametrize("collection", ["users", "classes", "enrollments"])
def test_a_step_advances_the_date_of_exactly_what_it_changes(collection: str) -> None:
    """Records that differ from the version before have a later date, all others the one they had; some are new."""
    before_world = World(3, "school").evolve(5)
    after_world = before_world.evolve(5)
    before, after = by_id(before_world, collection), by_id(after_world, collection)
    changed = {name for name in before if before[name] != after[name]}
    for name in before:
        assert (before[name]["dateLastModified"] < after[name]["dateLastModified"]) == (name in changed)
    for name in changed:
        assert {key: value for key, value in before[name].items() if key != "dateLastModified"} != {
            key: value for key, value in after[name].items() if key != "dateLastModified"
        }
    new = set(after) - set(before)
    instants = [parse_ms(after[name]["dateLastModified"]) or 0 for name in changed | new]
    assert new
    assert all(before_world.now_ms < instant <= after_world.now_ms for instant in instants)
    assert 0.02 < len(changed) / len(before) < 0.09


def test_evolution_is_the_same_for_the_same_seed() -> None:
    """Two worlds that took the same steps are equal record by record."""
    one, other = (World(9, "small").evolve(20).evolve(10, vanish=True) for _ in range(2))
    assert list(one.stream("enrollments")) == list(other.stream("enrollments"))


def test_deletions_are_marked_or_vanish() -> None:
    """Deleted users stay as tobedeleted, or with `vanish` they are gone with their enrollments and demographics."""
    marked, vanished = World(3, "small").evolve(50), World(3, "small").evolve(50, vanish=True)
    deleted = {user["sourcedId"] for user in marked.stream("users") if user["status"] == "tobedeleted"}
    assert deleted
    assert set(by_id(marked, "users")) - set(by_id(vanished, "users")) == deleted
    assert not deleted & {seat["user"]["sourcedId"] for seat in vanished.stream("enrollments")}
    assert not deleted & set(by_id(vanished, "demographics"))
    assert all(vanished.find("users", sourced_id) is None for sourced_id in deleted)


def test_a_deleted_record_is_touched_no_more() -> None:
    """Once tobedeleted, a record keeps its date, whatever steps follow."""
    world = World(3, "small").evolve(60)
    deleted = {name: r for name, r in by_id(world, "users").items() if r["status"] == "tobedeleted"}
    later = by_id(world.evolve(100), "users")
    assert deleted
    assert all(later[name] == record for name, record in deleted.items())


def test_steps_in_quick_succession_do_not_overlap() -> None:
    """The changes of a step lie after all changes of the step before, so that a cursor misses none."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    world = World(3, "small", start).evolve(50, at=start + timedelta(seconds=3))
    again = world.evolve(50, at=start + timedelta(seconds=5))
    first = max(user["dateLastModified"] for user in world.stream("users"))
    untouched = by_id(world, "users")
    fresh = [r for name, r in by_id(again, "users").items() if untouched.get(name) != r]
    assert fresh
    assert min(record["dateLastModified"] for record in fresh) > first


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_step_cannot_change_more_than_everything(percent: float) -> None:
    """Shares outside 0 to 100 percent are refused."""
    with pytest.raises(ValueError, match="between 0 and 100"):
        World(1, "small").evolve(percent)


def test_time_does_not_run_backwards() -> None:
    """A step before the current version is refused."""
    with pytest.raises(ValueError, match="before the version"):
        World(1, "small").evolve(1, at=datetime(2020, 1, 1, tzinfo=UTC))


def test_untouched_records_are_older_than_the_start() -> None:
    """Version 0 was last modified before its start, and many records share an instant, as after bulk loads."""
    world = World(1, "district")
    dates = [record["dateLastModified"] for record in world.records("enrollments", range(0, 1_000_000, 97))]
    assert max(dates) < "2025-09-01T00:00:00.000Z"
    assert len(set(dates)) < len(dates)


def test_streaming_a_million_enrollments_holds_one_page() -> None:
    """Pages from all over a district's enrollments are made without memory growing beyond a few pages (F64)."""
    world = World(4, "district")
    world.records("enrollments", range(10))
    tracemalloc.start()
    try:
        for first in range(0, 1_000_000, 100_000):
            assert len(world.records("enrollments", range(first, first + 1000))) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_rendered_pages_are_the_bodies_of_a_full_read() -> None:
    """Pre-rendered pages hold the whole collection, in pages of the asked size."""
    pages = list(render_pages(World(1, "small"), "users", 90))
    assert len(pages) == 3
    assert sum(page.count(b'"familyName"') for page in pages) == 200
    assert all(page.startswith(b'{"users":[{"sourcedId":"usr-') for page in pages)
