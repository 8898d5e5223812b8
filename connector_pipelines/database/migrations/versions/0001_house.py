"""The house: core tables, the mapping layer, and the records of every sync."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the three schemas and their tables."""
    for part in ("core", "integrations", "sync", "views"):
        run_file(__file__, part)


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
