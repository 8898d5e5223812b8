"""The identity guard: refuses rows of a plan that would put one person's data on another's row (S8).

Four cases, each with its own rule name and the evidence: which fields agree and which differ, not what is in them. Only
changed rows of persons are looked at. A person can accept a case (`sync.accepting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from psycopg import sql

from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, query, scalar
from connector_pipelines.database.tables import mappings_table, rows_table
from connector_pipelines.mapping import cases
from connector_pipelines.mapping.likeness import Likeness, key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Entity, Read


def refuse(
    connection: Connection, entity: Entity, read: Read, table: sql.Identifier, *, matching: Sequence[str] = ()
) -> int:
    """Take rows out of the plan that a person must look at; they become dead letters.

    Needs `gone` and `accepted`.

    Args:
        connection: in the planning transaction.
        entity: what the rows are; anything but persons passes.
        read: the read they came with.
        table: the plan's rows.
        matching: columns by which the source's records are matched with rows of other sources.

    Returns:
        how many.
    """
    if not entity.names:
        return 0
    parts: dict[str, sql.Composable] = {
        "plan": table,
        "core": sql.Identifier("core", entity.table),
        "mappings": mappings_table(read.source),
        "entity": sql.Literal(entity.name),
    }
    there = _there(connection, entity, parts)
    if not any(there):
        return 0
    connection.execute("CREATE TEMP TABLE suspects (external_id text, rule text, evidence text) ON COMMIT DROP")
    if there.changed:
        connection.execute(query("INSERT INTO suspects {found}", found=_changed(entity, parts)))
    if there.known:
        connection.execute(query("INSERT INTO suspects {found}", found=_returning(entity, read, parts)))
    if there.new:
        _add(connection, _new(entity, parts))
        _add(connection, _new_twins(entity, parts))
    if there.renumbered:
        everywhere = entity.identifiers[0] in matching
        _add(connection, _taking_over(entity, read, parts, everywhere=everywhere))
    return _dead_letters(connection, read, table)


class _There(NamedTuple):
    """Which kinds of rows a plan has; null where it has none at all."""

    new: bool | None
    known: bool | None
    changed: bool | None
    renumbered: bool | None


def _there(connection: Connection, entity: Entity, parts: dict[str, sql.Composable]) -> _There:
    """Looked up first: of a small plan, questions without an answer took PostgreSQL longer than all others."""
    looked_up = query(
        "SELECT bool_or(action = 'create'), bool_or(action IN ('update', 'touch')),"
        " bool_or(action = 'update' AND changes ?| {fields}), bool_or(changes ? {number}) FROM {plan}",
        **parts,
        fields=sql.Literal([*entity.names, *entity.identifiers]),
        number=sql.Literal(entity.identifiers[0]),
    )
    return _There(*cast("tuple[bool | None, ...]", connection.execute(looked_up).fetchone()))


def _add(connection: Connection, found: sql.Composed) -> None:
    with cases.hashed(connection):
        connection.execute(query("INSERT INTO suspects {found}", found=found))


def _dead_letters(connection: Connection, read: Read, table: sql.Identifier) -> int:
    """Move the suspects that nobody accepted from the plan to the dead letters, each under one rule."""
    if scalar(connection, "SELECT 1 FROM suspects LIMIT 1") is None:
        return 0
    connection.execute(
        "CREATE TEMP TABLE refusals ON COMMIT DROP AS SELECT DISTINCT ON (external_id) * FROM suspects"
        " WHERE external_id NOT IN (SELECT external_id FROM accepted) ORDER BY external_id, rule"
    )
    letters = query(
        "SELECT x.external_id, x.rule, x.rule || ': ' || x.evidence, {staged}, NULL::jsonb, s.page, s.row"
        " FROM refusals x JOIN {plan} p USING (external_id) JOIN {rows} s USING (external_id, page, row)",
        staged=staging.CONTENT,
        plan=table,
        rows=rows_table(read.id),
    )
    refused = dead_letters.write_staged(connection, read, letters, state="open")
    connection.execute(query("DELETE FROM {plan} p USING refusals x WHERE x.external_id = p.external_id", plan=table))
    return refused


def _changed(entity: Entity, parts: dict[str, sql.Composable]) -> sql.Composed:
    """An update after which the row would look like another person; more easily where the id had been gone."""
    likeness = Likeness(entity, "c", "p", external_id=sql.SQL("p.external_id"))
    return query(
        """
        SELECT p.external_id, CASE WHEN b.back THEN {reused} ELSE {another} END AS rule, {evidence} AS evidence
        FROM {plan} p JOIN {core} c ON c.id = p.internal_id
        JOIN {mappings} m ON m.entity_type = {entity} AND m.external_id = p.external_id
        CROSS JOIN LATERAL (SELECT m.absent_since IS NOT NULL OR c.status = {inactive} AS back) b
        WHERE p.action = 'update' AND p.changes ?| {fields}
            AND ({other} OR b.back AND {other_after_a_break})
        """,
        **parts,
        reused=sql.Literal(cases.REUSED),
        another=sql.Literal(cases.ANOTHER),
        evidence=likeness.evidence,
        inactive=sql.Literal(entity.inactive),
        fields=sql.Literal([*entity.names, *entity.identifiers]),
        other=likeness.another_person,
        other_after_a_break=likeness.another_after_a_break,
    )


def _returning(entity: Entity, read: Read, parts: dict[str, sql.Composable]) -> sql.Composed:
    """An id that comes back while another id of the source stands for its row by now."""
    return query(
        """
        SELECT p.external_id, {merge}, 'another id of this source has its row by now; ' || {evidence}
        FROM {plan} p JOIN {core} c ON c.id = p.internal_id
        JOIN {mappings} m ON m.entity_type = {entity} AND m.external_id = p.external_id
        WHERE p.action IN ('update', 'touch') AND m.absent_since IS NOT NULL AND {rival}
        """,
        **parts,
        merge=sql.Literal(cases.MERGE),
        evidence=Likeness(entity, "c", "p").evidence,
        rival=cases.present(entity, read, internal_id=sql.SQL("p.internal_id"), but=sql.SQL("p.external_id")),
    )


def _new(entity: Entity, parts: dict[str, sql.Composable]) -> sql.Composed:
    """A new id with the identifiers of a row that the source has under another id, which is still there.

    Where several rows share them already, they identify nobody there.
    """
    pairs = [
        query(
            "SELECT p.external_id, c.id FROM {plan} p JOIN own c ON {ours} = {theirs} WHERE p.action = 'create'",
            **parts,
            ours=key("p", column),
            theirs=key("c", column),
        )
        for column in entity.identifiers
    ]
    likeness = Likeness(entity, "c", "p")
    return query(
        """
        SELECT * FROM (
            WITH own AS MATERIALIZED (
                SELECT c.* FROM {core} c JOIN {mappings} m ON m.internal_id = c.id AND m.entity_type = {entity}
                WHERE m.absent_since IS NULL AND m.external_id NOT IN (SELECT external_id FROM gone)
            )
            SELECT p.external_id, {merge}, 'the source has the same person under another id; ' || min({evidence})
            FROM ({pairs}) q JOIN {plan} p USING (external_id) JOIN own c ON c.id = q.id
            WHERE {same} GROUP BY p.external_id HAVING count(DISTINCT c.id) = 1
        ) merging
        """,
        **parts,
        merge=sql.Literal(cases.MERGE),
        evidence=likeness.evidence,
        pairs=sql.SQL(" UNION ").join(pairs),
        same=likeness.same_person,
    )


def _new_twins(entity: Entity, parts: dict[str, sql.Composable]) -> sql.Composed:
    """Two new ids of one read with the same identifiers: which of them is the person's, nobody can say.

    What three of them share identifies nobody. Each column is gone through once, and OFFSET 0 keeps its keys from being
    made twice: a first read has nothing but new ids. Where all have a number nothing else tells who is the same.
    """
    number = entity.identifiers[0]
    without_number = query(
        "EXISTS (SELECT FROM {plan} n WHERE action = 'create' AND {key} IS NULL)", **parts, key=key("n", number)
    )
    pairs = [
        query(
            "SELECT min(seq), max(seq) FROM (SELECT seq, {key} AS key FROM {plan} p WHERE action = 'create' OFFSET 0) k"
            " WHERE {counts} AND key IS NOT NULL GROUP BY key HAVING count(*) = 2",
            **parts,
            key=key("p", column),
            counts=sql.SQL("true") if column == number else without_number,
        )
        for column in entity.identifiers
    ]
    likeness = Likeness(entity, "c", "p")
    return query(
        """
        SELECT * FROM (
            WITH pairs (one, other) AS MATERIALIZED ({pairs})
            SELECT p.external_id, {merge}, 'the read holds the same person under another new id; ' || min({evidence})
            FROM (SELECT one, other FROM pairs UNION ALL SELECT other, one FROM pairs) q
            JOIN {plan} p ON p.seq = q.one JOIN {plan} c ON c.seq = q.other
            WHERE {same} GROUP BY p.external_id
        ) twins
        """,
        **parts,
        merge=sql.Literal(cases.MERGE),
        evidence=likeness.evidence,
        pairs=sql.SQL(" UNION ").join(pairs),
        same=likeness.same_person,
    )


def _taking_over(entity: Entity, read: Read, parts: dict[str, sql.Composable], *, everywhere: bool) -> sql.Composed:
    """An update that gives a row the best identifier of another row, which keeps it: whose is the record now?

    Rows of other sources count where the sources are matched by that identifier; elsewhere two schools may well give
    one number to two persons.
    """
    number = entity.identifiers[0]
    rival = cases.present(entity, read, internal_id=sql.SQL("c.id"), but=sql.SQL("p.external_id"))
    return query(
        """
        SELECT p.external_id, {repointed}, {number} || ' is that of core row ' || min(c.id) || '; ' || min({evidence})
        FROM {plan} p JOIN {core} c ON {ours} = {theirs} AND c.id <> p.internal_id
        WHERE p.action = 'update' AND p.changes ? {column} AND ({everywhere} OR {rival})
            AND NOT EXISTS (SELECT FROM {plan} k WHERE k.internal_id = c.id AND k.changes ? {column})
        GROUP BY p.external_id HAVING count(*) = 1
        """,
        **parts,
        repointed=sql.Literal(cases.REPOINTED),
        number=sql.Literal(number.replace("_", " ")),
        evidence=Likeness(entity, "c", "p").evidence,
        ours=key("p", number),
        theirs=key("c", number),
        column=sql.Literal(number),
        everywhere=sql.Literal(everywhere),
        rival=rival,
    )
