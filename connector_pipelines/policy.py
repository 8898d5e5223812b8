"""What may happen to core because of one source: the `policy` part of its declaration. Tables, no behavior.

Everything here has a safe default: the source wins, nothing is dropped, nobody is matched, the guard watches.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Rule(StrEnum):
    """Who wins when the source and a person changed the same field (requirements G63-G66)."""

    EXTERNAL_WINS = "external_wins"
    LAST_WRITE_WINS = "last_write_wins"
    CORE_OWNS = "core_owns"
    MANUAL = "manual"


class Take(StrEnum):
    """Which value a person wants where both sides changed a field."""

    CORE = "core"
    SOURCE = "source"
    VALUE = "value"


class Limits(BaseModel):
    """How much one plan may change by itself, as shares of what the source had in core before (S2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    absent: float = Field(default=0.2, ge=0, description="Share of records that may be gone.")
    created: float = Field(default=1.0, ge=0, description="Share that may be new.")
    updated: float = Field(default=0.6, ge=0, description="Share that may change.")
    floor: int = Field(default=20, ge=0, description="Fewer rows than this are never held for their share.")


class GuardPolicy(BaseModel):
    """The mass-change guard's limits: for every entity, or for one by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: Limits = Field(default_factory=Limits, description="For every entity that has none of its own.")
    entities: dict[str, Limits] = Field(default_factory=dict, description="Limits of single entities, by name.")


class SyncPolicy(BaseModel):
    """What one source may do to core."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    guard: GuardPolicy = Field(default_factory=GuardPolicy, description="When a plan waits for a person.")
    conflicts: dict[str, dict[str, Rule]] = Field(
        default_factory=dict, description="Per entity and field, or '*' for all its fields: who wins. Else the source."
    )
    drops: tuple[str, ...] = Field(
        default=(), description="Entities of which a record that is proven gone is made inactive in core."
    )
    matching: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Per entity, the columns by which a new record is recognized as a row that core has, in order.",
    )
