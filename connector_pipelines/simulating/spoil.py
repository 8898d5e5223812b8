"""Records as no system should send them. What strikes one record strikes the middle one of its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_pipelines.simulating.faults import Struck

    Record = Mapping[str, Any]
    Spoil = Callable[[Any, str], dict[str, Any]]

BIG = "x" * 1_000_000


def without(record: Record, name: str) -> dict[str, Any]:
    """The record less a field."""
    return {kept: held for kept, held in record.items() if kept != name}


def spoilt(rows: Sequence[Any], struck: Struck, spoils: Mapping[str, Spoil], strange: Record) -> list[Any]:
    """A page's records as the faults leave them.

    Args:
        rows: the records.
        struck: the faults of this answer.
        spoils: what each fault of one record makes of it, given the fault's value.
        strange: fields that nobody has heard of, for `unknown-fields`.
    """
    found = list(rows)
    for name, spoil in spoils.items():
        if name in struck and found:
            middle = len(found) // 2
            found[middle] = spoil(found[middle], struck[name])
    if "unknown-fields" in struck:
        found = [row | strange for row in found]
    if "duplicate" in struck:
        found += found[-1:]
    return found
