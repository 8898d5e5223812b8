"""Compares staged rows with what was written before, by hash, and sorts out ids that a read holds twice.

Everything here is one set-based statement over the whole read; a row whose hash is known costs a look-up and no more.
The temporary tables end with the planning transaction:

    diff      every staged row with its hash, its mapping and its place in the staging table, narrow
    repeated  of ids that came more than once, what becomes of each row: keep, skip or refuse; of equal rows that
              contradict another, one is refused and the rest are skipped
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

from psycopg import sql

from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, query, scalar
from connector_pipelines.database.tables import mappings_table, rows_table

if TYPE_CHECKING:
    from connector_pipelines.model import Entity, Read


def compare(connection: Connection, entity: Entity, read: Read, *, refresh: bool) -> None:
    """Fill `diff` for a staged read.

    Args:
        connection: in the planning transaction.
        entity: what the rows are.
        read: the read.
        refresh: whether a row whose fingerprint is not the mapping's counts as changed, so that it is written.
    """
    connection.execute(
        query(
            """
            CREATE TEMP TABLE diff ON COMMIT DROP AS
            SELECT s.external_id, s.place, s.page, s.row, s.modified_at, s.deleted, s.row_hash, m.internal_id,
                NULL::text AS matched_by,
                coalesce(m.row_hash = s.row_hash AND m.sync_status = 'synced' AND m.absent_since IS NULL
                    AND {current}, false) AS same
            FROM (SELECT *, ctid AS place FROM {rows}) s
            LEFT JOIN {mappings} m ON m.entity_type = {entity} AND m.external_id = s.external_id
            """,
            rows=rows_table(read.id),
            mappings=mappings_table(read.source),
            entity=sql.Literal(entity.name),
            current=sql.SQL(_CURRENT[read.snapshot, refresh]),
        )
    )


# By (full read, refresh): when an unchanged row needs no writing. A mapping without a fingerprint gets one with the
# next full read; one that differs is left alone, unless the code changed: some systems spell a record anew each time.
_CURRENT: dict[tuple[bool, bool], LiteralString] = {
    (False, False): "true",
    (True, False): "m.fingerprint IS NOT NULL",
    (True, True): "m.fingerprint = s.fingerprint",
}


def settle_repeated(connection: Connection, read: Read) -> tuple[int, int]:
    """Take rows of repeated ids out of `diff`: equal or older ones are skipped, contradicting ones are refused.

    Two rows with one id contradict each other when both are the newest and differ: nobody can say which is true,
    so core keeps what it has.

    Returns:
        how many were skipped and how many refused.
    """
    if not scalar(connection, _ANY_TWICE):
        return 0, 0
    connection.execute(_REPEATED)
    refused = query(
        """
        SELECT s.external_id, 'two records with one id',
            'the read holds this id more than once with different content, and neither is newer',
            {staged}, NULL::jsonb, s.page, s.row
        FROM {rows} s JOIN repeated r USING (external_id, page, row) WHERE r.verdict = 'refuse'
        """,
        staged=staging.CONTENT,
        rows=rows_table(read.id),
    )
    gone = dead_letters.write_staged(connection, read, refused, state="open")
    skipped = cast("int", scalar(connection, "SELECT count(*) FROM repeated WHERE verdict = 'skip'"))
    connection.execute(
        "DELETE FROM diff d USING repeated r WHERE r.verdict <> 'keep'"
        " AND (d.external_id, d.page, d.row) = (r.external_id, r.page, r.row)"
    )
    return skipped, gone


# Most sources send ids in their order, and what is sorted already is sorted quickly: grouping takes up to three times
# as long, and never less.
_ANY_TWICE = 'SELECT count(DISTINCT external_id COLLATE "C") < count(*) FROM diff'

_REPEATED = """
    CREATE TEMP TABLE repeated ON COMMIT DROP AS
    WITH twice AS (
        SELECT d.*, coalesce(d.modified_at, '-infinity') AS at FROM diff d
        JOIN (SELECT external_id FROM diff GROUP BY external_id HAVING count(*) > 1) t USING (external_id)
    ), newest AS (
        SELECT *, at = max(at) OVER (PARTITION BY external_id) AS is_newest FROM twice
    ), judged AS (
        SELECT *, min(row_hash::text) FILTER (WHERE is_newest) OVER w
                = max(row_hash::text) FILTER (WHERE is_newest) OVER w AS agree,
            row_number() OVER (PARTITION BY external_id, is_newest ORDER BY page, row) AS nth,
            row_number() OVER (PARTITION BY external_id, is_newest, row_hash ORDER BY page, row) AS nth_equal
        FROM newest WINDOW w AS (PARTITION BY external_id)
    )
    SELECT external_id, page, row, CASE
        WHEN is_newest AND agree AND nth = 1 THEN 'keep'
        WHEN is_newest AND NOT agree AND nth_equal = 1 THEN 'refuse'
        ELSE 'skip' END AS verdict
    FROM judged
"""


def settle_never_seen(connection: Connection) -> int:
    """Take out of `diff` the rows that the source calls deleted and that never came into core; count them."""
    return connection.execute("DELETE FROM diff WHERE deleted AND internal_id IS NULL").rowcount
