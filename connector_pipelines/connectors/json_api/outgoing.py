"""What a JSON API takes from core, declared in YAML: models, and the records they make. Pure.

exports:
  outcomes:
    of: program_outcomes
    path: outcomes/$id
    fields:
      programme: program_outcome
      semester: {column: term_title, default: "all"}
      met: share_met
    at_least: {people: 10}
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from connector_pipelines.assessed import Days
from connector_pipelines.declarative.jobs import below
from connector_pipelines.declarative.mapping import Strict
from connector_pipelines.outward import Skipped, Unwanted
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.outward import Record

    Row = Mapping[str, Any]

LEAST = 10
"""Persons that a row about many is made of at least, unless the declaration says another number (G97)."""

ID = "id"
"""What a path calls the id of a record: `outcomes/$id`."""

Plain = str | int | float | bool


class Told(Strict):
    """What a field of the record is: a column of core, or a constant."""

    column: str | None = Field(default=None, description="The column of the extract.")
    value: Plain | None = Field(default=None, description="A constant instead of a column.")
    values: dict[str, Plain] = Field(
        default_factory=dict,
        description="What each value of core is called there, e.g. {Met: B}. One that is not listed is a dead letter.",
    )
    default: Plain | None = Field(default=None, description="What is said where core has nothing. Unset: null.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.column is None) == (self.value is None):
            message = "either a column or a value is needed, and not both"
            raise ValueError(message)
        return self


def _short(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


ToldBy = Annotated[Told, BeforeValidator(_short, json_schema_input_type=str | Told)]
"""A column alone, or all there is to say."""


class Standing(Strict):
    """The field by which the system knows whether a record holds. Nothing is deleted there."""

    field: str = Field(default="status", min_length=1, description="Its name.")
    active: Plain = Field(default="active", description="What it says of a record that holds.")
    withdrawn: Plain = Field(default="withdrawn", description="What it says of one that core withdraws.")


class LastWrite(Strict):
    """Where both sides say when a record was changed, for the rule last_write_wins."""

    column: str = Field(description="The column of the extract that says when core changed the row, e.g. changed_at.")
    field: str = Field(
        min_length=1, description="The field of the record there that says when it was changed: seconds, or ISO 8601."
    )


class Outgoing(Strict):
    """One kind of record that is kept up there, each by a PUT to an address of its own."""

    of: str | None = Field(
        default=None, description="The extract of core it is made of, e.g. program_outcomes. Unset: the export's name."
    )
    path: str = Field(description="The address of one record, appended to base_url, with our id in it: outcomes/$id.")
    envelope: str = Field(
        default="", description="The field of a body that holds the record. Unset: the body is the record."
    )
    fields: dict[str, ToldBy] = Field(min_length=1, description="The record's fields: a column of the extract each.")
    standing: Standing = Field(
        default_factory=Standing, description="The field that says whether a record holds, and what it says."
    )
    only: dict[str, Plain] = Field(
        default_factory=dict, description="Only rows with these values, e.g. {finalized: true}; others are withdrawn."
    )
    at_least: dict[str, float] = Field(
        default_factory=dict,
        description="Only rows with at least these numbers, e.g. {people: 20}; others are withdrawn. Rows about many "
        "persons are of 10 at least unless another number stands here, so that nobody is told apart in them.",
    )
    dates: dict[str, Days] = Field(
        default_factory=dict,
        description="Only rows of these days, e.g. {graded_at: {since: 2026-09-01, until: 2026-12-20}}. Others are "
        "left out; what stands there of them stays.",
    )
    last_write: LastWrite | None = Field(
        default=None, description="When a record was changed here and there. Unset: nobody says."
    )
    refers: dict[str, str] = Field(
        default_factory=dict,
        description="References of the extract to records of another export, by its name: {person: people}. A row "
        "waits until that record stands there. Other references are the ids that the system itself gave to what it "
        "has fed to core.",
    )
    id_prefix: str = Field(
        default="core",
        pattern=r"^[A-Za-z0-9_-]{1,40}$",
        description="What our ids begin with. Must be another one in every installation that writes to the same "
        "system, and must not change.",
    )

    @field_validator("path")
    @classmethod
    def _of_one(cls, value: str) -> str:
        if set(Template(below(value)).get_identifiers()) != {ID}:
            message = f"the path of one record is needed, with ${ID} in it and no other name"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.standing.active == self.standing.withdrawn:
            message = "standing.active and standing.withdrawn say the same"
            raise ValueError(message)
        if self.standing.field in self.fields:
            message = f"{self.standing.field} is the field of `standing`; name another one there"
            raise ValueError(message)
        if self.last_write and self.last_write.field in self.fields:
            message = f"{self.last_write.field} is a field of ours; last_write needs one that the system writes itself"
            raise ValueError(message)
        return self

    @property
    def times(self) -> tuple[str, str] | None:
        """As `Export.times`."""
        return (self.last_write.column, self.last_write.field) if self.last_write else None

    def columns(self) -> set[str]:
        """Every column that is named."""
        told = {one.column for one in self.fields.values() if one.column}
        told |= {self.last_write.column} if self.last_write else set()
        return told | self.only.keys() | self.at_least.keys() | self.dates.keys() | self.refers.keys()


def check(exports: Mapping[str, Outgoing]) -> None:
    """Whether exports name extracts and columns that core has, and one another.

    Raises:
        ValueError: one does not; the message names the export and what there is.
    """
    from connector_pipelines.core.extracts import EXTRACTS

    for name, declared in exports.items():
        of = EXTRACTS.get(declared.of or name)
        if of is None:
            message = f"{name}: core has no extract {declared.of or name}; it has {', '.join(EXTRACTS)}"
            raise ValueError(message)
        known = ["key", *of.columns, *of.references]
        if strange := sorted(declared.columns() - set(known)):
            message = f"{name}: {of.name} has no column {', '.join(strange)}; it has {', '.join(known)}"
            raise ValueError(message)
        for reference, there in declared.refers.items():
            kept = exports.get(there)
            if reference not in of.references or kept is None or (kept.of or there) != of.references[reference]:
                message = f"{name}: refers.{reference} needs an export of {of.references.get(reference, 'a reference')}"
                raise ValueError(message)


def fed(name: str, declared: Outgoing) -> tuple[str, ...]:
    """The references that are told by the ids which the system gave itself."""
    from connector_pipelines.core.extracts import extract

    references = extract(declared.of or name).references
    return tuple(one for one in references if one in declared.columns() and one not in declared.refers)


def choose(name: str, declared: Outgoing) -> Callable[[Row], Skipped | Unwanted | None]:
    """A function that says which rows have no place there."""
    from connector_pipelines.core.extracts import extract

    crowd = extract(declared.of or name).crowd
    numbers = {crowd: LEAST, **declared.at_least} if crowd else declared.at_least

    def chosen(row: Row) -> Skipped | Unwanted | None:
        for column, days in declared.dates.items():
            if not isinstance(row[column], date | None):
                raise BadRow("no day", f"{column} is neither a day nor a time; `dates` needs one")
            if not days.meet(row[column], row[column]):
                return Skipped(f"its {column} is not within the dates")
        for column, value in declared.only.items():
            if plain(row[column]) != value:
                return Unwanted(f"its {column} is not {value}")
        for column, least in numbers.items():
            if row[column] is None or row[column] < least:
                return Unwanted(f"its {column} is less than {least:g}")
        return None

    return chosen


def shape(declared: Outgoing) -> Callable[[Row], Record]:
    """A function that makes the record of a row."""

    def shaped(row: Row) -> Record:
        record = {name: _said(name, told, row) for name, told in declared.fields.items()}
        return record | {declared.standing.field: declared.standing.active}

    return shaped


def _said(name: str, told: Told, row: Row) -> Any:
    if told.column is None:
        return told.value
    value = plain(row[told.column])
    if value is None:
        return told.default
    if told.values and str(value) not in told.values:
        known = ", ".join(told.values)
        raise BadRow(
            "MAPPING_ERROR: unknown value", f"{told.column} has a value that {name} has no word for; it has for {known}"
        )
    return told.values[str(value)] if told.values else value


def plain(value: Any) -> Any:
    """A value of core as JSON has it: numbers as numbers, days and times as ISO 8601, times in UTC."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case _:
            return value
