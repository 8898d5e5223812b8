"""The outward direction: what stands in other systems because of us, and what changed since."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the ledger, the outbox and the triggers that fill it."""
    run_file(__file__)


def downgrade() -> None:
    """Remove them; what was exported is not known any more, and would be looked up again."""
    op.execute("DROP FUNCTION connector.note_exports() CASCADE")
    op.execute("DROP FUNCTION connector.follow_watches()")
    op.execute("DROP TABLE connector.exports, connector.export_watches, connector.export_outbox")
    exported = "SELECT p.id FROM connector.sync_plans p WHERE p.entity LIKE 'export/%'"
    for table in ("sync_changes", "sync_receipts"):
        op.execute(f"DELETE FROM connector.{table} WHERE plan_id IN ({exported})")  # noqa: S608 -- names from above
    op.execute("DELETE FROM connector.sync_plans WHERE entity LIKE 'export/%'")
    op.execute("DELETE FROM connector.dead_letters WHERE entity LIKE 'export/%'")
    op.execute("DELETE FROM connector.sync_runs WHERE entity LIKE 'export/%'")
    op.execute("ALTER TABLE connector.sync_runs DROP CONSTRAINT sync_runs_kind_check")
    kinds = "'read', 'dry_run', 'replay', 'retry', 'undo', 'resolution'"
    op.execute(f"ALTER TABLE connector.sync_runs ADD CONSTRAINT sync_runs_kind_check CHECK (kind IN ({kinds}))")
