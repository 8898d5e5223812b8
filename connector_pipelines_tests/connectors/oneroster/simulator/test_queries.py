"""filter, sort and fields: equal to a naive reading of the truth, and refused as the binding says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_pipelines.connectors.oneroster.simulator import Simulator, World, filters
from connector_pipelines.connectors.oneroster.simulator.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USERS = list(World(7, "small").evolve(30).stream("users"))
FIELDS = ("familyName", "givenName", "dateLastModified", "status", "enabledUser", "email", "username")
OPERATORS = ("=", "!=", ">", ">=", "<", "<=", "~")


@pytest.fixture(scope="module")
def evolved() -> Iterator[Simulator]:
    """The small district whose users are USERS."""
    with Simulator(scenario="small", seed=7) as running:
        running.evolve(30)
        yield running


@st.composite
def clauses(draw: st.DrawFn) -> tuple[str, str, str]:
    """A field, an operator, and a value that stands in some record, whole or in part."""
    name, op = draw(st.sampled_from(FIELDS)), draw(st.sampled_from(OPERATORS))
    value = draw(st.sampled_from(USERS)).get(name, "x")
    return name, op, value[: draw(st.integers(1, 4))] if op == "~" else value


def passes(user: dict[str, Any], clause: tuple[str, str, str]) -> bool:
    """The naive reading of a clause."""
    name, op, value = clause
    if name not in user:
        return op == "!="
    if op == "~":
        return value.casefold() in user[name].casefold()
    order = (user[name] > value) - (user[name] < value)  # dates are all written alike, so texts order as instants do
    truth = {"=": order == 0, "!=": order != 0, ">": order > 0, ">=": order >= 0, "<": order < 0, "<=": order <= 0}
    return bool(truth[op])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=clauses(), second=clauses(), joiner=st.sampled_from(["", "AND", "OR"]))
def test_filters_equal_a_naive_filter(
    evolved: Simulator,
    api_of: Callable[[Simulator], Any],
    first: tuple[str, str, str],
    second: tuple[str, str, str],
    joiner: str,
) -> None:
    """One clause or two, any field and operator: the answer is what a loop over the truth finds."""
    text = f"{first[0]}{first[1]}'{first[2]}'" + (f" {joiner} {second[0]}{second[1]}'{second[2]}'" if joiner else "")
    both = [(user, passes(user, first), passes(user, second)) for user in USERS]
    expected = [user for user, a, b in both if {"": a, "AND": a and b, "OR": a or b}[joiner]]
    assert api_of(evolved).rows("users", filter=text, limit=1000) == expected


@pytest.mark.parametrize(
    ("collection", "text", "count"),
    [
        ("users", "roles.role='teacher'", 30),
        ("users", "grades='09'", 16),
        ("users", "grades~'09'", 16),
        ("users", "grades!='09'", 184),
        ("enrollments", "role='teacher' AND class.sourcedId='cls-0000000'", 2),
        ("academicSessions", "type='term'", 8),
        ("categories", "weight>='20'", 3),
        ("categories", "weight<'none'", 0),
    ],
)
def test_nested_lists_and_numbers_can_be_filtered(api: Any, collection: str, text: str, count: int) -> None:
    """Dotted paths, multi-valued fields and numbers are compared as what they are."""
    service = "gradebook" if collection == "categories" else "rostering"
    assert len(api.rows(collection, service=service, filter=text, limit=1000)) == count


def test_metadata_can_be_filtered(simulator: Simulator, api: Any) -> None:
    """An extension is found by its dotted path; records without it pass `!=` alone."""
    expected = [user for user in simulator.expected("users") if "homeroom" in user.get("metadata", {})]
    assert 0 < len(expected) < 200
    assert api.rows("users", filter="metadata.homeroom~'r'", limit=1000) == expected


def test_a_quote_in_a_value_stands_for_itself(api: Any) -> None:
    """`familyName='O'Neil'` finds O'Neil, alone and in a pair of clauses (contract 1.1)."""
    named = api.rows("users", filter="familyName='O'Neil'")
    both = api.rows("users", filter="familyName='O'Neil' AND familyName='O'Neil'")
    assert named
    assert {user["familyName"] for user in named} == {"O'Neil"}
    assert both == named


@pytest.mark.parametrize(
    "text", ["", "a", "a=1", "a='1' and b='2'", "a='1' AND b='2' OR c='3'", "dateLastModified>'x'"]
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    """Unquoted values, small letters between clauses, three clauses and instants that are none are refused."""
    with pytest.raises(RefusedError) as refused:
        filters.parse(text)
    assert (refused.value.status, refused.value.minor) == (400, "invaliddata")


@pytest.mark.parametrize("written", ["2025-09-02T00:00:00Z", "2025-09-02T02:00:00+02:00", "2025-09-02T00:00:00.000"])
def test_instants_are_compared_as_instants(
    evolved: Simulator, api_of: Callable[[Simulator], Any], written: str
) -> None:
    """A cursor finds the same records however its instant is written."""
    expected = [user for user in USERS if user["dateLastModified"] < "2025-09-02T00:00:00.000Z"]
    assert api_of(evolved).rows("users", filter=f"dateLastModified<'{written}'", limit=1000) == expected


@pytest.mark.parametrize("name", ["familyName", "dateLastModified", "sourcedId", "middleName"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sorting_is_stable_and_by_code_point(
    evolved: Simulator, api_of: Callable[[Simulator], Any], name: str, order: str
) -> None:
    """The order is that of Python's strings, missing values first, equal ones as they stood."""
    expected = sorted(USERS, key=lambda user: user.get(name, ""), reverse=order == "desc")
    assert api_of(evolved).rows("users", sort=name, orderBy=order, limit=1000) == expected


def test_a_million_enrollments_are_filtered_by_date(api_of: Callable[[Simulator], Any]) -> None:
    """An incremental read of a district finds exactly what the last step changed, in order."""
    with Simulator(scenario="district", seed=5) as simulator:
        simulator.evolve(0.01)
        text = "dateLastModified>='2025-09-01T00:00:00Z' AND status='active'"
        found = api_of(simulator).everything("enrollments", 100, filter=text, sort="dateLastModified", orderBy="asc")
    dates = [record["dateLastModified"] for record in found]
    assert dates == sorted(dates)
    assert 60 < len(found) < 120
    assert {record["status"] for record in found} == {"active"}


def test_planted_rows_are_filtered_by_their_own_dates(simulator: Simulator, api: Any) -> None:
    """Records that were put over generated ones are found by what they say, not by what they replace."""
    user = next(simulator.expected("users"))
    simulator.put("users", user | {"dateLastModified": "2030-01-01T00:00:00.000Z"})
    simulator.append_raw("users", user | {"dateLastModified": "not a date"})
    found = api.rows("users", filter="dateLastModified>='2029-01-01T00:00:00Z'")
    assert [entry["sourcedId"] for entry in found] == [user["sourcedId"]]
    assert api.rows("users", sort="dateLastModified", orderBy="desc", limit=1)[0]["sourcedId"] == user["sourcedId"]


@pytest.mark.parametrize("params", [{"fields": "sourcedId,familyName"}, {"fields": ["sourcedId", "familyName"]}])
def test_selection_in_both_forms(api: Any, params: dict[str, Any]) -> None:
    """`fields=a,b` and `fields=a&fields=b` select the same fields, on collections and on single records."""
    assert [set(user) for user in api.rows("users", limit=2, **params)] == [{"sourcedId", "familyName"}] * 2
    assert set(api.get("users/usr-0000001", **params).json()["user"]) == {"sourcedId", "familyName"}


def test_a_blank_selection_is_refused(api: Any) -> None:
    """`fields=` is answered with 400 invalid_blank_selection_field (REST binding)."""
    response = api.get("users", fields="")
    minor = response.json()["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]
    assert (response.status_code, minor) == (400, "invalid_blank_selection_field")


def test_an_unknown_filter_field_is_refused_by_name(api: Any) -> None:
    """Nothing is sent for a filter on a field that does not exist, and the description names it."""
    response = api.get("users", filter="nope='1'")
    assert response.status_code == 400
    assert "'nope'" in response.json()["imsx_description"]


@pytest.mark.parametrize(
    ("params", "minor"),
    [({"sort": "nope"}, "invalid_sort_field"), ({"fields": "sourcedId,nope"}, "invalid_selection_field")],
)
def test_unknown_sort_and_selection_fields_are_warned_about(api: Any, params: dict[str, str], minor: str) -> None:
    """The answer is complete and in default order, and a warning says what was not understood."""
    response = api.get("users", limit=5, **params)
    assert response.json()["users"] == api.rows("users", limit=5)
    assert minor in response.headers["Warning"]
