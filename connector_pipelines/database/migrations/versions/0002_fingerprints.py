"""Fingerprints of raw records, and where each mapping came from."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; they are empty until the next sync."""
    run_file(__file__)


def downgrade() -> None:
    """Remove the columns."""
    op.execute("ALTER TABLE connector.external_system_mappings DROP COLUMN fingerprint, DROP COLUMN created_by")
    op.execute("ALTER TABLE connector.sync_changes DROP COLUMN action")
    for column in ("kind", "known", "salt", "baseline", "stability"):
        op.execute(f"ALTER TABLE connector.sync_runs DROP COLUMN {column}")
