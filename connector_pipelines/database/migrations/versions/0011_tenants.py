"""Whose a source is, and row-level security by it."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column, the policies and the functions."""
    run_file(__file__)


def downgrade() -> None:
    """Remove them; everybody who may read a table sees all of it again."""
    op.execute(
        "DO $$ DECLARE kept regclass; BEGIN"
        " FOR kept IN SELECT polrelid FROM pg_policy WHERE polname = 'of_tenant' LOOP"
        " EXECUTE format('DROP POLICY of_tenant ON %s', kept);"
        " EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', kept);"
        " END LOOP; END $$"
    )
    op.execute("DROP FUNCTION connector.let_look, connector.keep_to_tenant")
    op.execute("ALTER TABLE connector.integrations DROP COLUMN tenant")
