"""A source may read only what matches a filter; what the filter leaves out is never taken as gone (G33)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.errors import RefusedBySource
from connector_pipelines.model import Mode
from connector_pipelines.policy import SyncPolicy

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator import Simulator

NEEDED = ("organizations", "terms", "courses")


def asked(simulator: Simulator, collection: str) -> list[str]:
    """The different filters of all requests for a collection."""
    return sorted({one.query.get("filter", "") for one in simulator.requests if one.path.endswith(f"/{collection}")})


def gone(simulator: Simulator, count: int) -> set[str]:
    """Mark so many students as deleted at the source; their ids."""
    students = [one for one in simulator.expected("users") if one["roles"][0]["role"] == "student"]
    for one in students[:count]:
        simulator.put("users", one | {"status": "tobedeleted"})
    return {one["sourcedId"] for one in students[:count]}


def test_only_what_matches_comes(place: Any, simulator: Simulator) -> None:
    """The requests carry the filter, the source sends only active students, and core has these alone."""
    deleted = gone(simulator, 30)
    place.sync(place.source(simulator), "organizations")
    outcome = place.sync(place.source(simulator, filters={"students": "status='active'"}), "students")["students"]
    assert asked(simulator, "students") == ["status='active'"]
    served = sum(one.rows for one in simulator.requests if one.path.endswith("/students"))
    assert (outcome.verified, outcome.plan.counts.fetched) == (True, served)
    everybody = {one["sourcedId"] for one in simulator.expected("users") if one["roles"][0]["role"] == "student"}
    assert set(place.core("students")) == everybody - deleted


def test_an_increment_keeps_the_filter(place: Any, simulator: Simulator) -> None:
    """An increment asks for what changed and matches; the next one moves on from where the filtered full read began."""
    source = place.source(simulator, filters={"students": "status='active'"})
    place.sync(source, "organizations", "students")
    simulator.requests.clear()
    place.sync(source, "students", mode=Mode.INCREMENTAL)
    (filtered,) = asked(simulator, "students")
    assert filtered.startswith("status='active' AND dateLastModified>='")


def test_sections_of_a_term(place: Any, simulator: Simulator) -> None:
    """A filter may look into a reference: the sections of one term, and no other."""
    term = next(iter(simulator.expected("classes")))["terms"][0]["sourcedId"]
    wanted = {one["sourcedId"] for one in simulator.expected("classes") if one["terms"][0]["sourcedId"] == term}
    source = place.source(simulator, filters={"sections": f"terms.sourcedId='{term}'"})
    place.sync(source, *NEEDED, "sections")
    everything = sum(1 for _ in simulator.expected("classes"))
    assert set(place.core("sections")) == wanted
    assert 0 < len(wanted) < everything


def test_what_the_filter_leaves_out_is_not_gone(place: Any, simulator: Simulator) -> None:
    """With drops switched on, records that core has and that a filter hides are neither dropped nor marked absent; the
    plan says why, and the same read without the filter drops what really vanished.
    """
    whole = replace(place.source(simulator), policy=SyncPolicy(drops=("students",)))
    place.sync(whole, "organizations", "students")
    students = len(place.core("students"))
    hidden = gone(simulator, 3)
    vanished = next(
        one["sourcedId"]
        for one in simulator.expected("users")
        if one["sourcedId"] in place.core("students") and one["sourcedId"] not in hidden
    )
    simulator.remove("users", vanished)
    filtered = replace(place.source(simulator, filters={"students": "status='active'"}), policy=whole.policy)
    outcome = place.sync(filtered, "students")["students"]
    assert (outcome.verified, outcome.plan.counts.dropped, outcome.plan.counts.absent) == (True, 0, 0)
    assert outcome.plan.reasons == ("nothing is dropped: the read is not of all that the source has",)
    active = "SELECT count(*) FROM core.students WHERE status = 'active'"
    assert place.rows(active) == [(students,)]
    assert place.sync(whole, "students")["students"].plan.counts.dropped == 1
    assert place.rows(active) == [(students - len(hidden) - 1,)]


def test_a_refused_filter_is_never_left_out(place: Any, simulator: Simulator) -> None:
    """A server that does not take the declared filter fails the read, instead of being read without; the role that we
    ask for beside it may go.
    """
    source = place.source(simulator, filters={"enrollments": "shoeSize='9'"})
    place.sync(source, *NEEDED, "sections", "students")
    with pytest.raises(RefusedBySource, match="shoeSize"):
        place.sync(source, "enrollments")
    assert place.core("enrollments") == {}
    assert asked(simulator, "enrollments") == ["shoeSize='9'", "shoeSize='9' AND role='student'"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "https://sis.example", "filters": {"students": "active"}},
        {"base_url": "https://sis.example", "filters": {"students": "status='active' AND role='student'"}},
        {"base_url": "https://sis.example", "filters": {"dragons": "status='active'"}},
        {"version": "csv", "path": "roster.zip", "filters": {"students": "status='active'"}},
    ],
)
def test_a_filter_is_one_clause_of_a_rest_source(wrong: dict[str, Any]) -> None:
    """What is no clause, two of them, of no entity, or of a zip is refused where it is declared."""
    with pytest.raises(ValidationError):
        OneRosterConfig.model_validate(wrong)
