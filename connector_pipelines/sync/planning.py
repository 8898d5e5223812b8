"""Step 3: turn a completed read into a plan that is accepted or held; let a person decide on one that is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database import staging
from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import plan_table, read_tables, rows_table
from connector_pipelines.errors import ConfigurationError, PlanOutdated, at
from connector_pipelines.mapping import fingerprints
from connector_pipelines.mapping import plan as planner
from connector_pipelines.model import PlanState
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

    The guard judges the new plan, too.
    """
    read = records.load_read(context.connection, outdated.read_id)
    with context.connection.transaction():
        records.move_plan(context.connection, outdated, PlanState.SUPERSEDED, by="core moved since it was made")
        staging.drop(context.connection, plan_table(outdated.id))
        return _make(context, source, read, replaces=outdated)


def approve(context: Context, source: Source, plan_hash: str, *, who: str) -> Plan:
    """Release the held plan with exactly this hash.

    The plan is made again first: if core or the plan changed since it was held, the approval is refused and the new
    plan is judged like any other. A plan whose read is older than what core holds by now cannot be approved at all: it
    would put old values back.

    Raises:
        AnotherRunIsActive: the source's entity is being read or planned just now.
        ConfigurationError: no held plan has this hash.
        PlanOutdated: it would do something else today; the message names the new hash, or asks for a new read.
    """
    held = _held(context, source, plan_hash)
    with at(held.source, held.entity), hold(context.connection, f"{held.source}/{held.entity}"):
        if records.later_read_applied(context.connection, held):
            raise PlanOutdated(
                f"a later read was applied since plan {held.hash[:12]} was made.",
                remedy="Read in full again; its plan takes the place of this one.",
            )
        fresh = replan(context, source, held)
        if fresh.hash != held.hash:
            raise PlanOutdated(
                f"core changed since plan {held.hash[:12]} was made.", remedy=f"Look at plan {fresh.hash[:12]} instead."
            )
        return _decide(context, fresh, PlanState.ACCEPTED, who=who)


def reject(context: Context, source: Source, plan_hash: str, *, who: str) -> Plan:
    """Discard the held plan with this hash; core stays as it is, and the next read is planned as ever."""
    held = _held(context, source, plan_hash)
    staging.drop(context.connection, plan_table(held.id), *read_tables(held.read_id))
    return _decide(context, held, PlanState.REFUSED, who=who)


def held_plans(context: Context, source: str) -> list[Plan]:
    """The plans of a source that wait for a person, newest first."""
    rows = context.connection.execute(
        "SELECT id FROM connector.sync_plans WHERE source = %s AND state = 'held' ORDER BY id DESC", [source]
    ).fetchall()
    return [records.load_plan(context.connection, cast("int", plan_id)) for (plan_id,) in rows]


def _held(context: Context, source: Source, plan_hash: str) -> Plan:
    found = [plan for plan in held_plans(context, source.name) if plan.hash.startswith(plan_hash)]
    if len(found) != 1 or len(plan_hash) < 8:  # noqa: PLR2004 -- shorter prefixes are guesses
        raise ConfigurationError(
            f"{len(found)} held plans of {source.name} have the hash {plan_hash!r}.",
            remedy="Give at least the first 8 characters of the hash of a plan that is held now.",
        )
    return found[0]


def _decide(context: Context, plan: Plan, state: PlanState, *, who: str) -> Plan:
    with context.connection.transaction():
        records.move_plan(context.connection, plan, state, by=who)
        records.audit(
            context.connection, f"plan {state}", who=who, source=plan.source, entity=plan.entity, hash=plan.hash
        )
    return records.load_plan(context.connection, plan.id)


def sample_changes(context: Context, plan: Plan, *, limit: int = 20) -> list[tuple[str, str, dict[str, list[object]]]]:
    """Some of the changes a plan makes: external id, action, and for updates each field before and after."""
    if not staging.holds_rows(context.connection, plan_table(plan.id)):
        return []
    found = context.connection.execute(
        query(
            "SELECT external_id, action, coalesce(changes, '{{}}') FROM {table} WHERE action <> 'touch'"
            " ORDER BY (action = 'create'), seq LIMIT %s",
            table=plan_table(plan.id),
        ),
        [limit],
    ).fetchall()
    return cast("list[tuple[str, str, dict[str, list[object]]]]", found)
