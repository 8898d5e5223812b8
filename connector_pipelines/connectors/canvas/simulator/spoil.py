"""Records as they are sent: ids as text or as numbers, without what is only ours, and as the faults leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.simulating import spoil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_pipelines.connectors.canvas.simulator.world import Record
    from connector_pipelines.simulating.faults import Struck

STRANGE = {"unheard_of": {"deep": [1, None, "§"]}, "id2": 12345678901234567890}
_TEXTS = ("name", "type", "id")
"""The first of these that a record has is spoilt."""


def _text_of(record: Record) -> str:
    return next(name for name in _TEXTS if name in record)


ONE_RECORD: Mapping[str, Callable[[Record, str], Record]] = {
    "big-string": lambda record, _: record | {_text_of(record): spoil.BIG},
    "nul-byte": lambda record, _: record | {_text_of(record): "a\x00b"},
    "year-0001": lambda record, _: record | {"created_at": "0001-01-01T00:00:00Z"},
    "missing-field": spoil.without,
    "wrong-type": lambda record, value: record | {value: [record.get(value)]},
}


def sent(rows: Sequence[Record], struck: Struck, *, textual: bool) -> list[Any]:
    """A page's records as they travel.

    Args:
        rows: the records.
        struck: the faults of this answer.
        textual: whether ids were asked for as text.
    """
    public = ({name: row[name] for name in row if not name.startswith("_")} for row in rows)
    shown = [_shown(row, struck, textual=textual and "numeric-ids" not in struck) for row in public]
    return spoil.spoilt(shown, struck, ONE_RECORD, STRANGE)


def _shown(record: Record, struck: Struck, *, textual: bool) -> Record:
    hidden = {"first_name", "last_name"} if "old-names" in struck else set()
    found: Record = {}
    for name, value in record.items():
        sis = name.startswith("sis_") and "no-sis" in struck
        if name in hidden or sis:
            continue
        if isinstance(value, dict):
            found[name] = _shown(value, struck, textual=textual)
        else:
            identifies = name == "id" or name.endswith("_id")
            found[name] = str(value) if textual and identifies and isinstance(value, int) else value
    return found
