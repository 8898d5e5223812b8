from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import NetworkError
from connector_pipelines.sync.outbox import Pending, pending

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.exports.conftest import Outward


def waiting(outward: Outward) -> Pending | None:
    """What waits to be exported."""
    with outward.open() as context:
        return pending(context.connection, "campus")


def test_changes_wait_until_they_are_exported(outward: Outward) -> None:
    """After the first push, changes of what exports are made of are noted, and forgotten once they were pushed."""
    outward.push()
    outward.students(1, 2)
    found = waiting(outward)
    assert found
    assert (found.exports, found.rows) == (("users",), 2)
    outward.push()
    assert waiting(outward) is None


def test_tables_that_nobody_exports_are_not_noted(outward: Outward) -> None:
    """A change of a table that no export reads writes nothing, and so does any change before the first export."""
    outward.students(1)
    assert waiting(outward) is None
    outward.push()
    outward.execute("INSERT INTO core.vendors (name, status) VALUES ('v', 'active')")
    assert waiting(outward) is None


def test_one_export_leaves_what_others_need(outward: Outward) -> None:
    """An export removes its own notes alone: a section concerns groups, and members and grades in it."""
    outward.push()
    outward.execute("INSERT INTO core.sections (title, status) VALUES ('A', 'active')")
    outward.push("groups")
    found = waiting(outward)
    assert found
    assert found.exports == ("grades", "members")


@pytest.mark.parametrize("how", ["dry run", "failure"])
def test_what_was_not_sent_stays(outward: Outward, how: str) -> None:
    """A dry run, and a push that fails, leave the outbox as it was."""
    outward.push()
    outward.students(1)
    if how == "dry run":
        outward.push(dry_run=True)
    else:
        outward.campus.lose = {1}
        with pytest.raises(NetworkError):
            outward.push("users")
    found = waiting(outward)
    assert found
    assert found.rows == 1


def test_source_that_exports_no_more_leaves_no_notes(outward: Outward) -> None:
    """When an export is switched off its changes are neither noted nor kept."""
    outward.push()
    outward.students(1)
    outward.may(exports=["groups"])
    outward.push()
    assert waiting(outward) is None
    outward.students(2)
    assert waiting(outward) is None


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("oldest", "newest", "due"), [(30, 5, True), (30, 4, False), (60, 0, True), (5, 5, True), (59, 1, False)]
)
def test_waits_for_quiet_but_not_for_ever(oldest: int, newest: int, *, due: bool) -> None:
    """Changes are exported after five quiet seconds, and after a minute however busy it is."""
    changes = Pending(("users",), 1, NOW - timedelta(seconds=oldest), NOW - timedelta(seconds=newest))
    assert changes.due(NOW, quiet=timedelta(seconds=5), patience=timedelta(minutes=1)) is due
