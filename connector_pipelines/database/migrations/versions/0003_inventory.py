"""Inventory: items, vendors, purchase orders and their lines."""

from __future__ import annotations

from alembic import op

from connector_pipelines.database.migrations import run_file

revision = "0003"
down_revision = "0002"

_TABLES = ("purchase_order_lines", "purchase_orders", "inventory_items", "vendors")
_BEFORE = (
    "organizations",
    "terms",
    "courses",
    "sections",
    "students",
    "instructors",
    "enrollments",
    "teaching_assignments",
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
