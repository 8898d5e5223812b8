from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


@pytest.fixture
def integration(connection: Connection) -> int:
    """The id of a registered source."""
    row = connection.execute(
        "INSERT INTO connector.integrations (name, connector, title) VALUES ('toy', 'toy', 'Toy') RETURNING id"
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE connector.integration_audit_logs SET who = 'nobody'",
        "DELETE FROM connector.integration_audit_logs",
        "TRUNCATE connector.integration_audit_logs",
    ],
)
def test_audit_log_is_append_only(connection: Connection, statement: str) -> None:
    """What stands in the audit log cannot be changed or removed."""
    connection.execute("INSERT INTO connector.integration_audit_logs (who, action) VALUES ('ann', 'looked')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        connection.execute(statement.encode())
    assert connection.execute("SELECT who FROM connector.integration_audit_logs").fetchall() == [("ann",)]


def test_event_that_comes_twice_is_refused(connection: Connection, integration: int) -> None:
    """One event id of a source is stored once; the same id of another source is another event."""
    insert = (
        "INSERT INTO connector.integration_webhook_events (integration_id, event_id, event_type, payload)"
        " VALUES (%s, 'e1', 'changed', '{}')"
    )
    connection.execute(insert, [integration])
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(insert, [integration])


@pytest.mark.parametrize("name", ["Toy", "toy;drop", "", "1toy", "x" * 41])
def test_registry_refuses_hostile_names(connection: Connection, name: str) -> None:
    """The registry takes the same names as the tables of mappings."""
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "INSERT INTO connector.integrations (name, connector, title) VALUES (%s, 'toy', 'Toy')", [name]
        )


@pytest.mark.parametrize("status", ["connected", "disconnected", "error", "pending"])
def test_registry_knows_four_states(connection: Connection, integration: int, status: str) -> None:
    """A source is pending, connected, disconnected or in error, and nothing else."""
    update = "UPDATE connector.integrations SET status = %s WHERE id = %s"
    connection.execute(update, [status, integration])
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(update, [status + "!", integration])
