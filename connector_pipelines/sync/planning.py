"""Step 3: turn a completed read into a plan that is accepted or held; make one anew that is outdated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database import staging
from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import plan_table, read_tables, rows_table
from connector_pipelines.errors import PlanOutdated, at
from connector_pipelines.mapping import fingerprints
from connector_pipelines.mapping import plan as planner
from connector_pipelines.model import PlanState, RunKind
from connector_pipelines.sync import records
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.pull import restage

if TYPE_CHECKING:
    from connector_pipelines.model import Plan, Read, Source
    from connector_pipelines.sync.context import Context


def plan(context: Context, source: Source, entity: str) -> list[Plan]:
    """Plan every complete read of a source's entity that has no plan yet, oldest first.

    Reads that wait only because a run was cut off between reading and planning are planned too.

    Returns:
        the new plans; empty when there was nothing to plan.
    """
    with at(source.name, entity), hold(context.connection, f"{source.name}/{entity}"):
        waiting = records.unplanned_reads(context.connection, source.name, entity)
        return [plan_read(context, source, read) for read in waiting]


def plan_read(context: Context, source: Source, read: Read) -> Plan:
    """Plan one read; staged rows that were lost are made again from the landed pages first."""
    return _make(context, source, read, replaces=None)


def _make(context: Context, source: Source, read: Read, *, replaces: Plan | None) -> Plan:
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
        policy=source.policy,
        replaces=replaces,
    )


def replan(context: Context, source: Source, outdated: Plan) -> Plan:
    """Make a plan anew from its read, because core moved or its rows were lost; the old one gives way with it.

    The guard judges the new plan, too, unless a person approved the old one: then it must be the same.

    Raises:
        PlanOutdated: the plan came from no page, so whoever asked for it must ask again.
    """
    read = records.load_read(context.connection, outdated.read_id)
    if read.amends:
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


def sample_changes(context: Context, plan: Plan, *, limit: int = 20) -> list[tuple[str, str, dict[str, list[object]]]]:
    """Some of what a plan does: external id, action, and of each field that differs what stands in core, what the
    source says, and for a field that stays as it is in core the reason.
    """
    if not staging.holds_rows(context.connection, plan_table(plan.id)):
        return []
    # Plans of exports have no contested fields: as a column they would have to have one.
    found = context.connection.execute(
        query(
            """
            SELECT external_id, action, coalesce(changes, '{{}}') || coalesce(kept, '{{}}')
            FROM {table} p CROSS JOIN LATERAL (
                SELECT jsonb_object_agg(field, jsonb_build_array(said -> 'core', said -> 'source', said -> 'reason'))
                FROM jsonb_each(nullif(to_jsonb(p) -> 'contested', 'null')) f (field, said)
            ) c (kept)
            WHERE action <> 'touch' OR kept IS NOT NULL
            ORDER BY (action = 'create'), seq LIMIT %s
            """,
            table=plan_table(plan.id),
        ),
        [limit],
    ).fetchall()
    return cast("list[tuple[str, str, dict[str, list[object]]]]", found)
