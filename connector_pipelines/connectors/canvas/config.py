"""What a Canvas source must say. This model is the schema of its `defs.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector_pipelines.external.limits import Budget, Limits
from connector_pipelines.external.options import HttpOptions, HttpUrl
from connector_pipelines.external.secrets import Secret
from connector_pipelines.settings import TimeZone

Entities = Literal[
    "organizations",
    "terms",
    "courses",
    "sections",
    "students",
    "instructors",
    "enrollments",
    "teaching_assignments",
    "assessments",
    "grades",
    "submissions",
    "rubric_scores",
]

AT_ONCE = 8
"""Requests under way. Each is charged 50 units of a bucket that throttles above 600 until it is known what it cost."""


class _Strict(BaseModel):
    """Refuses unknown fields, so that a typing mistake does not pass as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bearer(_Strict):
    """A token that an administrator issued under Account, Settings, New Access Token."""

    type: Literal["bearer"] = Field(description="A fixed bearer token.")
    token: Secret = Field(description="The token, as {{ env.NAME }}.")


class OAuth2(_Strict):
    """A developer key, and the refresh token that a person obtained by signing in with it."""

    type: Literal["oauth2"] = Field(description="OAuth 2 with a refresh token.")
    client_id: Secret = Field(description="The developer key's id, as {{ env.NAME }}.")
    client_secret: Secret = Field(description="The developer key, as {{ env.NAME }}.")
    refresh_token: Secret = Field(description="The refresh token of the first sign-in, as {{ env.NAME }}.")
    token_url: HttpUrl | None = Field(
        default=None, description="Where tokens are issued. Unset: /login/oauth2/token of the site."
    )


Auth = Annotated[Bearer | OAuth2, Field(discriminator="type")]


class CanvasConfig(HttpOptions, _Strict):
    """One Canvas site, or an account of it."""

    base_url: HttpUrl = Field(description="The site's address, e.g. https://school.instructure.com. Without /api/v1.")
    auth: Auth = Field(description="How requests prove who we are.")
    account: str = Field(
        default="self",
        pattern=r"^(self|\d{1,20}|\d{1,9}~\d{1,13}|sis_account_id:\S{1,200})$",
        description="The account that is read, with all below it: its number, sis_account_id:… or self, which is the "
        "site's root account.",
    )
    time_zone: TimeZone = Field(
        default="UTC",
        description="In which zone the days of terms and enrollments are meant, e.g. America/Denver: Canvas tells "
        "moments.",
    )
    page_size: int = Field(
        default=100, ge=1, le=100, description="Rows to ask for per page. Canvas gives at most 100, and may give fewer."
    )
    in_flight: int = Field(
        default=3,
        ge=1,
        le=AT_ONCE,
        description="Courses that are read at the same time. Canvas throttles who asks in parallel.",
    )
    entities: tuple[Entities, ...] | None = Field(
        default=None, description="Only these entities, e.g. [students]. Unset: all."
    )
    other_host: bool = Field(
        default=False,
        description="Links to a next page that name another host mean this site, behind a proxy: it is asked here.",
    )

    @field_validator("base_url")
    @classmethod
    def _site(cls, value: str) -> str:
        return value.rstrip("/").removesuffix("/api/v1")

    @property
    def root(self) -> str:
        """What the names of endpoints are appended to."""
        return f"{self.base_url}/api/v1"

    @property
    def token_url(self) -> str:
        """Where tokens are issued."""
        return getattr(self.auth, "token_url", None) or f"{self.base_url}/login/oauth2/token"

    def vendor_limits(self) -> Limits:
        """Canvas' bucket leaks ten units a second and is told with each answer; only what is in parallel fills it."""
        return Limits((Budget("in parallel", at_once=AT_ONCE),))

    def provides(self, entity: str) -> bool:
        """Whether this source feeds the entity."""
        return self.entities is None or entity in self.entities
