from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from connector_pipelines.database.tables import IntegrationStatus, SyncStatus
from connector_pipelines.mapping.identities import activate
from connector_pipelines.model import PlanState, RunKind
from connector_pipelines.outward import Action
from connector_pipelines.pages import Stability
from connector_pipelines.webhooks.inbox import EventStatus

if TYPE_CHECKING:
    from enum import StrEnum

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


WORDS: dict[str, type[StrEnum]] = {
    "integrations.status": IntegrationStatus,
    "integration_status_logs.status": IntegrationStatus,
    "external_system_mappings.sync_status": SyncStatus,
    "integration_webhook_events.status": EventStatus,
    "sync_plans.state": PlanState,
    "sync_runs.kind": RunKind,
    "sync_runs.stability": Stability,
    "exports.action": Action,
}
_CHECKS = """
    SELECT c.conrelid::regclass || '.' || a.attname, pg_get_constraintdef(c.oid)
    FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
    WHERE c.contype = 'c' AND c.connamespace = 'connector'::regnamespace AND c.conparentid = 0
"""


@pytest.mark.parametrize("column", WORDS)
def test_the_database_knows_the_words_of_the_code(connection: Connection, column: str) -> None:
    """A status may be what its enum knows, and nothing else (requirements F35, F36, F37)."""
    checks = connection.execute(_CHECKS).fetchall()
    [words] = [re.findall("'([^']*)'", str(text)) for name, text in checks if name == f"connector.{column}"]
    assert sorted(words) == sorted(WORDS[column])


def test_a_status_of_no_enum_is_refused(connection: Connection, integration: int) -> None:
    """A source is pending, connected, disconnected or in error, and nothing else."""
    update = "UPDATE connector.integrations SET status = %s WHERE id = %s"
    for status in IntegrationStatus:
        connection.execute(update, [status, integration])
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(update, ["asleep", integration])


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("entity_type = 'students' AND external_id = 's1'", "s1"),
        ("entity_type = 'students' AND internal_id = 7", "7"),
    ],
)
def test_mappings_are_found_by_index_in_both_directions(connection: Connection, asked: str, index: str) -> None:
    """A record's row and a row's record are looked up by an index of the source's partition (G115)."""
    activate(connection, "alpha")
    connection.execute("SET enable_seqscan = off")  # so few rows are cheaper to read whole
    statement = f"EXPLAIN SELECT * FROM connector.external_system_mappings WHERE connector_id = 'alpha' AND {asked}"
    told = "\n".join(str(line) for (line,) in connection.execute(statement))
    condition = next(line for line in told.splitlines() if "Index Cond" in line)
    assert "alpha_mappings" in told
    assert index in condition
