"""Every endpoint: service, path, collection, envelope and the scopes that open it (contract 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from connector_pipelines.connectors.oneroster.simulator import relations
from connector_pipelines.connectors.oneroster.simulator.identifiers import GRADEBOOK, RESOURCES, ROSTERING, V1P1

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.relations import Relation

SERVICES = {ROSTERING: "roster", GRADEBOOK: "gradebook", RESOURCES: "resource", V1P1: "1.1"}


@dataclass(frozen=True, slots=True)
class Listing:
    """What a path without a trailing id lists.

    Attributes:
        service: roster, gradebook, assessment or resource: also the first word of the scopes that open it.
        collection: the rows' collection.
        relation: which rows; None for all.
        core: whether the narrower `-core` scope suffices.
    """

    service: str
    collection: str
    relation: Relation | None = None
    core: bool = False


SINGULAR = {
    "orgs": "org",
    "academicSessions": "academicSession",
    "courses": "course",
    "classes": "class",
    "users": "user",
    "demographics": "demographics",
    "enrollments": "enrollment",
    "categories": "category",
    "lineItems": "lineItem",
    "results": "result",
    "scoreScales": "scoreScale",
    "assessmentLineItems": "assessmentLineItem",
    "assessmentResults": "assessmentResult",
    "resources": "resource",
}

BASE: dict[str, Listing] = {
    "academicSessions": Listing("roster", "academicSessions", core=True),
    "classes": Listing("roster", "classes", core=True),
    "courses": Listing("roster", "courses", core=True),
    "demographics": Listing("roster-demographics", "demographics"),
    "enrollments": Listing("roster", "enrollments", core=True),
    "gradingPeriods": Listing("roster", "academicSessions", relations.grading_periods, core=True),
    "orgs": Listing("roster", "orgs", core=True),
    "schools": Listing("roster", "orgs", relations.schools, core=True),
    "students": Listing("roster", "users", relations.students, core=True),
    "teachers": Listing("roster", "users", relations.teachers, core=True),
    "terms": Listing("roster", "academicSessions", relations.terms, core=True),
    "users": Listing("roster", "users", core=True),
    "categories": Listing("gradebook", "categories", core=True),
    "lineItems": Listing("gradebook", "lineItems", core=True),
    "results": Listing("gradebook", "results", core=True),
    "scoreScales": Listing("gradebook", "scoreScales", core=True),
    "assessmentLineItems": Listing("assessment", "assessmentLineItems"),
    "assessmentResults": Listing("assessment", "assessmentResults"),
    "resources": Listing("resource", "resources", core=True),
}

NESTED: dict[tuple[str, ...], Listing] = {
    ("classes", "students"): Listing("roster", "users", relations.people_of_class("student")),
    ("classes", "teachers"): Listing("roster", "users", relations.people_of_class("teacher")),
    ("courses", "classes"): Listing("roster", "classes", relations.classes_of_course),
    ("schools", "classes"): Listing("roster", "classes", relations.of_school("classes", "school")),
    ("schools", "courses"): Listing("roster", "courses", relations.of_school("courses", "org")),
    ("schools", "enrollments"): Listing("roster", "enrollments", relations.of_school("enrollments", "school")),
    ("schools", "students"): Listing("roster", "users", relations.people_of_school("student")),
    ("schools", "teachers"): Listing("roster", "users", relations.people_of_school("teacher")),
    ("schools", "terms"): Listing("roster", "academicSessions", relations.terms_of_school),
    ("schools", "classes", "enrollments"): Listing("roster", "enrollments", relations.enrollments_of_class),
    ("schools", "classes", "students"): Listing("roster", "users", relations.people_of_class("student")),
    ("schools", "classes", "teachers"): Listing("roster", "users", relations.people_of_class("teacher")),
    ("students", "classes"): Listing("roster", "classes", relations.classes_of("students")),
    ("teachers", "classes"): Listing("roster", "classes", relations.classes_of("teachers")),
    ("users", "classes"): Listing("roster", "classes", relations.classes_of("users")),
    ("terms", "classes"): Listing("roster", "classes", relations.classes_of_term),
    ("terms", "gradingPeriods"): Listing("roster", "academicSessions", relations.grading_periods_of_term),
    ("classes", "categories"): Listing("gradebook", "categories", relations.categories_of_class),
    ("classes", "lineItems"): Listing("gradebook", "lineItems", relations.line_items_of_class),
    ("classes", "results"): Listing("gradebook", "results", relations.results_of_class),
    ("classes", "scoreScales"): Listing("gradebook", "scoreScales", relations.score_scales_of("classes")),
    ("schools", "scoreScales"): Listing("gradebook", "scoreScales", relations.score_scales_of("schools")),
    ("classes", "lineItems", "results"): Listing("gradebook", "results", relations.results_of_line_item),
    ("classes", "students", "results"): Listing("gradebook", "results", relations.results_of_student),
    ("classes", "resources"): Listing("resource", "resources", relations.resources_of("classes")),
    ("courses", "resources"): Listing("resource", "resources", relations.resources_of("courses")),
    ("users", "resources"): Listing("resource", "resources", relations.resources_of("users")),
}

ABSENT_IN_1P1 = {"scoreScales", "assessmentLineItems", "assessmentResults", "categories of classes"}

# The four POSTs of 1.2: what they create.
POSTS = {
    ("classes", "lineItems"): "lineItems",
    ("schools", "lineItems"): "lineItems",
    ("lineItems", "results"): "results",
    ("classes", "academicSessions", "results"): "results",
}
WRITABLE = ("categories", "lineItems", "results", "scoreScales", "assessmentLineItems", "assessmentResults")
WRITABLE_1P1 = ("categories", "lineItems", "results")

TIMEBACK_NAMES = {"terms": "term", "gradingPeriods": "gradingPeriod"}
TIMEBACK_ENVELOPES = {
    ("classes", "students"): "students",
    ("classes", "teachers"): "teachers",
    ("schools", "terms"): "terms",
    ("terms", "gradingPeriods"): "gradingPeriods",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A path taken apart: /classes/{c}/students is names (classes, students), ids [c].

    Attributes:
        old: whether the path is of 1.1.
        service: base path's service, "1.1" for the one root of 1.1.
        names: collection names in order.
        ids: sourcedIds in order; as many as names when the path is that of a single record.
        slash: whether the path ends with a slash.
    """

    old: bool
    service: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    slash: bool

    @property
    def single(self) -> bool:
        """Whether the path is that of one record."""
        return len(self.ids) == len(self.names)

    @property
    def listing(self) -> Listing | None:
        """What the path lists, or the collection of its record; None when there is no such endpoint."""
        found = BASE.get(self.names[0]) if len(self.names) == 1 else NESTED.get(self.names)
        if found is None or (self.single and len(self.names) > 1):
            return None
        if self.old:
            absent = found.collection in ABSENT_IN_1P1 or self.names in {
                ("classes", "categories"),
                ("users", "resources"),
            }
            return None if absent else found
        return found if found.service.split("-")[0] in self._served() else None

    def _served(self) -> tuple[str, ...]:
        return ("gradebook", "assessment") if self.service == "gradebook" else (self.service,)


def locate(path: str) -> Target | None:
    """Take a percent-encoded path apart, so that an id may hold a slash; None when it lies under no base path."""
    for base, service in SERVICES.items():
        if path.startswith(f"{base}/"):
            parts = path[len(base) + 1 :].split("/")
            slash = parts[-1] == ""
            parts = parts[:-1] if slash else parts
            if service == "resource" and len(parts) == 4 and parts[0] == "resources":  # noqa: PLR2004
                parts = parts[1:]  # TimeBack documents /resources/classes/{c}/resources
            if not parts or not all(parts):
                return None
            ids = tuple(unquote(part) for part in parts[1::2])
            return Target(base == V1P1, service, tuple(parts[::2]), ids, slash)
    return None


def envelope(target: Target, collection: str, *, timeback: bool) -> str:
    """The key under which an answer's record or records stand (contract 1.1, envelopes; 1.4 for TimeBack)."""
    if (
        timeback
        and target.names[-1] in TIMEBACK_NAMES
        and (len(target.names) == 1 or target.names in TIMEBACK_ENVELOPES)
    ):
        return TIMEBACK_NAMES[target.names[-1]] if target.single else target.names[-1]
    if timeback and target.names in TIMEBACK_ENVELOPES:
        return TIMEBACK_ENVELOPES[target.names]
    return SINGULAR[collection] if target.single else collection


def discovery(path: str) -> str | None:
    """The service whose discovery document this path is, or None."""
    for base, service in SERVICES.items():
        if path.startswith(f"{base}/discovery/") and path.endswith(".json"):
            return service
    return None
