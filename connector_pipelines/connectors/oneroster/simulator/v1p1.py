"""Records of 1.2 as a 1.1 server sends them: one role, real booleans, fewer fields (contract 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.simulator import fields
from connector_pipelines.connectors.oneroster.simulator.identifiers import (
    GRADEBOOK,
    RESOURCES,
    ROSTERING,
    V1P1,
    Record,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES = {
    "principal": "administrator",
    "counselor": "administrator",
    "siteAdministrator": "administrator",
    "districtAdministrator": "administrator",
    "systemAdministrator": "administrator",
}
SEXES = ("male", "female")


def convert(collection: str, record: Record) -> Record:
    """A 1.2 record in the words of 1.1."""
    adapted = ADAPTERS[collection](record) if collection in ADAPTERS else record
    return {
        name: value if name == "metadata" else _convert_value(name, value)
        for name, value in adapted.items()
        if name in fields.V1P1[collection]
    }


def _convert_value(name: str, value: Any) -> Any:
    if name in fields.BOOLEANS and value in ("true", "false"):
        return value == "true"
    if isinstance(value, dict):
        return _relink(value)
    if isinstance(value, list):
        return [_relink(entry) if isinstance(entry, dict) else entry for entry in value]
    return value


def _relink(reference: Record) -> Record:
    href = reference.get("href")
    if not isinstance(href, str):
        return reference
    for service in (ROSTERING, GRADEBOOK, RESOURCES):
        href = href.replace(service, V1P1)
    return reference | {"href": href}


def _user(record: Record) -> Record:
    """A planted record may have anything for roles; then it has neither role nor orgs."""
    given = record.get("roles")
    roles = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    named = {"username": record.get("sourcedId")} | record
    if not roles:
        return named
    role = str(roles[0].get("role"))
    return named | {"role": ROLES.get(role, role), "orgs": [entry["org"] for entry in roles if "org" in entry]}


def _class(record: Record) -> Record:
    periods = record.get("periods")
    return record | {"periods": ",".join(periods)} if isinstance(periods, list) else record


def _demographics(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "sex" or value in SEXES}


def _line_item(record: Record) -> Record:
    return {"resultValueMin": 0.0} | record


def _result(record: Record) -> Record:
    return {"score": 0.0} | record


def _resource(record: Record) -> Record:
    roles = record.get("roles")
    return record | {"role": roles[0]} if isinstance(roles, list) and roles else record


ADAPTERS: dict[str, Callable[[Record], Record]] = {
    "users": _user,
    "classes": _class,
    "demographics": _demographics,
    "lineItems": _line_item,
    "results": _result,
    "resources": _resource,
}
