"""Staged rows: what a read accepted, in unlogged tables of their own, filled by COPY.

They survive the death of a client but not of the server; then they are made again from the landed pages.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import sql

from connector_pipelines.database.connection import comma, query, scalar
from connector_pipelines.database.tables import parents_table, rows_table
from connector_pipelines.pages import Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Entity

# Every staged row begins with these; the core columns and the references by external id follow.
_HEAD = {
    "page": "integer",
    "row": "integer",
    "fingerprint": "uuid",
    "external_id": "text",
    "modified_at": "timestamptz",
    "deleted": "boolean",
}

CONTENT = sql.SQL("to_jsonb(s) - 'page' - 'row' - 'fingerprint' - 'row_hash'")
"""Of a staged row `s`, what the source said, as jsonb: without where it came from."""

# 128 bits, of PostgreSQL's own hash with two seeds: what hash partitioning relies on does not change between versions.
# It is worked out while rows are copied, when the database has little to do; planning then finds it there.
_ROW_HASH: LiteralString = """
    row_hash uuid GENERATED ALWAYS AS (encode(
        int8send(hash_record_extended(ROW({values}), 0)) || int8send(hash_record_extended(ROW({values}), 1)), 'hex'
    )::uuid) STORED
"""


def said(value: sql.Composable, held: sql.Composable) -> sql.Composed:
    """What a staged row `s` says of a field.

    Of a deleted record many systems send the id alone: what such a row leaves empty stays as core has it, so that
    nothing of the record is lost but its status.

    Args:
        value: what stands in the row, or what it refers to.
        held: what core holds; null where it has no row.
    """
    return query("CASE WHEN s.deleted THEN coalesce({value}, {held}) ELSE {value} END", value=value, held=held)


def columns(entity: Entity) -> dict[str, str]:
    """Names and PostgreSQL types of the entity's staged rows, in order."""
    fed = {column.name: column.kind for column in entity.columns}
    return _HEAD | fed | {reference.name: "text" for reference in entity.references}


def create(connection: Connection, entity: Entity, run_id: int) -> None:
    """An empty table for the rows of a read; one that stands already is replaced.

    Beside what is copied it has `row_hash`, which is over everything that the source says of a row: also whether it is
    deleted, for what such a row leaves empty means something else.
    """
    named = [query("{name} {kind}", name=name, kind=sql.SQL(kind)) for name, kind in columns(entity).items()]
    values = comma([sql.Identifier(name) for name in columns(entity) if name == "deleted" or name not in _HEAD])
    spec = comma([*named, query(_ROW_HASH, values=values)])
    with connection.transaction():
        connection.execute(query("DROP TABLE IF EXISTS {table}", table=rows_table(run_id)))
        connection.execute(
            query("CREATE UNLOGGED TABLE {t} ({spec}, CHECK (external_id <> ''))", t=rows_table(run_id), spec=spec)
        )
        connection.execute(query("ALTER TABLE {t} ALTER external_id SET NOT NULL", t=rows_table(run_id)))


def note_parents(connection: Connection, run_id: int, reference: str, parents: Iterable[str]) -> None:
    """Keep which parents came with all that belongs to them. There are few, and the table survives the server: an empty
    one would look like a read without any.
    """
    table = parents_table(run_id)
    with connection.transaction():
        connection.execute(query("DROP TABLE IF EXISTS {table}", table=table))
        connection.execute(query("CREATE TABLE {table} (reference text, external_id text)", table=table))
        connection.cursor().executemany(
            query("INSERT INTO {table} VALUES (%s, %s)", table=table), [(reference, parent) for parent in parents]
        )
        connection.execute(query("ANALYZE {table}", table=table))


def analyze(connection: Connection, run_id: int) -> None:
    """Tell PostgreSQL how many rows there are: planning them as if they were few took minutes, as if many, a second."""
    connection.execute(query("ANALYZE {table} (external_id)", table=rows_table(run_id)))


def analyze_keys(connection: Connection, table: sql.Identifier) -> None:
    """The same for rows that have a key of ours."""
    connection.execute(query("ANALYZE {table} (key)", table=table))


def exists(connection: Connection, table: sql.Identifier) -> bool:
    """Whether a staging table is there, empty or not."""
    return scalar(connection, "SELECT to_regclass(%s)", table.as_string(connection)) is not None


def holds_rows(connection: Connection, table: sql.Identifier) -> bool:
    """Whether a staging table is there and not empty: after a crash of the server it is one or the other."""
    if not exists(connection, table):
        return False
    return connection.execute(query("SELECT 1 FROM {table} LIMIT 1", table=table)).fetchone() is not None


def drop(connection: Connection, *tables: sql.Identifier) -> None:
    """Remove staging tables that are not needed any more."""
    if tables:
        connection.execute(query("DROP TABLE IF EXISTS {tables}", tables=comma(tables)))


def copy_rows(connection: Connection, entity: Entity, run_id: int, frame: pd.DataFrame) -> list[Rejection]:
    """Append accepted rows.

    Returns:
        rows that PostgreSQL itself refused, found by halving the batch until each stands alone.
    """
    if frame.empty:
        return []
    try:
        with connection.transaction(), connection.cursor() as cursor:
            names = comma([sql.Identifier(name) for name in columns(entity)])
            target = query("COPY {t} ({names}) FROM STDIN (FORMAT csv)", t=rows_table(run_id), names=names)
            cursor.execute("SET LOCAL TimeZone = 'UTC'")  # a pooler may have dropped what the connection asked for
            with cursor.copy(target) as copy:
                copy.write(_csv(entity, frame))
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        if len(frame) == 1:
            return [_refused(frame, str(error.diag.message_primary))]
        half = len(frame) // 2
        first = copy_rows(connection, entity, run_id, frame.iloc[:half])
        return first + copy_rows(connection, entity, run_id, frame.iloc[half:])
    return []


def _csv(entity: Entity, frame: pd.DataFrame) -> bytes:
    """The rows as CSV in which null is an unquoted nothing and an empty string is quoted.

    Times are made those of UTC, and written without saying so: Arrow takes twenty times as long to write a time with
    its zone.
    """
    import pyarrow as pa
    from pyarrow import csv

    moment = pa.timestamp("us")
    kinds = {
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "text": pa.string(),
        "uuid": pa.string(),
        "numeric": pa.string(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamptz": moment,
        "timestamp with time zone": moment,
    }
    schema = pa.schema([(name, kinds[kind.lower()]) for name, kind in columns(entity).items()])
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False, nthreads=1)
    sink = io.BytesIO()
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False))
    return sink.getvalue()


def _refused(frame: pd.DataFrame, message: str) -> Rejection:
    row = frame.iloc[0]
    external_id = row["external_id"]
    usable = isinstance(external_id, str) and "\x00" not in external_id
    return Rejection(
        page=int(row["page"]),
        row=int(row["row"]),
        external_id=external_id if usable else None,
        rule="database",
        reason=f"PostgreSQL refuses the row: {message}",
        payload=row.drop(["page", "row", "fingerprint"]).to_json(date_format="iso"),
    )
