"""limit, offset, sort, orderBy, filter and fields: read, checked, and applied to rows (contract 1.1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from connector_pipelines.connectors.oneroster.simulator import filters
from connector_pipelines.connectors.oneroster.simulator.instants import parse_ms
from connector_pipelines.connectors.oneroster.simulator.refusals import RefusedError
from connector_pipelines.connectors.oneroster.simulator.world import STREAM_BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, Mask
    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record
    from connector_pipelines.connectors.oneroster.simulator.store import Rows, Store

DEFAULT_LIMIT = 100
VECTOR_FIELDS = {"dateLastModified", "status"}


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks of a collection. `warnings` are (minor code, description) of what was not understood."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    sort: str | None = None
    descending: bool = False
    filter: filters.Filter | None = None
    fields: tuple[str, ...] | None = None
    search: str | None = None
    warnings: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Table:
    """A collection as one version of the API shows it.

    Attributes:
        store: the rows.
        collection: which one.
        known: fields that may be named.
        shape: makes the version's record of a stored one.
    """

    store: Store
    collection: str
    known: tuple[str, ...]
    shape: Callable[[Record], Record]

    def records(self, rows: Rows | Sequence[int]) -> list[Any]:
        """The version's records of rows; raw bytes pass through."""
        fetched = self.store.fetch(self.collection, rows)
        return [self.shape(record) if isinstance(record, dict) else record for record in fetched]


def read(params: Sequence[tuple[str, str]], known: tuple[str, ...], *, nested: bool = True) -> Query:
    """Read query parameters, strictly for values, leniently for unknown sort and selection fields.

    Raises:
        RefusedError: 400, with the minor code of the REST binding.
    """
    given = dict(params)
    sort, warnings = given.get("sort"), []
    if sort is not None and sort not in known:
        warnings.append(("invalid_sort_field", f"Unknown sort field '{sort}'; the default order is used"))
        sort = None
    selected, more = _selection([value for name, value in params if name == "fields"], known)
    parsed = filters.parse(given["filter"]) if given.get("filter") else None
    if parsed:
        filters.check(parsed, known, nested=nested)
    order = given.get("orderBy", "asc").lower()
    if order not in {"asc", "desc"}:
        raise RefusedError(400, "invaliddata", f"orderBy is '{order}'; it must be asc or desc")
    return Query(
        limit=_number(given, "limit", DEFAULT_LIMIT, 1),
        offset=_number(given, "offset", 0, 0),
        sort=sort,
        descending=order == "desc",
        filter=parsed,
        fields=selected,
        search=given.get("search"),
        warnings=(*warnings, *more),
    )


def _number(given: dict[str, str], name: str, default: int, least: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise RefusedError(400, "invaliddata", f"{name} is '{text}'; it must be a whole number from {least} up")
    return int(text)


def _selection(given: list[str], known: tuple[str, ...]) -> tuple[tuple[str, ...] | None, list[tuple[str, str]]]:
    """`fields=a,b` and `fields=a&fields=b`: both forms are in use, because the OpenAPI declares the second."""
    if not given:
        return None, []
    names = [name.strip() for text in given for name in text.split(",")]
    if not all(names):
        raise RefusedError(400, "invalid_blank_selection_field", "A field name in 'fields' is blank")
    unknown = [name for name in names if name not in known]
    if unknown:
        text = f"Unknown selection field '{unknown[0]}'; all fields are returned"
        return None, [("invalid_selection_field", text)]
    return tuple(names), []


def select(table: Table, rows: Rows, query: Query) -> Rows:
    """The rows that pass, in order."""
    if query.search:
        rows = _kept(table, rows, partial(_found_in, query.search.casefold()))
    if query.filter:
        rows = _filtered(table, rows, query.filter)
    if query.sort and query.sort != "sourcedId":
        rows = np.asarray(rows)[_order(table, rows, query.sort, descending=query.descending)]
    elif query.sort:
        rows = _by_id(table, rows, descending=query.descending)
    elif query.descending:
        rows = rows[::-1]
    return rows


def _found_in(wanted: str, record: Record) -> bool:
    return any(isinstance(value, str) and wanted in value.casefold() for value in record.values())


def _filtered(table: Table, rows: Rows, parsed: filters.Filter) -> Rows:
    """Clauses on dateLastModified and status are answered by vectors, for a million rows at once; others row by row."""
    fast = [clause for clause in parsed.clauses if clause.field in VECTOR_FIELDS and clause.op not in "~@"]
    slow = replace(parsed, clauses=tuple(clause for clause in parsed.clauses if clause not in fast))
    if slow.clauses and parsed.joiner == "OR":
        return _kept(table, rows, parsed.matches)
    if fast:
        masks = [_mask(table, rows, clause) for clause in fast]
        mask = np.logical_and.reduce(masks) if parsed.joiner == "AND" else np.logical_or.reduce(masks)
        rows = np.asarray(rows)[mask]
    return _kept(table, rows, slow.matches) if slow.clauses else rows


def _mask(table: Table, rows: Rows, clause: filters.Clause) -> Mask:
    compare = filters.COMPARISONS[clause.op]
    if clause.field == "dateLastModified":
        instants = table.store.instants(table.collection, rows)
        return np.asarray(compare(instants, parse_ms(clause.value)) & (instants >= 0))
    statuses = np.where(table.store.deleted(table.collection, rows), "tobedeleted", "active")
    return np.asarray(compare(statuses, clause.value))


def _kept(table: Table, rows: Rows, passes: Callable[[Record], bool]) -> Indices:
    kept: list[int] = []
    for first in range(0, len(rows), STREAM_BLOCK):
        block = rows[first : first + STREAM_BLOCK]
        records = table.records(block)
        kept += [row for row, record in zip(block, records, strict=True) if isinstance(record, dict) and passes(record)]
    return np.array(kept, dtype=np.int64)


def _order(table: Table, rows: Rows, sort: str, *, descending: bool) -> Indices:
    """A stable order: equal keys stay in the order of the collection, whichever way the keys go."""
    if sort == "dateLastModified":
        keys = table.store.instants(table.collection, rows)
        return np.argsort(-keys if descending else keys, kind="stable")
    values = [value for first in range(0, len(rows), STREAM_BLOCK) for value in _keys(table, rows, sort, first)]
    order = sorted(range(len(values)), key=values.__getitem__, reverse=descending)
    return np.array(order, dtype=np.int64)


def _keys(table: Table, rows: Rows, sort: str, first: int) -> list[tuple[int, float, str]]:
    """Missing before numbers before texts; texts by code point (the OpenAPI asks for Unicode order)."""
    records = table.records(rows[first : first + STREAM_BLOCK])
    return [_key(record.get(sort)) if isinstance(record, dict) else (0, 0.0, "") for record in records]


def _key(value: Any) -> tuple[int, float, str]:
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 1, float(value), ""
    return 2, 0.0, value if isinstance(value, str) else repr(value)


def _by_id(table: Table, rows: Rows, *, descending: bool) -> Rows:
    """Generated rows are in the order of their ids already; only where rows were put are the ids looked at."""
    if table.store.explicit(table.collection) or table.collection == "demographics":
        return np.asarray(rows)[_order(table, rows, "sourcedId", descending=descending)]
    return rows[::-1] if descending else rows


def chosen(record: Any, selected: tuple[str, ...] | None) -> Any:
    """A record with the selected fields only."""
    if selected is None or not isinstance(record, dict):
        return record
    return {name: value for name, value in record.items() if name in selected}
