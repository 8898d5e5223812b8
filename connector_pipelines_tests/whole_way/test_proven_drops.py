"""What is gone at a source that is read page by page is dropped only once that is proven."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.policy import SyncPolicy

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator import Simulator

NEEDED = ("organizations", "terms", "courses", "sections")


@pytest.mark.parametrize(
    ("faults", "stability", "dropped"),
    [([], "stable", 1), (["shift=remove@2:classes"], "repaired", 1), (["shift=insert@2:classes"], "unstable", 0)],
)
def test_drops_need_a_read_that_held_still(
    place: Any, simulator: Simulator, faults: list[str], stability: str, dropped: int
) -> None:
    """A class that vanished becomes inactive after a stable or repaired read, and stays after an unstable one."""
    source = replace(place.source(simulator, page_size=30), policy=SyncPolicy(drops=("sections",)))
    place.sync(source, *NEEDED)
    gone = sorted(record["sourcedId"] for record in simulator.expected("classes"))[40]
    simulator.remove("classes", gone)
    simulator.set_faults(faults)
    outcome = place.sync(replace(source, config=source.config.model_copy(update={"in_flight": 1})), "sections")[
        "sections"
    ]
    assert place.rows("SELECT stability FROM connector.sync_runs ORDER BY id DESC LIMIT 1") == [(stability,)]
    assert (outcome.verified, outcome.plan.counts.dropped) == (True, dropped)
    inactive = "SELECT count(*) FROM core.sections WHERE status = 'inactive'"
    assert place.rows(inactive) == [(dropped,)]
    assert any("unstable" in reason for reason in outcome.plan.reasons) == (stability == "unstable")
    assert place.rows("SELECT DISTINCT stability FROM connector.sync_runs WHERE entity <> 'sections'") == [(None,)]
