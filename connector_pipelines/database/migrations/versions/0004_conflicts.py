"""Edits of core by anybody but a sync, and conflicts that wait for a person."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create both tables, and watch every core table."""
    run_file(__file__)


def downgrade() -> None:
    """Remove both, and the triggers that fill them."""
    op.execute("DROP FUNCTION connector.note_edits() CASCADE")
    op.execute("DROP FUNCTION connector.watch_edits(text)")
    op.execute("DROP TABLE connector.core_edits, connector.conflicts")
