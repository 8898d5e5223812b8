"""The filter grammar: one clause, or two joined by AND or OR; values in single quotes (contract 1.1).

A quote inside a value stands for itself, because the specification defines no escape. The operator @ (one of a
comma-separated list) is TimeBack's.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.simulator import fields
from connector_pipelines.connectors.oneroster.simulator.instants import parse_ms
from connector_pipelines.connectors.oneroster.simulator.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record

_CLAUSE = r"([A-Za-z_][\w.:-]*)\s*(!=|>=|<=|=|>|<|~|@)\s*'"
_ONE = re.compile(rf"\s*{_CLAUSE}(.*)'\s*", re.DOTALL)
_TWO = re.compile(rf"\s*{_CLAUSE}(.*?)'\s+(AND|OR)\s+{_CLAUSE}(.*)'\s*", re.DOTALL)
_ANOTHER = re.compile(rf"'\s+(AND|OR)\s+{_CLAUSE}", re.IGNORECASE)

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """`field op 'value'`."""

    field: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Filter:
    """One or two clauses; `joiner` is AND or OR."""

    clauses: tuple[Clause, ...]
    joiner: str = "AND"

    def matches(self, record: Record) -> bool:
        """Whether a record passes."""
        passed = [matches(clause, record) for clause in self.clauses]
        return all(passed) if self.joiner == "AND" else any(passed)


def parse(text: str) -> Filter:
    """Read a filter.

    Raises:
        RefusedError: 400, the text does not follow the grammar or an instant is none.
    """
    two, one = _TWO.fullmatch(text), _ONE.fullmatch(text)
    if two:
        parsed = Filter((Clause(*two.group(1, 2, 3)), Clause(*two.group(5, 6, 7))), two.group(4))
    elif one:
        parsed = Filter((Clause(*one.group(1, 2, 3)),))
    else:
        raise RefusedError(400, "invaliddata", f"The filter {text!r} does not follow field<op>'value'")
    for clause in parsed.clauses:
        if _ANOTHER.search(clause.value):
            raise RefusedError(400, "invaliddata", "A filter has at most two clauses, joined by AND or OR")
        if clause.field in fields.INSTANTS and clause.op not in "~@" and parse_ms(clause.value) is None:
            raise RefusedError(400, "invaliddata", f"The value of '{clause.field}' is no date-time")
    return parsed


def check(parsed: Filter, known: tuple[str, ...], *, nested: bool = True) -> None:
    """Refuse what cannot be filtered.

    Raises:
        RefusedError: 400 invalid_filter_field, naming the field; no data is sent (REST binding).
    """
    for clause in parsed.clauses:
        head, dot, _ = clause.field.partition(".")
        supported = nested and (clause.field in fields.NESTED or head == "metadata")
        if head not in known or (dot and not supported):
            raise RefusedError(400, "invalid_filter_field", f"Unknown filter field '{clause.field}'")


def matches(clause: Clause, record: Record) -> bool:
    """Whether a record passes one clause; a field that is not there passes `!=` alone."""
    actual = _values(record, clause.field)
    if clause.op == "@":
        return any(_text(value) in clause.value.split(",") for value in actual)
    if _is_list(record, clause.field) and clause.op in {"=", "!=", "~"}:
        return _matches_list({_text(value) for value in actual}, clause)
    if clause.op == "!=":
        return not any(_compare(value, "=", clause) for value in actual)
    return any(_compare(value, clause.op, clause) for value in actual)


def _matches_list(actual: set[str], clause: Clause) -> bool:
    """Multi-valued fields: = and != compare the whole set, ~ asks for every value given."""
    wanted = set(clause.value.split(","))
    if clause.op == "~":
        return wanted <= actual
    return (actual == wanted) == (clause.op == "=")


def _is_list(record: Record, path: str) -> bool:
    value = record.get(path)
    return isinstance(value, list) and not any(isinstance(entry, dict) for entry in value)


def _values(record: Record, path: str) -> list[Any]:
    """What stands at a dotted path: no value, one, or one for each entry of a list."""
    found: list[Any] = [record]
    for name in path.split("."):
        inner = [value[name] for value in found if isinstance(value, dict) and name in value]
        found = [entry for value in inner for entry in (value if isinstance(value, list) else [value])]
    return [value for value in found if value is not None]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _compare(actual: Any, op: str, clause: Clause) -> bool:
    if op == "~":
        return clause.value.casefold() in _text(actual).casefold()
    if clause.field in fields.INSTANTS:
        instant = parse_ms(_text(actual))
        return instant is not None and COMPARISONS[op](instant, parse_ms(clause.value))
    if isinstance(actual, int | float) and not isinstance(actual, bool):
        wanted = _number(clause.value)
        return wanted is not None and COMPARISONS[op](float(actual), wanted)
    return COMPARISONS[op](_text(actual), clause.value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
