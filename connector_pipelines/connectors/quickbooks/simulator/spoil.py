"""Records as no company should send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.simulating import spoil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_pipelines.connectors.quickbooks.simulator.world import Record
    from connector_pipelines.simulating.faults import Struck

STRANGE = {"UnheardOf": {"deep": [1, None, "§"]}, "Id2": 12345678901234567890}


def _text_of(record: Record) -> str:
    """A text that every kind of record has."""
    return next(name for name in ("Name", "DisplayName", "PrivateNote", "Id") if name in record)


def _number_of(record: Record) -> str:
    return next(name for name in ("UnitPrice", "TotalAmt", "Balance") if name in record or name == "Balance")


def _year_1(record: Record, _value: str) -> Record:
    return record | {"MetaData": record["MetaData"] | {"LastUpdatedTime": "0001-01-01T00:00:00-08:00"}}


ONE_RECORD: Mapping[str, Callable[[Record, str], Record]] = {
    "big-string": lambda record, _: record | {_text_of(record): spoil.BIG},
    "nul-byte": lambda record, _: record | {_text_of(record): "a\x00b"},
    "year-0001": _year_1,
    "not-a-number": lambda record, _: record | {_number_of(record): "a lot"},
    "missing-field": spoil.without,
    "wrong-type": lambda record, value: record | {value: [record.get(value)]},
}


def spoilt(rows: Sequence[Record], struck: Struck) -> list[Any]:
    """A page's records as the faults leave them."""
    return spoil.spoilt(rows, struck, ONE_RECORD, STRANGE)
