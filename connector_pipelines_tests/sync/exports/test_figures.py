"""How an export does: what stands, what was not taken, how long changes were on their way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.sync.figures import Figures, of_export

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.exports.conftest import Outward

MINUTES = timedelta(minutes=10)


def figures(outward: Outward) -> Figures:
    """Of users, in the last ten minutes."""
    with outward.open() as context:
        return of_export(context.connection, "campus", "export/users", datetime.now(UTC) - MINUTES)


def test_standing_failures_are_counted_once(outward: Outward) -> None:
    """A record that is refused lowers the share of what stands for as long as it does; it was sent once."""
    outward.campus.refuses = {"s1"}
    outward.students(*range(1, 5))
    outward.push("users")
    outward.push("users")
    found = figures(outward)
    assert (found.standing, found.missing, found.success) == (3, 1, 0.75)
    assert (found.sent, found.failed) == (4, 1)
    outward.campus.refuses = set()
    outward.execute("UPDATE core.students SET email = 'new@x.example' WHERE id = 1")
    outward.push("users")
    found = figures(outward)
    assert (found.success, found.sent, found.failed) == (1.0, 5, 1)


def test_changes_are_timed_until_they_arrive(outward: Outward) -> None:
    """From a change of core to the end of the export that took it; another export's changes are not among them."""
    outward.push()
    outward.students(1, 2)
    outward.execute("UPDATE connector.export_outbox SET at = at - interval '1 minute'")
    outward.push("users")
    found = figures(outward)
    assert found.changes == 2
    assert found.longest >= found.mean_seconds >= 60
    outward.push("users")
    assert figures(outward).changes == 2


def test_what_waits_for_a_person_has_not_arrived(outward: Outward) -> None:
    """Changes in a plan that the guard held are not counted as arrived."""
    outward.may(guard={"limits": {"floor": 1}})
    outward.students(*range(1, 4))
    outward.push("users")
    before = figures(outward).changes
    outward.execute("UPDATE core.students SET status = 'inactive'")
    outward.push("users")
    assert figures(outward).changes == before


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Figures(), (1.0, 0.0, 0.0)),
        (Figures(standing=995, missing=5), (0.995, 0.0, 0.0)),
        (Figures(changes=4, seconds=120.0, requests=10, answering=20.0), (1.0, 30.0, 2.0)),
    ],
)
def test_shares_and_means(found: Figures, told: tuple[float, float, float]) -> None:
    """Where there is nothing nothing failed, and nothing was slow."""
    assert (found.success, found.mean_seconds, found.mean_answer) == told
