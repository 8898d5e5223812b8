"""Simulated schools, the sources that read them, and the truth: what core must hold, worked out from their records."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.oneroster.simulator import Simulator

Record = dict[str, Any]
Rows = dict[str, Record]

CREDENTIALS = {"PROOF_CLIENT": "simulator", "PROOF_SECRET": "simulator-secret", "PROOF_TOKEN": "simulated-token"}
"""What the environment of every run holds."""
SECRETS = (CREDENTIALS["PROOF_SECRET"], CREDENTIALS["PROOF_TOKEN"], "Bearer ")
"""What nothing that a run prints may hold."""


def config(simulator: Simulator, **more: Any) -> dict[str, Any]:
    """The settings of a source that reads a simulator in small pages."""
    auth = {
        "type": "oauth2",
        "token_url": simulator.token_url,
        "client_id": "env:PROOF_CLIENT",
        "client_secret": "env:PROOF_SECRET",
    }
    return {"base_url": simulator.url, "auth": auth, "page_size": 20} | more


def truth(simulator: Simulator) -> dict[str, Rows]:
    """What core must hold, by entity and external id, from the simulator's records and the README's table."""
    return {
        entity: {r["sourcedId"]: core(r) for r in simulator.expected(collection) if feeds(r)}
        for entity, (collection, feeds, core) in FEEDS.items()
    }


def _id(reference: Record | None) -> str | None:
    return reference["sourcedId"] if reference else None


def _list(words: list[str] | None) -> str | None:
    return ",".join(words) if words else None


def _flag(word: str | None) -> bool | None:
    return None if word is None else word == "true"


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _status(record: Record) -> str:
    return "active" if record["status"] == "active" else "inactive"


def _organization(r: Record) -> Record:
    return {
        "name": r["name"],
        "organization_type": r.get("type"),
        "identifier": r.get("identifier"),
        "status": _status(r),
        "parent": _id(r.get("parent")),
    }


def _term(r: Record) -> Record:
    return {
        "title": r["title"],
        "term_type": r["type"],
        "start_date": _day(r["startDate"]),
        "end_date": _day(r["endDate"]),
        "school_year": r["schoolYear"],
        "status": _status(r),
        "parent": _id(r.get("parent")),
    }


def _course(r: Record) -> Record:
    return {
        "title": r["title"],
        "course_code": r.get("courseCode"),
        "grades": _list(r.get("grades")),
        "subjects": _list(r.get("subjects")),
        "status": _status(r),
        "organization": _id(r["org"]),
    }


def _section(r: Record) -> Record:
    return {
        "title": r["title"],
        "section_code": r.get("classCode"),
        "section_type": r.get("classType"),
        "location": r.get("location"),
        "grades": _list(r.get("grades")),
        "subjects": _list(r.get("subjects")),
        "periods": _list(r.get("periods")),
        "status": _status(r),
        "course": _id(r["course"]),
        "organization": _id(r["school"]),
        "term": _id(r["terms"][0]),
    }


def _person(r: Record) -> Record:
    return {
        "given_name": r["givenName"],
        "family_name": r["familyName"],
        "middle_name": r.get("middleName"),
        "preferred_name": r.get("preferredFirstName"),
        "username": r.get("username"),
        "email": r.get("email"),
        "phone": r.get("phone") or r.get("sms"),
        "enabled": _flag(r["enabledUser"]),
        "status": _status(r),
        "organization": _id(r.get("primaryOrg") or r["roles"][0]["org"]),
    }


def _student(r: Record) -> Record:
    return _person(r) | {"student_number": r.get("identifier"), "grades": _list(r.get("grades"))}


def _instructor(r: Record) -> Record:
    return _person(r) | {"staff_number": r.get("identifier")}


def _enrollment(r: Record) -> Record:
    return {
        "status": "enrolled" if r["status"] == "active" else "dropped",
        "start_date": _day(r.get("beginDate")),
        "end_date": _day(r.get("endDate")),
        "student": _id(r["user"]),
        "section": _id(r["class"]),
    }


def _assignment(r: Record) -> Record:
    return {
        "status": _status(r),
        "is_primary": _flag(r.get("primary")),
        "start_date": _day(r.get("beginDate")),
        "end_date": _day(r.get("endDate")),
        "instructor": _id(r["user"]),
        "section": _id(r["class"]),
    }


def _user_is(role: str) -> Callable[[Record], bool]:
    return lambda r: any(held["role"] == role for held in r["roles"])


def _role_is(role: str) -> Callable[[Record], bool]:
    return lambda r: r["role"] == role


FEEDS: dict[str, tuple[str, Callable[[Record], bool], Callable[[Record], Record]]] = {
    "organizations": ("orgs", lambda _: True, _organization),
    "terms": ("academicSessions", lambda _: True, _term),
    "courses": ("courses", lambda _: True, _course),
    "sections": ("classes", lambda _: True, _section),
    "students": ("users", _user_is("student"), _student),
    "instructors": ("users", _user_is("teacher"), _instructor),
    "enrollments": ("enrollments", _role_is("student"), _enrollment),
    "teaching_assignments": ("enrollments", _role_is("teacher"), _assignment),
}
