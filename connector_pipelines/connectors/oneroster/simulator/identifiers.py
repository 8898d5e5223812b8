"""sourcedIds: a prefix and the record's index, so that a single GET finds its record without a search.

References (GUIDRef) are made here, too; their href names the endpoint that answers for the record (contract 1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]

ROSTERING = "/ims/oneroster/rostering/v1p2"
GRADEBOOK = "/ims/oneroster/gradebook/v1p2"
RESOURCES = "/ims/oneroster/resources/v1p2"
V1P1 = "/ims/oneroster/v1p1"

DIGITS = 7
PREFIXES = {
    "orgs": "org",
    "academicSessions": "ses",
    "courses": "crs",
    "classes": "cls",
    "users": "usr",
    "demographics": "usr",  # a demographics record has its user's sourcedId
    "enrollments": "enr",
    "categories": "cat",
    "lineItems": "lin",
    "results": "res",
    "scoreScales": "scl",
    "assessmentLineItems": "ali",
    "assessmentResults": "are",
    "resources": "rsc",
}


def identify(collection: str, index: int) -> str:
    """The sourcedId of a record."""
    return f"{PREFIXES[collection]}-{index:07d}"


def index_of(collection: str, sourced_id: str) -> int | None:
    """The index behind a sourcedId, or None when no generated record can have it."""
    digits = sourced_id[len(PREFIXES[collection]) + 1 :]
    if not (digits.isascii() and digits.isdigit()) or identify(collection, int(digits)) != sourced_id:
        return None
    return int(digits)


@dataclass(frozen=True, slots=True)
class Links:
    """Makes references; `base` is the address that stands in every href."""

    base: str

    def user(self, index: int) -> Record:
        """A reference to a user."""
        sourced_id = f"usr-{index:07d}"
        return {"href": f"{self.base}{ROSTERING}/users/{sourced_id}", "sourcedId": sourced_id, "type": "user"}

    def school_class(self, index: int) -> Record:
        """A reference to a class."""
        sourced_id = f"cls-{index:07d}"
        return {"href": f"{self.base}{ROSTERING}/classes/{sourced_id}", "sourcedId": sourced_id, "type": "class"}

    def org(self, index: int) -> Record:
        """A reference to an organization."""
        return self._to(ROSTERING, "orgs", index, "org")

    def session(self, index: int) -> Record:
        """A reference to an academic session."""
        return self._to(ROSTERING, "academicSessions", index, "academicSession")

    def course(self, index: int) -> Record:
        """A reference to a course."""
        return self._to(ROSTERING, "courses", index, "course")

    def category(self, index: int) -> Record:
        """A reference to a grading category."""
        return self._to(GRADEBOOK, "categories", index, "category")

    def line_item(self, index: int) -> Record:
        """A reference to a line item."""
        return self._to(GRADEBOOK, "lineItems", index, "lineItem")

    def score_scale(self, index: int) -> Record:
        """A reference to a score scale."""
        return self._to(GRADEBOOK, "scoreScales", index, "scoreScale")

    def assessment_line_item(self, index: int) -> Record:
        """A reference to an assessment line item."""
        return self._to(GRADEBOOK, "assessmentLineItems", index, "assessmentLineItem")

    def resource(self, index: int) -> Record:
        """A reference to a learning resource."""
        return self._to(RESOURCES, "resources", index, "resource")

    def _to(self, service: str, collection: str, index: int, kind: str) -> Record:
        sourced_id = identify(collection, index)
        return {"href": f"{self.base}{service}/{collection}/{sourced_id}", "sourcedId": sourced_id, "type": kind}
