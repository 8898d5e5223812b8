"""What a OneRoster source must say. This model is the schema of its `defs.yaml`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector_pipelines.assessed import Chosen
from connector_pipelines.external.options import HttpOptions, HttpUrl
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.signing import SignedHook

Entities = Literal[
    "organizations",
    "terms",
    "courses",
    "sections",
    "students",
    "instructors",
    "enrollments",
    "teaching_assignments",
]

# A window takes the other clause of the two that a filter may have (contract 1.1, "Filter grammar").
_CLAUSE = re.compile(r"[A-Za-z_][\w.:-]*(!=|>=|<=|=|>|<|~)'(?!.*'\s+(AND|OR)\s).*'")
_SCOPE = "https://purl.imsglobal.org/spec/or/{}/scope/{}"
_SPELLED = {"1.2": "v1p2", "1.1": "v1p1"}
_ROOTS = {"1.2": "/ims/oneroster/rostering/v1p2", "1.1": "/ims/oneroster/v1p1"}


class Strict(BaseModel):
    """Refuses unknown fields, so that a typing mistake does not pass as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OAuth2(Strict):
    """OAuth 2 client credentials: what OneRoster 1.2 asks for."""

    type: Literal["oauth2"] = Field(description="OAuth 2 client credentials.")
    token_url: HttpUrl = Field(description="Where access tokens are issued, e.g. https://sis.example/token.")
    client_id: Secret = Field(description="Client id, as {{ env.NAME }}.")
    client_secret: Secret = Field(description="Client secret, as {{ env.NAME }}.")
    scopes: tuple[str, ...] | None = Field(
        default=None, description="Scopes to ask for. Unset: roster.readonly of the version."
    )
    send_as: Literal["basic", "body"] = Field(
        default="basic", description="Whether id and secret travel as HTTP Basic or in the form."
    )


class OAuth1(Strict):
    """OAuth 1.0a signatures without a token: what OneRoster 1.1 began with."""

    type: Literal["oauth1"] = Field(description="OAuth 1.0a, two-legged.")
    key: Secret = Field(description="Consumer key, as {{ env.NAME }}.")
    secret: Secret = Field(description="Consumer secret, as {{ env.NAME }}.")
    signature_method: Literal["HMAC-SHA256", "HMAC-SHA1"] = Field(
        default="HMAC-SHA256", description="How requests are signed."
    )


class Bearer(Strict):
    """A token that a person issued."""

    type: Literal["bearer"] = Field(description="A fixed bearer token.")
    token: Secret = Field(description="The token, as {{ env.NAME }}.")


Auth = Annotated[OAuth2 | OAuth1 | Bearer, Field(discriminator="type")]


class Gradebook(Chosen):
    """What is written to the system's gradebook (requirements G49 to G51). `policy.exports` switches it on."""

    base_url: HttpUrl | None = Field(
        default=None, description="Root of the gradebook service, where it is not the standard one beside the rosters."
    )
    scopes: tuple[str, ...] | None = Field(
        default=None,
        description="Scopes to ask for. Unset: those of `auth`, else gradebook.readonly and gradebook.createput.",
    )
    id_prefix: str = Field(
        default="core",
        pattern=r"^[A-Za-z0-9_-]{1,40}$",
        description="What the ids of records that we create begin with. Must be another one in every installation that "
        "writes to the same system, and must not change.",
    )
    letters: dict[str, str] = Field(
        default={"Exceeded": "A", "Met": "B", "Partially Met": "C", "Not Met": "D"},
        description="The letter of each outcome. One that is not named here becomes a dead letter.",
    )


class OneRosterConfig(HttpOptions, Strict):
    """One OneRoster source: a REST service of version 1.2 or 1.1, or a zip of CSV files."""

    version: Literal["1.2", "1.1", "csv"] = Field(
        default="1.2", description="Version of the REST service, or csv for a zip file; the zip names its own version."
    )
    base_url: HttpUrl | None = Field(
        default=None,
        description="The service's host, e.g. https://sis.example; or the whole root, ending in v1p2 or v1p1, "
        "where it is not the standard one.",
    )
    path: str | None = Field(default=None, description="For csv: path or fsspec URL of the zip file.")
    flavour: Literal["standard", "timeback"] = Field(
        default="standard", description="timeback: trailing slashes, totals in the body, at most 3,000 rows a page."
    )
    auth: Auth | None = Field(default=None, description="How requests prove who we are. Not for csv.")
    page_size: int = Field(
        default=1_000,
        ge=1,
        le=10_000,
        description="Rows to ask for per page. Servers may give fewer; that is noticed and does no harm.",
    )
    in_flight: int = Field(
        default=8, ge=1, le=32, description="Pages that may be fetched at the same time. 1 reads one after another."
    )
    entities: tuple[Entities, ...] | None = Field(
        default=None, description="Only these entities, e.g. [students]. Unset: all."
    )
    filters: dict[Entities, str] = Field(
        default_factory=dict,
        description="Per entity, read only the records that match one clause in OneRoster's words, such as "
        "status='active'. Such a read proves no absence: nothing that it leaves out is ever dropped. Not for csv.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Extra headers of every request. Not for secrets: they would be readable."
    )

    gradebook: Gradebook = Field(
        default_factory=Gradebook, description="What is written to the gradebook. Not for csv, which takes nothing."
    )
    webhook: SignedHook | None = Field(
        default=None, description="Events of this system, and how it signs them. Unset: none are taken."
    )

    @field_validator("version", mode="before")
    @classmethod
    def _written_as_number(cls, value: object) -> object:
        return str(value) if isinstance(value, float) else value  # YAML reads an unquoted 1.2 as a number

    @field_validator("filters")
    @classmethod
    def _one_clause(cls, value: dict[str, str]) -> dict[str, str]:
        for entity, clause in value.items():
            if not _CLAUSE.fullmatch(clause):
                message = (
                    f"{entity}: {clause!r} is not one clause; write field, operator and quoted value: field='value'"
                )
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = "path" if self.version == "csv" else "base_url"
        other = "base_url" if self.version == "csv" else "path"
        if not getattr(self, wanted):
            message = f"version {self.version} needs {wanted}"
            raise ValueError(message)
        if self.version == "csv" and self.filters:
            message = "version csv has no use for filters: a zip is read whole"
            raise ValueError(message)
        if getattr(self, other):
            message = f"version {self.version} has no use for {other}"
            raise ValueError(message)
        return self

    @property
    def root(self) -> str:
        """What the names of collections are appended to."""
        base = (self.base_url or "").rstrip("/")
        return base if base.endswith(("v1p2", "v1p1")) else base + _ROOTS[self.version]

    @property
    def roster_scopes(self) -> tuple[str, ...]:
        """What an OAuth 2 token for the rosters is asked for."""
        return self._scopes(None, "roster.readonly")

    @property
    def gradebook_scopes(self) -> tuple[str, ...]:
        """The same for the gradebook."""
        return self._scopes(self.gradebook.scopes, "gradebook.readonly", "gradebook.createput")

    def _scopes(self, said: tuple[str, ...] | None, *usual: str) -> tuple[str, ...]:
        declared = getattr(self.auth, "scopes", None) if said is None else said
        return tuple(_SCOPE.format(_SPELLED[self.version], one) for one in usual) if declared is None else declared

    @property
    def gradebook_root(self) -> str:
        """The same of the gradebook: in 1.2 a service of its own, in 1.1 under the one root."""
        return (self.gradebook.base_url or self.root.replace("/rostering/", "/gradebook/")).rstrip("/")

    @property
    def rows_per_page(self) -> int:
        """What we ask for: TimeBack's limit is 3,000."""
        return min(self.page_size, 3_000) if self.flavour == "timeback" else self.page_size

    def provides(self, entity: str) -> bool:
        """Whether this source feeds the entity."""
        return self.entities is None or entity in self.entities
