"""What a Google Classroom source must say. This model is the schema of its `defs.yaml`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector_pipelines.external.jwt import Signer, service_account
from connector_pipelines.external.limits import MINUTE, Budget, Limits, Rate
from connector_pipelines.external.oauth import RefreshToken
from connector_pipelines.external.options import HttpOptions, HttpUrl
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.tokens import Endpoint
from connector_pipelines.external.vault import VaultKeep

if TYPE_CHECKING:
    from connector_pipelines.external.auth import Auth
    from connector_pipelines.external.vault import Keep

Rosters = Literal["courses", "sections", "students", "instructors", "enrollments", "teaching_assignments"]
Gradebook = Literal["assessments", "submissions", "grades", "rubric_scores"]
CourseState = Literal["ACTIVE", "ARCHIVED", "PROVISIONED", "DECLINED", "SUSPENDED"]

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 -- an address
SCOPE = "https://www.googleapis.com/auth/classroom."
SCOPES = (f"{SCOPE}courses.readonly", f"{SCOPE}rosters.readonly", f"{SCOPE}profile.emails")
"""Nothing of these lets anybody write."""

COURSEWORK_SCOPE = f"{SCOPE}coursework.students.readonly"
"""What course work, and all that is known of who did it, takes on top."""

OF_CLIENT, OF_USER = Rate(3_000, MINUTE), Rate(1_200, MINUTE)
"""What Google allows a Cloud project, and each person who is asked for: https://developers.google.com/workspace/classroom/limits
"""


class _Strict(BaseModel):
    """Refuses unknown fields, so that a typing mistake does not pass as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceAccount(_Strict):
    """A service account that may act for an administrator (domain-wide delegation): for whole domains."""

    type: Literal["service_account"] = Field(description="A service account with domain-wide delegation (RFC 7523).")
    client_email: str = Field(
        min_length=3, description="`client_email` of its key file, e.g. sync@project.iam.gserviceaccount.com."
    )
    private_key: Secret = Field(description="`private_key` of its key file: the whole PEM text, as {{ env.NAME }}.")
    private_key_id: str | None = Field(default=None, description="`private_key_id` of its key file.")
    subject: str = Field(
        min_length=3,
        description="E-mail address of the administrator it acts for. What they may not see is not read.",
    )
    token_url: HttpUrl = Field(default=TOKEN_URL, description="Where tokens are issued.")

    @property
    def project(self) -> str:
        """Whose requests Google counts together."""
        return self.client_email.rpartition("@")[2].partition(".")[0]

    @property
    def user(self) -> str:
        """For whom Google counts, too."""
        return self.subject

    def scheme(self, scopes: tuple[str, ...]) -> Auth:
        """What signs requests."""
        claims = {"iss": self.client_email, "sub": self.subject, "aud": self.token_url, "scope": " ".join(scopes)}
        return service_account(self.token_url, Signer(self.private_key, claims, key_id=self.private_key_id))


class OAuth2(_Strict):
    """An OAuth client, and the refresh token that a person obtained by signing in: for what that person sees."""

    type: Literal["oauth2"] = Field(description="OAuth 2 with a refresh token (RFC 6749, 6).")
    client_id: Secret = Field(description="The OAuth client's id, as {{ env.NAME }}.")
    client_secret: Secret = Field(description="The OAuth client's secret, as {{ env.NAME }}.")
    refresh_token: Secret = Field(
        description="The refresh token of the sign-in, as {{ env.NAME }}. It decides about the scopes."
    )
    token_url: HttpUrl = Field(default=TOKEN_URL, description="Where tokens are issued.")

    @property
    def project(self) -> str:
        """Whose requests Google counts together."""
        return str(self.client_id)

    @property
    def user(self) -> str:
        """For whom Google counts, too."""
        return str(self.refresh_token)

    @property
    def keep(self) -> Keep:
        """Where its tokens are kept: in the run's database, sealed. Two sources with one authorization share them."""
        return VaultKeep(f"google_classroom/{_digest(f'{self.token_url} {self.refresh_token}')}")

    def scheme(self, _scopes: tuple[str, ...]) -> Auth:
        """What signs requests."""
        endpoint = Endpoint(self.token_url, self.client_id, self.client_secret, "body")
        return RefreshToken(endpoint, self.refresh_token, self.keep)


class GoogleClassroomConfig(HttpOptions, _Strict):
    """The courses of one Google Workspace domain, or those that one person sees."""

    base_url: HttpUrl = Field(
        default="https://classroom.googleapis.com", description="The service's host; another one for a simulator."
    )
    auth: Annotated[ServiceAccount | OAuth2, Field(discriminator="type")] = Field(
        description="How requests prove who we are."
    )
    scopes: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Scopes that a service account asks for. Unset: those that the entities need. Without "
        "classroom.profile.emails people come without e-mail addresses.",
    )
    course_states: tuple[CourseState, ...] = Field(
        default=get_args(CourseState),
        min_length=1,
        description="Which courses are read, with their rosters. With fewer than all five a course that does not come "
        "may only have changed its state, so such reads prove no absence, and nothing is dropped.",
    )
    page_size: int = Field(
        default=100, ge=1, le=1_000, description="Records to ask for per page. Google may give fewer; it does no harm."
    )
    in_flight: int = Field(
        default=4, ge=1, le=32, description="Rosters that may be read at the same time. 1 reads one after another."
    )
    entities: tuple[Rosters | Gradebook, ...] = Field(
        default=get_args(Rosters),
        min_length=1,
        description="What is read. Course work, submissions, grades and rubric scores take one scope more, and are "
        "read where they are named: assessments, submissions, grades, rubric_scores.",
    )

    @field_validator("course_states")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @property
    def root(self) -> str:
        """What the names of endpoints are appended to."""
        return f"{self.base_url.rstrip('/')}/v1"

    @property
    def asked_scopes(self) -> tuple[str, ...]:
        """The scopes that a service account asks for."""
        graded = (COURSEWORK_SCOPE,) if {*self.entities} & {*get_args(Gradebook)} else ()
        return self.scopes or (*SCOPES, *graded)

    @property
    def reads_every_state(self) -> bool:
        """Whether a course that does not come is not there."""
        return set(self.course_states) == set(get_args(CourseState))

    def vendor_limits(self) -> Limits:
        """Of the Cloud project, and within it of the person who is asked for; their address is kept nowhere."""
        user = Budget(f"user {_digest(self.auth.user)}", (OF_USER,))
        return Limits((Budget("client", (OF_CLIENT,)), user), f"project {self.auth.project}")

    def provides(self, entity: str) -> bool:
        """Whether this source feeds the entity."""
        return entity in self.entities


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
