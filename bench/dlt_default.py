"""dlt as its documentation shows it: the `rest_api` source, merge by primary key, everything else left as it is.

Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

import time

import dlt
from child import ahead, report, task
from dlt.destinations import postgres
from dlt.sources.rest_api import rest_api_source

ENVELOPES = {"students": "users", "classes": "classes", "enrollments": "enrollments"}


def main() -> None:
    """Load the three collections."""
    given = task()
    ahead("dlt.destinations.impl.postgres.postgres", "dlt.sources.helpers.requests")
    started = time.monotonic()
    source = rest_api_source(
        {
            "client": {
                "base_url": given.rostering,
                "paginator": {"type": "offset", "limit": 1_000, "total_path": None},
            },
            "resource_defaults": {"primary_key": "sourcedId", "write_disposition": "merge"},
            "resources": [
                {"name": path, "endpoint": {"path": path, "data_selector": envelope}}
                for path, envelope in ENVELOPES.items()
            ],
        }
    )
    pipeline = dlt.pipeline(
        "bench_default",
        destination=postgres(given.database),
        dataset_name="roster",
        pipelines_dir=str(given.folder),
    )
    pipeline.run(source)
    report(started)


if __name__ == "__main__":
    main()
