"""What may happen to core because of one source: the `policy` part of its declaration. Tables, hardly any behavior.

Everything here has a safe default: the source wins, nothing is dropped, nobody is matched, the guard watches.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SKEW = timedelta(minutes=5)
"""A system's clock may be ahead by this; a time beyond it is not believed, and counts as the moment we looked."""


class Rule(StrEnum):
    """Who wins when the source and a person changed the same field (requirements G63-G66)."""

    EXTERNAL_WINS = "external_wins"
    LAST_WRITE_WINS = "last_write_wins"
    CORE_OWNS = "core_owns"
    CORE_FINAL = "core_final"
    """What a person set in a final grade, or in an override, stays; all else goes by the later write (K8)."""
    MANUAL = "manual"


class Take(StrEnum):
    """Which value a person wants where both sides changed a field."""

    CORE = "core"
    SOURCE = "source"
    VALUE = "value"


class Missing(StrEnum):
    """What becomes of a record that names a parent core does not have (G43)."""

    WAIT = "wait"
    """It is kept, and taken up by itself when the parent comes."""
    SKIP = "skip"
    """It is left out and counted; the source has to send it again."""
    IMPORT = "import"
    """The parent is read from the source by its id, where the system can be asked so; what it has not got waits."""


class Limits(BaseModel):
    """How much one plan may change by itself, as shares of what the source had in core before (S2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    absent: float = Field(default=0.2, ge=0, description="Share of records that may be gone.")
    created: float = Field(default=0.9, ge=0, description="Share that may be new; less than a doubling by default.")
    updated: float = Field(default=0.6, ge=0, description="Share that may change.")
    linked: float = Field(default=0.2, ge=0, description="Share that may be mapped to rows core has already.")
    dropped: float = Field(default=0.1, ge=0, description="Share that may be made inactive in core.")
    floor: int = Field(default=20, ge=0, description="Fewer rows than this are never held for their share.")


class Season(BaseModel):
    """A time of the year in which more changes than usual, such as the begin of a term."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    name: str = Field(min_length=1, description="What people call it; the reasons of a held plan say it.")
    start: date = Field(alias="from", description="First day, in UTC.")
    until: date = Field(description="Last day, in UTC.")
    entities: tuple[str, ...] = Field(default=(), description="Only these entities; all where none is named.")
    limits: Limits = Field(description="What is said here holds meanwhile; what is not said stays as it is.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until < self.start:
            message = f"the season {self.name!r} ends before it begins"
            raise ValueError(message)
        return self

    def covers(self, entity: str, day: date) -> bool:
        """Whether it is this season for an entity."""
        return self.start <= day <= self.until and (not self.entities or entity in self.entities)


class GuardPolicy(BaseModel):
    """The mass-change guard's limits: for every entity, for one by name, and for a season."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: Limits = Field(default_factory=Limits, description="For every entity.")
    entities: dict[str, Limits] = Field(
        default_factory=dict, description="What differs for single entities, by name; the rest is as for all."
    )
    seasons: tuple[Season, ...] = Field(default=(), description="What differs for some time; a later one wins.")

    def limits_for(self, entity: str, day: date) -> tuple[Limits, tuple[str, ...]]:
        """The limits of an entity on a day, and the names of the seasons that shape them."""
        seasons = [season for season in self.seasons if season.covers(entity, day)]
        limits = self.limits
        for part in [self.entities.get(entity, Limits()), *(season.limits for season in seasons)]:
            limits = limits.model_copy(update={name: getattr(part, name) for name in part.model_fields_set})
        return limits, tuple(season.name for season in seasons)


class SyncPolicy(BaseModel):
    """What one source may do to core, and core to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str = Field(
        default="default",
        pattern=r"^[a-z][a-z0-9_-]{0,62}$",
        description="Whose source it is. A role of the database that looks for one tenant sees none of another's.",
    )
    guard: GuardPolicy = Field(default_factory=GuardPolicy, description="When a plan waits for a person.")
    conflicts: dict[str, dict[str, Rule]] = Field(
        default_factory=dict, description="Per entity and field, or '*' for all its fields: who wins. Else the source."
    )
    drops: tuple[str, ...] = Field(
        default=(), description="Entities of which a record that is proven gone is made inactive in core."
    )
    auto_create: dict[str, bool] = Field(
        default_factory=dict,
        description="Per entity, or '*' for all: false skips records that core has no row for. Else they are created.",
    )
    missing_parents: dict[str, Missing] = Field(
        default_factory=dict,
        description="Per entity, what becomes of a record whose parent core does not have: wait, skip or import."
        " Else it waits; where the parent may not be created, it is skipped.",
    )
    matching: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Per entity, the columns by which a new record is recognized as a row that core has, in order.",
    )
    exports: tuple[str, ...] = Field(
        default=(),
        description="What is written to the source, by its name there, or '*' for all that its connector can write."
        " Guard, seasons and drops know it as export/<name>.",
    )

    def creates(self, entity: str) -> bool:
        """Whether a record that core has no row for gets one (G19)."""
        return self.auto_create.get(entity, self.auto_create.get("*", True))

    def skips(self, entity: str, parent: str) -> bool:
        """Whether a record of an entity is left out when core does not have its parent."""
        return self.missing_parents.get(entity) is Missing.SKIP or not self.creates(parent)

    def imports(self, entity: str, parent: str) -> bool:
        """Whether such a parent is read from the source by its id."""
        return self.missing_parents.get(entity) is Missing.IMPORT and self.creates(parent)
