"""Faults that spoil rows and envelopes: what a page holds, before it is encoded (contract 8, traps 2, 5 and 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.simulator import fields
from connector_pipelines.connectors.oneroster.simulator.hashing import key, one

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record
    from connector_pipelines.simulating.faults import Struck

BIG = 1_000_000
NAMED = ("familyName", "title", "name", "role", "cityOfBirth")


def rows(records: list[Any], struck: Struck, seed: int, offset: int) -> list[Any]:
    """The rows of a page as the faults that strike make them; the records given stay as they are."""
    spoilt = list(records)
    for name, spoil in ALL_ROWS.items():
        if name in struck:
            spoilt = [spoil(record) if isinstance(record, dict) else record for record in spoilt]
    for name, spoil_one in ONE_ROW.items():
        if name in struck and spoilt:
            at = one(key(seed, "spoil", name), offset, len(spoilt))
            if isinstance(spoilt[at], dict):
                spoilt[at] = spoil_one(spoilt[at], struck[name])
    if "duplicate-ids" in struck and spoilt:
        spoilt.append(spoilt[one(key(seed, "spoil", "duplicate-ids"), offset, len(spoilt))])
    return spoilt


def envelope(name: str, records: list[Any], struck: Struck) -> dict[str, Any]:
    """A collection's body."""
    if "missing-envelope" in struck:
        return {}
    if "null-envelope" in struck:
        return {name: None}
    return {name: [] if "empty-list" in struck else records}


def _real_booleans(record: Record) -> Record:
    real = {"true": True, "false": False}
    return {
        name: real.get(value, value) if name in fields.BOOLEANS and isinstance(value, str) else value
        for name, value in record.items()
    }


def _string_booleans(record: Record) -> Record:
    texts = {True: "true", False: "false"}
    return {name: texts[value] if isinstance(value, bool) else value for name, value in record.items()}


def _unknown_fields(record: Record) -> Record:
    return record | {"vendorExtension": {"internal": [1, 2]}, "SourcedID": "not this one", "": None}


def _named(record: Record, text: str) -> Record:
    name = next((name for name in NAMED if isinstance(record.get(name), str)), "metadata")
    return record | {name: f"{record[name]}{text}" if name != "metadata" else {"note": text}}


def _wrong_type(record: Record, name: str) -> Record:
    return record | {name: 42 if isinstance(record.get(name), list | dict) else [42]}


ALL_ROWS: dict[str, Callable[[Record], Record]] = {
    "bool-real": _real_booleans,
    "bool-strings": _string_booleans,
    "unknown-fields": _unknown_fields,
}
ONE_ROW: dict[str, Callable[[Record, str], Record]] = {
    "big-string": lambda record, _: _named(record, "x" * BIG),
    "nul-byte": lambda record, _: _named(record, "\x00"),
    "year-0001": lambda record, _: record | {"dateLastModified": "0001-01-01T00:00:00.000Z"},
    "missing-field": lambda record, name: {key: value for key, value in record.items() if key != name},
    "wrong-type": _wrong_type,
}
