"""What a Moodle source must say. This model is the schema of its `defs.yaml`.

Where it says nothing, the environment does (requirements M65-M73): MOODLE_BASE_URL, MOODLE_API_TOKEN,
MOODLE_BATCH_SIZE, MOODLE_RETRY_ATTEMPTS, MOODLE_RATE_LIMIT and MOODLE_TIMEOUT.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from connector_pipelines.assessed import Chosen
from connector_pipelines.connectors.moodle.webhook import TokenHook
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.limits import MINUTE, Budget, Limits, Rate, Service
from connector_pipelines.external.messages import is_loopback
from connector_pipelines.external.options import HttpOptions, HttpUrl
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.signing import SignedHook
from connector_pipelines.settings import settings

Entities = Literal["assessments", "grades", "submissions", "engagement", "rubric_scores"]

NAMED = frozenset({"rubric_scores"})
"""Read only where a source names them: they call functions that the service of a site may not have yet."""

Personal = Literal["number", "username", "email", "phone", "middle_name", "preferred_name", "kind"]

SERVICES = {
    "users": "^core_user_",
    "courses": "^core_course_|^core_group_",
    "enrolments": "^core_enrol_|^enrol_",
    "grades": "^core_grades_|^core_grading_|^gradereport_|^mod_assign_",
}
"""Moodle's functions by what they are about: each part has a breaker of its own, and may have a limit (M61)."""

MOST_FIELDS = 4_000
"""Form fields per call. PHP drops fields beyond `max_input_vars`, 5,000 on a Moodle as installed, without an error."""


class MoodleConfig(HttpOptions):
    """One Moodle site."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: HttpUrl | None = Field(
        default=None, description="The site's address, e.g. https://moodle.school.example. Unset: MOODLE_BASE_URL."
    )
    token: Secret = Field(
        default=Secret.env("MOODLE_API_TOKEN"), description="A token of the web-service user, as {{ env.NAME }}."
    )
    batch_size: int | None = Field(
        default=None, ge=1, le=10_000, description="Records per call. Unset: MOODLE_BATCH_SIZE."
    )
    max_fields: int = Field(
        default=MOST_FIELDS,
        ge=100,
        description="Form fields per call, whatever the batch size. Must stay below max_input_vars of the site's PHP.",
    )
    roles: dict[str, int] = Field(
        default={"student": 5, "teacher": 4, "editingteacher": 3},
        description="Numbers of the site's roles by name, as under Site administration, Users, Define roles: no "
        "function of the web services tells them.",
    )
    service_requests_per_minute: dict[Literal["users", "courses", "enrolments", "grades"], int] = Field(
        default_factory=dict,
        description="Requests about one of these in any minute, on top of what holds for all together, so that a long"
        " provisioning leaves room for the rest.",
    )
    layout: Literal["groups", "courses"] = Field(
        default="groups",
        description="What a section is there: a group in the course of its term, or a course of its own.",
    )
    root_category: int = Field(
        default=0, ge=0, description="Number of the category that terms are put into; 0 for the top."
    )
    auth_plugin: Literal["manual", "oidc", "saml2"] = Field(
        default="manual",
        description="How people log in there. Those of manual are sent a password by e-mail, the others have none.",
    )
    idnumber: Literal["number", "username", "email"] = Field(
        default="number",
        description="What of a person stands in Moodle's ID number: what the identity provider calls it.",
    )
    profile_fields: dict[str, Personal] = Field(
        default_factory=dict,
        description="Profile fields of the site by short name, and which column of a person each is given (M57).",
    )
    student_role: str = Field(default="student", description="The role of students, a name of `roles`.")
    instructor_role: str = Field(default="editingteacher", description="The role of instructors, a name of `roles`.")
    final_grade_activity: str | None = Field(
        default=None,
        min_length=1,
        description="ID number of the assignment that takes final grades, one in each course. Unset: none are sent.",
    )
    result_activities: str | None = Field(
        default=None,
        description="ID number of the assignments that take results of core's own assessments, with {assessment} for "
        "the assessment's number in core, e.g. CORE-{assessment}. Unset: none are sent.",
    )
    result_shares: dict[str, float] = Field(
        default={"Exceeded": 95, "Met": 85, "Partially Met": 75, "Not Met": 65},
        description="Percent of an assessment's most points for each outcome, of results without points. With Moodle's "
        "own letters these show as A, B, C and D.",
    )
    results: Chosen = Field(
        default_factory=Chosen,
        description="Which results of assessments and outcomes are written: finalized ones, those of a range of days.",
    )
    outcome_activities: str | None = Field(
        default=None,
        description="ID number of the assignments that take results on learning outcomes, with {outcome} for the "
        "outcome's code, e.g. SLO-{outcome}. Unset: none are sent.",
    )
    outcome_points: dict[str, float] = Field(
        default={"Exceeded": 4, "Met": 3, "Partially Met": 2, "Not Met": 1},
        description="Points for each level of an outcome, within those of the assignments.",
    )
    leaving: Literal["suspend", "unenrol"] = Field(
        default="suspend", description="What happens to who leaves a course. Unenrolling takes grades with it."
    )
    page_size: int = Field(default=500, ge=1, le=10_000, description="Enrolled users per page.")
    entities: tuple[Entities, ...] | None = Field(
        default=None,
        description="Only these entities, e.g. [engagement]. Unset: all but rubric_scores, which calls functions that "
        "the site's service must be given first.",
    )

    webhook: SignedHook | TokenHook | None = Field(
        default=None, description="Events of this site, signed or with a token. Unset: none are taken."
    )

    @field_validator("base_url")
    @classmethod
    def _site(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("https://") and not is_loopback(value):
            message = "must begin with https://"
            raise ValueError(message)
        return value and value.rstrip("/")

    @field_validator("service_requests_per_minute")
    @classmethod
    def _some(cls, value: dict[str, int]) -> dict[str, int]:
        if any(most < 1 for most in value.values()):
            message = "must be at least 1 a minute"
            raise ValueError(message)
        return value

    @field_validator("outcome_activities", "result_activities")
    @classmethod
    def _names_what_for(cls, value: str | None, info: ValidationInfo) -> str | None:
        needed = {"outcome_activities": "{outcome}", "result_activities": "{assessment}"}[str(info.field_name)]
        if value is not None and (value.count(needed) != 1 or set("{}") & set(value.replace(needed, ""))):
            message = f"must hold {needed} once, and no other braces"
            raise ValueError(message)
        return value

    @property
    def site(self) -> str:
        """The site's address.

        Raises:
            ConfigurationError: neither the source nor the environment names one.
        """
        found = self.base_url or settings().moodle_base_url
        if not found:
            raise ConfigurationError("a Moodle source names no site.", remedy="Set base_url, or MOODLE_BASE_URL.")
        return found.rstrip("/")

    def vendor_limits(self) -> Limits:
        """Moodle has none of its own; MOODLE_RATE_LIMIT holds for a source that does not say `requests_per_minute`."""
        own = self.service_requests_per_minute
        services = tuple(
            Service(name, calls, tuple(Rate(most, MINUTE) for part, most in own.items() if part == name))
            for name, calls in SERVICES.items()
        )
        if self.requests_per_minute is not None:
            return Limits(services=services)
        site = Budget("web services", (Rate(settings().moodle_rate_limit_per_minute, MINUTE),))
        return Limits((site,), services=services)

    @property
    def batch(self) -> int:
        """Records per call, at most."""
        return self.batch_size or settings().moodle_batch_size

    def role(self, name: str) -> int:
        """The number of a role.

        Raises:
            ConfigurationError: there is none of that name.
        """
        if name not in self.roles:
            known = ", ".join(self.roles)
            raise ConfigurationError(f"there is no role {name!r}; there are {known}.", remedy="Add it to `roles`.")
        return self.roles[name]

    @property
    def student(self) -> int:
        """The number of the students' role."""
        return self.role(self.student_role)

    @property
    def instructor(self) -> int:
        """The number of the instructors' role."""
        return self.role(self.instructor_role)

    def provides(self, entity: str) -> bool:
        """Whether this source feeds the entity."""
        return entity not in NAMED if self.entities is None else entity in self.entities
