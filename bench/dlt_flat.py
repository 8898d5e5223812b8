"""The flat tables that dlt loads quickest: Arrow skips its row-by-row normalizing.

What is nested in a record is picked out here, so that one table a collection holds the same columns that this project's
core has. Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Column = Callable[["Row"], object]

Row = dict[str, Any]


def _plain(name: str) -> Column:
    return lambda row: row.get(name)


def _id_of(name: str) -> Column:
    return lambda row: ref["sourcedId"] if (ref := row.get(name)) else None


def _first_id(name: str) -> Column:
    return lambda row: refs[0]["sourcedId"] if (refs := row.get(name)) else None


def _joined(name: str) -> Column:
    return lambda row: ",".join(row.get(name) or ()) or None


_HEAD = {name: _plain(name) for name in ("sourcedId", "status", "dateLastModified")}
_USER = ("givenName", "familyName", "middleName", "preferredFirstName", "username", "email", "phone", "identifier")
_CLASS = ("title", "classCode", "classType", "location")
_COLUMNS: dict[str, dict[str, Column]] = {
    "students": (
        _HEAD
        | {name: _plain(name) for name in _USER}
        | {"enabled": lambda row: row.get("enabledUser") == "true"}
        | {"grades": _joined("grades"), "org": _id_of("primaryOrg")}
    ),
    "classes": (
        _HEAD
        | {name: _plain(name) for name in _CLASS}
        | {name: _joined(name) for name in ("grades", "subjects", "periods")}
        | {"course": _id_of("course"), "school": _id_of("school"), "term": _first_id("terms")}
    ),
    "enrollments": (
        _HEAD
        | {name: _plain(name) for name in ("role", "beginDate", "endDate")}
        | {"user": _id_of("user"), "class": _id_of("class")}
    ),
}
_KINDS = {"enabled": pa.bool_()}

LOADED = {"primary_key": "sourcedId", "write_disposition": {"disposition": "merge", "strategy": "upsert"}}
"""How a table is loaded: an upsert is quicker than deleting and inserting."""

IMPORTED_LATE = (
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations.impl.postgres.postgres",
    "dlt.sources.helpers.requests",
    "pyarrow.csv",
    "pyarrow.parquet",
)
"""What dlt would import while the clock of its engine runs."""


def table(path: str, rows: Sequence[Row]) -> pa.Table:
    """The records of a page."""
    columns = _COLUMNS[path]
    fields = [pa.field(name, _KINDS.get(name, pa.string()), nullable=name != "sourcedId") for name in columns]
    return pa.table({name: [read(row) for row in rows] for name, read in columns.items()}, schema=pa.schema(fields))
