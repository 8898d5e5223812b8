"""People who were erased, and the one way round the triggers that keep history: for what names them."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the table and its functions."""
    run_file(__file__)


def downgrade() -> None:
    """Nobody is known as erased any more: what their sources still say of them comes back with the next read."""
    op.execute(
        "DROP FUNCTION connector.erase_history(text[], bigint[], text[], text[], jsonb, text, jsonb),"
        " connector.erase_in(text, text[])"
    )
    op.execute("DROP TABLE connector.erased")
