"""Stages what another system should hold: rows of an extract, and what of them must be shaped, looked for, asked after.

stage       the extract's rows, with the external ids of what they refer to, each with its hash
to_shape    rows the ledger does not know in this form, and what those that are not chosen wait for
to_find     shaped records that never stood there
to_contest  shaped records that stand there already
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, cast

from psycopg import sql

from connector_pipelines.database import staging
from connector_pipelines.database.connection import Connection, in_batches, query, scalar
from connector_pipelines.database.tables import rows_table, shaped_table
from connector_pipelines.outward import PREFIX, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from connector_pipelines.model import Read
    from connector_pipelines.outward import Export

BY_A_PERSON = "a person"
"""How a record was recognized that somebody named."""


def stage(
    connection: Connection,
    read: Read,
    export: Export,
    extract: sql.Composed,
    references: Mapping[str, str],
    *,
    awaits: Mapping[str, str],
) -> int:
    """Stage the extract's rows, each with what it refers to in the other system.

    Args:
        connection: in autocommit mode.
        read: the run.
        export: what they are for.
        extract: the query.
        references: of the extract: column to extract.
        awaits: those of the export whose target is written at all.

    Returns:
        how many there are.
    """
    table = rows_table(read.id)
    resolved = (*export.refers, *export.fed)
    external = [query("{alias}.external_id AS {alias}", alias=f"_{name}") for name in resolved]
    missing = [
        query(
            "CASE WHEN e.{name} IS NOT NULL AND {alias}.external_id IS NULL THEN {what} || e.{name} END",
            name=name,
            alias=f"_{name}",
            what=sql.Literal(f"{entity} "),
        )
        for name, entity in {**export.refers, **awaits}.items()
    ]
    with connection.transaction():
        staging.drop(connection, table, shaped_table(read.id))
        connection.execute(
            query(
                "CREATE UNLOGGED TABLE {table} AS SELECT e.*{external},"
                " nullif(concat_ws(', ', NULL{missing}), '') AS _waits,"
                " md5({salt} || e::text || concat_ws('|', ''{ids}))::uuid AS _hash FROM ({extract}) e {joins}",
                table=table,
                external=_after(external),
                missing=_after(missing),
                salt=sql.Literal(str(read.salt)),
                ids=_after([query("coalesce({a}.external_id, '')", a=f"_{name}") for name in (*resolved, *awaits)]),
                extract=extract,
                joins=_joins(read, export, references, awaits),
            )
        )
        connection.execute(query("CREATE UNIQUE INDEX ON {table} (key)", table=table))
        connection.execute(query("ANALYZE {table}", table=table))
        connection.execute(query(_SHAPED, table=shaped_table(read.id)))
    unused = set(references) - set(resolved)
    for name in unused:  # a key says nothing to the other system
        connection.execute(query("ALTER TABLE {table} DROP COLUMN {name}", table=table, name=name))
    return cast("int", scalar(connection, query("SELECT count(*) FROM {table}", table=table)))


def _joins(read: Read, export: Export, references: Mapping[str, str], awaits: Mapping[str, str]) -> sql.Composed:
    """What a row refers to in the other system: as we wrote it there, and as we read it from there."""
    written = [
        query(statement, alias=f"_{name}", source=sql.Literal(read.source), entity=sql.Literal(entity), name=name)
        for statement, needed in ((_WRITTEN, export.refers), (_STANDING, awaits))
        for name, entity in needed.items()
    ]
    fed = [
        query(_FED, alias=f"_{name}", source=sql.Literal(read.source), entity=sql.Literal(references[name]), name=name)
        for name in export.fed
    ]
    return sql.SQL(" ").join(written + fed)


_WRITTEN: LiteralString = """
    LEFT JOIN connector.exports {alias} ON {alias}.source = {source} AND {alias}.entity = {entity}
        AND {alias}.key = e.{name} AND {alias}.external_id IS NOT NULL
"""
_STANDING: LiteralString = _WRITTEN + " AND {alias}.state <> 'withdrawn'"

# The records of a source that core rows were made of; of several for one row the one that is there, or was there last.
# People are students and instructors, so that the entity is taken from the key.
_FED = """
    LEFT JOIN (
        SELECT DISTINCT ON (m.entity_type, m.internal_id) m.entity_type || '/' || m.internal_id AS key, m.external_id
        FROM connector.external_system_mappings m
        WHERE m.connector_id = {source} AND m.internal_id IS NOT NULL
            AND ({entity} = 'people' AND m.entity_type IN ('students', 'instructors') OR m.entity_type = {entity})
        ORDER BY m.entity_type, m.internal_id, m.absent_since DESC NULLS FIRST, m.external_id
    ) {alias} ON {alias}.key = e.{name}
"""


def _after(parts: list[sql.Composed]) -> sql.Composed:
    return sql.SQL("").join([query(", {part}", part=part) for part in parts])


_SHAPED = """
    CREATE UNLOGGED TABLE {table} (
        key text PRIMARY KEY, verdict text NOT NULL, rule text, reason text, record jsonb,
        external_id text, matched_by text, stands jsonb
    )
"""


def to_shape(
    connection: Connection, read: Read, export: Export, *, batch: int
) -> Iterator[list[tuple[dict[str, Any], bool]]]:
    """The rows that must be shaped, as `shape` takes them, each with whether it would have to wait.

    A row that is known in this very form, and settled, is not among them. The caller may write between two batches.
    """
    from psycopg.rows import dict_row

    rows = query(
        "SELECT r.* FROM {rows} r LEFT JOIN connector.exports l ON {same}"
        " WHERE NOT coalesce({settled}, false) AND r.key > %s ORDER BY r.key LIMIT %s",
        rows=rows_table(read.id),
        same=_same(read, "r.key"),
        settled=SETTLED,
    )
    last = ""
    while True:
        with connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(rows, [last, batch]).fetchall()
        if not found:
            return
        last = found[-1]["key"]
        waits = [row.pop("_waits") is not None for row in found]
        for row in found:
            del row["_hash"]
            row.update({name: row.pop(f"_{name}") for name in (*export.refers, *export.fed)})
        yield list(zip(found, waits, strict=True))


def to_find(connection: Connection, read: Read, export: Export) -> Iterator[list[Wanted]]:
    """What should stand there and never did, in the export's batches, sorted as it is sent."""
    columns = [query("{name}, r.{column}", name=sql.Literal(one), column=one) for one in export.spelled]
    rows = query(
        "SELECT s.key, s.record, jsonb_build_object({spelled}) FROM {shaped} s JOIN {rows} r USING (key)"
        " LEFT JOIN connector.exports l ON {same}"
        " WHERE s.verdict = 'wanted' AND l.external_id IS NULL AND l.matched_by IS DISTINCT FROM {person}"
        " AND NOT coalesce({refused}, false) ORDER BY s.record -> {together}, s.key",
        spelled=sql.SQL(", ").join(columns),
        shaped=shaped_table(read.id),
        rows=rows_table(read.id),
        same=_same(read, "s.key"),
        person=sql.Literal(BY_A_PERSON),
        refused=REFUSED,
        together=sql.Literal(export.together),
    )
    for batch in in_batches(connection, rows, size=export.batch):
        yield [Wanted(*row) for row in cast("list[tuple[str, dict[str, Any], dict[str, Any]]]", batch)]


@dataclass(frozen=True, slots=True)
class Contested:
    """A record that stands there, and that core would have otherwise.

    Attributes:
        known: our fields as they stood last; nothing where it was found just now, and we never wrote it.
        changed_at: when core changed the row; None where nobody knows.
    """

    key: str
    external_id: str
    record: Mapping[str, Any]
    known: Mapping[str, Any]
    changed_at: datetime | None


def to_contest(connection: Connection, read: Read, export: Export) -> Iterator[list[Contested]]:
    """What was shaped and stands there already, whether we know it or found it just now, in the export's
    batches, sorted as it is sent.
    """
    changed_at = export.times[0] if export.times else ""
    rows = query(
        "SELECT s.key, coalesce(l.external_id, s.external_id), s.record,"
        " CASE WHEN l.external_id IS NULL THEN '{{}}' ELSE coalesce(l.stands, l.record) END, {changed_at}"
        " FROM {shaped} s JOIN {rows} r USING (key) LEFT JOIN connector.exports l ON {same}"
        " WHERE s.verdict = 'wanted' AND CASE WHEN l.external_id IS NULL THEN s.external_id IS NOT NULL"
        " ELSE l.state IN ('sent', 'verified') END ORDER BY s.record -> {together}, s.key",
        changed_at=sql.Identifier("r", changed_at) if changed_at else sql.SQL("NULL::timestamptz"),
        shaped=shaped_table(read.id),
        rows=rows_table(read.id),
        same=_same(read, "s.key"),
        together=sql.Literal(export.together),
    )
    for found in in_batches(connection, rows, size=export.batch):
        yield [Contested(*row) for row in cast("list[tuple[Any, ...]]", found)]


def _same(read: Read, key: str) -> sql.Composed:
    table, column = key.split(".")
    return query(
        "l.source = {source} AND l.entity = {entity} AND l.key = {key}",
        source=sql.Literal(read.source),
        entity=sql.Literal(read.entity.removeprefix(PREFIX)),
        key=sql.Identifier(table, column),
    )


SETTLED = sql.SQL(
    "(l.row_hash = r._hash AND (l.state IN ('sent', 'verified', 'withdrawn') OR l.state = 'failed' AND NOT l.again))"
)
# What was refused is not sent again as it is, unless that may help.
REFUSED = sql.SQL(
    "(l.state = 'failed' AND NOT l.again"
    " AND l.refused = CASE s.verdict WHEN 'wanted' THEN s.record ELSE '\"withdraw\"' END)"
)
