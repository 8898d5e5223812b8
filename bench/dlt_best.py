"""dlt's `rest_api` source at the quickest settings found that merge correctly: Arrow, CSV files, upsert, two workers.

Each page goes through a transformer that makes an Arrow table of it. No ids are mapped and no references are resolved.
The settings that dlt reads from the environment stand in `contest.py`, with what else was tried.
Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dlt
from child import ahead, report, task
from dlt.sources.rest_api import rest_api_resources
from dlt_flat import IMPORTED_LATE, LOADED, table
from dlt_roster import ENVELOPES, client, pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from dlt.extract import DltResource
    from dlt_flat import Row


def flat(pages: DltResource, path: str) -> DltResource:
    """The tables of a collection, one a page."""

    def tables(rows: Sequence[Row]) -> pa.Table:
        return table(path, rows)

    return pages | dlt.transformer(tables, name=path, **LOADED)


def main() -> None:
    """Load the three collections."""
    given = task()
    ahead(*IMPORTED_LATE)
    started = time.monotonic()
    collections = rest_api_resources(
        {
            "client": client(given),
            "resources": [
                {"name": f"{path}_pages", "endpoint": {"path": path, "data_selector": envelope}, "selected": False}
                for path, envelope in ENVELOPES.items()
            ],
        }
    )
    pipeline("bench_best", given).run(list(map(flat, collections, ENVELOPES)), loader_file_format="csv")
    report(started)


if __name__ == "__main__":
    main()
