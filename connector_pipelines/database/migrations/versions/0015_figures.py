"""How exports do: what was sent and not taken, and how long changes of core were on their way."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the figures."""
    run_file(__file__)


def downgrade() -> None:
    """Forget them."""
    op.execute("DROP TABLE connector.export_figures")
