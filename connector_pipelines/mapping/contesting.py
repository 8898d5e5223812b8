"""Who wins where the other system changed a field that core would write, by the rules of the policy (K8). Pure.

core_owns        core, always: the default of what we write
last_write_wins  the later one, by the time in core and the time there; equal times: the other system. Without both
                 times nobody can say
external_wins    the other system, once it holds anything else: core only fills a record when it is created
manual           core, unless it was changed there since we wrote it: then a person
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_pipelines.policy import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connector_pipelines.outward import Record


@dataclass(frozen=True, slots=True)
class Contest:
    """What should stand there after all.

    Attributes:
        record: the wanted record, with what the other system keeps.
        torn: fields of which nobody can say who wins.
    """

    record: Mapping[str, Any]
    torn: tuple[str, ...] = ()


def contest(
    rules: Mapping[str, Rule],
    *,
    known: Record,
    wanted: Record,
    stands: Record,
    times: tuple[datetime | None, datetime | None],
) -> Contest:
    """Decide field by field.

    Args:
        rules: by field; "*" for all others.
        known: our fields as the system took them last.
        wanted: what core would have.
        stands: our fields as they stand there now.
        times: when core changed the row, and when the system changed the record.
    """
    winners = {
        name: _winner(rules.get(name, rules.get("*", Rule.CORE_OWNS)), known.get(name) != stands.get(name), times)
        for name, value in wanted.items()
        if stands.get(name) != value
    }
    kept = {name: stands.get(name) for name, winner in winners.items() if winner is False}
    return Contest({**wanted, **kept}, tuple(name for name, winner in winners.items() if winner is None))


def _winner(rule: Rule, changed_there: bool, times: tuple[datetime | None, datetime | None]) -> bool | None:  # noqa: FBT001 -- the rule's own argument
    """True for core, False for the other system, None for a person."""
    match rule:
        case Rule.CORE_OWNS:
            return True
        case Rule.EXTERNAL_WINS:
            return False
        case Rule.MANUAL:
            return None if changed_there else True
    ours, theirs = times
    return None if ours is None or theirs is None else ours > theirs
