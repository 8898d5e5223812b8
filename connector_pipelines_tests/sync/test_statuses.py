"""An enrollment goes from any status to any other through a sync, and back (G46)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy

STATUSES = ("enrolled", "dropped", "withdrawn")


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("before", "after"), list(product(STATUSES, STATUSES)))
def test_from_any_status_to_any_other(toy: Toy, make: Records, before: str, after: str, mode: Mode) -> None:
    """The same row takes the new status, with the old one in its history, in full reads and in increments; the same
    status again writes nothing.
    """
    toy.sends |= {"students": [[make.student(1)]], "sections": [[make.section(1)]]}
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1", status=before)]]
    toy.sync("students", "sections", "enrollments")
    ((row, version),) = toy.core("enrollments", "id", "sync_version")
    toy.sends["enrollments"] = [[make.enrollment(1, "s1", "c1", status=after)]]
    outcome = toy.sync("enrollments", mode=mode)["enrollments"]
    changes = before != after
    counts = outcome.plan.counts
    assert (outcome.verified, counts.created, counts.updated, counts.unchanged) == (True, 0, changes, not changes)
    assert toy.core("enrollments", "id", "status", "sync_version") == [(row, after, version + changes)]
    history = toy.rows("SELECT changes FROM connector.sync_changes")
    assert history == ([({"status": [before, after]},)] if changes else [])
