"""A copy of core for tests, in which nobody can be told: it keeps its shape, and loses who people are (M102).

One CSV file for each table, as PostgreSQL's COPY reads it, and `load.sql`, which brings them into an empty database.

    ids and references       numbered anew in an order that nobody knows; what pointed to a row still does
    names, texts             another one in each row, of the same length and form: `core.pseudonyms`
    identifiers, addresses   the same for the same value in every table; what was unique stays so
    words of a list          stay, such as status, kind, grade level, school year, currency: `KEPT`
    numbers, days, flags     stay; moments lose what is below the hour

Whatever is not listed as kept is replaced, so a new column of text is safe before anybody thinks of it. Nulls stay
nulls. The key exists while the copy is written, and nowhere else: copies cannot be joined, and none leads back.

It is no k-anonymity: whoever knows somebody's courses and scores may find the row. For people who may not see core
there are the extracts of groups (decision 0012).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.core.models import ID, MOMENT, TABLES, TEXT
from connector_pipelines.core.pseudonyms import Pseudonyms, seen
from connector_pipelines.database.connection import comma, in_batches, query
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.sync import records
from connector_pipelines.sync.preview import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from connector_pipelines.core.models import Column, Table
    from connector_pipelines.database.connection import Connection
    from connector_pipelines.sync.context import Context

KEPT = frozenset(
    {
        *("status", "state", "grading_state", "grade_type", "letter_grade", "achievement"),
        *("organization_type", "term_type", "section_type", "assessment_type", "item_type", "category", "currency"),
        *("grades", "subjects", "periods", "school_year", "learning_outcome", "program_outcome"),
    }
)
"""Columns of text whose values are words of a list, and say nothing about one person, place or firm."""

_BATCH = 10_000


class Treatment(StrEnum):
    """What becomes of a column."""

    ID = "numbered anew"
    NAME = "another in each row"
    IDENTIFIER = "the same for the same value"
    HOUR = "to the hour"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was written: how many rows of each table, and where."""

    folder: Path
    rows: Mapping[str, int]


def copy(context: Context, folder: Path, *, who: str) -> Copied:
    """Write a copy of core in which nobody can be told.

    Args:
        context: the run's surroundings.
        folder: where to; it is made, and must be empty.
        who: asks for it, for the audit log.

    Raises:
        ConfigurationError: the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty.", remedy="Name a folder that is not there yet.")
    folder.mkdir(parents=True, exist_ok=True)
    connection = context.connection
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # all of one moment
        key = secrets.token_bytes(32)
        for table in TABLES:
            _number(connection, table, key)
        pseudonyms = Pseudonyms(key, {seen(value) for table in TABLES for value in _real(connection, table)})
        rows = {table.name: _write(connection, table, pseudonyms, folder) for table in TABLES}
    (folder / "load.sql").write_text("".join(map(_load, TABLES)), encoding="utf-8")
    records.audit(connection, "anonymised copy written", who=who, source="", entity="", rows=rows)
    return Copied(folder, rows)


def treatment(column: Column) -> Treatment:
    """What becomes of a column of core. Pure."""
    if column is ID or column.points_to:
        return Treatment.ID
    if column.kind == MOMENT:
        return Treatment.HOUR
    if column.kind != TEXT or column.name in KEPT:
        return Treatment.KEPT
    if column.identifies or column.name in (PERSONAL | {"website"}) - _NAMES:
        return Treatment.IDENTIFIER
    return Treatment.NAME


_NAMES = frozenset({"given_name", "family_name", "middle_name", "preferred_name", "address"})
"""Personal columns in which equal values of two rows mean nothing."""


def _number(connection: Connection, table: Table, key: bytes) -> None:
    """Number the rows anew; the order is that of a hash with the key, which says nothing about the old one."""
    connection.execute(
        query(
            "CREATE TEMP TABLE {ids} ON COMMIT DROP AS SELECT id AS old,"
            " row_number() OVER (ORDER BY sha256({key}::bytea || convert_to({name} || id, 'UTF8'))) AS new FROM {core}",
            ids=f"ids_{table.name}",
            key=sql.Literal(key),
            name=sql.Literal(table.name),
            core=sql.Identifier("core", table.name),
        )
    )
    connection.execute(query("CREATE UNIQUE INDEX ON {ids} (old)", ids=f"ids_{table.name}"))
    connection.execute(query("ANALYZE {ids}", ids=f"ids_{table.name}"))


def _real(connection: Connection, table: Table) -> Iterator[str]:
    """Every value that says who or what a row is."""
    for column in table.every:
        if treatment(column) in {Treatment.NAME, Treatment.IDENTIFIER}:
            values = query(
                "SELECT DISTINCT {c} FROM {t} WHERE {c} <> ''", c=column.name, t=sql.Identifier("core", table.name)
            )
            for rows in in_batches(connection, values, size=_BATCH):
                yield from (cast("str", value) for (value,) in rows)


def _write(connection: Connection, table: Table, pseudonyms: Pseudonyms, folder: Path) -> int:
    """The rows of a table, in their new order."""
    import pyarrow as pa
    from pyarrow import csv

    names = [column.name for column in table.every]
    schema = pa.schema([(name, pa.string()) for name in names])
    change = [_changing(table, column, pseudonyms) for column in table.every]
    written = 0
    with (
        (folder / f"{table.name}.csv").open("wb") as file,
        csv.CSVWriter(file, schema) as writer,
    ):
        for rows in in_batches(connection, _selected(table), size=_BATCH):
            changed = [_changed(cast("Sequence[str | None]", row), change) for row in rows]
            columns = [pa.array(values, pa.string()) for values in zip(*changed, strict=True)]
            writer.write_table(pa.table(columns, schema=schema))
            written += len(rows)
    return written


def _changed(row: Sequence[str | None], change: Sequence[Callable[[str, str], str] | None]) -> list[str | None]:
    """A row as it is written; its first column is its new id."""
    told = str(row[0])
    return [value if value is None or by is None else by(value, told) for value, by in zip(row, change, strict=True)]


def _changing(table: Table, column: Column, pseudonyms: Pseudonyms) -> Callable[[str, str], str] | None:
    """What is done to a value, given it and its row; None where PostgreSQL has done it."""
    match treatment(column):
        case Treatment.IDENTIFIER:
            return lambda value, _: pseudonyms.of_value(value)
        case Treatment.NAME:
            return lambda value, row: pseudonyms.of_row(value, f"{table.name}/{row}")
        case _:
            return None


def _selected(table: Table) -> sql.Composed:
    """Every row as texts, with new ids."""
    values, joins = [], []
    for column in table.every:
        match treatment(column):
            case Treatment.ID:
                of = column.points_to or table.name
                values.append(query("{j}.new::text", j=f"j_{column.name}"))
                joins.append(
                    query(
                        "LEFT JOIN {ids} {j} ON {j}.old = c.{c}", ids=f"ids_{of}", j=f"j_{column.name}", c=column.name
                    )
                )
            case Treatment.HOUR:
                values.append(query("date_trunc('hour', c.{c}, 'UTC')::text", c=column.name))
            case _:
                values.append(query("c.{c}::text", c=column.name))
    return query(
        "SELECT {values} FROM {core} c {joins} ORDER BY j_id.new",
        values=comma(values),
        core=sql.Identifier("core", table.name),
        joins=sql.SQL(" ").join(joins),
    )


def _load(table: Table) -> str:
    """How psql brings a file into an empty database; parents come first."""
    names = ", ".join(column.name for column in table.every)
    return _LOAD.format(table=f"core.{table.name}", names=names, file=f"{table.name}.csv")


_LOAD = """\\copy {table} ({names}) FROM '{file}' (FORMAT csv, HEADER)
SELECT setval('{table}_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM {table}), false);
"""
