"""Who wins where the other system changed a field that core would write, by the rules of the policy (K8). Pure.

core_owns        core, always: the default of what we write
external_wins    the other system, once it holds anything else: core only fills a record when it is created
last_write_wins  core, unless it was changed there since we wrote it: then the later one, as for what is read
                 (`conflicts.VERDICTS`). Equal times: the other system. Without both times nobody can say. A time that
                 lies ahead is not believed
manual           core, unless it was changed there since we wrote it: then a person

What stood there before we ever wrote it was changed there. Of a record no one knows whether its row is a final one, so
that core_final means the later write here: exports of final grades are core's without any rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_pipelines.policy import SKEW, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connector_pipelines.outward import Record


@dataclass(frozen=True, slots=True)
class Times:
    """When core changed a row, when the other system changed the record, and when we looked; None: nobody says."""

    core: datetime | None
    there: datetime | None
    looked: datetime

    def believed(self, moment: datetime) -> datetime:
        """A time of a clock that is ahead counts as the moment we looked."""
        return self.looked if moment > self.looked + SKEW else moment


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
    times: Times,
) -> Contest:
    """Decide field by field.

    Args:
        rules: by field; "*" for all others.
        known: our fields as they stood when we wrote last; nothing where we never did.
        wanted: what core would have.
        stands: our fields as they stand there now.
        times: who changed it when.
    """
    winners = {
        name: _winner(rules.get(name, rules.get("*", Rule.CORE_OWNS)), known.get(name) != stands.get(name), times)
        for name, value in wanted.items()
        if stands.get(name) != value
    }
    kept = {name: stands.get(name) for name, winner in winners.items() if winner is False}
    return Contest({**wanted, **kept}, tuple(name for name, winner in winners.items() if winner is None))


def _winner(rule: Rule, changed_there: bool, times: Times) -> bool | None:  # noqa: FBT001 -- the rule's own argument
    """True for core, False for the other system, None for a person. The first line that holds decides."""
    if rule is Rule.CORE_OWNS:
        return True
    if rule is Rule.EXTERNAL_WINS:
        return False
    if not changed_there:
        return True
    if rule is Rule.MANUAL or times.core is None or times.there is None:
        return None
    return times.believed(times.core) > times.believed(times.there)
