"""Records as no company should send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.connectors.quickbooks.simulator.world import Record
    from connector_pipelines.simulating.faults import Struck

BIG = "x" * 1_000_000
STRANGE = {"UnheardOf": {"deep": [1, None, "§"]}, "Id2": 12345678901234567890}

Spoil = Callable[["Record", str], "Record"]


def _text_of(record: Record) -> str:
    """A text that every kind of record has."""
    return next(name for name in ("Name", "DisplayName", "PrivateNote", "Id") if name in record)


def _number_of(record: Record) -> str:
    return next(name for name in ("UnitPrice", "TotalAmt", "Balance") if name in record or name == "Balance")


def _year_1(record: Record, _value: str) -> Record:
    return record | {"MetaData": record["MetaData"] | {"LastUpdatedTime": "0001-01-01T00:00:00-08:00"}}


def _without(record: Record, value: str) -> Record:
    return {name: held for name, held in record.items() if name != value}


ONE_RECORD: dict[str, Spoil] = {
    "big-string": lambda record, _: record | {_text_of(record): BIG},
    "nul-byte": lambda record, _: record | {_text_of(record): "a\x00b"},
    "year-0001": _year_1,
    "not-a-number": lambda record, _: record | {_number_of(record): "a lot"},
    "missing-field": _without,
    "wrong-type": lambda record, value: record | {value: [record.get(value)]},
}


def spoilt(rows: Sequence[Record], struck: Struck) -> list[Any]:
    """A page's records as the faults leave them; what strikes one record strikes the middle one."""
    found = list(rows)
    for name, spoil in ONE_RECORD.items():
        if name in struck and found:
            middle = len(found) // 2
            found[middle] = spoil(found[middle], struck[name])
    if "unknown-fields" in struck:
        found = [row | STRANGE for row in found]
    if "duplicate" in struck:
        found += found[-1:]
    return found
