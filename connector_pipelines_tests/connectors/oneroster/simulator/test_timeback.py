"""TimeBack's deviations from the standard (contract 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def timeback(api_of: Callable[[Simulator], Any]) -> Iterator[Any]:
    """A client of a school that speaks TimeBack's dialect."""
    with Simulator(scenario="school", flavour="timeback") as simulator:
        yield api_of(simulator)


def test_collections_end_with_a_slash(timeback: Any) -> None:
    """Collections are served with a trailing slash and not without; nested ones and single records without."""
    paths = ("users/", "users", "classes/cls-0000000/students", "users/usr-0000000")
    assert [timeback.get(path).status_code for path in paths] == [200, 404, 200, 200]


def test_totals_stand_in_the_body(timeback: Any) -> None:
    """The body tells total, number of pages, page, offset and limit beside the records."""
    answer = timeback.get("users/", limit=300, offset=300).json()
    told = {name: answer[name] for name in ("totalCount", "pageCount", "pageNumber", "offset", "limit")}
    assert told == {"totalCount": 1000, "pageCount": 4, "pageNumber": 2, "offset": 300, "limit": 300}
    assert len(answer["users"]) == 300


def test_pages_have_at_most_3000_records(timeback: Any) -> None:
    """A larger limit is cut to 3,000."""
    answer = timeback.get("enrollments/", limit=9999).json()
    assert (len(answer["enrollments"]), answer["limit"]) == (3000, 3000)


@pytest.mark.parametrize(
    ("path", "envelope"),
    [
        ("terms/", "terms"),
        ("terms/ses-0000002", "term"),
        ("gradingPeriods/", "gradingPeriods"),
        ("gradingPeriods/ses-0000003", "gradingPeriod"),
        ("schools/org-0000002/terms", "terms"),
        ("terms/ses-0000002/gradingPeriods", "gradingPeriods"),
        ("classes/cls-0000000/students", "students"),
        ("classes/cls-0000000/teachers", "teachers"),
        ("schools/org-0000002/students", "users"),
        ("academicSessions/", "academicSessions"),
    ],
)
def test_envelopes_have_their_own_names(timeback: Any, path: str, envelope: str) -> None:
    """Some collections stand under the name of the path instead of that of their type."""
    assert next(iter(timeback.get(path).json())) == envelope


def test_the_list_operator_and_search(timeback: Any) -> None:
    """`@` finds one of a list of values, and `search` finds a text anywhere in a record."""
    found = timeback.rows("users/", filter="sourcedId@'usr-0000001,usr-0000005,none'")
    assert [user["sourcedId"] for user in found] == ["usr-0000001", "usr-0000005"]
    named = timeback.rows("users/", search="O'NEIL", limit=3000)
    assert named
    assert all(
        "o'neil" in f"{user['givenName']} {user['familyName']} {user.get('middleName', '')}".lower() for user in named
    )


def test_nested_filters_are_refused_with_details(timeback: Any) -> None:
    """Filters on nested relations are unsupported; errors bring imsx_error_details."""
    response = timeback.get("users/", filter="roles.role='teacher'")
    assert (response.status_code, "imsx_error_details" in response.json()) == (400, True)


def test_resources_have_the_documented_path(timeback: Any) -> None:
    """Resources of a class are served under /resources/classes/{c}/resources, too."""
    documented = timeback.rows("resources/classes/cls-0000000/resources", service="resources")
    assert documented == timeback.rows("classes/cls-0000000/resources", service="resources")
    assert len(documented) == 1
