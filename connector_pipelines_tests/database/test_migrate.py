from __future__ import annotations

import multiprocessing
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, ForeignKey, Identity, MetaData, Table, create_engine, func, make_url, pool, types

import connector_pipelines.database
from connector_pipelines.core import models
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database import migrate as module
from connector_pipelines.database.connection import connect
from connector_pipelines.database.migrate import HEAD, SCHEMA, migrate, written_down
from connector_pipelines.database.tables import SyncStatus
from connector_pipelines.errors import Category
from connector_pipelines.model import PlanState, RunKind
from connector_pipelines.webhooks.inbox import EventStatus

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

MIGRATIONS = Path(connector_pipelines.database.__file__).parent / "migrations"


def checked(connection: Connection, table: str, column: str) -> set[str]:
    """The words that a table's CHECK allows in a column."""
    rows = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [table]
    ).fetchall()
    (words,) = [
        str(text) for (text,) in rows if f"{column} = ANY" in str(text) or f"({column})::text = ANY" in str(text)
    ]
    return set(re.findall(r"'(\w+)'", words))


KINDS: dict[str, types.TypeEngine[Any]] = {
    "TEXT": types.Text(),
    "INTEGER": types.Integer(),
    "BIGINT": types.BigInteger(),
    "NUMERIC": types.Numeric(),
    "BOOLEAN": types.Boolean(),
    "DATE": types.Date(),
    models.MOMENT: types.DateTime(timezone=True),
}


def as_alembic_has_it() -> MetaData:
    """The models as SQLAlchemy's tables."""
    metadata = MetaData(schema="core")
    for table in models.TABLES:
        Table(table.name, metadata, *map(column_of, table.every))
    return metadata


def column_of(column: models.Column) -> Column[Any]:
    """One column: core's key numbers itself, and what points to another table has an index."""
    filled: dict[str, Any] = {"server_default": func.now()} if column.kind == models.MOMENT and column.required else {}
    links: list[Any] = [ForeignKey(f"core.{column.points_to}.id")] if column.points_to else []
    links += [Identity()] if column is models.ID else []
    return Column(
        column.name,
        KINDS[column.kind],
        *links,
        primary_key=column is models.ID,
        nullable=not column.required,
        index=bool(column.points_to),
        **filled,
    )


def test_head_is_what_alembic_finds() -> None:
    """The revision that `migrate` compares with is the newest one in the folder."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_schema_is_written_down() -> None:
    """What a new database gets is what the revisions say; `make schema` writes it anew."""
    assert SCHEMA.read_text(encoding="utf-8") == written_down()


def test_core_tables_equal_the_models(database: str) -> None:
    """Alembic finds nothing to add, change or remove between the models and the migrated core."""
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"), poolclass=pool.NullPool)

    def in_core(name: str | None, kind: str, _: Any) -> bool:
        return kind != "schema" or name == "core"

    with engine.connect() as connection:
        options = {"include_schemas": True, "include_name": in_core, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), as_alembic_has_it()) == []


def test_words_in_python_are_the_words_in_the_database(connection: Connection) -> None:
    """Enumerations and CHECKs name the same words, so that neither drifts."""
    mappings = "connector.external_system_mappings"
    assert checked(connection, mappings, "sync_status") == set(SyncStatus)
    assert checked(connection, "connector.integration_webhook_events", "status") == set(EventStatus)
    assert checked(connection, mappings, "entity_type") == set(ENTITIES)
    assert checked(connection, "connector.sync_plans", "state") == set(PlanState)
    assert checked(connection, "connector.sync_runs", "kind") == set(RunKind)


@pytest.mark.parametrize("category", [*Category, None])
def test_every_category_can_be_recorded(connection: Connection, category: Category | None) -> None:
    """A failed run can hold any category of error."""
    connection.execute(
        "INSERT INTO connector.sync_runs (source, entity, error_category) VALUES ('toy', 'students', %s)", [category]
    )


def test_every_entity_has_its_view(connection: Connection) -> None:
    """Each core table has a view with the six sync columns behind its own."""
    columns = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'core' AND table_name = %s"
    six = {"external_id", "external_system_id", "sync_status", "last_sync_at", "sync_version", "sync_metadata"}
    for table in models.TABLES:
        own = {(column.name,) for column in table.every}
        assert set(connection.execute(columns, [f"synced_{table.name}"])) == own | {(name,) for name in six}


def test_migrating_twice_changes_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a database at the newest revision `migrate` runs nothing."""
    monkeypatch.setattr(module, "_upgrade", pytest.fail)
    monkeypatch.setattr(module, "_create", pytest.fail)
    migrate(database)


def test_one_behind_is_brought_to_the_newest(empty_database: str) -> None:
    """On a database of the revision before, `migrate` runs what is missing, and it is like one that is new."""
    from alembic import command

    migrate(empty_database)
    new = made(empty_database)
    command.downgrade(config_for(empty_database), "-1")
    assert made(empty_database) != new
    migrate(empty_database)
    assert made(empty_database) == new


def test_two_processes_migrate_at_once(empty_database: str) -> None:
    """Two processes that find an empty database make one schema, and both come through."""
    spawn = multiprocessing.get_context("fork")
    workers = [spawn.Process(target=migrate, args=(empty_database,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    with connect(empty_database) as connection:
        assert connection.execute("SELECT version_num FROM connector.alembic_version").fetchall() == [(HEAD,)]


def test_downgrade_leaves_nothing(empty_database: str) -> None:
    """Going back removes all that the revisions made, so that they can make it again, one by one, and just so."""
    from alembic import command

    migrate(empty_database)
    new = made(empty_database)
    command.downgrade(config_for(empty_database), "base")
    migrate(empty_database)
    assert made(empty_database) == new


def config_for(url: str) -> Config:
    """Alembic's configuration for a database."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def made(url: str) -> list[str]:
    """Everything that stands in our schemas, as PostgreSQL would define it, with rights and comments."""
    with connect(url) as connection:
        return [str(text) for (text,) in connection.execute(_MADE).fetchall()]


_MADE = """
    WITH ours AS (SELECT * FROM pg_namespace WHERE nspname IN ('core', 'connector', 'staging')),
    rel AS (SELECT c.*, c.oid::regclass::text AS name FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM ours))
    SELECT definition FROM (
        SELECT (to_jsonb(n) - 'oid')::text FROM ours n
        UNION ALL SELECT concat_ws(' ', name, relkind, relpersistence, relacl, relrowsecurity, obj_description(oid))
        FROM rel WHERE relkind <> 'i'
        UNION ALL SELECT concat_ws(' ', name, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
            attidentity, attcollation::regcollation, pg_get_expr(adbin, adrelid), col_description(rel.oid, attnum))
        FROM rel JOIN pg_attribute ON attrelid = rel.oid
        LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v')
        UNION ALL SELECT concat_ws(' ', name, conname, pg_get_constraintdef(x.oid))
        FROM rel JOIN pg_constraint x ON conrelid = rel.oid
        UNION ALL SELECT pg_get_indexdef(oid) FROM rel WHERE relkind = 'i'
        UNION ALL SELECT pg_get_triggerdef(t.oid) FROM rel JOIN pg_trigger t ON tgrelid = rel.oid WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws(' ', name, pg_get_viewdef(oid)) FROM rel WHERE relkind = 'v'
        UNION ALL SELECT concat_ws(' ', pg_get_functiondef(oid), proacl) FROM pg_proc
        WHERE pronamespace IN (SELECT oid FROM ours)
        UNION ALL SELECT to_jsonb(p)::text FROM pg_policies p WHERE schemaname IN (SELECT nspname FROM ours)
    ) everything (definition) ORDER BY 1
"""
