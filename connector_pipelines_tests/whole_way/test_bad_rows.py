"""A bad row is a dead letter with its reason; its neighbors go on, and mended at the source it is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.model import PlanState

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator import Simulator

ENTITIES = ("organizations", "students")
TOO_LONG = "familyName must have at most 1,000 characters and no NUL"
SPOILT = {
    "missing-field=givenName": "givenName is required",
    "missing-field=sourcedId": "sourcedId is required",
    "wrong-type": "Expected `str | null`, got `array` - at `$.sourcedId`",
    "wrong-type=roles": "Expected `array | null`, got `int` - at `$.roles`",
    "big-string": TOO_LONG,
    "nul-byte": TOO_LONG,
    "year-0001": "dateLastModified must be an ISO 8601 time from 1900 to 2200",
}


@pytest.mark.parametrize("fault", SPOILT)
def test_spoilt_rows(place: Any, simulator: Simulator, truth: Any, fault: str) -> None:
    """One bad row in each of four pages is a letter that says why; all others are in core; mended, all are."""
    simulator.set_faults([f"{fault}:students"])
    receipt = place.sync(place.source(simulator), *ENTITIES)["students"].receipt
    letters, students = place.letters(), truth(simulator)["students"]
    assert [(entity, reason) for entity, _, reason in letters] == [("students", SPOILT[fault])] * 4
    assert receipt.verified
    assert (receipt.counts.fetched, receipt.counts.dead_lettered) == (len(students), 4)
    core = place.core("students")
    named = {key for _, key, _ in letters if key}
    assert len(core) == len(students) - 4
    assert core == {key: row for key, row in students.items() if key in core}
    assert not named & core.keys()

    simulator.clear_faults()
    receipt = place.sync(place.source(simulator), *ENTITIES)["students"].receipt
    assert (receipt.verified, receipt.counts.created) == (True, 4)
    assert (place.letters(), len(place.letters("resolved"))) == ([], 4)
    assert place.core("students") == students


def test_repeated_rows(place: Any, simulator: Simulator, truth: Any) -> None:
    """A row that comes twice is one record; the other is skipped and counted."""
    simulator.set_faults(["duplicate-ids"])
    receipt = place.sync(place.source(simulator), *ENTITIES)["students"].receipt
    students = truth(simulator)["students"]
    assert receipt.verified
    assert (receipt.counts.created, receipt.counts.skipped) == (len(students), 4)
    assert receipt.counts.fetched == len(students) + 4
    assert place.letters() == []
    assert place.core("students") == students


def test_planted_rows(place: Any, simulator: Simulator, truth: Any) -> None:
    """A student without a name, one with two contradicting records and one of an unknown school stay out, and come
    when the source is mended: named, modified last, and with the school listed.
    """
    users = [user for user in simulator.expected("users") if user["roles"][0]["role"] == "student"]
    nameless, double, lost = users[:3]
    keys = [user["sourcedId"] for user in users[:3]]
    simulator.put("users", nameless | {"givenName": None})
    simulator.append_raw("users", double | {"familyName": "Other"})
    simulator.put("users", lost | {"primaryOrg": {"href": "x", "sourcedId": "org-new", "type": "org"}})
    receipt = place.sync(place.source(simulator), *ENTITIES)["students"].receipt
    contradict = "the read holds this id more than once with different content, and neither is newer"
    assert place.letters() == [
        ("students", keys[0], "givenName is required"),
        ("students", keys[1], contradict),
        ("students", keys[1], contradict),
    ]
    assert place.letters("waiting") == [("students", keys[2], "waits for organizations org-new")]
    assert receipt.verified
    assert (receipt.counts.fetched, receipt.counts.dead_lettered, receipt.counts.waiting) == (len(users) + 1, 4, 1)
    rest = {key: row for key, row in truth(simulator)["students"].items() if key not in keys}
    assert place.core("students") == rest

    simulator.put("users", nameless)
    simulator.put("users", double | {"givenName": "Newer", "dateLastModified": "2025-09-01T00:00:00.000Z"})
    school = next(simulator.expected("orgs"))
    simulator.put("orgs", school | {"sourcedId": "org-new", "name": "New School"})
    receipt = place.sync(place.source(simulator), *ENTITIES)["students"].receipt
    assert receipt.verified
    assert place.letters() == place.letters("waiting") == []
    assert place.differences({entity: truth(simulator)[entity] for entity in ENTITIES}) == []
    assert place.core("students")[keys[1]]["given_name"] == "Newer"


def test_enrollments_of_nobody_wait(place: Any, simulator: Simulator, truth: Any) -> None:
    """Enrollments of a student who is not listed wait, with the student's id, and come to core after the student."""
    gone = next(user for user in simulator.expected("users") if user["roles"][0]["role"] == "student")
    of_gone = [e["sourcedId"] for e in simulator.expected("enrollments") if e["user"]["sourcedId"] == gone["sourcedId"]]
    everything = truth(simulator)
    simulator.remove("users", gone["sourcedId"])
    done = place.sync(place.source(simulator))
    waits = f"waits for students {gone['sourcedId']}"
    assert place.letters("waiting") == [("enrollments", key, waits) for key in sorted(of_gone)]
    assert of_gone
    assert all(outcome.verified for outcome in done.values())

    simulator.put("users", gone)
    place.sync(place.source(simulator))
    assert place.letters() == place.letters("waiting") == []
    assert place.differences(everything) == []


def test_an_empty_list_is_held(place: Any, simulator: Simulator, truth: Any) -> None:
    """An empty list after a full one is held with its reason, core stays, and the next good read supersedes it."""
    place.sync(place.source(simulator), *ENTITIES)
    before = place.checksum()
    simulator.set_faults(["empty-list"])
    held = place.sync(place.source(simulator), *ENTITIES)
    assert {outcome.plan.state for outcome in held.values()} == {PlanState.HELD}
    assert held["students"].plan.reasons == ("empty: the source sent nothing, and had 160 records before",)
    assert held["students"].receipt is None
    assert place.checksum() == before

    simulator.clear_faults()
    simulator.evolve(percent=10)
    place.sync(place.source(simulator), *ENTITIES)
    assert place.core("students") == truth(simulator)["students"]
    states = "SELECT state FROM connector.sync_plans WHERE entity = 'students' ORDER BY id"
    assert place.rows(states) == [("applied",), ("superseded",), ("applied",)]
