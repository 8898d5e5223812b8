from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import connect

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

NEW = (
    "INSERT INTO core.students (given_name, family_name, status)"
    " VALUES ('Ada', 'Toy', 'active'), ('Bob', 'Toy', 'active')"
)


def edits(connection: Connection, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of all edits, in their order."""
    return connection.execute(f"SELECT {', '.join(columns)} FROM connector.core_edits ORDER BY id").fetchall()


def test_every_fed_column_is_watched(connection: Connection) -> None:
    """Each core table has the trigger, and it looks at exactly the columns that sources fill."""
    watched = connection.execute(
        "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger WHERE tgname = 'note_edits'"
    ).fetchall()
    assert {str(table): set(str(names).split("\\000")[:-1]) for table, names in watched} == {
        f"core.{entity.table}": {c.name for c in entity.columns} | {r.column for r in entity.references}
        for entity in ENTITIES.values()
    }


def test_an_edit_leaves_a_row_for_each_changed_field(connection: Connection) -> None:
    """An update by anybody is noted field by field with both values; equal values and core's own columns are not."""
    connection.execute(NEW)
    connection.execute("UPDATE core.students SET phone = '1', email = NULL, notes = 'mine', given_name = 'Ada'")
    assert sorted(edits(connection, "entity", "internal_id", "field", "before", "after", "settled_by")) == [
        ("students", 1, "phone", None, "1", None),
        ("students", 2, "given_name", "Bob", "Ada", None),
        ("students", 2, "phone", None, "1", None),
    ]


def test_an_edit_names_its_editor(connection: Connection) -> None:
    """An application that says who edits is believed; else it is the database role."""
    connection.execute(NEW)
    connection.execute("UPDATE core.students SET phone = '1' WHERE id = 1")
    connection.execute("SET connector_pipelines.editor = 'ann'")
    connection.execute("UPDATE core.students SET phone = '2' WHERE id = 1")
    ((role,),) = connection.execute("SELECT session_user::text").fetchall()
    assert edits(connection, "edited_by") == [(role,), ("ann",)]


def test_an_edit_without_rights_on_the_records(database: str, connection: Connection) -> None:
    """A role that may only edit core leaves its trace all the same."""
    connection.execute(NEW)
    connection.execute("CREATE ROLE clerk")
    try:
        connection.execute("GRANT USAGE ON SCHEMA core TO clerk; GRANT SELECT, UPDATE ON core.students TO clerk")
        with connect(database) as other:
            other.execute("SET ROLE clerk")
            other.execute("UPDATE core.students SET phone = '1' WHERE id = 2")
        assert edits(connection, "internal_id", "field") == [(2, "phone")]
    finally:
        connection.execute("DROP OWNED BY clerk; DROP ROLE clerk")


def test_a_sync_and_an_insert_leave_no_edit(connection: Connection) -> None:
    """New rows are no edits, and neither is what a transaction writes that says it applies a plan."""
    connection.execute(NEW)
    with connection.transaction():
        connection.execute("SET LOCAL connector_pipelines.applying = 'on'")
        connection.execute("UPDATE core.students SET phone = '1'")
    assert edits(connection, "id") == []
    connection.execute("UPDATE core.students SET phone = '2' WHERE id = 1")
    assert len(edits(connection, "id")) == 1


def test_an_edit_makes_the_mappings_forget(connection: Connection) -> None:
    """Every source's mapping of an edited row is to be looked at again, and no other."""
    connection.execute(NEW)
    for source, person in (("one", 1), ("two", 1), ("one", 2)):
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS connector.{source}_mappings PARTITION OF connector.external_system_mappings"
            f" FOR VALUES IN ('{source}')"
        )
        connection.execute(
            "INSERT INTO connector.external_system_mappings (connector_id, entity_type, external_id, internal_id,"
            " sync_status, row_hash, fingerprint)"
            " VALUES (%s, 'students', %s, %s, 'synced', md5('x')::uuid, md5('y')::uuid)",
            [source, f"s{person}", person],
        )
    connection.execute("UPDATE core.students SET notes = 'mine'")
    known = (
        "SELECT connector_id, external_id FROM connector.external_system_mappings"
        " WHERE row_hash IS NOT NULL AND fingerprint IS NOT NULL ORDER BY 1, 2"
    )
    assert connection.execute(known).fetchall() == [("one", "s1"), ("one", "s2"), ("two", "s1")]
    connection.execute("UPDATE core.students SET phone = '1' WHERE id = 1")
    assert connection.execute(known).fetchall() == [("one", "s2")]
