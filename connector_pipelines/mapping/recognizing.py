"""Decides what is wanted, what was found, and what was sent and not answered. Pure: records in, decisions out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from connector_pipelines.outward import Action, Untold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from connector_pipelines.outward import Found, Record


UNTOLD = Untold.UNTOLD


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a look-up says of one wanted record.

    Attributes:
        found: the record it is; None where there is none, or where that is in doubt.
        doubt: why a person has to decide; empty where nobody has to.
    """

    found: Found | None = None
    doubt: str = ""


def recognize(candidates: Collection[Found], sure: Collection[str]) -> Recognized:
    """Which of the records there is the wanted one.

    Args:
        candidates: all that were found for one wanted record, by whatever way.
        sure: the ways that need no person.
    """
    if not candidates:
        return Recognized()
    certain = [found for found in candidates if found.by in sure]
    ids = {found.external_id for found in certain or candidates}
    if certain and len(ids) == 1:
        return Recognized(certain[0])
    ways = ", ".join(f"{found.by} is that of {found.external_id}" for found in candidates)
    return Recognized(doubt=f"several records there may be it: {ways}" if len(ids) > 1 else f"not sure: {ways}")


def differing(record: Record, other: Record) -> tuple[str, ...]:
    """The fields of a record that say something else in another; a field that is missing there says nothing (null)."""
    return tuple(name for name, value in record.items() if other.get(name) is not UNTOLD and other.get(name) != value)


class Fate(StrEnum):
    """What became of something that was sent and not answered."""

    DONE = "done"
    NOT_DONE = "not done"
    GONE = "gone"


def fate(action: Action, *, before: Record, sent: Record, stands: Record | None) -> Fate:
    """What became of a write whose answer was lost, from what stands there now.

    A record that neither is as it was nor as it was sent took the write, and keeps something else: a capped grade. One
    that is restored took it only if it stands there as it was sent, all of it told: of what is withdrawn nobody knows
    which field says so.

    Args:
        action: what was sent; not CREATE, of which only a look-up can tell.
        before: our fields as they stood before.
        sent: our fields as they were sent.
        stands: what stands there now; None for nothing.
    """
    if action is Action.WITHDRAW:
        return Fate.DONE if stands is None or differing(before, stands) else Fate.NOT_DONE
    if action is Action.RESTORE:
        whole = stands is not None and all(stands.get(name) == value for name, value in sent.items())
        return Fate.DONE if whole else Fate.NOT_DONE
    if stands is None:
        return Fate.GONE
    changed = differing(sent, before)
    untouched = all(stands.get(name) is UNTOLD or stands.get(name) == before.get(name) for name in changed)
    return Fate.NOT_DONE if changed and untouched else Fate.DONE


def own(record: Record, stands: Mapping[str, Any]) -> dict[str, Any]:
    """Of what stands there, our fields alone."""
    return {name: value if stands.get(name) is UNTOLD else stands.get(name) for name, value in record.items()}


def grouped(found: Iterable[Found]) -> dict[str, list[Found]]:
    """The candidates of each wanted record, by its key."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.key, []).append(one)
    return groups
