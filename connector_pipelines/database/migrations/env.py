"""Alembic's entry: runs the revisions on the URL that `migrate` hands over, or writes them down where there is none."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, make_url, pool, text


def run(url: str) -> None:
    """Run what is missing."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS connector"))
        connection.commit()
        context.configure(connection=connection, version_table_schema="connector")
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def write() -> None:
    """Write down all of it, as one would run it by hand; percent signs as they are."""
    context.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, version_table_schema="connector")
    context.run_migrations()


if context.is_offline_mode():
    write()
else:
    run(context.config.attributes["url"])
