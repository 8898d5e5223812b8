"""Receipts are written once, and signed into the records of their runs; changes say when they were written."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the triggers, the place of the signature, and the times."""
    run_file(__file__)


def downgrade() -> None:
    """Let them be changed again; signatures and times are forgotten."""
    for table in ("sync_receipts", "sync_changes"):
        op.execute(f"DROP TRIGGER append_only ON connector.{table}")
    op.execute("DROP TRIGGER applied_once ON connector.sync_plans")
    op.execute("DROP TRIGGER signed_once ON connector.sync_runs")
    op.execute("ALTER TABLE connector.sync_runs DROP COLUMN receipt")
    op.execute("ALTER TABLE connector.sync_changes DROP COLUMN at")
    op.execute(
        "CREATE OR REPLACE FUNCTION connector.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege'; END $$"
    )
