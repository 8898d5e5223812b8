"""Results as no site should send them: what is left out without a word, and records that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.simulator import refusals
from connector_pipelines.simulating import spoil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.connectors.moodle.simulator.site import Row
    from connector_pipelines.simulating.faults import Struck

STRANGE = {"unheardof": {"deep": [1, None, "§"]}, "id2": 12345678901234567890}
HIDDEN = "No access rights in course context"

_NUMBERS = ("grade", "grademax", "attemptnumber", "sortorder", "score")
_TIMES = ("duedate", "gradedategraded", "timemodified", "lastaccess")
_TEXTS = ("name", "itemname", "status", "fullname", "definition", "remark")


def _first(record: Row, names: tuple[str, ...]) -> str:
    """The first of these fields that the record has."""
    return next((name for name in names if name in record), names[0])


ONE_RECORD: Mapping[str, Callable[[Row, str], Row]] = {
    "big-string": lambda record, _: record | {_first(record, _TEXTS): spoil.BIG},
    "nul-byte": lambda record, _: record | {_first(record, _TEXTS): "a\x00b"},
    "year-3000": lambda record, _: record | {_first(record, _TIMES): 32_503_680_000},
    "decimal-comma": lambda record, _: record | {_first(record, _NUMBERS): "87,5"},
    "missing-field": spoil.without,
    "wrong-type": lambda record, value: record | {value: [record.get(value)]},
}


def spoilt(result: Any, struck: Struck) -> Any:
    """A result as the faults leave it; what strikes one record strikes the middle one of each innermost list."""
    if "null" in struck:
        return None
    if "empty" in struck:
        return _emptied(result)
    result = _rebuilt(result, struck)
    if "warning" in struck and isinstance(result, dict):
        said = refusals.warning("course", 2, "1", HIDDEN)
        return result | {"warnings": [*result.get("warnings", ()), said]}
    return result


def _rows(rows: list[Row], struck: Struck) -> list[Row]:
    kept = rows[: -struck.number("fewer")] if "fewer" in struck else rows
    return spoil.spoilt(kept, struck, ONE_RECORD, STRANGE)


def _emptied(result: Any) -> Any:
    """The same answer with nothing in its lists."""
    if isinstance(result, list):
        return []
    return {name: _emptied(held) for name, held in result.items()} if isinstance(result, dict) else result


def _rebuilt(result: Any, struck: Struck) -> Any:
    """The same with its innermost lists of records spoilt; warnings are none."""
    if isinstance(result, dict):
        return {name: held if name == "warnings" else _rebuilt(held, struck) for name, held in result.items()}
    if not _records(result):
        return result
    deeper = any(_deeper(held) for one in result for held in one.values())
    return [_rebuilt(one, struck) for one in result] if deeper else _rows(result, struck)


def _deeper(held: object) -> bool:
    """Whether there are records in it, however deep."""
    return _records(held) or (isinstance(held, dict) and any(map(_deeper, held.values())))


def _records(held: object) -> bool:
    return isinstance(held, list) and bool(held) and all(isinstance(one, dict) for one in held)
