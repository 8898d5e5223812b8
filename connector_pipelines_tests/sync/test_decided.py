"""What people are shown of the audit log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from connector_pipelines.external import vault
from connector_pipelines.sync import records
from connector_pipelines.sync.decided import decisions

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


def test_decisions_are_told_newest_first(connection: Connection) -> None:
    """Each has who, what, where and why; a source has its own, and what belongs to no source is among all."""
    for source in ("alpha", "beta"):
        records.audit(connection, "plan refused", who="ann", source=source, entity="students", hash="1", why="old")
    vault._audit(connection, "ben", "keys rotated", {"secrets": 1})
    told = [(one.who, one.what, one.source, one.entity, one.why) for one in decisions(connection)]
    assert told == [
        ("ben", "keys rotated", "", "", ""),
        ("ann", "plan refused", "beta", "students", "old"),
        ("ann", "plan refused", "alpha", "students", "old"),
    ]
    assert [one.source for one in decisions(connection, "alpha")] == ["alpha"]
    assert [one.what for one in decisions(connection, limit=1)] == ["keys rotated"]


def test_only_what_people_did_is_told(connection: Connection) -> None:
    """Refused calls and what a declaration allows are no decisions, and of the details only the reason is told."""
    for who in ("webhook receiver", "declaration"):
        connection.execute(
            "INSERT INTO connector.integration_audit_logs (who, action, source, detail) VALUES (%s, 'x', 'alpha', %s)",
            [who, json.dumps({"why": "no"})],
        )
    records.audit(connection, "identity accepted", who="ann", source="alpha", entity="students", external_id="secret-1")
    assert [one.who for one in decisions(connection)] == ["ann"]
    assert "secret-1" not in repr(decisions(connection))
