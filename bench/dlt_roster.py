"""What all that dlt plays share: the collections, where a `rest_api` source finds their pages, and where they go.

Runs in the benchmark's own virtual environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
from dlt.destinations import postgres

if TYPE_CHECKING:
    from child import Task

ENVELOPES = {"students": "users", "classes": "classes", "enrollments": "enrollments"}
"""The collections by path, and what their records come in."""


def client(given: Task) -> dict[str, Any]:
    """How a `rest_api` source is told to follow the pages."""
    return {"base_url": given.rostering, "paginator": {"type": "offset", "limit": 1_000, "total_path": None}}


def pipeline(name: str, given: Task) -> dlt.Pipeline:
    """A pipeline into the contestant's database, with its state in the contestant's folder."""
    return dlt.pipeline(
        name,
        destination=postgres(given.database),
        dataset_name="roster",
        pipelines_dir=str(given.folder),
    )
