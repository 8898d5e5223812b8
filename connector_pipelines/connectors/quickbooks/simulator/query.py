"""The query language: statements are taken apart, and matched against records.

SELECT * | field, … | COUNT(*) FROM Table [WHERE a AND b] [ORDERBY field [ASC|DESC]] [STARTPOSITION n] [MAXRESULTS m]
https://developer.intuit.com/app/developer/qbo/docs/learn/explore-the-quickbooks-online-api/data-queries
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks.simulator.exchange import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.connectors.quickbooks.simulator.world import Record

MOST = 1_000
USUAL = 100
TIMES = ("MetaData.LastUpdatedTime", "MetaData.CreateTime")
FILTERABLE = {
    "Item": {"Id", "Name", "Sku", "Active", "Type", *TIMES},
    "Vendor": {"Id", "DisplayName", "CompanyName", "Active", *TIMES},
    "PurchaseOrder": {"Id", "DocNumber", "TxnDate", "TotalAmt", *TIMES},
}

_STATEMENT = re.compile(
    r"\s*SELECT\s+(?P<columns>.+?)\s+FROM\s+(?P<table>\w+)"
    r"(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER\s*BY\s+(?P<order>[\w.]+)(?:\s+(?P<direction>ASC|DESC))?)?"
    r"(?:\s+START\s*POSITION\s+(?P<start>\d+))?"
    r"(?:\s+MAX\s*RESULTS\s+(?P<most>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TEXT = r"'(?:[^'\\]|\\.)*'"
_CONDITION = re.compile(
    rf"\s*(?P<field>[\w.]+)\s*(?:(?P<sign><=|>=|=|<|>)\s*(?P<value>{_TEXT}|[\w.+-]+)"
    rf"|IN\s*\((?P<values>[^()]*)\)|LIKE\s+(?P<like>{_TEXT}))\s*(?:AND\b|$)",
    re.IGNORECASE,
)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One part of WHERE."""

    field: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """A statement.

    Attributes:
        columns: asked for by name; "*" for all.
        where: the text of the conditions, which tells whether two pages are of one list.
    """

    table: str
    columns: tuple[str, ...]
    counts: bool
    where: str
    conditions: tuple[Condition, ...]
    order: str
    descending: bool
    start: int
    most: int

    def matches(self, record: Record) -> bool:
        """Whether a record is asked for; inactive ones are only if Active is spoken of."""
        spoken = any(condition.field == "Active" for condition in self.conditions)
        if not spoken and record.get("Active") is False:
            return False
        return all(condition.holds(valued(record, condition.field)) for condition in self.conditions)

    @property
    def takes_all(self) -> bool:
        """Whether every record matches, which need not be looked at then."""
        return self.where.replace(" ", "").lower() == "activein(true,false)" or (
            not self.conditions and self.table == "PurchaseOrder"
        )


def parse(statement: str, *, strict_greater: bool = False) -> Query:
    """Take a statement apart.

    Args:
        statement: as it was sent.
        strict_greater: read >= as >.

    Raises:
        RefusedError: 4000 for what is no statement, 4001 for one that asks for what is not there.
    """
    form = _STATEMENT.fullmatch(statement)
    if form is None:
        raise RefusedError(400, "ValidationFault", "4000", "Error parsing query", f"QueryParserError: {statement}")
    table = form["table"]
    if table not in FILTERABLE:
        raise _invalid(f"Metadata not found for Entity {table}")
    most = int(form["most"] or USUAL)
    start = int(form["start"] or 1)
    if not 1 <= most <= MOST or start < 1:
        raise _invalid(f"MAXRESULTS must be from 1 to {MOST} and STARTPOSITION from 1")
    order = form["order"] or "Id"
    if order not in FILTERABLE[table] - {"Active"}:
        raise _invalid(f"Property {order} of {table} is not sortable")
    columns = tuple(part.strip() for part in form["columns"].split(","))
    where = form["where"] or ""
    return Query(
        table=table,
        columns=columns,
        counts=columns[0].replace(" ", "").lower() == "count(*)",
        where=where,
        conditions=_conditions(table, where, strict_greater=strict_greater),
        order=order,
        descending=(form["direction"] or "").upper() == "DESC",
        start=start,
        most=most,
    )


def valued(record: Record, path: str) -> Any:
    """The value at a path such as MetaData.LastUpdatedTime, ready to compare: times as instants, ids as numbers."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return _comparable(path, value)


def _conditions(table: str, where: str, *, strict_greater: bool) -> tuple[Condition, ...]:
    found, at = [], 0
    while at < len(where):
        form = _CONDITION.match(where, at)
        if form is None:
            raise RefusedError(400, "ValidationFault", "4000", "Error parsing query", f"QueryParserError: {where}")
        if form["field"] not in FILTERABLE[table]:
            raise _invalid(f"Property {form['field']} of {table} is not queryable")
        found.append(Condition(form["field"], _test(form, strict_greater=strict_greater)))
        at = form.end()
    return tuple(found)


def _test(form: re.Match[str], *, strict_greater: bool) -> Callable[[Any], bool]:
    path = form["field"]
    if form["values"] is not None:
        allowed = {_comparable(path, _literal(part)) for part in form["values"].split(",")}
        return lambda value: value in allowed
    if form["like"] is not None:
        parts = str(_literal(form["like"])).split("%")
        like = re.compile(".*".join(map(re.escape, parts)), re.IGNORECASE | re.DOTALL)
        return lambda value: isinstance(value, str) and like.fullmatch(value) is not None
    sign = ">" if strict_greater and form["sign"] == ">=" else form["sign"]
    compare, wanted = _SIGNS[sign], _comparable(path, _literal(form["value"]))
    return lambda value: value is not None and type(value) is type(wanted) and compare(value, wanted)


def _literal(text: str) -> object:
    text = text.strip()
    if text.startswith("'"):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return {"true": True, "false": False}.get(text.lower(), text)


def _comparable(path: str, value: Any) -> Any:
    if value is None:
        return None
    try:
        if path in TIMES:
            at = datetime.fromisoformat(str(value))
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if path in {"Id", "TotalAmt"}:
            return float(value)
    except ValueError:
        raise _invalid(f"Invalid value for {path}") from None
    return value


def _invalid(detail: str) -> RefusedError:
    return RefusedError(400, "ValidationFault", "4001", "Invalid query", f"QueryValidationError: {detail}")
