"""What is done after a sync: dry runs, replays, undo, explanations."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the kinds of runs and what looking back needs."""
    run_file(__file__)


def downgrade() -> None:
    """Remove them, and what dry runs and replays left."""
    op.execute("DROP INDEX connector.sync_changes_of_a_row, connector.sync_runs_launched_by")
    op.execute(
        "DELETE FROM connector.sync_plans p USING connector.sync_runs r"
        " WHERE r.id = p.run_id AND r.kind IN ('dry_run', 'replay')"
    )
    op.execute("DELETE FROM connector.sync_runs WHERE kind IN ('dry_run', 'replay')")
    op.execute("ALTER TABLE connector.sync_runs DROP COLUMN replays, DROP CONSTRAINT sync_runs_kind_check")
    op.execute("ALTER TABLE connector.sync_runs ADD CHECK (kind IN ('read', 'retry', 'undo', 'resolution'))")
