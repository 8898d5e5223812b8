"""Recognizes new records as rows that core has already, by the identifiers that the source's policy names (G4).

The first of the columns in which exactly one row of core agrees decides, unless a better one contradicts. What is not
certain is refused, never guessed: several rows, a row that this source knows under another id, a person whose name
speaks against it. A person can say which row it is; that comes before everything here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, query, scalar
from connector_pipelines.database.tables import rows_table
from connector_pipelines.mapping import cases
from connector_pipelines.mapping.likeness import Likeness, key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Entity, Read

BY_A_PERSON = "a person"
BY_OUR_EXPORT = "our own export"


def link(connection: Connection, entity: Entity, read: Read, columns: Sequence[str]) -> int:
    """Give rows of `diff` that are new, and that core has, the id of their row and the reason.

    A person's word comes first, then what we wrote there ourselves, then the columns.

    Needs `diff`, `gone` and `accepted`.

    Returns:
        how many rows were refused; they are taken out of `diff`.
    """
    if scalar(connection, "SELECT 1 FROM accepted LIMIT 1"):
        _heed_people(connection, entity, read)
    if scalar(connection, "SELECT 1 FROM connector.exports WHERE source = %s LIMIT 1", read.source):
        _know_our_own(connection, entity, read)
    if not columns or connection.execute("SELECT 1 FROM diff WHERE internal_id IS NULL LIMIT 1").fetchone() is None:
        return 0
    with cases.hashed(connection):
        _gather(connection, entity, read, columns)
    refused = dead_letters.write_staged(connection, read, _doubtful(entity, read), state="open")
    if refused:
        connection.execute("DELETE FROM diff d USING matches m WHERE m.external_id = d.external_id AND m.rule <> ''")
    connection.execute(
        "UPDATE diff d SET internal_id = m.internal_id, matched_by = m.matched_by FROM matches m"
        " WHERE m.external_id = d.external_id"
    )
    return refused


def _heed_people(connection: Connection, entity: Entity, read: Read) -> None:
    """A record is that of the row onto which a person let it pass."""
    connection.execute(
        query(
            "UPDATE diff d SET internal_id = a.onto, matched_by = {reason}"
            " FROM accepted a JOIN {core} c ON c.id = a.onto"
            " WHERE a.external_id = d.external_id AND d.internal_id IS NULL AND NOT {rival}",
            reason=sql.Literal(BY_A_PERSON),
            core=sql.Identifier("core", entity.table),
            rival=cases.present(entity, read, internal_id=sql.SQL("a.onto"), but=sql.SQL("d.external_id")),
        )
    )


def _know_our_own(connection: Connection, entity: Entity, read: Read) -> None:
    """A record that we keep up at the source is that of its row of core: what we wrote comes back as no news (E88)."""
    connection.execute(
        query(
            """
            UPDATE diff d SET internal_id = c.id, matched_by = {reason}
            FROM (SELECT external_id, min(substr(key, length({prefix}) + 1))::bigint AS id FROM connector.exports
                WHERE source = {source} AND external_id IS NOT NULL
                    AND starts_with(key, {prefix}) AND key NOT LIKE '%@%'
                GROUP BY external_id HAVING count(DISTINCT key) = 1) l
            JOIN {core} c ON c.id = l.id
            WHERE l.external_id = d.external_id AND d.internal_id IS NULL AND NOT {rival}
            """,
            reason=sql.Literal(BY_OUR_EXPORT),
            prefix=sql.Literal(f"{entity.name}/"),
            source=sql.Literal(read.source),
            core=sql.Identifier("core", entity.table),
            rival=cases.present(entity, read, internal_id=sql.SQL("c.id"), but=sql.SQL("d.external_id")),
        )
    )


def _gather(connection: Connection, entity: Entity, read: Read, columns: Sequence[str]) -> None:
    """Fill `matches`: for each new record that core may have, the row, by which column, and what speaks against it."""
    pairs = [_pairs(entity, read, columns[:rank], column) for rank, column in enumerate(columns)]
    connection.execute(
        query(
            """
            CREATE TEMP TABLE matches ON COMMIT DROP AS
            WITH pairs AS ({pairs}), best AS (
                SELECT p.external_id, min(p.internal_id) AS internal_id, count(*) AS candidates,
                    min(p.matched_by) AS matched_by, string_agg(p.internal_id::text, ', ' ORDER BY p.internal_id) AS ids
                FROM (SELECT *, min(rank) OVER (PARTITION BY external_id) = rank AS decides FROM pairs) p
                WHERE decides GROUP BY p.external_id
            )
            SELECT b.external_id, b.internal_id, b.matched_by, b.ids, CASE
                WHEN b.candidates > 1 THEN {several}
                WHEN {rival} OR count(*) FILTER (WHERE b.candidates = 1) OVER (PARTITION BY b.internal_id) > 1
                    THEN {merge}
                ELSE '' END AS rule
            FROM best b
            """,
            pairs=sql.SQL(" UNION ALL ").join(pairs),
            several=sql.Literal(cases.SEVERAL),
            merge=sql.Literal(cases.MERGE),
            rival=cases.present(entity, read, internal_id=sql.SQL("b.internal_id"), but=sql.SQL("b.external_id")),
        )
    )
    if entity.names:
        connection.execute(
            query(
                "UPDATE matches m SET rule = {doubt} FROM diff d JOIN {rows} s USING (external_id, page, row), {core} c"
                " WHERE m.rule = '' AND d.external_id = m.external_id AND c.id = m.internal_id AND {doubtful}",
                doubt=sql.Literal(cases.DOUBT),
                rows=rows_table(read.id),
                core=sql.Identifier("core", entity.table),
                doubtful=_other_name(entity),
            )
        )


def _pairs(entity: Entity, read: Read, better: Sequence[str], column: str) -> sql.Composed:
    """New records and rows of core that agree in a column, and do not contradict each other in a better one."""
    likeness = Likeness(entity, "s", "c")
    return query(
        "SELECT d.external_id, c.id AS internal_id, {rank} AS rank, {column} AS matched_by"
        " FROM diff d JOIN {rows} s USING (external_id, page, row) JOIN {core} c ON {ours} = {theirs}"
        " WHERE d.internal_id IS NULL AND NOT EXISTS (SELECT FROM accepted a WHERE a.external_id = d.external_id)"
        " AND NOT ({contradicted})",
        rank=sql.Literal(len(better)),
        column=sql.Literal(column),
        rows=rows_table(read.id),
        core=sql.Identifier("core", entity.table),
        ours=key("s", column),
        theirs=key("c", column),
        contradicted=sql.SQL(" OR ").join([sql.SQL("false"), *(likeness.differs(name) for name in better)]),
    )


def _other_name(entity: Entity) -> sql.Composed:
    """A person's name speaks against a match: all of it where the best identifier matched, else the first name.

    Brothers and sisters share a family's e-mail address.
    """
    likeness = Likeness(entity, "s", "c")
    return query(
        "CASE WHEN m.matched_by = {number} THEN {every} ELSE {first} END",
        number=sql.Literal(entity.identifiers[0]),
        every=likeness.every_name_differs,
        first=likeness.first_name_differs,
    )


def _doubtful(entity: Entity, read: Read) -> sql.Composed:
    return query(
        """
        SELECT m.external_id, m.rule, m.rule || ': ' || replace(m.matched_by, '_', ' ') || ' is that of core row '
                || m.ids || ' (' || {evidence} || ')', {staged}, NULL::jsonb, s.page, s.row
        FROM matches m JOIN diff d USING (external_id) JOIN {rows} s USING (external_id, page, row)
        JOIN {core} c ON c.id = m.internal_id WHERE m.rule <> ''
        """,
        evidence=Likeness(entity, "c", "s").evidence,
        staged=staging.CONTENT,
        rows=rows_table(read.id),
        core=sql.Identifier("core", entity.table),
    )
