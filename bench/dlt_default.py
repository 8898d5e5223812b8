"""dlt as its documentation shows it: the `rest_api` source, merge by primary key, everything else left as it is.

Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

import time

from child import ahead, report, task
from dlt.sources.rest_api import rest_api_source
from dlt_roster import ENVELOPES, client, pipeline


def main() -> None:
    """Load the three collections."""
    given = task()
    ahead("dlt.destinations.impl.postgres.postgres", "dlt.sources.helpers.requests")
    started = time.monotonic()
    source = rest_api_source(
        {
            "client": client(given),
            "resource_defaults": {"primary_key": "sourcedId", "write_disposition": "merge"},
            "resources": [
                {"name": path, "endpoint": {"path": path, "data_selector": envelope}}
                for path, envelope in ENVELOPES.items()
            ],
        }
    )
    pipeline("bench_default", given).run(source)
    report(started)


if __name__ == "__main__":
    main()
