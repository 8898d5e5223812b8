"""dlt as the loader of a script: a resource written by hand instead of the `rest_api` source, and what `dlt_best` sets.

It follows the pages of these three collections, and decodes them with orjson; what a `rest_api` source could be told
to do otherwise, it cannot. Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dlt
import orjson
import requests
from child import ahead, report, task
from dlt_flat import IMPORTED_LATE, LOADED, table
from dlt_roster import ENVELOPES, pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


def tables(base_url: str, path: str) -> Iterator[pa.Table]:
    """One Arrow table a page."""
    offset = 0
    with requests.Session() as session:
        while True:
            answer = session.get(f"{base_url}/{path}", params={"limit": 1_000, "offset": offset}, timeout=60)
            answer.raise_for_status()
            rows = orjson.loads(answer.content)[ENVELOPES[path]]
            if not rows:
                return
            yield table(path, rows)
            offset += len(rows)


def main() -> None:
    """Load the three collections."""
    given = task()
    ahead(*IMPORTED_LATE)
    started = time.monotonic()
    resources = [dlt.resource(tables(given.rostering, path), name=path, **LOADED) for path in ENVELOPES]
    pipeline("bench_by_hand", given).run(resources, loader_file_format="csv")
    report(started)


if __name__ == "__main__":
    main()
