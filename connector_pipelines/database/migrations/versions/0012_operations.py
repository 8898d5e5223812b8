"""What keeps the syncs running by themselves: switches, runs, alerts, latencies, lanes."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add columns, tables and the new gate."""
    run_file(__file__)


def downgrade() -> None:
    """Remove what can be removed without losing anything else."""
    op.execute("DROP FUNCTION connector.next_turn")
    for table in ("parked", "alerts", "alert_states", "job_runs", "api_calls"):
        op.execute(f"DROP TABLE connector.{table}")
    op.execute("ALTER TABLE connector.integrations DROP COLUMN off")
