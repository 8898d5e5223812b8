"""What a JSON API source must say. This model is the schema of its `defs.yaml`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from connector_pipelines.connectors.json_api.outgoing import Outgoing, check
from connector_pipelines.declarative import paths
from connector_pipelines.declarative.paging import LastRecord, Offset, PageNumber
from connector_pipelines.declarative.settings import Declared, Settings

Format = Literal["json", "jsonl", "xml"]


class JsonEntity(Declared):
    """One core entity of a JSON API."""

    records: str = Field(
        default="@",
        description="Where the records are on a page: a JMESPath expression, @ for the page itself. For XML, a path of "
        "tags below the root. Not for JSON lines.",
    )
    layout: Literal["rows", "columns"] = Field(
        default="rows",
        description="columns: an object of lists of the same length, one for each field, as Finale sends them.",
    )
    expand: str | None = Field(
        default=None,
        description="Each element of this list is a record of its own, e.g. lines; what it belongs to is `_parent`.",
    )
    missing_is_empty: bool = Field(
        default=False, description="A page without its records, or with null, holds none. Otherwise it is an error."
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for text in filter(None, (self.expand,)):
            paths.in_json(text)
        return self


class JsonApiConfig(Settings):
    """One source with a JSON API, declared here alone."""

    format: Format = Field(default="json", description="How pages are written: json, jsonl (a record a line) or xml.")
    entities: dict[str, JsonEntity] = Field(default_factory=dict, description="The core entities it feeds, by name.")
    exports: dict[str, Outgoing] = Field(
        default_factory=dict, description="What it takes from core, by name; `policy.exports` switches it on."
    )

    @model_validator(mode="after")
    def _both_ways(self) -> Self:
        if not self.entities and not self.exports:
            message = "entities or exports are needed: what it feeds, or what it takes"
            raise ValueError(message)
        if self.exports and self.format != "json":
            message = "exports are written as JSON; they need format json"
            raise ValueError(message)
        check(self.exports)
        return self

    @model_validator(mode="after")
    def _shapes(self) -> Self:
        for name, declared in self.entities.items():
            if self.format == "json":
                self._check_counting(name, declared)
            elif declared.layout == "columns":
                message = f"{name}: layout columns is for format json"
                raise ValueError(message)
            if self.format == "jsonl" and declared.records != "@":
                message = f"{name}: a page of JSON lines has its records line by line; leave out records"
                raise ValueError(message)
            if self.format == "xml" and declared.records == "@":
                message = f"{name}: records is needed, as a path of tags below the root, e.g. Catalog/Product"
                raise ValueError(message)
        return self

    def _check_counting(self, name: str, declared: JsonEntity) -> None:
        """An expression may leave records out or make several of one; then nobody knows how many the source sent."""
        computed = declared.records != "@" and not paths.in_json(declared.records).names
        paging = self.paging_of(declared)
        if computed and (isinstance(paging, PageNumber | Offset | LastRecord) or paging.total is not None):
            message = (
                f"{name}: this paging counts the records of a page, and {declared.records!r} may change their number; "
                "name the list by a plain path, and use keep or expand"
            )
            raise ValueError(message)
