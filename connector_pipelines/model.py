"""The nouns: what a connector declares, and what the engine speaks of. All frozen, no behavior beyond arithmetic.

A connector declares a `Connector` with its `Stream`s. A user declares a `Source`: one instance of a connector.
The engine turns a stream's pages into a `Read`, a read into a `Plan`, an applied plan into a `Receipt`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from connector_pipelines import outward
from connector_pipelines.pages import Baseline, Reading, Stability, Together
from connector_pipelines.policy import Rule, SyncPolicy

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pandas as pd
    import pandera.pandas as pa
    from pydantic import BaseModel


class Mode(StrEnum):
    """How much a read asks for. Only a complete FULL read can prove that anything is absent; see also `Together`."""

    FULL = "full"
    INCREMENTAL = "incremental"


class PlanState(StrEnum):
    """Where a plan stands. `core` applies nothing but ACCEPTED plans."""

    PLANNED = "planned"
    ACCEPTED = "accepted"
    HELD = "held"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


class RunKind(StrEnum):
    """Where the rows of a run came from. Only a READ moves a cursor, proves absence, and can be planned by itself."""

    READ = "read"
    DRY_RUN = "dry_run"
    REPLAY = "replay"
    RETRY = "retry"
    UNDO = "undo"
    RESOLUTION = "resolution"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Window:
    """The span of modification times a read asks for, in UTC. Both ends open: everything.

    `after` is how far the reads before it came in the source's own counting, as `Reading.reached` told it.
    `ids` are asked for one by one instead, and nothing else: the external ids of records.
    """

    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None
    ids: tuple[str, ...] = ()

    @property
    def mode(self) -> Mode:
        """FULL exactly when nothing is left out."""
        return Mode.FULL if self.since is None and self.until is None and not self.ids else Mode.INCREMENTAL

    def __str__(self) -> str:
        if self.mode is Mode.FULL:
            return "everything"
        if self.ids:
            return f"{len(self.ids):,} records by their ids"
        since, until = (at and at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (self.since, self.until))
        return f"{since or 'the beginning'} to {until or 'now'}"


@dataclass(frozen=True, slots=True)
class Stream:
    """How one core entity is read from one kind of system.

    Attributes:
        entity: the core entity it feeds, e.g. "students".
        read: asks the client for the pages of a window.
        split: one raw page to its raw records. Pure. Raises `BrokenPage` for a page that is not what it should be.
        decode: one raw record, unless core is known to hold it, to a wire record (a dict). Pure. Raises `BadRow`.
        columns: for each external column, how to get it from a wire record. A missing value is None.
        schema: gives the pandera schema of what we accept; called for a read, so that declaring imports no pandera.
        transform: accepted external columns to core columns. Pure. The result has `external_id`, `modified_at`
            (UTC or null), every fed column of the entity, and for each reference the external id of its target.
        filters_by_time: the system can be asked for a span of modification times.
        counts, by_id: it can be asked for what came after a position of its own, which reads tell; for `Window.ids`.
        endpoint: what a person would call it, for the docs and metadata: "GET /students".
        together: says which records belong together, where a change of one of them brings all.
        once_a_day: it takes many calls, so that only full syncs and people read it more than once a day.
    """

    entity: str
    read: Callable[[Any, Window], Reading]
    split: Callable[[bytes], Sequence[bytes]]
    decode: Callable[[bytes], Any]
    columns: Mapping[str, Callable[[Any], object]]
    schema: Callable[[], pa.DataFrameSchema]
    transform: Callable[[pd.DataFrame], pd.DataFrame]
    filters_by_time: bool = True
    counts: bool = False
    by_id: bool = False
    endpoint: str = ""
    together: Together | None = None
    once_a_day: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """What a connection test found out."""

    ok: bool
    detail: str
    latency_seconds: float


@dataclass(frozen=True, slots=True)
class Connector:
    """A kind of system we can talk to: the table of contents of its folder.

    Attributes:
        name, title: of its folder, used in YAML and on the command line; and for people.
        config: pydantic model of what a source must say. Secrets in it are `external.secrets.Secret`.
        open: opens a client for a config; closing it releases every connection. No HTTP before the first call.
        streams, exports: what it can read and write for a config, what is referred to before what refers.
        check, abilities: a cheap call that proves URL and credentials; what else it can do, as `capabilities` has it.
        no_place: what people may look for among the exports, by name, and why this system cannot hold it.
        conflicts: who wins where a policy does not say it, by entity and field; else the source (K8).
        dialect: what people call the system where a config says that it is a special one; empty where it is none.
    """

    name: str
    title: str
    config: type[BaseModel]
    open: Callable[[Any], AbstractContextManager[Any]]
    streams: Callable[[Any], Sequence[Stream]]
    check: Callable[[Any], Health]
    abilities: tuple[object, ...] = ()
    exports: Callable[[Any], Sequence[outward.Export]] = outward.none
    no_place: Mapping[str, str] = field(default_factory=dict, hash=False)
    conflicts: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict, hash=False)
    dialect: Callable[[Any], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Source:
    """One instance of a connector, as a user declared it. Its name is the prefix of its assets and its mappings."""

    name: str
    connector: Connector
    config: BaseModel
    policy: SyncPolicy = field(default_factory=SyncPolicy)
    off: str = ""  # why it may not be read, as its declaration or the environment says; empty where it may

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams this source's config switches on, parents before children."""
        return tuple(self.connector.streams(self.config))

    @property
    def exports(self) -> tuple[outward.Export, ...]:
        """What its policy lets us write, what is referred to before what refers."""
        return tuple(one for one in self.connector.exports(self.config) if {one.entity, "*"} & {*self.policy.exports})

    @property
    def conflicts(self) -> dict[str, dict[str, Rule]]:
        """Who wins, by entity and field: as its policy says, else as is usual for its connector."""
        usual, said = self.connector.conflicts, self.policy.conflicts
        return {name: {**usual.get(name, {}), **said.get(name, {})} for name in {**usual, **said}}

    def stream(self, entity: str) -> Stream:
        """The stream that feeds an entity.

        Raises:
            KeyError: this source does not provide it.
        """
        streams = {stream.entity: stream for stream in self.streams}
        if entity not in streams:
            raise KeyError(f"source {self.name} has no {entity}; it provides {', '.join(streams)}")
        return streams[entity]

    def provides(self, entity: str) -> bool:
        """Whether this source feeds the entity."""
        return any(stream.entity == entity for stream in self.streams)


@dataclass(frozen=True, slots=True)
class Column:
    """A core column that sources feed. `kind` is its PostgreSQL type; a `required` one is never null."""

    name: str
    kind: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A core column that points to a row of another entity; sources name that row by its external id.

    Attributes:
        name: what it is called in staging and transform results, e.g. "student".
        column: the core column, e.g. "student_id".
        entity: the entity it points to.
        required: without it a row has no place in core. Either way a named but unknown target makes the row wait.
    """

    name: str
    column: str
    entity: str
    required: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """A core entity as the engine sees it: what is fed, what points where. Internal columns are simply not here.

    Attributes:
        inactive: the status of a row that is in use no more; nothing is ever deleted.
        identifiers: text columns that tell who or what a row is, the best one first; one value each.
        names: the parts of a person's name; only persons have them.
        final: columns with the values that make a row final: a final grade, an override.
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    references: tuple[Reference, ...]
    inactive: str = "inactive"
    identifiers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    final: tuple[tuple[str, str | bool], ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """Other entities that must be applied before this one can be planned."""
        return tuple(dict.fromkeys(r.entity for r in self.references if r.entity != self.name))

    @property
    def points_to_itself(self) -> bool:
        """Whether a row may have another one of the same entity as its parent."""
        return any(r.entity == self.name for r in self.references)


@dataclass(frozen=True, slots=True)
class Read:
    """One pass over a source's entity, landed and staged.

    Attributes:
        rows: rows the source sent. rows = staged + known + skipped + rejected; skipped rows belong elsewhere or repeat.
        known: rows that were recognized by their fingerprint: unchanged, and not even decoded.
        baseline: what recognizing them relied on; None where nothing was recognized.
        salt: of the fingerprints; another salt is other code or another configuration.
        complete: the source was read to its end by the contract's rule.
        snapshot: complete and everything was asked for, so absence means something.
        stability: whether the source held still meanwhile; None where nobody watched.
        reached: how far it came in the source's own counting; None where it has none.
        kind: where its rows came from.
        replays, undoes: the read whose landed pages a replay takes; the plans that an undo takes back.
    """

    id: int
    source: str
    entity: str
    window: Window
    started_at: datetime
    pages: int = 0
    rows: int = 0
    staged: int = 0
    known: int = 0
    rejected: int = 0
    complete: bool = False
    snapshot: bool = False
    stability: Stability | None = None
    reached: str | None = None
    salt: int = 0
    baseline: Baseline | None = None
    kind: RunKind = RunKind.READ
    replays: int | None = None
    undoes: tuple[int, ...] = ()

    @property
    def landed(self) -> int:
        """The id of the read whose landed pages these are."""
        return self.replays or self.id

    @property
    def trial(self) -> bool:
        """Nobody decided yet that anything should come of it: planning it leaves no trace but the plan."""
        return self.kind in {RunKind.DRY_RUN, RunKind.REPLAY}

    @property
    def proven(self) -> bool:
        """Whether what it does not hold is gone at the source, beyond doubt."""
        return self.snapshot and self.stability in {Stability.STABLE, Stability.REPAIRED}


@dataclass(frozen=True, slots=True)
class Counts:
    """The accounting of one plan: every fetched row is in exactly one of the others.

    fetched + retried = created + updated + unchanged + skipped + conflicts + dead_lettered.
    `retried` are rows that waited for their parents since an earlier read; `waiting` is the part of
    `dead_lettered` that waits now; `linked` is the part of `updated` and `unchanged` that was mapped to a row core had
    already; `dropped` and `absent` are rows the read did *not* contain: made inactive, or only noted.
    """

    fetched: int = 0
    retried: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    conflicts: int = 0
    dead_lettered: int = 0
    waiting: int = 0
    linked: int = 0
    dropped: int = 0
    absent: int = 0

    @property
    def accounted_for(self) -> bool:
        """Whether the identity holds."""
        outcomes = (self.created, self.updated, self.unchanged, self.skipped, self.conflicts, self.dead_lettered)
        return self.fetched + self.retried == sum(outcomes)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one read would change in core, counted and hashed, with the guard's verdict.

    Attributes:
        hash: of the rows that will be written, with their values before and after; the same for a replay.
        chunks: how many transactions applying takes.
        applied_chunks: how many of them are durable.
        reasons: why it is held or refused; why rows were skipped or rejected, with counts.
    """

    id: int
    source: str
    entity: str
    read_id: int
    state: PlanState
    hash: str
    counts: Counts
    chunks: int
    applied_chunks: int = 0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof after applying: the accounting, and what core was read back to hold.

    Attributes:
        planned_checksum, core_checksum: order-independent sums over the written rows, as planned and as read back.
        differences: external ids of all rows that are in core not what the plan wrote.
        digest: of what was written, by which a later change is noticed; empty before it is.
    """

    plan_id: int
    source: str
    entity: str
    counts: Counts
    planned_checksum: int
    core_checksum: int
    differences: tuple[str, ...] = ()
    seconds: float = 0.0
    digest: str = ""

    @property
    def verified(self) -> bool:
        """The counts add up and core holds what was planned."""
        return self.counts.accounted_for and self.planned_checksum == self.core_checksum and not self.differences


@dataclass(frozen=True, slots=True)
class Progress:
    """One step forward of long work, told once per page batch or chunk; `total` where the end is known."""

    source: str
    entity: str
    step: str
    done: int
    total: int | None = None
    unit: str = "rows"
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


Report = Callable[[Progress], None]
