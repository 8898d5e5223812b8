"""Gradebook writes: lenient with what comes in, strict with what is kept, and a ledger of all of it (contract 1.1,
writes).

Consumers leave out status, dateLastModified, href and type and send a full timestamp in `scoreDate`; what a real server
would know anyway is filled in, so that the record can be read back in the shape the schema demands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.oneroster.simulator import fields
from connector_pipelines.connectors.oneroster.simulator.identifiers import (
    GRADEBOOK,
    PREFIXES,
    RESOURCES,
    ROSTERING,
    Record,
    identify,
)
from connector_pipelines.connectors.oneroster.simulator.instants import format_ms
from connector_pipelines.connectors.oneroster.simulator.refusals import RefusedError

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.store import Store

# Reference field -> service, collection and the type that stands in the reference.
REFERENCES = {
    "class": (ROSTERING, "classes", "class"),
    "school": (ROSTERING, "orgs", "org"),
    "org": (ROSTERING, "orgs", "org"),
    "primaryOrg": (ROSTERING, "orgs", "org"),
    "course": (ROSTERING, "courses", "course"),
    "user": (ROSTERING, "users", "user"),
    "student": (ROSTERING, "users", "user"),
    "gradingPeriod": (ROSTERING, "academicSessions", "academicSession"),
    "academicSession": (ROSTERING, "academicSessions", "academicSession"),
    "category": (GRADEBOOK, "categories", "category"),
    "lineItem": (GRADEBOOK, "lineItems", "lineItem"),
    "scoreScale": (GRADEBOOK, "scoreScales", "scoreScale"),
    "assessmentLineItem": (GRADEBOOK, "assessmentLineItems", "assessmentLineItem"),
    "parentAssessmentLineItem": (GRADEBOOK, "assessmentLineItems", "assessmentLineItem"),
    "resource": (RESOURCES, "resources", "resource"),
}
REQUIRED = {
    "categories": ("title",),
    "lineItems": ("title", "assignDate", "dueDate", "class", "school", "category"),
    "results": ("lineItem", "student", "scoreStatus", "scoreDate"),
    "scoreScales": ("title", "type", "class", "scoreScaleValue"),
    "assessmentLineItems": ("title",),
    "assessmentResults": ("assessmentLineItem", "student", "scoreStatus", "scoreDate"),
}
DATES = ("scoreDate", "beginDate", "endDate", "birthDate", "startDate")
TEXTS = {True: "true", False: "false"}
ISO_DATE = len("2026-01-01")


@dataclass(frozen=True, slots=True)
class Write:
    """One line of the ledger: what a consumer did. `record` is what is kept now, None after a DELETE."""

    method: str
    collection: str
    sourced_id: str
    record: Record | None
    created: bool


def decode(body: bytes, name: str, kind: type[Any]) -> Any:
    """What stands under the envelope's key of a body.

    Raises:
        RefusedError: 400, no JSON or another envelope.
    """
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise RefusedError(400, "invaliddata", f"The body is no JSON: {error}") from None
    content = document.get(name) if isinstance(document, dict) else None
    if not isinstance(content, kind):
        raise RefusedError(400, "invaliddata", f"The body has no '{name}'")
    return content


def allocate(collection: str, number: int) -> str:
    """The sourcedId of the number-th record created by POST; never that of a generated one."""
    return f"{PREFIXES[collection]}-new-{number:06d}"


def complete(store: Store, collection: str, given: Record, sourced_id: str, instant: int) -> Record:
    """The record to keep: the consumer's, with everything filled in that the schema demands.

    Raises:
        RefusedError: 422, a required field is missing and cannot be known, or a reference leads nowhere.
    """
    known = {name: _clean(name, value) for name, value in given.items() if name in fields.V1P2[collection]}
    record = {"status": "active"} | known | {"sourcedId": sourced_id, "dateLastModified": format_ms(instant)}
    for name, fill in (("class", _fill_class), ("school", _fill_school), ("category", _fill_category)):
        if name in fields.V1P2[collection] and name not in record:
            fill(store, record)
    if "assignDate" in record and "dueDate" in fields.V1P2[collection]:
        record.setdefault("dueDate", record["assignDate"])
    missing = [name for name in REQUIRED.get(collection, ()) if name not in record]
    if missing:
        raise RefusedError(422, "invaliddata", f"The required field '{missing[0]}' is missing")
    return {name: _reference(store, name, value) for name, value in record.items()}


def _clean(name: str, value: Any) -> Any:
    if name in fields.BOOLEANS and isinstance(value, bool):
        return TEXTS[value]
    if name in DATES and isinstance(value, str):
        return value[:ISO_DATE]
    return value


def _fill_class(store: Store, record: Record) -> None:
    """A result belongs to the class of its line item."""
    item = record.get("lineItem")
    found = store.get("lineItems", item.get("sourcedId", "")) if isinstance(item, dict) else None
    if found and "class" in found:
        record["class"] = found["class"]


def _fill_school(store: Store, record: Record) -> None:
    """A line item belongs to the school of its class."""
    reference = record.get("class")
    found = store.get("classes", reference.get("sourcedId", "")) if isinstance(reference, dict) else None
    if found and "school" in found:
        record["school"] = found["school"]


def _fill_category(_store: Store, record: Record) -> None:
    record["category"] = {"sourcedId": identify("categories", 0)}


def _reference(store: Store, name: str, value: Any) -> Any:
    if name not in REFERENCES or not isinstance(value, dict):
        return value
    service, collection, kind = REFERENCES[name]
    sourced_id = str(value.get("sourcedId", ""))
    if store.find(collection, sourced_id) is None:
        raise RefusedError(422, "invaliddata", f"'{name}' refers to an unknown sourcedId '{sourced_id}'")
    href = f"{store.world.href_base}{service}/{collection}/{sourced_id}"
    return {"href": href, "sourcedId": sourced_id, "type": kind}
