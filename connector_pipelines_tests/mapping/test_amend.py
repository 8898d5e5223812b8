from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from connector_pipelines.core.entities import entity
from connector_pipelines.errors import MappingFailed
from connector_pipelines.mapping.amend import Left, amend
from connector_pipelines.model import PlanState, RunKind

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection
    from connector_pipelines.mapping.amend import Amendment


@pytest.fixture
def core(connection: Connection) -> Connection:
    """Three students in core, with ids 1 to 3."""
    connection.execute(
        "INSERT INTO core.students (given_name, family_name, phone, status)"
        " SELECT 'Given' || n, 'Toy', '1', 'active' FROM generate_series(1, 3) n"
    )
    return connection


def amended(connection: Connection, *rows: tuple[str, int, str]) -> Amendment:
    """An amendment of students: external id, core id, changes as JSON."""
    values = sql.SQL(", ").join(sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, row))) for row in rows)
    wanted = sql.SQL(
        "SELECT v.external_id, v.id::bigint AS internal_id, v.changes::jsonb AS changes"
        " FROM (VALUES {}) v (external_id, id, changes)"
    ).format(values)
    how = {"kind": RunKind.UNDO, "launched_by": "ann", "chunk_rows": 2}
    return amend(connection, entity("students"), "toy", wanted, **how)  # type: ignore[arg-type]


def test_only_what_is_as_expected_is_planned(core: Connection) -> None:
    """Rows that hold the expected values are planned; the others are left, each with its reason."""
    phone = '{"phone": ["1", "2"]}'
    found = amended(
        core,
        ("s1", 1, phone),
        ("s2", 2, '{"phone": ["9", "2"], "email": [null, "a@b"]}'),
        ("s3", 3, '{"phone": ["9", "1"]}'),
        ("s4", 4, phone),
    )
    assert found.left == (
        Left("s2", "changed since: phone"),
        Left("s3", "core holds this already"),
        Left("s4", "core no longer has the row"),
    )
    assert (found.plan.state, found.plan.chunks, found.left_rows) == (PlanState.PLANNED, 1, 3)
    assert (found.plan.counts.updated, found.plan.counts.accounted_for) == (1, True)
    assert core.execute(
        sql.SQL("SELECT external_id, phone, changes FROM staging.plan_{}").format(found.plan.id)
    ).fetchall() == [("s1", "2", {"phone": ["1", "2"]})]


def test_nothing_is_written_to_core_or_mappings(core: Connection) -> None:
    """An amendment is a plan: core stays as it is, its run is never complete and so proves nothing."""
    amended(core, ("s1", 1, '{"phone": ["1", null]}'))
    assert core.execute("SELECT DISTINCT phone FROM core.students").fetchall() == [("1",)]
    assert core.execute("SELECT kind, complete, snapshot, rows FROM connector.sync_runs").fetchall() == [
        ("undo", False, False, 1)
    ]


def test_the_hash_names_what_is_written(core: Connection) -> None:
    """The same changes have the same hash, others have another, and a newer amendment takes the older one's place."""
    first, again, other = (
        amended(core, ("s1", 1, f'{{"phone": ["1", "{phone}"]}}'), ("s2", 2, '{"email": [null, "a@b"]}'))
        for phone in (2, 2, 3)
    )
    assert (first.plan.hash == again.plan.hash, again.plan.hash == other.plan.hash) == (True, False)
    assert core.execute("SELECT state FROM connector.sync_plans ORDER BY id").fetchall() == [
        ("superseded",),
        ("superseded",),
        ("planned",),
    ]
    assert core.execute(
        "SELECT count(*) FROM pg_class WHERE relname ~ '^(plan|rows)_' AND relkind = 'r'"
    ).fetchone() == (2,)


@pytest.mark.parametrize("column", ["notes", "id", "nonsense"])
def test_only_fed_columns_can_be_set(core: Connection, column: str) -> None:
    """A column that no source feeds is refused by name, and nothing is left behind."""
    with pytest.raises(MappingFailed, match=f"no source feeds {column} of students"):
        amended(core, ("s1", 1, f'{{"{column}": [null, "x"]}}'))
    assert core.execute("SELECT count(*) FROM connector.sync_runs").fetchone() == (0,)


def test_every_kind_of_value_survives(core: Connection) -> None:
    """Booleans, nulls, empty text and references arrive in the plan as they were named."""
    row: Any = '{"enabled": [null, true], "phone": ["1", null], "email": [null, ""]}'
    found = amended(core, ("s1", 1, row))
    statement = sql.SQL("SELECT enabled, phone, email, given_name, organization_id FROM staging.plan_{}")
    assert core.execute(statement.format(found.plan.id)).fetchall() == [(True, None, "", "Given1", None)]
