"""Which field of a source feeds which core column (requirements E19, E45-E52): models of the YAML, and what they mean.

mapping:
  name: supplierName                                      the short form: a path alone
  lead_time_days: {path: leadTimeDays, optional: true}
  status: {path: state, values: {"A": active, "X": inactive}}
  order_date: {path: orderedOn, format: "%d.%m.%Y"}
  currency: {value: USD}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.model import Entity


class Strict(BaseModel):
    """Refuses unknown fields, so that a typing mistake does not pass as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fed(Strict):
    """What feeds one core column: a field of the record, or a constant."""

    path: str | None = Field(default=None, min_length=1, description="Where the value is in a record.")
    value: str | None = Field(default=None, description="A constant instead of a path, e.g. USD.")
    optional: bool = Field(
        default=False,
        description="The source may leave the field out where it has nothing. Otherwise a page on which no record "
        "knows the field is a MAPPING_ERROR.",
    )
    default: str | None = Field(default=None, description="What an empty or missing value becomes.")
    values: dict[str, str] = Field(
        default_factory=dict,
        description="What each value of the source is called in core. A value not listed is "
        "a dead letter, unless `otherwise` is set.",
    )
    otherwise: str | None = Field(default=None, description="What a value becomes that `values` does not list.")
    format: str | None = Field(
        default=None,
        description="How days or times are written: a strptime format such as %d.%m.%Y, epoch for seconds since 1970, "
        "epoch_ms for milliseconds. Unset: ISO 8601.",
    )
    decimal: str = Field(default=".", min_length=1, max_length=1, description="The decimal separator of numbers.")
    thousands: str | None = Field(default=None, max_length=1, description="The separator of thousands, if any.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.path is None) == (self.value is None):
            message = "either a path or a value is needed, and not both"
            raise ValueError(message)
        if self.thousands == self.decimal:
            message = "decimal and thousands cannot be the same character"
            raise ValueError(message)
        if self.otherwise is not None and not self.values:
            message = "otherwise needs values"
            raise ValueError(message)
        return self


def _short(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


FedBy = Annotated[Fed, BeforeValidator(_short, json_schema_input_type=str | Fed)]
"""A path alone, or all there is to say."""


class Moment(Strict):
    """When the source last changed a record."""

    path: str = Field(min_length=1, description="Where the time is in a record.")
    format: str | None = Field(
        default=None, description="As for mapped fields. Unset: ISO 8601; a time without zone is UTC."
    )


class Deleted(Strict):
    """How the source calls a record deleted."""

    path: str = Field(min_length=1, description="The field that says so.")
    values: tuple[str, ...] = Field(
        default=("true", "1", "yes"), min_length=1, description="Its values that mean deleted, in any case."
    )


ModifiedBy = Annotated[Moment, BeforeValidator(_short, json_schema_input_type=str | Moment)]
DeletedBy = Annotated[Deleted, BeforeValidator(_short, json_schema_input_type=str | Deleted)]

PRESENT: Mapping[str, str] = {"enrollments": "enrolled", "purchase_orders": "open", "purchase_order_lines": "open"}
"""The status of a record where none is mapped, unless it is "active"."""

GONE: Mapping[str, str] = {
    "enrollments": "dropped",
    "purchase_orders": "cancelled",
    "purchase_order_lines": "cancelled",
}
"""The status of a record that the source calls deleted, unless it is "inactive"."""


def check_columns(entity: Entity, mapping: Mapping[str, Any]) -> None:
    """Whether a mapping names columns that core has, and all those it cannot do without.

    Raises:
        ValueError: it does not; the message names the columns.
    """
    known = targets(entity)
    unknown = [name for name in mapping if name not in known]
    if unknown:
        message = f"core/{entity.name} has no column {', '.join(unknown)}; it has {', '.join(known)}"
        raise ValueError(message)
    lacking = [name for name in required(entity) if name not in mapping and name != "status"]
    if lacking:
        message = f"core/{entity.name} needs {', '.join(lacking)}"
        raise ValueError(message)


def targets(entity: Entity) -> dict[str, str]:
    """The columns a mapping may name, as PostgreSQL calls them, with what a transform calls them."""
    return {c.name: c.name for c in entity.columns} | {r.column: r.name for r in entity.references}


def required(entity: Entity) -> tuple[str, ...]:
    """The columns that may not be null, as PostgreSQL calls them."""
    never_null = [c.name for c in entity.columns if c.required] + [r.column for r in entity.references if r.required]
    return tuple(never_null)
