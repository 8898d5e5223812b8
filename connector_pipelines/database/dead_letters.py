"""Dead letters: every row that is not on its way to core, with its reason (requirements G39, K24, P9).

`open`      a row that was refused; it is looked at again whenever its source sends it.
`waiting`   a good row whose parents are not in core yet; every later plan takes it up again when they are.
            When a complete full read of the parents, begun after the row came, does not hold one of them, the row is
            `open` by the rule "parent is gone"; it is taken up all the same, should the parent come after all.
`resolved`  the record was accepted since, or is not sent any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

from connector_pipelines.database.connection import query, scalar
from connector_pipelines.database.tables import letters_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Read
    from connector_pipelines.pages import Rejection

_UPSERT = """
    ON CONFLICT (source, entity, coalesce(external_id, ''), md5(coalesce(payload, staged::text, '')))
        WHERE state <> 'resolved'
    DO UPDATE SET last_run_id = excluded.last_run_id, state = excluded.state, page = coalesce(excluded.page, d.page),
        row = CASE WHEN excluded.page IS NULL THEN d.row ELSE excluded.row END,
        rule = excluded.rule, reason = excluded.reason, waits_for = excluded.waits_for,
        attempts = d.attempts + (d.last_run_id <> excluded.last_run_id)::int, updated_at = now()
"""


def table(read: Read) -> sql.Identifier:
    """Where the letters of a read are kept: one that only looks has a table of its own."""
    return letters_table(read.id) if read.trial else sql.Identifier("connector", "dead_letters")


def create(connection: Connection, read: Read) -> None:
    """Make the letters' table of a read that only looks; one that stands already is replaced."""
    if read.trial:
        with connection.transaction():
            connection.execute(query("DROP TABLE IF EXISTS {table}", table=table(read)))
            connection.execute(
                query("CREATE UNLOGGED TABLE {table} (LIKE connector.dead_letters INCLUDING ALL)", table=table(read))
            )


def publish(connection: Connection, read: Read) -> None:
    """Move what a read refused out of its own table to all dead letters: it was approved. The plan's follow with it."""
    head: LiteralString = (
        "INSERT INTO connector.dead_letters AS d"
        " (source, entity, external_id, rule, reason, payload, first_run_id, last_run_id, page, row)"
        " SELECT source, entity, external_id, rule, reason, payload, first_run_id, last_run_id, page, row"
        " FROM {letters} WHERE payload IS NOT NULL"
    )
    connection.execute(query(head + _UPSERT, letters=letters_table(read.id)))


def write(connection: Connection, read: Read, rejections: Iterable[Rejection]) -> None:
    """Keep refused rows; one that is refused again for the same content counts as one more attempt."""
    rows = [
        (read.source, read.entity, r.external_id, r.rule, r.reason, r.payload, read.id, read.id, *_place(r))
        for r in rejections
    ]
    if not rows:
        return
    head: LiteralString = (
        "INSERT INTO {table} AS d"
        " (source, entity, external_id, rule, reason, payload, first_run_id, last_run_id, page, row)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    )
    with connection.cursor() as cursor:
        cursor.executemany(query(head + _UPSERT, table=table(read)), rows)


def _place(rejection: Rejection) -> tuple[int | None, int | None]:
    """Where the row stands in the pages of its run; a row that comes from elsewhere has no place there."""
    return (rejection.page, rejection.row) if rejection.page > 0 else (None, None)


def write_staged(connection: Connection, read: Read, rows: sql.Composable, *, state: str) -> int:
    """Keep staged rows that a plan cannot take.

    Args:
        connection: in the planning transaction.
        read: the read the rows came with.
        rows: a query for external_id, rule, reason, staged (jsonb), waits_for (jsonb), page, row.
        state: "open" or "waiting".

    Returns:
        how many rows the query gave.
    """
    head: LiteralString = (
        "INSERT INTO {table} AS d (source, entity, state, first_run_id, last_run_id,"
        " external_id, rule, reason, staged, waits_for, page, row)"
        " SELECT %s, %s, %s, %s, %s, q.external_id, q.rule, q.reason, q.staged, q.waits_for,"
        " CASE WHEN q.page > 0 THEN q.page END, CASE WHEN q.page > 0 THEN q.row END"
        " FROM ({rows}) q (external_id, rule, reason, staged, waits_for, page, row)"
    )
    statement = query(head + _UPSERT, rows=rows, table=table(read))
    return connection.execute(statement, [read.source, read.entity, state, read.id, read.id]).rowcount


def settle(connection: Connection, read: Read) -> None:
    """Close what this read answered: a record that was accepted, that was refused anew with other content, or that a
    complete full read does not hold any more.

    Called when the plan of the read is applied to its end. What this very read refused stays, unless a later plan of
    the same read could take it.
    """
    which = {"source": read.source, "entity": read.entity, "run": read.id, "started": read.started_at}
    connection.execute(
        """
        UPDATE connector.dead_letters d SET state = 'resolved', updated_at = now()
        FROM connector.external_system_mappings m
        WHERE d.source = %(source)s AND d.entity = %(entity)s AND d.state <> 'resolved' AND d.last_run_id <= %(run)s
            AND m.connector_id = d.source AND m.entity_type = d.entity AND m.external_id = d.external_id
            AND m.sync_status = 'synced' AND m.last_synced_at >= %(started)s
            AND (d.last_run_id < %(run)s
                OR m.last_synced_at > d.updated_at AND d.staged IS NOT NULL)
        """,
        which,
    )
    connection.execute(
        """
        UPDATE connector.dead_letters d SET state = 'resolved', updated_at = now()
        FROM (SELECT DISTINCT external_id FROM connector.dead_letters
            WHERE source = %(source)s AND entity = %(entity)s AND state <> 'resolved' AND last_run_id = %(run)s
                AND external_id <> '') n
        WHERE d.source = %(source)s AND d.entity = %(entity)s AND d.state <> 'resolved' AND d.last_run_id < %(run)s
            AND coalesce(d.external_id, '') = n.external_id  -- as the index has it
        """,
        which,
    )
    if read.snapshot:
        connection.execute(
            "UPDATE connector.dead_letters SET state = 'resolved', updated_at = now()"
            " WHERE source = %s AND entity = %s AND state <> 'resolved' AND last_run_id < %s",
            [read.source, read.entity, read.id],
        )
        give_up(connection, read.source, parent=read.entity)  # also what waits for a parent that itself was refused


def give_up(connection: Connection, source: str, *, run_id: int | None = None, parent: str | None = None) -> int:
    """Let rows wait no longer for a parent that the source no longer has: it was gone, or called deleted, before it
    ever came to core.

    Args:
        connection: in the caller's transaction.
        source: whose rows.
        run_id: only rows of this read; None for all.
        parent: only rows that wait for this entity; None for any.

    Returns:
        how many rows were given up.
    """
    waiting = "SELECT 1 FROM connector.dead_letters WHERE source = %s AND state = 'waiting' LIMIT 1"
    if scalar(connection, waiting, source) is None:
        return 0
    return connection.execute(_GIVE_UP, {"source": source, "run": run_id, "parent": parent}).rowcount


# A parent that is a dead letter itself was sent, and one with a row in core is there.
_GIVE_UP = """
    UPDATE connector.dead_letters d SET state = 'open', rule = 'parent is gone', updated_at = now(),
        reason = 'waits for ' || g.parents || ', which a complete read that began later does not hold'
    FROM (
        SELECT w.id, string_agg((p ->> 0) || ' ' || (p ->> 1), ', ') AS parents
        FROM connector.dead_letters w JOIN connector.sync_runs r ON r.id = w.first_run_id
        CROSS JOIN jsonb_array_elements(w.waits_for) p
        JOIN connector.last_full_reads f ON f.source = w.source AND f.entity = p ->> 0 AND f.seen_at > r.started_at
        WHERE w.source = %(source)s AND w.state = 'waiting' AND (%(run)s::bigint IS NULL OR w.last_run_id = %(run)s)
            AND (%(parent)s::text IS NULL OR p ->> 0 = %(parent)s)
            AND NOT EXISTS (SELECT FROM connector.external_system_mappings m WHERE m.connector_id = w.source
                AND m.entity_type = p ->> 0 AND m.external_id = p ->> 1 AND m.internal_id IS NOT NULL)
            AND NOT EXISTS (SELECT FROM connector.dead_letters sent WHERE sent.source = w.source
                AND sent.entity = p ->> 0 AND coalesce(sent.external_id, '') = p ->> 1  -- as the index has it
                AND sent.state <> 'resolved')
        GROUP BY w.id
    ) g
    WHERE d.id = g.id
"""
