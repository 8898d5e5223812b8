"""What processes share when they talk to the outside: limits, pauses, breakers, cached answers and sealed secrets."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables and functions."""
    run_file(__file__)


def downgrade() -> None:
    """Remove them; sealed secrets are lost."""
    op.execute("ALTER TABLE connector.integrations DROP COLUMN pinned_version")
    op.execute("DROP VIEW connector.rate_usage")
    op.execute("DROP FUNCTION connector.get_external_source_credentials(text)")
    op.execute("DROP FUNCTION connector.take_seat(text, integer, integer[])")
    op.execute("DROP FUNCTION connector.admit")
    op.execute(
        "DROP TABLE connector.rate_slots, connector.rate_limits, connector.gates, connector.response_cache,"
        " connector.secrets"
    )
