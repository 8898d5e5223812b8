"""Records as Google should not send them. Of somebody in a roster it is the profile that is spoilt, if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.simulating import spoil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_pipelines.connectors.google_classroom.simulator.world import Record
    from connector_pipelines.simulating.faults import Struck

STRANGE = {"unheardOf": {"deep": [1, None, "§"]}, "id2": 12345678901234567890}
_OF_MEMBERS = {"id": "userId"}
"""What stands for a field in a record of a roster without a profile."""


def _inside(record: Record, change: Callable[[Record], Record]) -> Record:
    """The record with its profile changed, or itself."""
    return record | {"profile": change(record["profile"])} if "profile" in record else change(record)


def _with_text(record: Record, text: str) -> Record:
    """A text that every kind of record has, replaced."""
    if "criteria" in record:
        return record | {"criteria": [one | {"title": text} for one in record["criteria"]]}
    if "name" not in record:
        return record | {"userId": text}
    return record | {"name": record["name"] | {"familyName": text} if isinstance(record["name"], dict) else text}


def _named(record: Record, name: str) -> str:
    return name if name in record else _OF_MEMBERS.get(name, name)


ONE_RECORD: Mapping[str, Callable[[Record, str], Record]] = {
    "big-string": lambda record, _: _inside(record, lambda one: _with_text(one, spoil.BIG)),
    "nul-byte": lambda record, _: _inside(record, lambda one: _with_text(one, "a\x00b")),
    "year-0001": lambda record, _: record | ({} if "userId" in record else {"updateTime": "0001-01-01T00:00:00Z"}),
    "alias-id": lambda record, _: _inside(record, lambda one: one | {_named(one, "id"): "d:biology"}),
    "missing-field": lambda record, name: _inside(record, lambda one: spoil.without(one, _named(one, name))),
    "wrong-type": lambda record, name: _inside(record, lambda one: one | {_named(one, name): [1]}),
}


def spoilt(rows: Sequence[Record], struck: Struck) -> list[Any]:
    """A page's records as the faults leave them."""
    found = [_as_numbers(row) for row in rows] if "number-ids" in struck else rows
    if "no-emails" in struck:
        found = [_inside(row, lambda one: spoil.without(one, "emailAddress")) for row in found]
    if "no-profile" in struck:
        found = [spoil.without(row, "profile") for row in found]
    return spoil.spoilt(found, struck, ONE_RECORD, STRANGE)


def _as_numbers(record: Record) -> Record:
    ids = {
        name: int(record[name]) for name in ("id", "courseId", "userId", "ownerId") if record.get(name, "").isdigit()
    }
    return record | ids | ({"profile": _as_numbers(record["profile"])} if "profile" in record else {})
