"""What a declared source must say, but for the shape of its pages, which its connector adds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from string import Template
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from connector_pipelines.declarative import jobs, paths
from connector_pipelines.declarative.answers import Answer
from connector_pipelines.declarative.bodies import Compression
from connector_pipelines.declarative.credentials import Credentials
from connector_pipelines.declarative.jobs import Job, below
from connector_pipelines.declarative.mapping import DeletedBy, FedBy, ModifiedBy, Strict, check_columns
from connector_pipelines.declarative.notices import DeclaredHook
from connector_pipelines.declarative.paging import (
    Cursor,
    Header,
    Incremental,
    LastRecord,
    Link,
    Paging,
    Place,
    SinglePage,
)
from connector_pipelines.external.options import HttpOptions, HttpUrl
from connector_pipelines.external.secrets import Secret

_NAME = re.compile(r"[A-Za-z_]\w*")


class Each(Strict):
    """Ask once for each parent, or for each of some values: `orders/$id/lines`.

    Records carry what they belong to: `_parent.id`, and whatever `carry` names.
    """

    entity: str | None = Field(
        default=None, description="Another entity of this source, whose records are the parents."
    )
    field: str | None = Field(default=None, description="Where the value is in a parent's record.")
    values: tuple[str, ...] = Field(default=(), description="The values themselves, instead of parents.")
    name: str = Field(default="id", description="What the value is called: $id in path and parameters, `_parent.id`.")
    carry: dict[str, str] = Field(
        default_factory=dict,
        description="Other fields of the parent that its records carry, by name; path and parameters may hold $name. "
        "`_parent.id` is the parent's own parent.",
    )
    batch: int = Field(default=1, ge=1, le=1_000, description="Values per request; then nothing can be carried.")
    separator: str = Field(default=",", description="What stands between the values of a batch.")
    changed_only: bool = Field(
        default=False, description="In an incremental read, ask only for parents that changed. They must say when."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.values) == bool(self.entity) or bool(self.entity) != bool(self.field):
            message = "either entity and field are needed, or values"
            raise ValueError(message)
        if not _NAME.fullmatch(self.name):
            message = f"{self.name!r} cannot be a name; use letters, digits and underscores"
            raise ValueError(message)
        if self.carry and (self.batch > 1 or self.values):
            message = "carry needs parents that are asked for one by one"
            raise ValueError(message)
        return self


class Declared(Strict):
    """One core entity: where its records are, and which field feeds which column."""

    path_in: ClassVar[Callable[[str], paths.Path]] = paths.in_json

    path: str = Field(
        default="",
        description="The endpoint, appended to base_url, e.g. suppliers, orders/$id/lines, or reports/$job/rows. Only "
        "a job whose `result` says where it is needs none.",
    )
    method: Literal["GET", "POST"] = Field(default="GET", description="How it is asked.")
    params: dict[str, str] = Field(default_factory=dict, description="Parameters of the query, on top of the source's.")
    body: dict[str, Any] = Field(
        default_factory=dict, description="What a POST sends, as JSON; a GraphQL query and its variables for one."
    )
    paging: Paging | None = Field(default=None, description="Where the next page is. Unset: as for the source.")
    incremental: Incremental | None = Field(
        default=None, description="How to ask for what changed. Unset: everything is read, what is known is skipped."
    )
    each: Each | None = Field(default=None, description="Ask once for each parent, or for each of some values.")
    job: Job | None = Field(
        default=None,
        description="The source makes a report first: how it is asked for, and how one knows that it is ready.",
    )
    id: tuple[str, ...] = Field(
        min_length=1, description="Where a record's own key is; several paths are joined by a slash."
    )
    modified: ModifiedBy | None = Field(default=None, description="Where the time of the last change is.")
    deleted: DeletedBy | None = Field(default=None, description="How the source calls a record deleted.")
    keep: str | None = Field(
        default=None, description="Only records for which this gives something true; the others are skipped."
    )
    mapping: dict[str, FedBy] = Field(min_length=1, description="Which field feeds which core column.")

    @field_validator("id", mode="before")
    @classmethod
    def _one_path(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("path")
    @classmethod
    def _stays(cls, value: str) -> str:
        return below(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for text in self.own_paths():
            type(self).path_in(text)
        if self.body and self.method != "POST":
            message = "a body needs method POST"
            raise ValueError(message)
        incremental = self.incremental
        if incremental and incremental.newest_first and self.modified is None:
            message = "newest_first needs modified"
            raise ValueError(message)
        self._check_names()
        return self

    def _check_names(self) -> None:
        of_each = {self.each.name, *self.each.carry} if self.each else set()
        of_job = {jobs.NAME} if self.job and self.job.id else set()
        strange = sorted(self.named() - of_each - of_job)
        if strange:
            message = f"nothing is called ${', $'.join(strange)}; `each` names what a path may hold"
            raise ValueError(message)
        if of_each & of_job:
            message = "$job is the job's own name; call it something else in `each`"
            raise ValueError(message)
        if bool(self.path) == bool(self.job and self.job.result):
            message = "a path is needed, or a job whose `result` says where it is"
            raise ValueError(message)

    def named(self) -> frozenset[str]:
        """What $names stand in path and parameters."""
        texts = (self.path, *self.params.values())
        own = frozenset(name for text in texts for name in Template(text).get_identifiers())
        return own | (self.job.named() if self.job else frozenset())

    def own_paths(self) -> list[str]:
        """Every path into a record of this entity."""
        number = self.incremental.number if self.incremental else None
        moments = [one.path for one in (self.modified, self.deleted) if one]
        fields = [fed.path for fed in self.mapping.values() if fed.path]
        keep = [self.keep] if self.keep else []
        return [*self.id, *moments, *fields, *keep, *([number] if number else [])]


class Settings(Strict, HttpOptions):
    """What every declared source says."""

    places_in_body: ClassVar[bool] = True

    base_url: HttpUrl = Field(description="What endpoints are appended to, e.g. https://api.example/v2.")
    auth: Credentials | None = Field(default=None, description="How requests prove who we are.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Extra headers of every request. Not for secrets: they would be readable."
    )
    secret_headers: dict[str, Secret] = Field(
        default_factory=dict, description="Extra headers whose values are secrets, as {{ env.NAME }}."
    )
    params: dict[str, str] = Field(default_factory=dict, description="Parameters of every request's query.")
    paging: Paging = Field(
        default=SinglePage(type="none"), description="Where the next page is, for entities that do not say it."
    )
    compression: Compression = Field(
        default="auto", description="How bodies are packed on top of HTTP: auto looks at their first bytes."
    )
    member: str = Field(default="*", description="In a zip, a pattern for the one file that counts, e.g. *.csv.")
    answers: tuple[Answer, ...] = Field(
        default=(), description="What answers mean where their status does not say it; the first that fits counts."
    )
    webhook: DeclaredHook | None = Field(
        default=None, description="Events of the system, how it signs them, and what to read again. Unset: none."
    )
    in_flight: int = Field(
        default=4, ge=1, le=32, description="Requests that may be under way at the same time. 1: one after another."
    )

    @property
    def declared(self) -> Mapping[str, Declared]:
        """The entities by name, parents before children."""
        from connector_pipelines.core.entities import ENTITIES

        stated: Mapping[str, Declared] = getattr(self, "entities", {})
        return {name: stated[name] for name in ENTITIES if name in stated}

    def paging_of(self, declared: Declared) -> Paging:
        """How an entity is paged."""
        return declared.paging or self.paging

    @model_validator(mode="after")
    def _tells_of_what_is_here(self) -> Self:
        named = {entity for some in (self.webhook.reads if self.webhook else {}).values() for entity in some}
        strange = sorted(named - set(getattr(self, "entities", {})))
        if strange:
            message = f"webhook.reads names {', '.join(strange)}, which this source does not feed"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, declared in getattr(self, "entities", {}).items():
            try:
                self._check(name, declared)
            except ValueError as error:
                message = f"{name}: {error}"
                raise ValueError(message) from None
        return self

    def _check(self, name: str, declared: Declared) -> None:
        from connector_pipelines.core.entities import ENTITIES

        if name not in ENTITIES:
            message = f"core has no such entity; it has {', '.join(ENTITIES)}"
            raise ValueError(message)
        check_columns(ENTITIES[name], declared.mapping)
        self._check_parent(declared)
        paging = self.paging_of(declared)
        if declared.incremental and declared.incremental.counts:
            _check_counting(declared, declared.incremental, paging)
        if getattr(paging, "short_page_ends", False) and any(one.then == "smaller" for one in self.answers):
            message = "short_page_ends takes a page that the source wants smaller for the last; name the end otherwise"
            raise ValueError(message)
        if getattr(self.auth, "place", "") == "body" and (declared.method != "POST" or declared.job):
            message = "a key in the body needs method POST, and no job, which is looked after with GET"
            raise ValueError(message)
        if getattr(paging, "into", "query") == "body" and declared.method != "POST":
            message = "paging into the body needs method POST"
            raise ValueError(message)
        for place in (*_places(paging), *_token_of(declared)):
            if not isinstance(place, Header) and not self.places_in_body:
                message = f"these pages have no place {place!r}; name a header: {{header: …}}"
                raise ValueError(message)
            if not isinstance(place, Header):
                paths.in_json(place)
        if isinstance(paging, LastRecord):
            type(declared).path_in(paging.key)

    def _check_parent(self, declared: Declared) -> None:
        each = declared.each
        if each is None or each.entity is None:
            return
        parent = self.declared.get(each.entity)
        if parent is None or parent is declared:
            message = f"each.entity is {each.entity}, which is no other entity of this source"
            raise ValueError(message)
        above, higher = [each.entity], parent.each
        while higher and higher.entity and higher.entity in self.declared:
            if higher.entity in above:
                message = f"{' and '.join(above)} are asked for each of one another"
                raise ValueError(message)
            above.append(higher.entity)
            higher = self.declared[higher.entity].each
        if each.changed_only and (parent.incremental is None or parent.incremental.counts):
            message = f"changed_only needs {each.entity} to be incremental by time"
            raise ValueError(message)
        for text in (str(each.field), *each.carry.values()):
            type(parent).path_in(text)


def _check_counting(declared: Declared, incremental: Incremental, paging: Paging) -> None:
    """A number says how far a read came only where what changes meanwhile still comes behind it."""
    if declared.each:
        message = "number and token are of one collection, and `each` asks for many"
        raise ValueError(message)
    fitting = SinglePage | Cursor | Link
    if incremental.number and not isinstance(paging, fitting):
        if isinstance(paging, LastRecord) and paging.key == incremental.number:
            return
        message = (
            "number needs pages in its own order that nothing shifts: paging none, cursor, link, or last_record with "
            f"the key {incremental.number}; otherwise a record that changes meanwhile could be left out for good"
        )
        raise ValueError(message)


def _token_of(declared: Declared) -> tuple[Place, ...]:
    token = declared.incremental.token if declared.incremental else None
    return () if token is None else (token,)


def _places(paging: Paging) -> list[Place]:
    named = [getattr(paging, name, None) for name in ("total", "more", "pages", "next")]
    return [place for place in named if place is not None]
