"""Nested collections, held against a naive join of the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Truth = dict[str, list[dict[str, Any]]]
NAMES = ("users", "classes", "enrollments", "courses", "lineItems", "results")


@pytest.fixture
def evolved() -> Iterator[Simulator]:
    """A small district after two large steps, the second of which lets records vanish."""
    with Simulator(scenario="small", seed=21) as running:
        running.evolve(40)
        running.evolve(20, vanish=True)
        yield running


@pytest.fixture
def truth(evolved: Simulator) -> Truth:
    """Its active records."""
    return {name: [r for r in evolved.expected(name) if r["status"] == "active"] for name in NAMES}


def ids(records: list[dict[str, Any]]) -> set[str]:
    """The sourcedIds of records."""
    return {record["sourcedId"] for record in records}


def at(record: dict[str, Any], name: str) -> str:
    """The sourcedId a reference names."""
    return str(record[name]["sourcedId"])


def test_people_of_classes_and_classes_of_people(
    evolved: Simulator, truth: Truth, api_of: Callable[[Simulator], Any]
) -> None:
    """Members of every tenth class and classes of every tenth user follow from the active enrollments."""
    api, people, lessons = api_of(evolved), ids(truth["users"]), ids(truth["classes"])
    for school_class in truth["classes"][::10]:
        name = school_class["sourcedId"]
        for role in ("student", "teacher"):
            seats = [s for s in truth["enrollments"] if at(s, "class") == name and s["role"] == role]
            expected = {at(seat, "user") for seat in seats} & people
            assert ids(api.rows(f"classes/{name}/{role}s", limit=1000)) == expected
            assert ids(api.rows(f"schools/{at(school_class, 'school')}/classes/{name}/{role}s")) == expected
    for user in truth["users"][::10]:
        name = user["sourcedId"]
        expected = {at(seat, "class") for seat in truth["enrollments"] if at(seat, "user") == name} & lessons
        assert ids(api.rows(f"users/{name}/classes", limit=1000)) == expected


def test_what_belongs_to_a_school(evolved: Simulator, truth: Truth, api_of: Callable[[Simulator], Any]) -> None:
    """Classes, courses, enrollments, students and teachers of a school are those that name it."""
    api = api_of(evolved)
    for school in ("org-0000002", "org-0000003"):
        for name, reference in (("classes", "school"), ("courses", "org"), ("enrollments", "school")):
            expected = {r["sourcedId"] for r in truth[name] if at(r, reference) == school}
            assert ids(api.rows(f"schools/{school}/{name}", limit=5000)) == expected
        for role in ("student", "teacher"):
            expected = {
                user["sourcedId"]
                for user in truth["users"]
                if any(entry["role"] == role and at(entry, "org") == school for entry in user["roles"])
            }
            assert ids(api.rows(f"schools/{school}/{role}s", limit=5000)) == expected


def test_classes_of_courses_and_terms(evolved: Simulator, truth: Truth, api_of: Callable[[Simulator], Any]) -> None:
    """Classes of a course and of a term are those that name them."""
    api = api_of(evolved)
    for course in truth["courses"][::7]:
        expected = {r["sourcedId"] for r in truth["classes"] if at(r, "course") == course["sourcedId"]}
        assert ids(api.rows(f"courses/{course['sourcedId']}/classes")) == expected
    for term in api.rows("terms"):
        expected = {
            r["sourcedId"] for r in truth["classes"] if term["sourcedId"] in {t["sourcedId"] for t in r["terms"]}
        }
        assert ids(api.rows(f"terms/{term['sourcedId']}/classes", limit=1000)) == expected


def test_results_of_line_items_and_students(simulator: Simulator, api: Any) -> None:
    """Results of a class, a line item and a student are those that name them."""
    results = list(simulator.expected("results"))
    student = at(results[0], "student")
    of_class = {r["sourcedId"] for r in results if at(r, "class") == "cls-0000000"}
    of_item = {r["sourcedId"] for r in results if at(r, "lineItem") == "lin-0000001"}
    of_student = {r["sourcedId"] for r in results if at(r, "student") == student and at(r, "class") == "cls-0000000"}
    for path, expected in (
        ("classes/cls-0000000/results", of_class),
        ("classes/cls-0000000/lineItems/lin-0000001/results", of_item),
        (f"classes/cls-0000000/students/{student}/results", of_student),
    ):
        assert expected
        assert ids(api.rows(path, service="gradebook", limit=1000)) == expected


def test_subsets_are_the_records_of_their_kind(simulator: Simulator, api: Any) -> None:
    """students, teachers, schools, terms and gradingPeriods list exactly the records of that kind."""
    for path, collection, kind in (
        ("students", "users", "student"),
        ("teachers", "users", "teacher"),
        ("schools", "orgs", "school"),
        ("terms", "academicSessions", "term"),
        ("gradingPeriods", "academicSessions", "gradingPeriod"),
    ):
        truth = list(simulator.expected(collection))
        expected = [r for r in truth if kind == (r["roles"][0]["role"] if collection == "users" else r["type"])]
        assert api.rows(path, limit=1000) == expected


def test_planted_rows_appear_where_they_belong(simulator: Simulator, api: Any) -> None:
    """A user and an enrollment that were put are listed everywhere they belong, and nowhere once removed."""
    user = next(simulator.expected("users")) | {"sourcedId": "new/1 ä"}
    seat = next(simulator.expected("enrollments")) | {"sourcedId": "seat-1", "role": "student"}
    simulator.put("users", user)
    simulator.put("enrollments", seat | {"user": seat["user"] | {"sourcedId": "new/1 ä"}})
    assert api.rows("users", limit=1000)[-1] == user
    assert api.get("users/new%2F1%20%C3%A4").json() == {"user": user}
    assert "new/1 ä" in ids(api.rows("students", limit=1000))
    assert "new/1 ä" in ids(api.rows(f"classes/{at(seat, 'class')}/students"))
    simulator.remove("users", "new/1 ä")
    assert "new/1 ä" not in ids(api.rows(f"classes/{at(seat, 'class')}/students"))
    assert ids(api.rows("users", limit=1000)) == ids(list(simulator.expected("users")))
