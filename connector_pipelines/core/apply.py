"""Applies an accepted plan in chunks: core rows and their mappings in one transaction each, resumable at any point.

A chunk either is durable with its number and all before it, or nothing of it is. When the process dies, the next run
goes on at the first chunk that is not durable. Where a row breaks a rule of the database, the chunk is halved until
the row stands alone; it becomes a dead letter and its neighbors go on (requirements G38, G60-G62, K9, P10).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, LiteralString, cast

import psycopg
from psycopg import sql

from connector_pipelines.core import conflicts
from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, comma, query, scalar
from connector_pipelines.database.tables import COUNTED, DROPPED_BY, mappings_table, plan_table, rows_table
from connector_pipelines.errors import PlanOutdated
from connector_pipelines.model import Counts, PlanState

if TYPE_CHECKING:
    from connector_pipelines.model import Entity, Plan, Read


def apply_chunk(
    connection: Connection,
    entity: Entity,
    read: Read,
    plan: Plan,
    *,
    number: int,
    chunk_rows: int,
    parents_settled: bool,
) -> Plan:
    """Write one chunk of an accepted plan, in one transaction.

    Chunks may be written at the same time on different connections. Each becomes durable only after the one before:
    it waits for it with a lock of the database, which so finds two that wait for each other's rows.

    Args:
        connection: in autocommit mode.
        entity: the core table.
        read: the read the plan was made of.
        plan: the plan, in whatever state.
        number: of the chunk, from 1.
        chunk_rows: rows per chunk, as the plan was cut.
        parents_settled: False for a plan that may count on parents of plans that were to be applied before it: one
            that did not come makes the plan outdated. True: a row without its parent is refused like any other.

    Returns:
        the plan with one chunk more applied, and with its counts corrected by rows that the database refused.

    Raises:
        PlanOutdated: core or the plan's state moved since it was made, or the chunk before did not become durable;
            nothing of the chunk was written.
        psycopg.errors.DeadlockDetected: another transaction and this one wait for each other; nothing was written.
    """
    with connection.transaction():
        conflicts.mark_applying(connection)
        _take_turn(connection, plan, number)
        writer = _Writer(connection, entity, read, plan, parents_settled=parents_settled)
        writer.write((number - 1) * chunk_rows + 1, number * chunk_rows)
        _take_turn(connection, plan, number - 1)
        before = _accepted(connection, plan, applied_chunks=number - 1)
        counts = replace(before, **{name: getattr(before, name) + by for name, by in writer.moved.items()})
        connection.execute(
            "UPDATE connector.sync_plans SET applied_chunks = %s, counts = %s WHERE id = %s",
            [number, json.dumps(asdict(counts)), plan.id],
        )
    return replace(plan, applied_chunks=number, counts=counts)


def _take_turn(connection: Connection, plan: Plan, number: int) -> None:
    """Hold a chunk's lock until the transaction ends, once nobody else does."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"plan {plan.id} chunk {number}"])


def _accepted(connection: Connection, plan: Plan, *, applied_chunks: int) -> Counts:
    """The counts of a plan that stands exactly there; nobody moves it until the transaction ends.

    What the chunk beside this one wrote points to the plan and locks its key: the lock here must leave that to it, or
    each waits for the other.
    """
    row = connection.execute(
        "SELECT state, applied_chunks, counts FROM connector.sync_plans WHERE id = %s FOR NO KEY UPDATE", [plan.id]
    ).fetchone()
    if row is None or row[:2] != (PlanState.ACCEPTED, applied_chunks):
        raise PlanOutdated(f"plan {plan.id} is {row and row[:2]}, not accepted with {applied_chunks} chunks applied.")
    return Counts(**cast("dict[str, int]", row[2]))


_OF_A_ROW = ("22", "23", "44", "54", "P0")
"""Classes of SQLSTATE: data, integrity, check options, limits such as those of an index, and what functions raise."""

_OF_NO_ROW = ("08", "25", "40", "53", "55", "57", "58", "XX")
"""Connections, transactions, resources, operators, the system: also where they show in a function."""


def _is_of_a_row(error: psycopg.Error) -> bool:
    """Whether the database refuses a row, rather than us: by its class, or because a trigger raises it."""
    state = error.sqlstate or ""
    return state.startswith(_OF_A_ROW) or bool(error.diag.context and state and not state.startswith(_OF_NO_ROW))


class _Writer:
    """Writes ranges of one plan's rows. It exists to carry what every statement needs."""

    def __init__(
        self, connection: Connection, entity: Entity, read: Read, plan: Plan, *, parents_settled: bool
    ) -> None:
        self._connection = connection
        self._parents_settled = parents_settled
        self._read = read
        self._plan = plan
        self.moved: Counter[str] = Counter()
        columns = [c.name for c in entity.columns] + [r.column for r in entity.references]
        self._parts: dict[str, sql.Composable] = {
            "plan": plan_table(plan.id),
            "core": sql.Identifier("core", entity.table),
            "mappings": mappings_table(plan.source),
            "entity": sql.Literal(entity.name),
            "source": sql.Literal(plan.source),
            "dropped_by": sql.Literal(DROPPED_BY),
            "columns": comma([sql.Identifier(name) for name in columns]),
            "assignments": comma([query("{n} = p.{n}", n=name) for name in columns]),
        }

    def write(self, first: int, last: int) -> None:
        """Write the rows with these sequence numbers; halve the range where the database refuses one of them."""
        try:
            with self._connection.transaction():
                self._write_all(first, last)
                self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is deferred is of these rows, too
        except psycopg.Error as error:
            if not _is_of_a_row(error):
                raise
            if isinstance(error, psycopg.errors.UniqueViolation) and error.diag.schema_name == "connector":
                raise PlanOutdated(f"rows are mapped already since plan {self._plan.id} was made.") from error
            if isinstance(error, psycopg.errors.ForeignKeyViolation) and not self._parents_settled:
                raise PlanOutdated(f"a parent that plan {self._plan.id} counted on is not in core.") from error
            if first == last:
                self._refuse(first, str(error.diag.message_primary))
                return
            middle = (first + last) // 2
            self.write(first, middle)
            self.write(middle + 1, last)

    def _write_all(self, first: int, last: int) -> None:
        """Only what there is to do: most chunks hold one kind of row."""
        there = self._there(first, last)
        new = there["create"] + there["link"]
        if there["create"]:
            # PostgreSQL checks each row's references by a plan that is kept for the connection: of a parent with few
            # rows it would read all, each time, which takes longer than its index.
            self._connection.execute("SET LOCAL enable_seqscan = off")
            self._execute(_CREATE, first, last)
            self._connection.execute("RESET enable_seqscan")
        if new:
            waited = scalar(self._connection, query(_WAITED, **self._parts))
            mapped = self._execute(_CREATE_MAPPING + _TAKE_OVER if waited else _CREATE_MAPPING, first, last)
            self._must_match(new, mapped, "are mapped already")
        if due := there["changes"]:
            self._must_match(due, self._execute(_UPDATE, first, last), "changed in core")
        if still := there["still"]:
            self._must_match(still, self._execute(_HOLD_STILL, first, last), "changed in core")
        if there["update"] + there["touch"] + there["conflict"]:
            self._execute(_UPDATE_MAPPING, first, last)
        if due + there["link"]:
            self._execute(_KEEP_CHANGES, first, last)
        if there["absent"] + there["drop"]:
            self._execute(_MARK_ABSENT, first, last)
        if there.total() > there["create"]:
            conflicts.settle(self._connection, self._plan, self._parts, first, last)

    def _there(self, first: int, last: int) -> Counter[str]:
        """How many rows of each action; "changes": that write to core, "still": whose core row must stay as it is."""
        counted = query(_COUNT, plan=self._parts["plan"])
        rows = cast("list[tuple[str, bool, int]]", self._connection.execute(counted, [first, last]).fetchall())
        there: Counter[str] = Counter()
        for action, changes, count in rows:
            there[action] += count
            there["changes"] += count if changes else 0
            there["still"] += count if action in _STILL and not changes else 0
        return there

    def _execute(self, statement: LiteralString, first: int, last: int) -> int:
        composed = sql.SQL(statement).format(**self._parts, plan_id=sql.Literal(self._plan.id))
        return self._connection.execute(composed, [first, last]).rowcount

    def _must_match(self, due: int, done: int, what: str) -> None:
        if due != done:
            raise PlanOutdated(f"{due - done} of {due} rows {what} since plan {self._plan.id} was made.")

    def _refuse(self, seq: int, message: str) -> None:
        refused = query(
            "SELECT p.external_id, 'database', {reason}, {staged}, NULL::jsonb, p.page, p.row"
            " FROM {plan} p LEFT JOIN {rows} s USING (external_id, page, row) WHERE p.seq = {seq}",
            reason=sql.Literal(f"core refuses the row: {message}".replace("%", "%%")),  # the statement takes parameters
            staged=staging.CONTENT,
            plan=self._parts["plan"],
            rows=rows_table(self._read.id),
            seq=sql.Literal(seq),
        )
        dead_letters.write_staged(self._connection, self._read, refused, state="open")
        gone = query(
            "DELETE FROM {plan} WHERE seq = %s RETURNING action, changes IS NOT NULL", plan=self._parts["plan"]
        )
        action, changes = cast("tuple[str, bool]", self._connection.execute(gone, [seq]).fetchone())
        self.moved.subtract(COUNTED[action, changes])
        if action != "drop":  # which was not in the read
            self.moved["dead_lettered"] += 1


_CREATE = """
    INSERT INTO {core} (id, {columns})
    SELECT internal_id, {columns} FROM {plan} WHERE action = 'create' AND seq BETWEEN %s AND %s
"""

_COUNT = "SELECT action, changes IS NOT NULL, count(*) FROM {plan} WHERE seq BETWEEN %s AND %s GROUP BY 1, 2"

# What leaves its core row as it is, where it changes nothing.
_STILL = frozenset(("touch", "conflict", "link"))

_CREATE_MAPPING = """
    INSERT INTO {mappings} AS m (connector_id, entity_type, external_id, internal_id, sync_status, sync_version,
        last_synced_at, row_hash, fingerprint, created_by, sync_metadata)
    SELECT {source}, {entity}, external_id, internal_id, 'synced', 1, now(), row_hash, fingerprint, {plan_id},
        CASE WHEN matched_by IS NULL THEN '{{}}' ELSE jsonb_build_object('matched by', matched_by) END
    FROM {plan} WHERE action IN ('create', 'link') AND seq BETWEEN %s AND %s
"""

# Looking for a conflict at each row doubles the price of the statement, so it looks only where there can be one.
_WAITED = "SELECT 1 FROM {mappings} WHERE entity_type = {entity} AND internal_id IS NULL LIMIT 1"

# A mapping without a core row is a record that waited or was refused before; one with a core row is never re-pointed.
_TAKE_OVER = """
    ON CONFLICT (external_id, entity_type) DO UPDATE SET internal_id = excluded.internal_id, sync_status = 'synced',
        sync_version = m.sync_version + 1, last_synced_at = now(), row_hash = excluded.row_hash, error_message = NULL,
        fingerprint = excluded.fingerprint, created_by = excluded.created_by,
        sync_metadata = m.sync_metadata || excluded.sync_metadata
    WHERE m.internal_id IS NULL
"""

# xmin moves whenever anybody writes the row: an update that does not find its version has been overtaken.
_UPDATE = """
    UPDATE {core} c SET {assignments}, updated_at = now()
    FROM {plan} p
    WHERE p.changes IS NOT NULL AND p.seq BETWEEN %s AND %s
        AND c.id = p.internal_id AND c.xmin::text::bigint = p.core_version
"""

# The mapping of a row that is not written will say that its record is known: an edit must come before that or after,
# for it makes the mapping forget.
_HOLD_STILL = """
    SELECT FROM {plan} p JOIN {core} c ON c.id = p.internal_id
    WHERE p.action IN ('touch', 'conflict', 'link') AND p.changes IS NULL AND p.seq BETWEEN %s AND %s
        AND c.xmin::text::bigint = p.core_version
    FOR SHARE OF c
"""

# A row without a hash comes from no record of the source (mapping/amend.py): its mapping stays as it is.
_UPDATE_MAPPING = """
    UPDATE {mappings} m SET row_hash = p.row_hash, fingerprint = p.fingerprint, sync_status = 'synced',
        error_message = NULL, absent_since = NULL, last_synced_at = now(),
        sync_version = m.sync_version + (p.changes IS NOT NULL)::int, sync_metadata = m.sync_metadata - {dropped_by}
    FROM {plan} p
    WHERE p.action IN ('update', 'touch', 'conflict') AND p.row_hash IS NOT NULL AND p.seq BETWEEN %s AND %s
        AND m.external_id = p.external_id AND m.entity_type = {entity}
"""

# A link is kept also where it changes nothing: the row was there before, so undoing the plan must leave it.
_KEEP_CHANGES = """
    INSERT INTO connector.sync_changes (plan_id, internal_id, external_id, changes, action)
    SELECT {plan_id}, internal_id, external_id, coalesce(changes, '{{}}'),
        CASE action WHEN 'conflict' THEN 'update' ELSE action END
    FROM {plan} WHERE (changes IS NOT NULL OR action = 'link') AND seq BETWEEN %s AND %s
"""

_MARK_ABSENT = """
    UPDATE {mappings} m SET absent_since = coalesce(m.absent_since, now()),
        sync_metadata = m.sync_metadata
            || CASE WHEN p.action = 'drop' THEN jsonb_build_object({dropped_by}, {plan_id}) ELSE '{{}}' END
    FROM {plan} p
    WHERE p.action IN ('absent', 'drop') AND p.seq BETWEEN %s AND %s
        AND m.external_id = p.external_id AND m.entity_type = {entity}
"""
