"""Whatever habits a server has, core is the same as from a friendly one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator.world import START
from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator import Simulator

ENTITIES = ("organizations", "terms", "courses", "sections", "students")
HABITS = (
    "clamp=7 no-total no-link",
    "no-link total-estimate=-30",
    "no-link total-estimate=30",
    "total-estimate=-30",
    "total-estimate=30",
    "lower-case-headers",
    "gzip",
    "link-other-host",
    "trailing-slash-redirect",
    "bool-real",
    "ignore-filter",
    "ignore-sort",
    "strict-greater",
    "unknown-fields",
    "503=2 429-every=5",
)


@pytest.mark.parametrize("habits", HABITS)
def test_same_core(place: Any, simulator: Simulator, truth: Any, habits: str) -> None:
    """A full sync, and an incremental one after changes, give the truth, with every row accounted for."""
    simulator.set_faults(habits.split())
    source = place.source(simulator)
    first = place.sync(source, *ENTITIES)
    assert place.differences({entity: truth(simulator)[entity] for entity in ENTITIES}) == []
    place.set_back(START)
    simulator.evolve(percent=10)
    second = place.sync(source, *ENTITIES, mode=Mode.INCREMENTAL)
    assert place.differences({entity: truth(simulator)[entity] for entity in ENTITIES}) == []
    assert all(outcome.verified for outcome in [*first.values(), *second.values()])
    assert place.letters() == place.letters("waiting") == []


def test_roles_that_are_not_filtered(place: Any, simulator: Simulator, truth: Any) -> None:
    """Where a server sends enrollments of all roles, each goes where it belongs and the others are counted."""
    simulator.set_faults(["ignore-filter", "ignore-sort"])
    done = place.sync(place.source(simulator))
    assert place.differences(truth(simulator)) == []
    total = sum(1 for _ in simulator.expected("enrollments"))
    for entity in ("enrollments", "teaching_assignments"):
        counts = done[entity].plan.counts
        assert (counts.fetched, counts.created + counts.skipped) == (total, total)
