"""Reconciles: what the source said last, from the landed pages, against what core holds. Nothing is written.

What the source said is its newest applied complete full read, and every applied read since. All of it is decoded again
by today's code, so that nothing rests on what an earlier sync believed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.errors import ConfigurationError, at
from connector_pipelines.mapping import differences
from connector_pipelines.model import RunKind
from connector_pipelines.policy import Rule
from connector_pipelines.sync import records
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.pull import restage
from connector_pipelines.sync.whole import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Source
    from connector_pipelines.sync.context import Context

NAMED = 100
"""So many differences are named unless somebody asks for more; `Reconciliation.counts` counts them all."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one record that is not what the source said; without a field, the record as a whole.

    Attributes:
        kind: what explains it, or one of `differences.ALARMS`; see `mapping/differences.py`.
    """

    external_id: str
    field: str
    kind: str
    core: object
    source: object


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What came out for one entity.

    Attributes:
        reads: that were compared, the oldest first.
        counts: differences by kind.
        named: the first of them, alarms before all others.
    """

    source: str
    entity: str
    reads: tuple[int, ...]
    counts: dict[str, int]
    named: tuple[Difference, ...]

    @property
    def alarms(self) -> int:
        """How many differences nothing explains."""
        return sum(self.counts.get(kind, 0) for kind in differences.ALARMS)


def reconcile_all(
    context: Context, source: Source, entities: Sequence[str] | None = None, *, limit: int = NAMED
) -> Iterator[Reconciliation]:
    """Compare a source's entities with core, parents before children; each as soon as it is done. See `reconcile`."""
    for entity in in_order(source, entities):
        yield reconcile(context, source, entity, limit=limit)


def reconcile(context: Context, source: Source, entity: str, *, limit: int = NAMED) -> Reconciliation:
    """Compare a source's entity with core.

    Args:
        context: the run's surroundings.
        source: what said it.
        entity: what to compare.
        limit: at most so many differences are named; 0 names all.

    Raises:
        AnotherRunIsActive: the source's entity is being read or planned just now.
        BrokenPage: a landed page is missing or damaged.
        ConfigurationError: no complete full read was applied yet.
    """
    connection, core = context.connection, core_entity(entity)
    with at(source.name, entity), hold(connection, f"{source.name}/{entity}"):
        reads = _reads(context, source.name, entity)
        with connection.transaction(force_rollback=True):  # what is staged for looking is gone afterwards
            for read_id in reads:
                read = records.load_read(connection, read_id)
                restage(context, source, replace(read, kind=RunKind.REPLAY))
            differences.compare(connection, core, source.name, reads, owned=_owned(source, entity))
            named = tuple(Difference(*row) for row in differences.first(connection, limit or None))
            counts = differences.counted(connection)
    return Reconciliation(source.name, entity, tuple(reads), counts, named)


def comparable(connection: Connection, source: str) -> list[str]:
    """The entities of a source that were read in full and applied, so that they can be reconciled."""
    rows = connection.execute(
        "SELECT DISTINCT r.entity FROM connector.sync_runs r JOIN connector.sync_plans p ON p.run_id = r.id"
        " WHERE r.source = %s AND r.kind = 'read' AND r.snapshot AND p.state = 'applied' ORDER BY 1",
        [source],
    ).fetchall()
    return [cast("str", entity) for (entity,) in rows]


def _reads(context: Context, source: str, entity: str) -> list[int]:
    rows = context.connection.execute(
        "SELECT r.id, r.snapshot FROM connector.sync_runs r JOIN connector.sync_plans p ON p.run_id = r.id"
        " WHERE r.source = %s AND r.entity = %s AND r.kind = 'read' AND p.state = 'applied' ORDER BY r.id",
        [source, entity],
    ).fetchall()
    applied = cast("list[tuple[int, bool]]", rows)
    full = [read for read, snapshot in applied if snapshot]
    if not full:
        raise ConfigurationError(
            "no complete full read was applied yet.", remedy="Run the full sync first; with a filter none is full."
        )
    return [read for read, _ in applied if read >= full[-1]]


def _owned(source: Source, entity: str) -> list[str]:
    """The fields that the source's policy leaves to core."""
    rules, core = source.conflicts.get(entity, {}), core_entity(entity)
    fed = [c.name for c in core.columns] + [r.column for r in core.references]
    return [name for name in fed if rules.get(name, rules.get("*")) is Rule.CORE_OWNS]
