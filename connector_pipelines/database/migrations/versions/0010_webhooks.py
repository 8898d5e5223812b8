"""The inbox of webhooks: what to read again, in which batch, and how often it was tried."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns and what finds waiting events."""
    run_file(__file__)


def downgrade() -> None:
    """Remove them; events stay as they came."""
    op.execute(
        "DROP INDEX connector.webhook_events_open, connector.webhook_events_received;"
        "DROP SEQUENCE connector.webhook_batches;"
        "ALTER TABLE connector.integration_webhook_events DROP COLUMN entities, DROP COLUMN attempts,"
        " DROP COLUMN due_at, DROP COLUMN batch, DROP COLUMN claimed_at, DROP COLUMN run_id, DROP COLUMN reason,"
        " ALTER COLUMN payload DROP DEFAULT"
    )
