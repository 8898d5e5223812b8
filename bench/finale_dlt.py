"""dlt on the same Finale account: one resource for each collection, its columns zipped to rows, merge by address.

Its declarative REST source cannot make rows of one array for each field, so each resource is the function that its
documentation shows for such a case; everything else is left as it is. Stock has no key of its own and is replaced.
Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import dlt
from child import report, task
from dlt.destinations import postgres
from dlt.sources.helpers import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN = task()
KEYS = {"partygroup": "partyGroupUrl", "product": "productUrl", "order": "orderUrl", "inventoryitem": None}


def rows(name: str) -> Iterator[list[dict[str, Any]]]:
    """A collection as rows."""
    arrays = requests.get(f"{GIVEN.url}/demo/api/{name}/", auth=("bench", "bench")).json()
    yield [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]


def main() -> None:
    """Load the four collections."""
    started = time.monotonic()
    resources = [
        dlt.resource(rows, name=name, primary_key=key, write_disposition="merge" if key else "replace")(name)
        for name, key in KEYS.items()
    ]
    pipeline = dlt.pipeline(
        "bench_finale",
        destination=postgres(GIVEN.database),
        dataset_name="finale",
        pipelines_dir=str(GIVEN.folder),
    )
    pipeline.run(resources)
    report(started)


if __name__ == "__main__":
    main()
