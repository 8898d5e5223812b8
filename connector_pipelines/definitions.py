"""What Dagster loads. Sources are declared in `defs`; how they become assets stands in `orchestration`."""

from __future__ import annotations

import dagster as dg

from connector_pipelines.orchestration import build


@dg.definitions
def definitions() -> dg.Definitions:
    """All sources, and core."""
    return build.definitions()
