"""Learning: assessments, grades, submissions and engagement."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0008"
down_revision = "0007"

_TABLES = ("engagement", "submissions", "grades", "assessments")
_BEFORE = (
    *("organizations", "terms", "courses", "sections", "students", "instructors", "enrollments"),
    *("teaching_assignments", "vendors", "inventory_items", "purchase_orders", "purchase_order_lines"),
)


def upgrade() -> None:
    """Create the tables and their views, and let mappings name them."""
    run_file(__file__)


def downgrade() -> None:
    """Remove the tables with what is in them, and their mappings."""
    for table in _TABLES:
        op.execute(f"DROP VIEW core.synced_{table}")
        op.execute(f"DROP TABLE core.{table}")
        op.execute(f"DELETE FROM connector.external_system_mappings WHERE entity_type = '{table}'")  # noqa: S608 -- a name from the list above
    mappings = "ALTER TABLE connector.external_system_mappings"
    op.execute(f"{mappings} DROP CONSTRAINT external_system_mappings_entity_type_check")
    words = ", ".join(f"'{name}'" for name in _BEFORE)
    op.execute(f"{mappings} ADD CONSTRAINT external_system_mappings_entity_type_check CHECK (entity_type IN ({words}))")
