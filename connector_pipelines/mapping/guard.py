"""The mass-change guard: decides whether a plan may be applied without a person. Pure.

A failed or half answered read looks like a mass deletion; a re-imported source looks like a mass creation. Both are
held, core stays as it was, and the reasons say which of the four it looks like (DESIGN, S2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_pipelines.model import Counts, PlanState

if TYPE_CHECKING:
    from connector_pipelines.policy import Limits


@dataclass(frozen=True, slots=True)
class Verdict:
    """ACCEPTED, or HELD with the reasons a person reads before approving."""

    state: PlanState
    reasons: tuple[str, ...] = ()


def judge(counts: Counts, *, before: int, snapshot: bool, limits: Limits) -> Verdict:
    """Decide on a plan.

    Args:
        counts: what the plan would do.
        before: how many records of this source and entity stood in core, present at the last full read.
        snapshot: whether the read was a complete full one, so that absence means something.
        limits: the shares of `before` that pass.
    """
    if before and snapshot and not counts.fetched:
        empty = f"empty: the source sent nothing, and had {before:,} records before"
        return Verdict(PlanState.HELD, (empty,))

    def over(count: int, share: float) -> bool:
        return before > 0 and count >= limits.floor and count > share * before

    shrunk, grown = over(counts.absent, limits.absent), over(counts.created, limits.created)
    reasons = []
    if shrunk and over(counts.created, limits.absent):
        reasons.append(f"ids changed: {counts.absent:,} of {before:,} records are gone and {counts.created:,} are new")
    elif shrunk:
        reasons.append(f"shrunk: {counts.absent:,} of {before:,} records are gone")
    elif grown:
        reasons.append(f"doubled: {counts.created:,} new records, {before:,} before")
    if over(counts.updated, limits.updated):
        reasons.append(f"mass update: {counts.updated:,} of {before:,} records change")
    return Verdict(PlanState.HELD if reasons else PlanState.ACCEPTED, tuple(reasons))
