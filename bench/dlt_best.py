"""dlt at the quickest settings found that still merge correctly: Arrow tables, CSV files, upsert, two workers.

Arrow tables skip dlt's row-by-row normalizing; what is nested in a record is picked out here, so that one flat table a
collection holds the same columns that this project's core has. No ids are mapped and no references are resolved.
The settings that dlt reads from the environment stand in `contest.py`, with what else was tried.
Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import dlt
import orjson
import pyarrow as pa
import requests
from child import ahead, report, task
from dlt.destinations import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
COLLECTIONS: dict[str, tuple[str, dict[str, Column]]] = {
    "students": (
        "users",
        _HEAD
        | {name: _plain(name) for name in _USER}
        | {"enabled": lambda row: row.get("enabledUser") == "true"}
        | {"grades": _joined("grades"), "org": _id_of("primaryOrg")},
    ),
    "classes": (
        "classes",
        _HEAD
        | {name: _plain(name) for name in _CLASS}
        | {name: _joined(name) for name in ("grades", "subjects", "periods")}
        | {"course": _id_of("course"), "school": _id_of("school"), "term": _first_id("terms")},
    ),
    "enrollments": (
        "enrollments",
        _HEAD
        | {name: _plain(name) for name in ("role", "beginDate", "endDate")}
        | {"user": _id_of("user"), "class": _id_of("class")},
    ),
}


IMPORTED_LATE = (
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations.impl.postgres.postgres",
    "dlt.sources.helpers.requests",
    "pyarrow.csv",
    "pyarrow.parquet",
)


def tables(base_url: str, path: str) -> Iterator[pa.Table]:
    """One Arrow table a page."""
    envelope, columns = COLLECTIONS[path]
    kinds = {"enabled": pa.bool_()}
    fields = [pa.field(name, kinds.get(name, pa.string()), nullable=name != "sourcedId") for name in columns]
    schema = pa.schema(fields)
    offset = 0
    with requests.Session() as session:
        while True:
            answer = session.get(f"{base_url}/{path}", params={"limit": 1_000, "offset": offset}, timeout=60)
            answer.raise_for_status()
            rows = orjson.loads(answer.content)[envelope]
            if not rows:
                return
            yield pa.table({name: [read(row) for row in rows] for name, read in columns.items()}, schema=schema)
            offset += len(rows)


def main() -> None:
    """Load the three collections."""
    given = task()
    ahead(*IMPORTED_LATE)
    started = time.monotonic()
    resources = [
        dlt.resource(
            tables(given.rostering, path),
            name=path,
            primary_key="sourcedId",
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )
        for path in COLLECTIONS
    ]
    pipeline = dlt.pipeline(
        "bench_best",
        destination=postgres(given.database),
        dataset_name="roster",
        pipelines_dir=str(given.folder),
    )
    pipeline.run(resources, loader_file_format="csv")
    report(started)


if __name__ == "__main__":
    main()
