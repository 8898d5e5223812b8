"""Alembic's entry: runs the revisions on the URL that `migrate` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, make_url, pool, text

engine = create_engine(
    make_url(context.config.attributes["url"]).set(drivername="postgresql+psycopg"), poolclass=pool.NullPool
)
with engine.connect() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS connector"))
    connection.commit()
    context.configure(connection=connection, version_table_schema="connector")
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
