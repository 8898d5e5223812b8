"""What a person decides about a plan that waits: approve it and see it applied, or reject it.

Plans wait when the guard held them, and when nobody asked for more than a look: a dry run, a replay, the preview of an
undo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.database import staging
from connector_pipelines.database.tables import plan_table, read_tables
from connector_pipelines.errors import ApprovalRefused, ConfigurationError, at
from connector_pipelines.model import PlanState, RunKind
from connector_pipelines.sync import records
from connector_pipelines.sync.directions import carry_out, replan
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Plan, Read, Receipt, Source
    from connector_pipelines.sync.context import Context

_SHORTEST = 8  # shorter prefixes of a hash are guesses


class _CameOutDifferent(Exception):
    """Undoes what was tried."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An approved plan that was applied: what was approved and nothing else.

    Attributes:
        receipts: of everything that was applied, plans that had to go first included.
    """

    plan: Plan
    receipts: tuple[Receipt, ...]

    @property
    def verified(self) -> bool:
        """Whether its own receipt is the proof that core holds it."""
        return any(receipt.plan_id == self.plan.id and receipt.verified for receipt in self.receipts)


def approve_and_apply(context: Context, source: Source, plan_hash: str, *, who: str, why: str) -> Applied:
    """Release the plan with exactly this hash and apply it, together with older ones that are accepted already.

    Args:
        context: the run's surroundings.
        source: whose plan it is.
        plan_hash: its hash, or the first 8 characters.
        who: who decides.
        why: the reason, for the audit log.

    Raises:
        AnotherRunIsActive: the source's entity is being read or planned just now, or its core table written.
        ApprovalRefused: it would do something else today; core was not touched by it. The message says what to do.
        ConfigurationError: no plan that waits has this hash, or nobody says why.
    """
    approved = approve(context, source, plan_hash, who=who, why=why)
    receipts = carry_out(context, source, approved.entity)
    now = records.plan_of(context.connection, approved.read_id)
    if now.state is not PlanState.APPLIED or now.hash != approved.hash:
        with at(source.name, approved.entity):
            raise ApprovalRefused(
                f"an older plan was applied first, and plan {approved.hash[:12]} would do something else now.",
                remedy=f"Look at plan {now.hash[:12]} instead; it is {now.state}.",
            )
    return Applied(now, tuple(receipts))


def approve(context: Context, source: Source, plan_hash: str, *, who: str, why: str) -> Plan:
    """Release the plan with exactly this hash, to be applied by whoever applies next.

    The plan is made again first: if core or the plan changed since it was made, the approval is refused and the new
    plan is judged like any other. A plan whose read is older than what core holds by now cannot be approved at all: it
    would put old values back.

    Raises:
        AnotherRunIsActive, ApprovalRefused, ConfigurationError: see `approve_and_apply`.
    """
    records.demand_reason(why, "a plan is not approved")
    waiting = undecided(context, source.name, plan_hash)
    with at(waiting.source, waiting.entity), hold(context.connection, f"{waiting.source}/{waiting.entity}"):
        if records.later_read_applied(context.connection, waiting):
            raise ApprovalRefused(
                f"a later read was applied since plan {waiting.hash[:12]} was made.",
                remedy="Read in full again; its plan takes the place of this one.",
            )
        fresh = _made_anew(context, source, waiting)
        if fresh.hash != waiting.hash:
            raise ApprovalRefused(
                f"core changed since plan {waiting.hash[:12]} was made.",
                remedy=f"Look at plan {fresh.hash[:12]} instead.",
            )
        return _decide(context, fresh, PlanState.ACCEPTED, who=who, why=why)


def _made_anew(context: Context, source: Source, waiting: Plan) -> Plan:
    """What the plan is today. A dry run counts from here on, unless it came out different: then it stays one."""
    read = records.load_read(context.connection, waiting.read_id)
    if read.kind is RunKind.RESOLUTION:
        return waiting  # each of its rows is compared with core when it is written
    if not read.trial:
        return replan(context, source, waiting)
    try:
        return _made_to_count(context, source, waiting, read)
    except _CameOutDifferent:
        again = replan(context, source, waiting)
    if again.hash == waiting.hash:
        raise ApprovalRefused(
            f"plan {waiting.hash[:12]} counts on parents that are only planned.", remedy="Approve their plans first."
        )
    return again


def _made_to_count(context: Context, source: Source, trial: Plan, read: Read) -> Plan:
    with context.connection.transaction():
        records.approve_read(context.connection, read)
        fresh = replan(context, source, trial)
        if fresh.hash != trial.hash:
            raise _CameOutDifferent
    return fresh


def reject(context: Context, source: Source, plan_hash: str, *, who: str, why: str) -> Plan:
    """Discard the plan with this hash; core stays as it is, and the next read is planned as ever.

    Raises:
        ConfigurationError: no plan that waits has this hash, nobody says why, or somebody else decides on it in this
            moment.
    """
    records.demand_reason(why, "a plan is not rejected")
    waiting = undecided(context, source.name, plan_hash)
    refused = _decide(context, waiting, PlanState.REFUSED, who=who, why=why)
    staging.drop(context.connection, plan_table(waiting.id), *read_tables(waiting.read_id))
    return refused


def held_plans(context: Context, source: str) -> list[Plan]:
    """The plans of a source that the guard holds, newest first."""
    return _in_state(context, source, [PlanState.HELD])


def undecided_plans(context: Context, source: str) -> list[Plan]:
    """All plans of a source that a person may approve or reject, newest first: held ones, dry runs, previews."""
    return _in_state(context, source, [PlanState.HELD, PlanState.PLANNED])


def _in_state(context: Context, source: str, states: Sequence[PlanState]) -> list[Plan]:
    rows = context.connection.execute(
        "SELECT id FROM connector.sync_plans WHERE source = %s AND state = ANY(%s) ORDER BY id DESC",
        [source, list(states)],
    ).fetchall()
    return [records.load_plan(context.connection, cast("int", plan_id)) for (plan_id,) in rows]


def undecided(context: Context, source: str, plan_hash: str) -> Plan:
    """The plan that waits and has this hash, or one that begins so; the newest where several are the same.

    Raises:
        ConfigurationError: there is none, or the beginning fits several.
    """
    found = [plan for plan in undecided_plans(context, source) if plan.hash.startswith(plan_hash)]
    hashes = {plan.hash for plan in found}
    if len(hashes) != 1 or len(plan_hash) < _SHORTEST:
        raise ConfigurationError(
            f"{len(hashes)} waiting plans of {source} have the hash {plan_hash!r}.",
            remedy=f"Give at least the first {_SHORTEST} characters of the hash of a plan that waits now.",
        )
    return found[0]


def _decide(context: Context, plan: Plan, state: PlanState, *, who: str, why: str) -> Plan:
    connection, of = context.connection, {"who": who, "source": plan.source, "entity": plan.entity}
    undoes = records.load_read(connection, plan.read_id).undoes
    with connection.transaction():
        if not records.move_plan(connection, plan, state, by=who):
            raise ConfigurationError(
                f"somebody else decided on plan {plan.hash[:12]} in this moment.",
                remedy="Look at the source's plans again.",
            )
        records.audit(connection, f"plan {state}", **of, hash=plan.hash, why=why)
        if undoes and state is PlanState.ACCEPTED:
            # With the acceptance: who is killed while the plan is applied has decided all the same.
            records.audit(connection, "undone", **of, hash=plan.hash, why=why, plans=undoes)
    return records.load_plan(connection, plan.id)
