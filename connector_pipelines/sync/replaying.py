"""Replays what was read, from the landed pages: no request goes out, and the same pages give the same plan.

`replay`    plans one stored read anew against core as it is: what would today's code have done with those pages?
`rebuild`   takes all stored reads of a source in their order into an empty database, and compares the plans' hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.database.connection import scalar
from connector_pipelines.errors import ConfigurationError, at
from connector_pipelines.mapping.identities import activate
from connector_pipelines.model import PlanState, RunKind
from connector_pipelines.sync import records
from connector_pipelines.sync.applying import apply
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.planning import plan_read
from connector_pipelines.sync.pull import restage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Plan, Read, Source
    from connector_pipelines.sync.context import Context


@dataclass(frozen=True, slots=True)
class Stored:
    """A read whose pages are landed, and the plan of it that was applied; None where none was."""

    read: Read
    applied: str | None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A read that was taken again, with the plan it gave now."""

    stored: Stored
    plan: Plan

    @property
    def same(self) -> bool:
        """Whether it gave the plan that was applied then."""
        return self.stored.applied in {None, self.plan.hash}


def replay(context: Context, source: Source, read_id: int) -> Plan:
    """Plan a stored read anew, as a dry run: nothing moves, and the plan can be approved by its hash.

    Raises:
        AnotherRunIsActive: the source's entity is being read or planned just now.
        BrokenPage: a landed page is missing or damaged.
        ConfigurationError: the source has no complete read of that number.
    """
    old = next((one.read for one in stored_reads(context.connection, source.name) if one.read.id == read_id), None)
    if old is None:
        raise ConfigurationError(
            f"{source.name} has no complete read {read_id}.", remedy="Take its number from the external asset."
        )
    lock = hold(context.connection, f"{source.name}/{old.entity}")
    with at(source.name, old.entity), lock, context.connection.transaction():
        read = _again(context, old, RunKind.REPLAY, replays=old.landed)
        return plan_read(context, source, restage(context, source, read))


def stored_reads(connection: Connection, source: str) -> list[Stored]:
    """All complete reads of a source, in the order in which they were planned: parents may be read after children."""
    rows = connection.execute(
        "SELECT r.id, (array_agg(p.hash ORDER BY p.id DESC) FILTER (WHERE p.state = 'applied'))[1]"
        " FROM connector.sync_runs r LEFT JOIN connector.sync_plans p ON p.run_id = r.id"
        " WHERE r.source = %s AND r.kind IN ('read', 'dry_run') AND r.complete AND r.state = 'read'"
        " GROUP BY r.id ORDER BY coalesce(max(p.id) FILTER (WHERE p.state = 'applied'), max(p.id)), r.id",
        [source],
    ).fetchall()
    return [
        Stored(records.load_read(connection, run), plan) for run, plan in cast("list[tuple[int, str | None]]", rows)
    ]


def rebuild(context: Context, source: Source, stored: Sequence[Stored]) -> Iterator[Rebuilt]:
    """Bring core to what the source said, from landed pages alone; each read as soon as it is done.

    What was applied then is applied now, also where a person had to approve it; what was not is only planned. What
    people did in between, in core or by an undo, is not among the pages.

    Args:
        context: on a database in which the source never was.
        source: as it is declared today.
        stored: from `stored_reads` of the database in which it was.

    Raises:
        BrokenPage: a landed page is missing or damaged.
        ConfigurationError: the database knows the source already.
    """
    if scalar(context.connection, "SELECT EXISTS (SELECT FROM connector.sync_runs WHERE source = %s)", source.name):
        raise ConfigurationError(f"{source.name} was synced into this database already.", remedy="Name an empty one.")
    activate(context.connection, source.name)
    for one in stored:
        with at(source.name, one.read.entity):
            yield Rebuilt(one, _rebuilt(context, source, one))


def _rebuilt(context: Context, source: Source, stored: Stored) -> Plan:
    entity, connection = stored.read.entity, context.connection
    read = _again(context, stored.read, RunKind.READ, run_id=stored.read.landed)
    plan = plan_read(context, source, restage(context, source, read))
    if stored.applied is None:
        records.move_plan(connection, plan, PlanState.REFUSED, by="it was not applied then")
        return plan
    if plan.state is PlanState.HELD and plan.hash == stored.applied:
        records.move_plan(connection, plan, PlanState.ACCEPTED, by="it was approved then")
    apply(context, entity, {source.name: source}, only=source.name)
    return plan


def _again(
    context: Context, old: Read, kind: RunKind, *, replays: int | None = None, run_id: int | None = None
) -> Read:
    """A run for pages that are landed already: what it asked for, and when, is what the old one did."""
    new = scalar(
        context.connection,
        "INSERT INTO connector.sync_runs (id, source, entity, kind, replays, launched_by, state, since, until, ids,"
        " started_at, complete, snapshot, stability) OVERRIDING SYSTEM VALUE"
        " VALUES (coalesce(%s, nextval('connector.sync_runs_id_seq')),"
        " %s, %s, %s, %s, %s, 'read', %s, %s, %s, %s, true, %s, %s) RETURNING id",
        run_id,
        old.source,
        old.entity,
        kind,
        replays,
        context.launched_by,
        old.window.since,
        old.window.until,
        list(old.window.ids) or None,
        old.started_at,
        old.snapshot,
        old.stability,
    )
    context.connection.execute(
        "SELECT setval('connector.sync_runs_id_seq', greatest(%s, last_value)) FROM connector.sync_runs_id_seq", [new]
    )
    return records.load_read(context.connection, cast("int", new))
