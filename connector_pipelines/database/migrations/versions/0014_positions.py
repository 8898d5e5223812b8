"""How far a source was read in its own counting, where it has one."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Two columns: what a read reached, and what the cursor says since it was applied."""
    op.execute("ALTER TABLE connector.sync_runs ADD COLUMN reached text")
    op.execute("ALTER TABLE connector.sync_cursors ADD COLUMN position text")
    op.execute(
        "COMMENT ON COLUMN connector.sync_runs.reached IS"
        " 'How far the source was read in its own counting, as its connector wrote it; null where it has none.'"
    )
    op.execute(
        "COMMENT ON COLUMN connector.sync_cursors.position IS"
        " 'What the next increment asks for, beside or instead of a time; moves with the cursor.'"
    )


def downgrade() -> None:
    """Such sources are read whole once more."""
    op.execute("ALTER TABLE connector.sync_cursors DROP COLUMN position")
    op.execute("ALTER TABLE connector.sync_runs DROP COLUMN reached")
