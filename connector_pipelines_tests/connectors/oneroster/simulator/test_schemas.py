"""Every answer of every endpoint, held against the official OpenAPI files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import COLLECTIONS, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVICES = ("rostering", "gradebook", "resources", "v1p1")
GRADEBOOK = {"categories", "lineItems", "results", "scoreScales", "assessmentLineItems", "assessmentResults"}


def endpoints(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and name of the schema of the answer of every GET."""
    for path, methods in document["paths"].items():
        if "get" in methods:
            content = methods["get"]["responses"]["200"]["content"]
            yield path, next(iter(content.values()))["schema"]["$ref"].rsplit("/", 1)[1]


def filled(path: str, api: Any, service: str) -> str:
    """A path with real sourcedIds: of a class with everything, and of the first record of a collection."""
    seat = api.rows("classes/cls-0000000/students", limit=1)[0]["sourcedId"]
    ids = {
        "classSourcedId": "cls-0000000",
        "courseSourcedId": "crs-0000000",
        "schoolSourcedId": "org-0000002",
        "studentSourcedId": seat,
        "teacherSourcedId": "usr-0000160",
        "userSourcedId": "usr-0000160",
        "termSourcedId": "ses-0000002",
        "lineItemSourcedId": "lin-0000000",
    }
    if path.endswith("/{sourcedId}"):
        ids["sourcedId"] = api.rows(path.split("/")[1], service=service, limit=1)[0]["sourcedId"]
    return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path).lstrip("/")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("evolved", [False, True], ids=["version 0", "evolved"])
def test_every_endpoint_answers_in_its_schema(
    simulator: Simulator,
    api: Any,
    schemas: Any,
    service: str,
    evolved: bool,  # noqa: FBT001  (a pytest parameter)
) -> None:
    """Each GET of the official file is served, is not empty and follows its schema, also after evolution."""
    if evolved:
        simulator.evolve(20)
        simulator.evolve(20)
    for path, schema in endpoints(schemas.document(service)):
        response = api.get(filled(path, api, service), service=service, limit=25)
        assert response.status_code == 200, f"{path}: {response.text}"
        answer = response.json()
        schemas.check(service, schema, answer)
        assert next(iter(answer.values())) or path == "/users/{userSourcedId}/resources", path


@pytest.mark.parametrize("scenario", ["school", "district"])
def test_samples_of_large_worlds_follow_the_schemas(
    api_of: Callable[[Simulator], Any], schemas: Any, scenario: str
) -> None:
    """First and last records of every collection of the larger scenarios follow the schemas of 1.2."""
    with Simulator(scenario=scenario, seed=3) as simulator:
        api = api_of(simulator)
        for collection in COLLECTIONS:
            service = "gradebook" if collection in GRADEBOOK else "rostering"
            service = "resources" if collection == "resources" else service
            schema = dict(endpoints(schemas.document(service)))[f"/{collection}"]
            last = max(0, simulator.world.count(collection) - 8)
            for offset in (0, last):
                answer = api.get(collection, service=service, limit=8, offset=offset).json()
                assert len(answer[collection]) > 0
                schemas.check(service, schema, answer)


REFUSED = {
    "users/nobody": (404, "unknownobject"),
    "classes/nothing/students": (404, "unknownobject"),
    "teachers/usr-0000000": (404, "unknownobject"),
    "nothing": (404, "unknownobject"),
    "users?limit=0": (400, "invaliddata"),
    "users?offset=-1": (400, "invaliddata"),
    "users?orderBy=up": (400, "invaliddata"),
    "users?filter=nope='1'": (400, "invalid_filter_field"),
    "users?filter=nope": (400, "invaliddata"),
}


@pytest.mark.parametrize("service", ["rostering", "v1p1"])
@pytest.mark.parametrize("path", REFUSED)
def test_refusals_follow_the_schema(api: Any, schemas: Any, service: str, path: str) -> None:
    """Error payloads follow the schema of their version, whose vocabulary differs."""
    response = api.get(path, service=service)
    status, minor = REFUSED[path]
    schemas.check(service, "imsx_StatusInfo.Type" if service == "v1p1" else "imsx_StatusInfoDType", response.json())
    told = response.json()["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]
    old = {"invalid_filter_field": "invaliddata"}
    assert (response.status_code, told) == (status, old.get(minor, minor) if service == "v1p1" else minor)


def test_every_rostering_record_of_the_small_world_follows_the_schema(api: Any, schemas: Any) -> None:
    """All users and classes, not a sample: rare optional fields are right, too."""
    schemas.check("rostering", "UserSetDType", api.get("users", limit=1000).json())
    schemas.check("rostering", "ClassSetDType", api.get("classes", limit=1000).json())
    schemas.check("rostering", "DemographicsSetDType", api.get("demographics", limit=1000).json())
