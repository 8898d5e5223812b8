"""Step 3: turn a completed read into a plan that is accepted or held; make one anew that is outdated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

from psycopg import sql

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database import staging
from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import plan_table, read_tables, rows_table
from connector_pipelines.errors import PlanOutdated, at
from connector_pipelines.mapping import fingerprints, inverse
from connector_pipelines.mapping import plan as planner
from connector_pipelines.model import PlanState, RunKind
from connector_pipelines.outward import is_export
from connector_pipelines.settings import settings
from connector_pipelines.sync import importing, records
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.pull import restage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.mapping.amend import Amendment
    from connector_pipelines.model import Plan, Read, Source
    from connector_pipelines.sync.context import Context


def plan(context: Context, source: Source, entity: str) -> list[Plan]:
    """Plan every complete read of a source's entity that has no plan yet, oldest first.

    Reads that wait only because a run was cut off between reading and planning are planned too. Parents that they name
    and core does not have are read and planned first, where the source's policy says so.

    Returns:
        the new plans; empty when there was nothing to plan.
    """
    for child in records.unplanned_reads(context.connection, source.name, entity):
        for parents in importing.read_parents(context, source, child):
            with at(source.name, parents.entity), hold(context.connection, f"{source.name}/{parents.entity}"):
                plan_read(context, source, parents)
    with at(source.name, entity), hold(context.connection, f"{source.name}/{entity}"):
        waiting = records.unplanned_reads(context.connection, source.name, entity)
        return [plan_read(context, source, read) for read in waiting]


def plan_read(context: Context, source: Source, read: Read) -> Plan:
    """Plan one read; staged rows that were lost are made again from the landed pages first."""
    return _make(context, source, read, replaces=None)


def _make(context: Context, source: Source, read: Read, *, replaces: Plan | None) -> Plan:
    if read.kind is RunKind.UNDO:
        staging.drop(context.connection, *read_tables(read.id))
        return undo(context, source, read.entity, read.undoes, run_id=read.id).plan
    there = staging.holds_rows if read.staged else staging.exists
    if not there(context.connection, rows_table(read.id)) or not fingerprints.still_hold(context.connection, read):
        if read.kind is RunKind.RETRY:
            raise PlanOutdated("the rows of the retry are gone.", remedy="Retry the dead letters again.")
        read = restage(context, source, read)
    return planner.make(
        context.connection,
        core_entity(read.entity),
        read,
        chunk_rows=context.chunk_rows,
        policy=source.policy.model_copy(update={"conflicts": source.conflicts}),
        replaces=replaces,
    )


def undo(
    context: Context, source: Source, entity: str, plans: Sequence[int], *, run_id: int | None = None
) -> Amendment:
    """Plan the inverse of applied plans; see `inverse.plan`."""
    return inverse.plan(
        context.connection,
        core_entity(entity),
        source.name,
        plans,
        limits=source.policy.guard,
        launched_by=context.launched_by,
        chunk_rows=context.chunk_rows,
        run_id=run_id,
    )


def replan(context: Context, source: Source, outdated: Plan) -> Plan:
    """Make a plan anew from its read, because core moved or its rows were lost; the old one gives way with it. An undo
    is planned anew from the plans that it takes back.

    The guard judges the new plan, too, unless a person approved the old one: then it must be the same.

    Raises:
        PlanOutdated: the plan is of a person's decisions, so whoever asked for it must ask again.
    """
    read = records.load_read(context.connection, outdated.read_id)
    if read.kind is RunKind.RESOLUTION:
        give_up(context, outdated)
    with context.connection.transaction():
        who = records.approved_by(context.connection, outdated)
        records.move_plan(context.connection, outdated, PlanState.SUPERSEDED, by="core moved since it was made")
        staging.drop(context.connection, plan_table(outdated.id))
        fresh = _make(context, source, read, replaces=outdated)
        if who:
            keep_approved(context, outdated, fresh, who)
    return records.load_plan(context.connection, fresh.id)


def keep_approved(context: Context, approved: Plan, fresh: Plan, who: str) -> None:
    """An approval is for one hash: what would do something else now waits for another, whatever the guard says."""
    if fresh.hash == approved.hash:
        records.move_plan(context.connection, fresh, PlanState.ACCEPTED, by=who)
    else:
        reason = f"not what was approved: core moved since plan {approved.hash[:12]} was made"
        records.hold_plan(context.connection, fresh, reason)


def give_up(context: Context, outdated: Plan) -> NoReturn:
    """Put an outdated amendment aside: its chunks that are durable stay, the others are not written.

    Raises:
        PlanOutdated: always; it says what to do.
    """
    with context.connection.transaction():
        records.move_plan(context.connection, outdated, PlanState.SUPERSEDED, by="core moved since it was made")
        staging.drop(context.connection, plan_table(outdated.id), *read_tables(outdated.read_id))
    raise PlanOutdated(
        f"core moved since plan {outdated.hash[:12]} was made.", remedy="Ask for a new preview, and look at it."
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one record that a plan changes, or that stays although the source says something else.

    Attributes:
        field: empty for a record as a whole, such as a new one.
        before, after: what stands, and what shall stand or what the source says.
        reason: why it changes or stays.
    """

    entity: str
    external_id: str
    action: str
    field: str
    before: object
    after: object
    reason: str


def sample_changes(context: Context, plan: Plan, *, limit: int | None = None) -> list[Change]:
    """What a plan does, field by field, changes of what is there before what is new.

    Args:
        context: the run's surroundings.
        plan: one whose rows are there still; of any other there is nothing.
        limit: at most so many fields; 0 for all, None for as many as the settings say.
    """
    if not staging.holds_rows(context.connection, plan_table(plan.id)):
        return []
    most = settings().changes_shown if limit is None else limit
    contested = sql.SQL("NULL::jsonb" if is_export(plan.entity) else "p.contested")
    found = context.connection.execute(
        query(_CHANGES, table=plan_table(plan.id), contested=contested), {"most": most or None}
    ).fetchall()
    return [
        Change(plan.entity, external_id, action, field, before, after, _why(action, matched_by, stays))
        for external_id, action, matched_by, field, before, after, stays in cast("list[tuple[Any, ...]]", found)
    ]


# Every record gives at least one row, so no more records are needed than rows.
_CHANGES = """
    SELECT p.external_id, p.action, p.matched_by, f.field, f.before, f.after, f.stays
    FROM (
        SELECT p.seq, p.external_id, p.action, p.matched_by, p.changes, {contested} AS contested FROM {table} p
        WHERE p.action <> 'touch' OR {contested} IS NOT NULL
        ORDER BY (p.action = 'create'), p.seq LIMIT %(most)s
    ) p CROSS JOIN LATERAL (
        SELECT key AS field, value -> 0 AS before, value -> 1 AS after, NULL AS stays FROM jsonb_each(p.changes)
        UNION ALL
        SELECT key, value -> 'core', value -> 'source', value ->> 'reason' FROM jsonb_each(p.contested)
        UNION ALL
        SELECT '', NULL, NULL, NULL WHERE p.changes IS NULL AND p.contested IS NULL
    ) f
    ORDER BY (p.action = 'create'), p.seq, f.field LIMIT %(most)s
"""

_WHY = {
    "create": "is new",
    "update": "differs",
    "conflict": "differs",
    "restore": "is wanted again",
    "drop": "is gone",
    "absent": "is gone, and only noted",
    "withdraw": "is not wanted any more",
}
"""Why a plan does something, by its action."""


def _why(action: str, matched_by: str | None, stays: str | None) -> str:
    """Why a field changes or stays, or a record comes or goes. Pure."""
    if stays:
        return f"stays: {stays}"
    return f"matched by {matched_by}" if action == "link" else _WHY.get(action, action)
