"""Cases in which nobody but a person can say whose a record is: their names, and what a person accepted (S8)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import sql

from connector_pipelines.database.connection import Connection, query
from connector_pipelines.database.staging import CONTENT
from connector_pipelines.database.tables import mappings_table, rows_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.model import Entity, Read

ANOTHER = "looks like another person"
MERGE = "two ids merge"
REPOINTED = "mapping would be re-pointed"
REUSED = "id used again"
SEVERAL = "several rows match"
DOUBT = "match in doubt"

RULES = (ANOTHER, MERGE, REPOINTED, REUSED, SEVERAL, DOUBT)
"""The rules of dead letters that a person can accept."""


def gather_accepted(connection: Connection, read: Read) -> None:
    """Fill `accepted`: records of the read that a person let pass with exactly this content, and onto which row.

    When the source changed the record is no part of its content: some systems touch every record each night.
    """
    connection.execute(
        query(
            """
            CREATE TEMP TABLE accepted ON COMMIT DROP AS
            SELECT DISTINCT ON (a.external_id) a.external_id, a.onto
            FROM connector.accepted_identities a JOIN {rows} s USING (external_id)
            WHERE a.source = {source} AND a.entity = {entity} AND a.content = {content} - 'modified_at'
            ORDER BY a.external_id, a.id DESC
            """,
            rows=rows_table(read.id),
            source=sql.Literal(read.source),
            entity=sql.Literal(read.entity),
            content=CONTENT,
        )
    )


@contextmanager
def hashed(connection: Connection) -> Iterator[None]:
    """Let no join go row by row: what rows are compared by here has no index, and planned tables have no statistics.

    A guess of one row made a comparison of 100 new students with 100,000 take minutes instead of a second.
    """
    connection.execute("SET LOCAL enable_nestloop = off")
    yield
    connection.execute("SET LOCAL enable_nestloop TO DEFAULT")


def present(entity: Entity, read: Read, *, internal_id: sql.Composable, but: sql.Composable) -> sql.Composed:
    """A condition: the source has another id, which is still there, for the same row of core. Needs `gone`."""
    return query(
        "EXISTS (SELECT FROM {mappings} o WHERE o.entity_type = {entity} AND o.internal_id = {id}"
        " AND o.external_id <> {but} AND o.absent_since IS NULL"
        " AND NOT EXISTS (SELECT FROM gone g WHERE g.external_id = o.external_id))",
        mappings=mappings_table(read.source),
        entity=sql.Literal(entity.name),
        id=internal_id,
        but=but,
    )
