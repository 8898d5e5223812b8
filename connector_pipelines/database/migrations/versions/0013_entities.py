"""Mappings of one entity are found without reading those of all others."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Mappings come entity by entity, so a range of blocks holds few kinds: the index is small, and free to keep."""
    op.execute(
        "CREATE INDEX mappings_entity ON connector.external_system_mappings USING brin (entity_type)"
        " WITH (pages_per_range = 8, autosummarize = on)"
    )


def downgrade() -> None:
    """Read them all again."""
    op.execute("DROP INDEX connector.mappings_entity")
