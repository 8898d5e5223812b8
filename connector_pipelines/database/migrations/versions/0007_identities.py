"""What people accepted about whose a record is."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table."""
    run_file(__file__)


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP TABLE connector.accepted_identities")
