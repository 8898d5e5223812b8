"""Which plans the run of an undo takes back, so that it can be planned anew like any other; which records a run asked
for by their ids.
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Two columns."""
    op.execute("ALTER TABLE connector.sync_runs ADD COLUMN undoes bigint[], ADD COLUMN ids text[]")
    op.execute("COMMENT ON COLUMN connector.sync_runs.undoes IS 'The plans that an undo takes back; else null.'")
    op.execute(
        "COMMENT ON COLUMN connector.sync_runs.ids IS 'The records that were asked for one by one; null for a span.'"
    )


def downgrade() -> None:
    """An undo that is outdated is asked for anew."""
    op.execute("ALTER TABLE connector.sync_runs DROP COLUMN undoes, DROP COLUMN ids")
