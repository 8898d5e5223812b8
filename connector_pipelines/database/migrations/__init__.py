"""The schema's history. Each revision is a file of SQL with a few lines of Python beside it."""

from __future__ import annotations

from pathlib import Path

from alembic import context, op


def run_file(revision: str, part: str = "") -> None:
    """Run the SQL file beside a revision, past SQLAlchemy, which would take `:name` for a parameter; or write it down.

    Args:
        revision: the revision's `__file__`.
        part: of a revision with several files, which one: "0001_core.sql" is the part "core".
    """
    path = Path(revision)
    file = path.with_name(f"{path.stem.split('_')[0]}_{part}.sql") if part else path.with_suffix(".sql")
    if context.is_offline_mode():
        op.get_context().impl.static_output(file.read_text(encoding="utf-8"))
        return
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101 -- Alembic has connected by now; for the type checker
    connection.execute(file.read_text(encoding="utf-8"))
