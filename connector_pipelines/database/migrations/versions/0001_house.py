"""The house: core tables, the mapping layer, and the records of every sync."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def _run(statements: str) -> None:
    """Several statements in Alembic's transaction, past SQLAlchemy, which would take `:name` for a parameter."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(statements)


def upgrade() -> None:
    """Create the three schemas and their tables."""
    for part in ("core", "integrations", "sync", "views"):
        _run(Path(__file__).with_name(f"0001_{part}.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Remove everything this project made, core included."""
    op.execute("DROP SCHEMA core, staging CASCADE")
    op.execute(
        "DROP TABLE connector.external_system_mappings, connector.sync_receipts, connector.sync_changes, "
        "connector.sync_cursors, connector.sync_plans, connector.dead_letters, connector.sync_runs, "
        "connector.integration_status_logs, connector.integration_configurations, "
        "connector.integration_webhook_events, connector.integration_webhooks, connector.integrations, "
        "connector.integration_audit_logs CASCADE"
    )
    op.execute("DROP FUNCTION connector.refuse_change()")
