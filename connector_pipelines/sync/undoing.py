"""Undo: the inverse of one applied plan, or of all that one run applied, previewed first and applied by its hash.

What a person or a later sync changed since is left, and named. What was undone stays so until the source says something
new about the record: its mapping still holds the hash of what the source said last.

The inverse is a plan like any other: the mass-change guard judges it by the source's limits, core that moves makes it
anew, and what the guard holds is approved or rejected by its hash (S5).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.errors import ApprovalRefused, ConfigurationError, at
from connector_pipelines.model import PlanState
from connector_pipelines.sync import planning, records
from connector_pipelines.sync.deciding import approve_and_apply
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from connector_pipelines.mapping.amend import Amendment
    from connector_pipelines.model import Plan, Source
    from connector_pipelines.sync.context import Context
    from connector_pipelines.sync.deciding import Applied

_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Undo:
    """What undoing would do.

    Attributes:
        amendments: one per entity, children before parents.
    """

    amendments: tuple[Amendment, ...]

    @property
    def hash(self) -> str:
        """Of all its plans; of a single one, the plan's own."""
        hashes = [amendment.plan.hash for amendment in self.amendments]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    @property
    def held(self) -> tuple[Plan, ...]:
        """The plans among them that change more than the guard lets pass, in the order in which to approve them."""
        return tuple(one.plan for one in self.amendments if one.plan.state is PlanState.HELD)


def preview(context: Context, source: Source, what: str) -> Undo:
    """Plan the undo of what was applied. Core stays as it is.

    Args:
        context: the run's surroundings.
        source: whose plans.
        what: the hash of an applied plan, or its first 8 characters; or the id of the run that launched them.

    Raises:
        AnotherRunIsActive: the source's entity is being read or planned just now.
        ConfigurationError: nothing that was applied answers to `what`.
    """
    return Undo(
        tuple(
            _amended(context, source, entity, plans) for entity, plans in _applied(context, source.name, what).items()
        )
    )


def undo(context: Context, source: Source, what: str, undo_hash: str, *, who: str, why: str) -> list[Applied]:
    """Undo exactly what a preview showed. The audit log says what was undone, by whom and why.

    Raises:
        ApprovalRefused: it would do something else now than what had this hash, or the guard holds some of it;
            nothing was done.
        AnotherRunIsActive, ConfigurationError: see `preview`; the latter also when nobody says why.
    """
    records.demand_reason(why, "nothing is undone")
    now = preview(context, source, what)
    if len(undo_hash) < _SHORTEST or not now.hash.startswith(undo_hash):
        raise ApprovalRefused(
            f"the undo of {what[:12]} is not what has the hash {undo_hash[:12]!r}.",
            remedy=f"Look at the preview; its hash is {now.hash[:12]} now.",
        )
    if now.held:
        raise ApprovalRefused(
            "the guard holds the undo: "
            + "; ".join(f"{plan.entity}, hash {plan.hash[:12]}: {', '.join(plan.reasons)}" for plan in now.held),
            remedy="Approve these plans one by one in this order, as any that is held; then undo the rest, if any.",
        )
    return [approve_and_apply(context, source, amendment.plan.hash, who=who, why=why) for amendment in now.amendments]


def _amended(context: Context, source: Source, entity: str, plans: list[int]) -> Amendment:
    with at(source.name, entity), hold(context.connection, f"{source.name}/{entity}"):
        return planning.undo(context, source, entity, plans)


def _applied(context: Context, source: str, what: str) -> dict[str, list[int]]:
    """The plans that are meant, by entity, children before parents. One that was cut off counts with what it wrote."""
    if len(what) < _SHORTEST:
        raise ConfigurationError(f"{what!r} is too short.", remedy=f"Give at least {_SHORTEST} characters of a hash.")
    rows = context.connection.execute(_MEANT, {"source": source, "what": what}).fetchall()
    found: dict[str, list[int]] = {}
    for plan_id, entity in cast("list[tuple[int, str]]", rows):
        found.setdefault(entity, []).append(plan_id)
    if not found:
        raise ConfigurationError(
            f"{source} has no applied plan with the hash, and no run with the id, {what[:40]!r}.",
            remedy="Take the hash from the mapping asset or the receipt, or the id of the run in Dagster.",
        )
    return {entity: found[entity] for entity in reversed(ENTITIES) if entity in found}


_MEANT = """
    WITH begun AS (
        SELECT p.id, p.entity, p.hash, r.launched_by
        FROM connector.sync_plans p JOIN connector.sync_runs r ON r.id = p.run_id
        WHERE p.source = %(source)s AND (p.state = 'applied' OR p.applied_chunks > 0)
            AND NOT starts_with(p.entity, 'export/')  -- who mends core mends them with the next export
    )
    (SELECT id, entity FROM begun WHERE starts_with(hash, %(what)s) ORDER BY id DESC LIMIT 1)
    UNION
    SELECT id, entity FROM begun WHERE launched_by = 'dagster run ' || %(what)s
    ORDER BY id
"""
