"""Rubrics: what students were given for each criterion."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0019"
down_revision = "0018"

_BEFORE = (
    *("organizations", "terms", "courses", "sections", "students", "instructors", "enrollments"),
    *("teaching_assignments", "vendors", "inventory_items", "purchase_orders", "purchase_order_lines"),
    *("assessments", "grades", "submissions", "engagement"),
)


def upgrade() -> None:
    """Create the table and its view, and let mappings name it."""
    run_file(__file__)


def downgrade() -> None:
    """Remove the table with what is in it, and its mappings."""
    op.execute("DROP VIEW core.synced_rubric_scores")
    op.execute("DROP TABLE core.rubric_scores")
    op.execute("DELETE FROM connector.external_system_mappings WHERE entity_type = 'rubric_scores'")
    mappings = "ALTER TABLE connector.external_system_mappings"
    op.execute(f"{mappings} DROP CONSTRAINT external_system_mappings_entity_type_check")
    words = ", ".join(f"'{name}'" for name in _BEFORE)
    op.execute(f"{mappings} ADD CONSTRAINT external_system_mappings_entity_type_check CHECK (entity_type IN ({words}))")
