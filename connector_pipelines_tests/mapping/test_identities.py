from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from connector_pipelines.database.connection import connect, query
from connector_pipelines.database.tables import mappings_table
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.mapping.identities import activate

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

INSERT = (
    "INSERT INTO connector.external_system_mappings (connector_id, entity_type, external_id, internal_id, sync_status)"
    " VALUES (%s, %s, %s, %s, %s)"
)


def test_activate_makes_one_table_named_after_the_source(connection: Connection) -> None:
    """`activate` returns True each time it is asked and makes `<source>_mappings` once."""
    assert [activate(connection, name) for name in ("moodle", "moodle", "canvas")] == [True, True, True]
    tables = (
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'connector.external_system_mappings'::regclass ORDER BY 1"
    )
    assert connection.execute(tables).fetchall() == [("connector.canvas_mappings",), ("connector.moodle_mappings",)]


def test_two_runs_may_activate_at_once(connection: Connection, database: str) -> None:
    """Who activates a source that another run is just activating waits for it, and finds its table."""

    def beside() -> bool:
        with connect(database) as other:
            return activate(other, "moodle")

    with ThreadPoolExecutor() as threads, connect(database) as looking:
        with connection.transaction():
            activate(connection, "moodle")
            second = threads.submit(beside)
            while not second.done() and not looking.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                continue
        assert second.result()


def test_partition_has_its_constraint_and_reverse_index(connection: Connection) -> None:
    """The partition refuses one external id twice per entity type and can be asked by internal id."""
    activate(connection, "moodle")
    indexes = connection.execute(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'moodle_mappings' ORDER BY 1"
    ).fetchall()
    assert [definition.split(" USING ")[1] for (definition,) in indexes if isinstance(definition, str)] == [
        "brin (entity_type) WITH (pages_per_range='8', autosummarize='on')",
        "btree (internal_id, entity_type)",
        "btree (external_id, entity_type)",
    ]
    for entity_type in ("students", "sections"):
        connection.execute(INSERT, ["moodle", entity_type, "1", 1, "synced"])
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(INSERT, ["moodle", "students", "1", 2, "synced"])


@pytest.mark.parametrize("name", ["x;drop", 'x"y', "", "Moodle", "1st", "a-b", "a" * 41, "a.b", "a\nb", "ä"])
def test_hostile_names_are_refused(connection: Connection, name: str) -> None:
    """A source name that cannot be part of a table's name is refused, and nothing was made."""
    with pytest.raises(ConfigurationError, match="cannot name a source"):
        activate(connection, name)
    assert connection.execute("SELECT inhrelid FROM pg_inherits").fetchall() == []


def test_longest_name_works(connection: Connection) -> None:
    """Names of forty characters that share their first thirty-nine do not collide."""
    assert activate(connection, "a" * 39 + "b")
    assert activate(connection, "a" * 39 + "c")
    assert len(connection.execute("SELECT 1 FROM pg_indexes WHERE tablename LIKE 'aaa%'").fetchall()) == 6


@pytest.mark.parametrize("external_id", ["007", "7", " 7", "x" * 255, "日本語-😀", "a'b\"c\\d", "%s", "É", "E\u0301"])
def test_ids_round_trip_exactly(connection: Connection, external_id: str) -> None:
    """An external id is text that nobody trims, folds or normalizes, and an internal id may exceed 2^31."""
    activate(connection, "moodle")
    connection.execute(INSERT, ["moodle", "students", external_id, 2**40, "synced"])
    found = query("SELECT external_id, internal_id FROM {table} WHERE external_id = %s", table=mappings_table("moodle"))
    assert connection.execute(found, [external_id]).fetchall() == [(external_id, 2**40)]


@pytest.mark.parametrize(
    ("entity_type", "internal_id", "status"),
    [("users", 1, "synced"), ("students", 1, "done"), ("students", None, "synced"), ("", 1, "synced")],
)
def test_impossible_mappings_are_refused(
    connection: Connection, entity_type: str, internal_id: int | None, status: str
) -> None:
    """The database refuses an unknown entity type or status, and a synced mapping that points nowhere."""
    activate(connection, "moodle")
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(INSERT, ["moodle", entity_type, "1", internal_id, status])


def test_source_that_was_not_activated_has_no_mappings(connection: Connection) -> None:
    """A mapping of a source without a partition has no place."""
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
        connection.execute(INSERT, ["moodle", "students", "1", 1, "synced"])


def test_reverse_look_up_uses_the_index(connection: Connection) -> None:
    """From a row of core to its external ids costs an index look-up, not a scan of all mappings."""
    activate(connection, "moodle")
    connection.execute(
        "INSERT INTO connector.external_system_mappings"
        " (connector_id, entity_type, external_id, internal_id, sync_status)"
        " SELECT 'moodle', 'students', 's' || n, n, 'synced' FROM generate_series(1, 5000) n"
    )
    connection.execute("ANALYZE connector.moodle_mappings")
    plan = connection.execute(
        "EXPLAIN SELECT external_id FROM connector.external_system_mappings"
        " WHERE entity_type = 'students' AND internal_id = 77"
    ).fetchall()
    assert any("moodle_mappings_internal" in str(line) for (line,) in plan)
