"""All entities of a source, in the order of their dependencies: what the command line, the demo and tests run."""

from __future__ import annotations

import time
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import ConfigurationError, SyncError
from connector_pipelines.garbage import few_collections
from connector_pipelines.mapping import fingerprints
from connector_pipelines.model import Mode
from connector_pipelines.sync import records
from connector_pipelines.sync.applying import apply
from connector_pipelines.sync.beside import Behind
from connector_pipelines.sync.planning import plan
from connector_pipelines.sync.pull import pull
from connector_pipelines.sync.sources import register

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.model import Plan, Read, Receipt, Source, Window
    from connector_pipelines.sync.context import Context


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entity: the newest plan of the read as it stands now, and the receipt unless it is held."""

    entity: str
    plan: Plan
    receipt: Receipt | None
    seconds: float

    @property
    def verified(self) -> bool:
        """The plan was applied and proven."""
        return self.receipt is not None and self.receipt.verified


def in_order(source: Source, entities: Sequence[str] | None = None) -> list[str]:
    """The source's entities, parents before children."""
    wanted = [entity for entity in ENTITIES if source.provides(entity)]
    return [entity for entity in wanted if entities is None or entity in entities]


def sync(
    context: Context,
    source: Source,
    *,
    mode: Mode = Mode.FULL,
    span: Window | None = None,
    entities: Sequence[str] | None = None,
    dry_run: bool = False,
) -> Iterator[Outcome]:
    """Read, plan and apply entity after entity; each outcome as soon as it is there.

    A dry run stops at the plan: core, mappings, cursors and dead letters stay as they are.

    Where the context allows more connections, entities are read ahead, and planned ahead of those that are applied:
    reading keeps this process busy, the others the database, which plans on one core. What was read waits in staging,
    not in memory.

    Raises:
        ConfigurationError: the source feeds nothing.
        SyncError: what stopped an entity, with its place. Entities before it are done; core has nothing of later ones.
    """
    if not source.streams:
        raise ConfigurationError(
            f"{source.name} feeds nothing to core.", remedy=f"It takes records of core: export to {source.name}."
        )
    register(context.connection, source)
    reads = _reads(context, source, in_order(source, entities), _How(mode, span, dry_run))
    carry_out = _in_turn if context.url is None or dry_run else _ahead
    with few_collections():
        yield from carry_out(context, source, reads)


def resync(
    context: Context, source: Source, *, who: str, apply: bool, entities: Sequence[str] | None = None
) -> Iterator[Outcome]:
    """Read everything and compare every record with core, also those that look unchanged (G73).

    Args:
        context: the run's surroundings.
        source: what to read.
        who: who asks for it, for the audit log.
        apply: do it; without, everything is read and planned, and core stays.
        entities: only these; all by default.

    Raises:
        ConfigurationError, SyncError: see `sync`.
    """
    if apply:
        named, connection = in_order(source, entities), context.connection
        register(connection, source)
        with connection.transaction():
            fingerprints.forget(connection, source.name, named)
            records.audit(connection, "full re-sync", who=who, source=source.name, entity=", ".join(named))
    return sync(context, source, entities=entities, dry_run=not apply)


def _in_turn(context: Context, source: Source, reads: Iterator[_Begun]) -> Iterator[Outcome]:
    for begun in reads:
        plan(context, source, begun.entity)
        yield _applied(context, source, begun)


def _ahead(context: Context, source: Source, reads: Iterator[_Begun]) -> Iterator[Outcome]:
    """The next entities are planned while one is applied: a plan counts on parents that are accepted.

    When the caller stops, what is being applied is applied to its end, and nothing after it.
    """
    with connect(context.url) as connection, Behind[Outcome]() as applied:
        own = replace(context, connection=connection)
        try:
            for begun in reads:
                plan(context, source, begun.entity)
                applied.add(copy_context().run, _applied, own, source, begun)
                yield from applied.done()
        except SyncError:  # the next entity's; those before it are done all the same
            yield from applied.rest()
            raise
        yield from applied.rest()


def _applied(context: Context, source: Source, begun: _Begun) -> Outcome:
    """What became of an entity that is planned."""
    receipts = [] if begun.read.trial else apply(context, begun.entity, {source.name: source}, only=source.name)
    newest = records.plan_of(context.connection, begun.read.id)
    receipt = next((r for r in receipts if r.plan_id == newest.id), None)
    return Outcome(begun.entity, newest, receipt, time.monotonic() - begun.at)


@dataclass(frozen=True, slots=True)
class _How:
    mode: Mode
    span: Window | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Begun:
    """An entity with its completed read, and when that began, in monotonic seconds."""

    entity: str
    read: Read
    at: float


def _reads(context: Context, source: Source, entities: Sequence[str], how: _How) -> Iterator[_Begun]:
    """Each entity, read; reading goes on while the caller plans and applies.

    When the caller stops, what is being read is read to its end, and nothing after it.
    """

    def read(surroundings: Context, entity: str) -> _Begun:
        started = time.monotonic()
        found = pull(surroundings, source, entity, mode=how.mode, span=how.span, dry_run=how.dry_run)
        return _Begun(entity, found, started)

    if context.url is None:
        yield from (read(context, entity) for entity in entities)
        return
    with connect(context.url) as second, Behind[_Begun]() as reading:
        own = replace(context, connection=second)
        for entity in entities:
            # In the caller's context: clients that are opened there share its limits and its kept tokens.
            reading.add(copy_context().run, read, own, entity)
        yield from reading.rest()
