"""Gradebook writes: a round trip as consumers make it, strict in what comes back, and on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import Simulator, Write

if TYPE_CHECKING:
    from collections.abc import Callable

ITEM = {
    "title": "Essay",
    "description": "Five paragraphs",
    "assignDate": "2025-10-01T08:00:00.000Z",
    "dueDate": "2025-10-08T08:00:00.000Z",
    "class": {"sourcedId": "cls-0000000"},
    "category": {"sourcedId": "cat-0000003"},
    "resultValueMin": 0,
    "resultValueMax": 10,
}


def result(student: str, **changes: object) -> dict[str, object]:
    """A result as a consumer sends it: no status, no href, a whole timestamp for a date."""
    return {
        "lineItem": {"sourcedId": "essay-1"},
        "student": {"sourcedId": student},
        "score": 8.5,
        "scoreDate": "2025-10-09T12:34:56.000Z",
        "scoreStatus": "fully graded",
        **changes,
    }


def test_a_round_trip_as_consumers_make_it(simulator: Simulator, api: Any, schemas: Any) -> None:
    """Create, edit and delete a line item and a result; statuses and what can be read are as the suites demand."""
    student = api.rows("classes/cls-0000000/students", limit=1)[0]["sourcedId"]
    created = api.send("PUT", "lineItems/essay-1", {"lineItem": ITEM})
    assert (created.status_code, created.content) == (201, b"")
    assert api.send("PUT", "lineItems/essay-1", {"lineItem": ITEM | {"title": "Essay 2"}}).status_code in {200, 201}
    assert api.send("PUT", "results/r-1", {"result": result(student)}).status_code == 201
    kept_item = api.get("lineItems/essay-1", service="gradebook").json()
    kept_result = api.get("results/r-1", service="gradebook").json()
    schemas.check("gradebook", "SingleLineItemDType", kept_item)
    schemas.check("gradebook", "SingleResultDType", kept_result)
    assert (kept_item["lineItem"]["title"], kept_result["result"]["scoreDate"]) == ("Essay 2", "2025-10-09")
    of_item = api.rows("classes/cls-0000000/lineItems/essay-1/results", service="gradebook")
    assert [(entry["sourcedId"], entry["score"]) for entry in of_item] == [("r-1", 8.5)]
    assert api.send("DELETE", "results/r-1", None).status_code == 204
    assert api.send("DELETE", "lineItems/essay-1", None).status_code == 204
    assert api.get("lineItems/essay-1", service="gradebook").status_code == 404
    assert all(item["sourcedId"] != "essay-1" for item in api.everything("lineItems", 100, service="gradebook"))
    done = [(write.method, write.sourced_id, write.created) for write in simulator.ledger]
    assert done == [
        ("PUT", "essay-1", True),
        ("PUT", "essay-1", False),
        ("PUT", "r-1", True),
        ("DELETE", "r-1", False),
        ("DELETE", "essay-1", False),
    ]


def test_generated_records_can_be_edited_and_deleted(simulator: Simulator, api: Any) -> None:
    """A PUT replaces what the world made, where it stood, with a newer date; a DELETE takes it away."""
    before = api.get("results/res-0000005", service="gradebook").json()["result"]
    assert api.send("PUT", "results/res-0000005", {"result": before | {"score": 1.0, "late": True}}).status_code == 201
    after = api.rows("results", service="gradebook", offset=5, limit=1)[0]
    assert (after["sourcedId"], after["score"], after["late"]) == ("res-0000005", 1.0, "true")
    assert after["dateLastModified"] > before["dateLastModified"]
    assert api.send("DELETE", "results/res-0000005", None).status_code == 204
    assert api.rows("results", service="gradebook", offset=5, limit=1)[0]["sourcedId"] == "res-0000006"
    assert len(list(simulator.expected("results"))) == simulator.world.count("results") - 1


@pytest.mark.parametrize(
    ("path", "name", "record"),
    [
        ("classes/cls-0000000/lineItems", "lineItems", ITEM),
        ("schools/org-0000002/lineItems", "lineItems", ITEM),
        ("lineItems/lin-0000000/results", "results", result("usr-0000000")),
        ("classes/cls-0000000/academicSessions/ses-0000003/results", "results", result("usr-0000000")),
    ],
)
def test_posts_allocate_ids(api: Any, schemas: Any, path: str, name: str, record: dict[str, Any]) -> None:
    """Each of the four POSTs answers 201 with pairs of supplied and allocated ids, and the records can be read."""
    body = {name: [{"sourcedId": f"mine-{number}"} | record for number in range(2)]}
    for entry in body[name]:
        if name == "results":
            entry["lineItem"] = {"sourcedId": "lin-0000000"}
    response = api.send("POST", path, body)
    assert response.status_code == 201, response.text
    schemas.check("gradebook", "GUIDPairSetDType", response.json())
    pairs = response.json()["sourcedIdPairs"]
    assert [pair["suppliedSourcedId"] for pair in pairs] == ["mine-0", "mine-1"]
    for pair in pairs:
        assert api.get(f"{name}/{pair['allocatedSourcedId']}", service="gradebook").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "lineItems/x", {"lineItem": {"title": "no dates"}}, 422),
        ("PUT", "lineItems/x", {"lineItem": ITEM | {"class": {"sourcedId": "cls-none"}}}, 422),
        ("PUT", "lineItems/x", {"result": ITEM}, 400),
        ("PUT", "lineItems/x", [], 400),
        ("PUT", "users/x", {"user": {}}, 404),
        ("PUT", "lineItems", {"lineItem": ITEM}, 405),
        ("POST", "lineItems", {"lineItems": [ITEM]}, 404),
        ("POST", "classes/none/lineItems", {"lineItems": [ITEM]}, 404),
        ("DELETE", "lineItems/none", None, 404),
        ("PATCH", "lineItems/lin-0000000", {}, 405),
    ],
)
def test_bad_writes_are_refused(
    simulator: Simulator, api: Any, *, method: str, path: str, body: object, status: int
) -> None:
    """What is incomplete, unknown or not served is refused, and nothing is kept."""
    assert api.send(method, path, body).status_code == status
    assert simulator.ledger == []


def test_the_old_version_writes_without_a_school(simulator: Simulator, api: Any) -> None:
    """1.1 knows no school of a line item; it is that of the class, and both versions read the same record."""
    assert api.send("PUT", "lineItems/old-1", {"lineItem": ITEM}, service="v1p1").status_code == 201
    assert "school" not in api.get("lineItems/old-1", service="v1p1").json()["lineItem"]
    assert api.get("lineItems/old-1", service="gradebook").json()["lineItem"]["school"]["sourcedId"] == "org-0000002"
    assert api.send("PUT", "scoreScales/s", {"scoreScale": {}}, service="v1p1").status_code == 404
    assert simulator.ledger[0].created


def test_written_records_are_found_by_date(api: Any) -> None:
    """An incremental read finds what was written after the cursor."""
    newest = api.rows("lineItems", service="gradebook", sort="dateLastModified", orderBy="desc", limit=1)[0]
    cursor = f"dateLastModified>'{newest['dateLastModified']}'"
    assert api.rows("lineItems", service="gradebook", filter=cursor) == []
    api.send("PUT", "lineItems/essay-1", {"lineItem": ITEM})
    found = api.rows("lineItems", service="gradebook", filter=cursor)
    assert [item["sourcedId"] for item in found] == ["essay-1"]


def test_timeback_answers_writes_with_bodies(api_of: Callable[[Simulator], Any]) -> None:
    """TimeBack returns the record on PUT, one pair instead of a list on POST, and takes rostering writes (1.4)."""
    with Simulator(flavour="timeback") as simulator:
        api = api_of(simulator)
        item = api.send("PUT", "lineItems/essay-1", {"lineItem": ITEM})
        assert (item.status_code, item.json()["lineItem"]["title"]) == (201, "Essay")
        pair = api.send("POST", "classes/cls-0000000/lineItems", {"lineItems": [ITEM]}).json()["sourcedIdPairs"]
        assert set(pair) == {"suppliedSourcedId", "allocatedSourcedId"}
        org = api.send("PUT", "orgs/o-9", {"org": {"name": "New", "type": "school", "identifier": "9"}}, "rostering")
        assert org.json()["org"]["sourcedId"] == "o-9"
        assert "o-9" in {school["sourcedId"] for school in api.rows("schools/")}
        assert isinstance(simulator.ledger[0], Write)
