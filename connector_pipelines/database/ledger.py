"""The ledger of the outward direction, `connector.exports`: what we keep up in other systems, row by row.

A row is marked `sending` in a transaction of its own before the call is made, and booked after it. What is found
`sending` by anybody else was sent by somebody who died: it is looked up, never sent blindly again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from connector_pipelines.database.connection import Connection, in_batches, query, scalar
from connector_pipelines.database.tables import plan_table
from connector_pipelines.outward import Action, Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_pipelines.model import Plan
    from connector_pipelines.outward import Export

ATTEMPTS = 5
"""How often in a row the same record is sent by itself, where that may help."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a call did to one row.

    Attributes:
        state: the row's new state.
        record: our fields as the other system took them; None leaves what was known.
        stands: what it keeps instead; None where it keeps what was sent.
        refused: what it did not take.
        gone: nothing stands there any more: the id is forgotten.
        again: what failed is sent again by itself.
        settled: the row of core is known in its present form.
        done: a call was answered.
    """

    key: str
    state: str
    external_id: str | None = None
    record: Mapping[str, Any] | None = None
    stands: Mapping[str, Any] | None = None
    refused: object = None
    rule: str | None = None
    error: str | None = None
    gone: bool = False
    again: bool = False
    settled: bool = True
    done: bool = True


@dataclass(frozen=True, slots=True)
class Sending:
    """A row that somebody was sending when the process died, or that nobody answered for."""

    key: str
    external_id: str | None
    action: Action
    before: Mapping[str, Any] = field(default_factory=dict)
    sent: Mapping[str, Any] = field(default_factory=dict)


def adopt(connection: Connection, plan: Plan, entity: str) -> None:
    """Enter the records that were found there; what differs is sent afterwards like any other change."""
    connection.execute(
        query(
            """
            INSERT INTO connector.exports AS l (source, entity, key, external_id, state, record, matched_by, row_hash,
                verified_at)
            SELECT %s, %s, external_id, there, CASE WHEN changes IS NULL THEN 'verified' ELSE 'sent' END, stands,
                matched_by, CASE WHEN changes IS NULL THEN row_hash END, now()
            FROM {plan} WHERE action = 'link'
            ON CONFLICT (source, entity, key) DO UPDATE SET external_id = excluded.external_id, state = excluded.state,
                record = excluded.record, matched_by = excluded.matched_by, row_hash = excluded.row_hash,
                verified_at = excluded.verified_at, refused = NULL, rule = NULL, error = NULL, again = false
            WHERE l.external_id IS NULL
            """,
            plan=plan_table(plan.id),
        ),
        [plan.source, entity],
    )


def orders(connection: Connection, plan: Plan, entity: str, *, first: int, last: int) -> dict[Action, list[Order]]:
    """What is left to be sent of a range of the plan, by the call it takes.

    A create of something that was found meanwhile is an update, or nothing. What is restored is sent whole: what it was
    withdrawn by differs, too, and is no change of core.
    """
    rows = connection.execute(
        query(
            "SELECT p.external_id, p.sends, p.record, coalesce(p.changes, '{{}}'), l.external_id, l.record"
            " FROM {plan} p LEFT JOIN connector.exports l ON l.source = %s AND l.entity = %s AND l.key = p.external_id"
            " WHERE p.seq BETWEEN %s AND %s AND (l.plan_id IS DISTINCT FROM %s OR l.state IN ('sending', 'wanted'))"
            " ORDER BY p.seq",
            plan=plan_table(plan.id),
        ),
        [plan.source, entity, first, last, plan.id],
    ).fetchall()
    found: dict[Action, list[Order]] = {}
    for key, sends, record, changes, external_id, stands in cast("list[tuple[Any, ...]]", rows):
        action, differs = Action(sends), {name: (before, after) for name, (before, after) in changes.items()}
        if action is Action.RESTORE:
            differs = {}
        if action is Action.CREATE and external_id:
            action = Action.UPDATE
            differs = {name: (stands.get(name), value) for name, value in record.items() if stands.get(name) != value}
        if action is not Action.UPDATE or differs:
            found.setdefault(action, []).append(Order(key, external_id, record, differs))
    return found


def lost(connection: Connection, source: str, entity: str) -> int:
    """How often a row that is left was being sent, one time after the other, and nobody answered, or somebody died."""
    most = (
        "SELECT coalesce(max(attempts), 0) FROM connector.exports"
        " WHERE source = %s AND entity = %s AND state <> 'failed' AND attempts > 0"
    )
    return cast("int", scalar(connection, most, source, entity))


def mark(connection: Connection, plan: Plan, entity: str, action: Action, keys: Sequence[str]) -> bool:
    """Say that these rows are about to be sent; durable when this returns.

    Returns:
        False when the plan is not accepted any more: nothing was marked.
    """
    with connection.transaction():
        accepted = "SELECT 1 FROM connector.sync_plans WHERE id = %s AND state = 'accepted' FOR UPDATE"
        if connection.execute(accepted, [plan.id]).fetchone() is None:
            return False
        connection.execute(
            query(
                """
                INSERT INTO connector.exports AS l (source, entity, key, state, action, sending, plan_id, attempts)
                SELECT %s, %s, external_id, 'sending', %s, record, %s, 1 FROM {plan} WHERE external_id = ANY(%s)
                ON CONFLICT (source, entity, key) DO UPDATE SET state = 'sending', action = excluded.action,
                    sending = excluded.sending, plan_id = excluded.plan_id, attempts = l.attempts + 1
                """,
                plan=plan_table(plan.id),
            ),
            [plan.source, entity, action, plan.id, list(keys)],
        )
    return True


def book(connection: Connection, source: str, entity: str, entries: Sequence[Entry], *, plan: Plan | None) -> None:
    """Write down what became of rows, in the caller's transaction.

    Args:
        connection: in a transaction.
        source: whose ledger.
        entity: what the records are called there.
        entries: one for each row.
        plan: the plan that sent them; None for what was looked up.
    """
    hashed = (
        query("(SELECT p.row_hash FROM {t} p WHERE p.external_id = r.key)", t=plan_table(plan.id)) if plan else None
    )
    connection.execute(
        query(
            """
            UPDATE connector.exports l SET state = r.state, sending = NULL, stands = r.stands, refused = r.refused,
                external_id = CASE WHEN r.gone THEN NULL ELSE coalesce(r.external_id, l.external_id) END,
                record = CASE WHEN r.gone THEN '{{}}' ELSE coalesce(r.record, l.record) END,
                rule = r.rule, error = r.error, again = r.again AND l.attempts < {attempts},
                row_hash = CASE WHEN r.settled THEN {hashed} END,
                plan_id = CASE WHEN r.done THEN l.plan_id END,
                attempts = CASE WHEN r.state = 'failed' OR NOT r.done THEN l.attempts ELSE 0 END,
                sent_at = CASE WHEN r.done AND r.state <> 'failed' THEN now() ELSE l.sent_at END,
                verified_at = CASE WHEN r.state = 'verified' THEN now() ELSE l.verified_at END
            FROM jsonb_to_recordset(%s::jsonb) AS r(key text, state text, external_id text, record jsonb, stands jsonb,
                refused jsonb, rule text, error text, gone boolean, again boolean, settled boolean, done boolean)
            WHERE l.source = %s AND l.entity = %s AND l.key = r.key
            """,
            attempts=sql.Literal(ATTEMPTS),
            hashed=hashed or sql.SQL("NULL::uuid"),
        ),
        [json.dumps([_plain(entry) for entry in entries]), source, entity],
    )


def _plain(entry: Entry) -> dict[str, Any]:
    names = cast("tuple[str, ...]", Entry.__slots__)
    return {name: getattr(entry, name) for name in names}


def taken(connection: Connection, source: str, entity: str, ids: Mapping[str, str]) -> set[str]:
    """Of keys with the external ids they are to have, those whose id another row has already."""
    rows = connection.execute(
        "SELECT external_id, key FROM connector.exports WHERE source = %s AND entity = %s AND external_id = ANY(%s)",
        [source, entity, list(ids.values())],
    ).fetchall()
    owners = dict(cast("list[tuple[str, str]]", rows))
    found = set()
    for key, external_id in ids.items():
        if owners.setdefault(external_id, key) != key:
            found.add(key)
    return found


def analyze(connection: Connection) -> None:
    """Tell PostgreSQL how the ledger has grown, after batches 1, 2, 4, 8 ….

    Planning as if it were empty, it read all rows for each batch: a first export of 10,000 took two minutes.
    """
    connection.execute("ANALYZE connector.exports (source, entity, key, external_id)")


def unanswered(connection: Connection, source: str, entity: str, *, batch: int) -> Iterator[list[Sending]]:
    """Rows that are marked as being sent, in batches. The caller books each batch before it takes the next."""
    statement = (
        "SELECT key, external_id, action, record, sending FROM connector.exports"
        " WHERE source = %s AND entity = %s AND state = 'sending' AND key > %s ORDER BY key LIMIT %s"
    )
    last = ""
    while rows := cast(
        "list[tuple[Any, ...]]", connection.execute(statement, [source, entity, last, batch]).fetchall()
    ):
        last = rows[-1][0]
        yield [Sending(key, there, Action(action), before, sent) for key, there, action, before, sent in rows]


def standing(connection: Connection, source: str, export: Export) -> Iterator[list[tuple[str, str, Any]]]:
    """Key, external id and our fields as they stood last, of all that should stand there; sorted as they are sent."""
    statement = (
        "SELECT key, external_id, coalesce(stands, record) FROM connector.exports WHERE source = %s AND entity = %s"
        " AND state IN ('sent', 'verified') ORDER BY record -> %s, key"
    )
    rows = in_batches(connection, statement, source, export.entity, export.together, size=export.batch)
    yield from cast("Iterator[list[tuple[str, str, Any]]]", rows)


def forgive(connection: Connection, source: str, entity: str, keys: Sequence[str]) -> None:
    """Let what was refused be sent again by the next export, and what is kept otherwise, too."""
    connection.execute(
        "UPDATE connector.exports SET again = true, attempts = 0, row_hash = NULL,"
        " record = coalesce(stands, record), stands = NULL"
        " WHERE source = %s AND entity = %s AND key = ANY(%s) AND (state = 'failed' OR stands IS NOT NULL)",
        [source, entity, list(keys)],
    )


def external_id_of(connection: Connection, source: str, entity: str, key: str) -> str | None:
    """The record that is kept up for a row of core."""
    known = "SELECT external_id FROM connector.exports WHERE source = %s AND entity = %s AND key = %s"
    return cast("str | None", scalar(connection, known, source, entity, key))


def decide(
    connection: Connection,
    source: str,
    entity: str,
    key: str,
    *,
    external_id: str | None,
    record: Mapping[str, Any],
    by: str,
) -> None:
    """Enter what a person said of a row: which record it is, or that it shall have a new one."""
    connection.execute(
        "INSERT INTO connector.exports (source, entity, key, external_id, state, record, matched_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (source, entity, key) DO UPDATE SET"
        " external_id = excluded.external_id, state = excluded.state, record = excluded.record,"
        " matched_by = excluded.matched_by, row_hash = NULL, refused = NULL, rule = NULL, error = NULL, again = false",
        [source, entity, key, external_id, "sent" if external_id else "wanted", json.dumps(record), by],
    )


def by_state(connection: Connection, source: str) -> list[tuple[str, str, int]]:
    """How many records of each export are in which state."""
    rows = connection.execute(
        "SELECT entity, state, count(*) FROM connector.exports WHERE source = %s GROUP BY 1, 2 ORDER BY 1, 2", [source]
    ).fetchall()
    return cast("list[tuple[str, str, int]]", rows)
