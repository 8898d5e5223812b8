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
from sqlalchemy import create_engine, make_url, pool

import connector_pipelines.database
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.core.models import Core
from connector_pipelines.database import migrate as module
from connector_pipelines.database.connection import connect
from connector_pipelines.database.migrate import HEAD, migrate
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


def test_head_is_what_alembic_finds() -> None:
    """The revision that `migrate` compares with is the newest one in the folder."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_core_tables_equal_the_models(database: str) -> None:
    """Alembic finds nothing to add, change or remove between the models and the migrated core."""
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"), poolclass=pool.NullPool)

    def in_core(name: str | None, kind: str, _: Any) -> bool:
        return kind != "schema" or name == "core"

    with engine.connect() as connection:
        options = {"include_schemas": True, "include_name": in_core, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Core.metadata) == []


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
    for table in Core.metadata.tables.values():
        own = {(column.name,) for column in table.columns}
        assert set(connection.execute(columns, [f"synced_{table.name}"])) == own | {(name,) for name in six}


def test_migrating_twice_changes_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a database at the newest revision `migrate` does not even ask Alembic."""
    monkeypatch.setattr(module, "_upgrade", pytest.fail)
    migrate(database)


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
    """Going back removes all that the revision made, so that it can be made again."""
    from alembic import command

    migrate(empty_database)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = empty_database
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    with connect(empty_database) as connection:
        assert checked(connection, "connector.sync_plans", "state") == set(PlanState)
