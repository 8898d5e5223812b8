"""What a database holds: rows of core as the source would name them, everything comparable, and what must never be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString, cast

from psycopg import sql

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import comma, connect, query
from connector_pipelines.mapping.cases import MERGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Entity
    from proof.school import Record, Rows

Known = tuple[str, str]
"""Entity and external id."""


def core(connection: Connection, entity: str, source: str, *, absent: bool = False) -> Rows:
    """What core holds of a source: the fed columns and, for references, their targets' external ids."""
    known = ENTITIES[entity]
    names = [column.name for column in known.columns] + [reference.name for reference in known.references]
    found = connection.execute(
        query(
            "SELECT m.external_id, {columns} FROM core.{core} c JOIN connector.external_system_mappings m"
            " ON m.internal_id = c.id AND m.entity_type = {entity}"
            " WHERE m.connector_id = {source} AND (m.absent_since IS NULL) <> {absent}",
            columns=comma([query("c.{n}", n=column.name) for column in known.columns] + _targets(known)),
            core=known.table,
            entity=sql.Literal(entity),
            source=sql.Literal(source),
            absent=sql.Literal(absent),
        )
    ).fetchall()
    return {str(row[0]): dict(zip(names, row[1:], strict=True)) for row in found}


def _targets(entity: Entity) -> list[sql.Composed]:
    """For each reference, the external id of the row it points to."""
    return [
        query(
            "(SELECT t.external_id FROM connector.external_system_mappings t WHERE t.connector_id = m.connector_id"
            " AND t.entity_type = {target} AND t.internal_id = c.{column}) AS {name}",
            target=sql.Literal(reference.entity),
            column=reference.column,
            name=reference.name,
        )
        for reference in entity.references
    ]


def differences(connection: Connection, truth: dict[str, Rows], source: str) -> list[tuple[Any, ...]]:
    """Entity, external id, what core holds and what it should hold, wherever these differ."""
    found = ((entity, core(connection, entity, source), rows) for entity, rows in truth.items())
    return [
        (entity, key, held.get(key), rows.get(key))
        for entity, held, rows in found
        for key in sorted(held.keys() | rows.keys())
        if held.get(key) != rows.get(key)
    ]


def waiting(connection: Connection, source: str) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """The records of a source that wait, or were told that they wait in vain, with the records they wait for."""
    found = connection.execute(
        "SELECT entity, external_id, waits_for FROM connector.dead_letters"
        " WHERE source = %s AND (state = 'waiting' OR (state = 'open' AND rule = 'parent is gone'))",
        [source],
    ).fetchall()
    rows = cast("list[tuple[str, str, list[list[str]]]]", found)
    return {(entity, key): {(parent[0], parent[1]) for parent in parents} for entity, key, parents in rows}


def merging(connection: Connection, source: str) -> set[tuple[str, str]]:
    """The records of a source that are refused because it has the same person under another id, too."""
    letters = (
        "SELECT entity, external_id FROM connector.dead_letters WHERE source = %s AND state = 'open' AND rule = %s"
    )
    return cast("set[tuple[str, str]]", set(connection.execute(letters, [source, MERGE]).fetchall()))


def excused(
    differences: Sequence[tuple[Any, ...]],
    waiting: dict[Known, set[Known]],
    truth: dict[str, Rows],
    *,
    refused: AbstractSet[Known] = frozenset(),
) -> set[Known]:
    """Records that are rightly not in core: those that are `refused`, for what the proof knows; deleted at the source
    before any good read saw them; or shown as waiting for such a one, or for one that the source does not have. And
    rows that no schema lets pass: core keeps what it had.
    """
    found = set(refused)
    for entity, key, core, row in differences:  # parents come before children
        parents = waiting.get((entity, key), set())
        hopeless = [p for p in parents if p in found or p[1] not in truth[p[0]]]
        never_came = core is None and row and (row["status"] in {"inactive", "dropped"} or hopeless)
        if never_came or (row and _ends_before_it_starts(row)):
            found.add((entity, key))
    return found


def _ends_before_it_starts(row: Record) -> bool:
    start, end = row.get("start_date"), row.get("end_date")
    return bool(start and end and start > end)


def stands_twice(record: Known, truth: dict[str, Rows]) -> bool:
    """Whether a school has a person under a second id: the fault that puts rows before others copies the first."""
    entity, key = record
    rows = truth[entity]
    names = [(name, rows[key][name]) for name in ("email", "username") if key in rows and rows[key].get(name)]
    return any(row.get(name) == value for other, row in rows.items() if other != key for name, value in names)


def versions(connection: Connection) -> list[object]:
    """Which transaction wrote each row of core and its mapping. Records that are not in core may be told meanwhile that
    they wait in vain.
    """
    digest: LiteralString = "SELECT md5(string_agg(t.xmin::text || t::text, '|' ORDER BY t::text)) FROM {t} t"
    mapped: LiteralString = " WHERE t.internal_id IS NOT NULL"
    mappings = query(digest + mapped, t=sql.Identifier("connector", "external_system_mappings"))
    core = [query(digest, t=sql.Identifier("core", name)) for name in ENTITIES]
    return [connection.execute(statement).fetchone() for statement in [*core, mappings]]


# What is compared between an interrupted and an uninterrupted way; ids, times and the names of runs may differ.
_COMPARABLE: dict[str, LiteralString] = {
    "mappings": """
        SELECT connector_id, entity_type, external_id, absent_since IS NULL,
            (to_jsonb(m) - '{{internal_id,last_synced_at,absent_since,created_by}}'::text[])::text
        FROM connector.external_system_mappings m ORDER BY 1, 2, 3
    """,
    "letters": """
        SELECT source, entity, external_id, state, rule, reason FROM connector.dead_letters
        WHERE state <> 'resolved' ORDER BY 1, 2, 3, 5, 6
    """,
    "changes": """
        SELECT p.source, p.entity, c.external_id, (c.changes - {pointers}::text[])::text
        FROM connector.sync_changes c JOIN connector.sync_plans p ON p.id = c.plan_id
        WHERE NOT p.entity LIKE 'export/%' ORDER BY 1, 2, 3, 4
    """,
    "receipts": """
        SELECT source, entity, key, sum(value::bigint)::bigint, bool_and(verified)
        FROM connector.sync_receipts, jsonb_each_text(counts)
        WHERE key IN ('created', 'updated', 'absent', 'dropped') AND NOT entity LIKE 'export/%'
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """,
    # An export that goes on plans anew: what was sent before is unchanged then. What the last receipt says of all
    # rows must be the same; what was done to them, the other system knows best.
    "receipts of exports": """
        SELECT DISTINCT ON (source, entity) source, entity, counts -> 'fetched', counts -> 'skipped',
            (counts ->> 'created')::int + (counts ->> 'updated')::int + (counts ->> 'unchanged')::int,
            counts -> 'conflicts', counts -> 'dead_lettered', counts -> 'waiting', verified
        FROM connector.sync_receipts WHERE entity LIKE 'export/%' ORDER BY source, entity, plan_id DESC
    """,
    # A record that was looked up after a kill is as good as one that was read back.
    "ledger": """
        SELECT source, entity, key, external_id, replace(state, 'verified', 'sent'), record::text, stands::text,
            refused::text, matched_by, rule, error, again, CASE WHEN state <> 'withdrawn' THEN row_hash END
        FROM connector.exports ORDER BY 1, 2, 3
    """,
    "outbox": "SELECT source, export, entity, internal_id FROM connector.export_outbox ORDER BY 1, 2, 3, 4",
    "cursors": "SELECT DISTINCT source, entity FROM connector.sync_cursors ORDER BY 1, 2",
    "staging": "SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r' ORDER BY 1",
}


def held(url: str) -> dict[str, list[Any]]:
    """Everything that must be the same however often a run was cut off: core, mappings, receipts, cursors, letters."""
    pointers = sql.Literal(sorted({r.column for entity in ENTITIES.values() for r in entity.references}))
    with connect(url) as connection:
        found: dict[str, list[Any]] = {
            name: connection.execute(query(statement, pointers=pointers)).fetchall()
            for name, statement in _COMPARABLE.items()
        }
        for entity in ENTITIES.values():
            hidden = ["id", "created_at", "updated_at", *(r.column for r in entity.references)]
            statement = query(
                "SELECT m.connector_id, m.external_id, (to_jsonb(c) - {hidden}::text[])::text {targets}"
                " FROM core.{core} c LEFT JOIN connector.external_system_mappings m"
                " ON m.internal_id = c.id AND m.entity_type = {entity} ORDER BY 1, 2, 3",
                hidden=sql.Literal(hidden),
                targets=sql.SQL("").join([query(", {t}", t=target) for target in _targets(entity)]),
                core=entity.table,
                entity=sql.Literal(entity.name),
            )
            found[f"core.{entity.name}"] = connection.execute(statement).fetchall()
    return found


# Each query finds what must never be, at any moment at which no transaction is open.
INVARIANTS: dict[str, LiteralString] = {
    "every fetched row is in exactly one count of its receipt": """
        SELECT plan_id, counts FROM connector.sync_receipts
        WHERE (counts ->> 'fetched')::bigint + (counts ->> 'retried')::bigint <> (SELECT sum(value::bigint)
            FROM jsonb_each_text(counts)
            WHERE key IN ('created', 'updated', 'unchanged', 'skipped', 'conflicts', 'dead_lettered'))
    """,
    "core was read back as planned": "SELECT plan_id, differences FROM connector.sync_receipts WHERE NOT verified",
    "an applied plan, and no other, has a receipt": """
        SELECT p.id, p.state FROM connector.sync_plans p LEFT JOIN connector.sync_receipts t ON t.plan_id = p.id
        WHERE (p.state = 'applied') <> (t.plan_id IS NOT NULL)
    """,
    "a receipt is signed into the record of its run": """
        SELECT t.plan_id FROM connector.sync_receipts t JOIN connector.sync_plans p ON p.id = t.plan_id
        JOIN connector.sync_runs r ON r.id = p.run_id WHERE r.receipt IS NULL
    """,
    "an applied plan is applied to its end": """
        SELECT id, applied_chunks, chunks FROM connector.sync_plans WHERE state = 'applied' AND applied_chunks < chunks
    """,
    "only complete reads are planned": """
        SELECT p.id, r.id FROM connector.sync_plans p JOIN connector.sync_runs r ON r.id = p.run_id
        WHERE NOT r.complete OR r.state <> 'read'
    """,
    "a cursor lies before the start of a read that was applied": """
        SELECT c.id FROM connector.sync_cursors c JOIN connector.sync_plans p ON p.id = c.plan_id
        JOIN connector.sync_runs r ON r.id = p.run_id
        WHERE p.state <> 'applied' OR NOT r.complete OR c.cursor >= r.started_at
            OR (c.source, c.entity) <> (r.source, r.entity)
    """,
    "no core row is two records of one source": """
        SELECT connector_id, entity_type, internal_id FROM connector.external_system_mappings
        WHERE internal_id IS NOT NULL GROUP BY 1, 2, 3 HAVING count(*) > 1
    """,
    "a record was written as often as its history says": """
        SELECT m.connector_id, m.entity_type, m.external_id, m.sync_version, h.updates
        FROM connector.external_system_mappings m LEFT JOIN (
            SELECT p.source, p.entity, c.external_id, count(*) AS updates
            FROM connector.sync_changes c JOIN connector.sync_plans p ON p.id = c.plan_id GROUP BY 1, 2, 3
        ) h ON (h.source, h.entity, h.external_id) = (m.connector_id, m.entity_type, m.external_id)
        WHERE m.internal_id IS NOT NULL AND m.sync_version <> 1 + coalesce(h.updates, 0)
    """,
    "what is being sent says by which plan": """
        SELECT entity, key FROM connector.exports WHERE state = 'sending' AND plan_id IS NULL
    """,
    "what another system did not take says why": """
        SELECT entity, key FROM connector.exports WHERE state = 'failed' AND (rule IS NULL OR error IS NULL)
    """,
    "a failed read says why": """
        SELECT id FROM connector.sync_runs WHERE state = 'failed' AND (error IS NULL OR error_category IS NULL)
    """,
}
_ORPHANS = "SELECT c.id FROM core.{core} c WHERE NOT EXISTS (SELECT FROM connector.external_system_mappings m"
_ORPHANS += " WHERE m.entity_type = {entity} AND m.internal_id = c.id)"
_LOST = "SELECT m.external_id FROM connector.external_system_mappings m WHERE m.entity_type = {entity}"
_LOST += " AND m.internal_id IS NOT NULL AND NOT EXISTS (SELECT FROM core.{core} c WHERE c.id = m.internal_id)"


def breaches(connection: Connection) -> list[str]:
    """The invariants that do not hold, each with some of what breaks it."""
    checks = {name: query(statement) for name, statement in INVARIANTS.items()}
    for entity in ENTITIES.values():
        parts: dict[str, sql.Composable] = {"core": sql.Identifier(entity.table), "entity": sql.Literal(entity.name)}
        checks[f"no row of {entity.name} came twice: each has a mapping"] = query(_ORPHANS, **parts)
        checks[f"no row of {entity.name} is lost: each mapping has one"] = query(_LOST, **parts)
    found = ((name, connection.execute(statement).fetchmany(3)) for name, statement in checks.items())
    return [f"{name}: {rows}" for name, rows in found if rows]
