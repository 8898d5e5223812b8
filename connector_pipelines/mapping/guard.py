"""The mass-change guard: decides whether a plan may be applied without a person. Pure.

A failed or half answered read looks like a mass deletion; a re-imported source looks like a mass creation. Both are
held, core stays as it was, and the reasons say what it looks like, which limit it broke and what would pass (S2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_pipelines.model import Counts, PlanState

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    reasons = tuple(_trips(counts, before, limits))
    return Verdict(PlanState.HELD if reasons else PlanState.ACCEPTED, reasons)


def _trips(counts: Counts, before: int, limits: Limits) -> Iterator[str]:
    """Every limit that is broken, as a sentence."""
    gone, new = counts.absent + counts.dropped, counts.created + counts.linked

    def over(count: int, share: float) -> bool:
        return before > 0 and count >= limits.floor and count > round(share * before, 6)  # shares are no exact numbers

    def needs(name: str, count: int) -> str:
        return f"({name}: limit {getattr(limits, name):.10g}, passes from {_up(count / before):.10g})"

    shrunk, grown = over(gone, limits.absent), over(counts.created, limits.created)
    if shrunk and over(new, limits.absent):
        yield f"ids changed: {gone:,} of {before:,} records are gone and {new:,} are new {needs('absent', gone)}"
    elif shrunk:
        yield f"shrunk: {gone:,} of {before:,} records are gone {needs('absent', gone)}"
    elif grown:
        yield f"doubled: {counts.created:,} new records, {before:,} before {needs('created', counts.created)}"
    if over(counts.updated, limits.updated):
        yield f"mass update: {counts.updated:,} of {before:,} records change {needs('updated', counts.updated)}"
    if over(counts.linked, limits.linked):
        yield f"re-mapped: {counts.linked:,} new ids would take rows core has {needs('linked', counts.linked)}"
    if over(counts.dropped, limits.dropped):
        yield f"dropped: {counts.dropped:,} of {before:,} would become inactive {needs('dropped', counts.dropped)}"


def _up(share: float) -> float:
    """To three digits after the point, upwards: a limit of this share lets the plan pass."""
    return math.ceil(share * 1000 - 1e-9) / 1000
