"""What a CSV API source must say. This model is the schema of its `defs.yaml`."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from connector_pipelines.declarative import paths
from connector_pipelines.declarative.mapping import Strict
from connector_pipelines.declarative.settings import Declared, Settings

if TYPE_CHECKING:
    from collections.abc import Callable


class Dialect(Strict):
    """How tables are written."""

    encoding: str = Field(
        default="utf-8", description="The character set, e.g. windows-1252. A byte order mark goes before it."
    )
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="What stands between cells.")
    quote: str | None = Field(
        default='"', min_length=1, max_length=1, description="What stands around cells that hold a delimiter, if any."
    )
    escape: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="What stands before a quote in a cell. Unset: it is doubled.",
    )
    skip_lines: int = Field(default=0, ge=0, le=1_000, description="Lines before the header that say something else.")
    header: tuple[str, ...] = Field(
        default=(), description="The columns' names, for tables without a header. Unset: the first line has them."
    )
    null_tokens: tuple[str, ...] = Field(
        default=(), description="Cells that mean that there is nothing, e.g. [NULL, N/A]. An empty cell always does."
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            message = f"{value!r} is no character set that Python knows"
            raise ValueError(message) from None
        return value


class CsvEntity(Declared):
    """One core entity of a CSV API. A path is a column's name, as the header has it."""

    path_in: ClassVar[Callable[[str], paths.Path]] = paths.in_csv


class CsvApiConfig(Settings):
    """One source with a CSV API, declared here alone."""

    places_in_body: ClassVar[bool] = False

    dialect: Dialect = Field(default_factory=Dialect, description="How its tables are written.")
    entities: dict[str, CsvEntity] = Field(min_length=1, description="The core entities it feeds, by name.")

    @model_validator(mode="after")
    def _columns(self) -> Self:
        header = self.dialect.header
        for name, declared in self.entities.items() if header else ():
            unknown = [path for path in declared.own_paths() if path not in header and not path.startswith("_parent.")]
            if unknown:
                message = f"{name}: dialect.header has no column {', '.join(unknown)}"
                raise ValueError(message)
        return self
