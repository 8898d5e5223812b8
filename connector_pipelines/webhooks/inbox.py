"""Events from their arrival until they are processed (requirements F26, F37, P20).

An event is stored once for each of its ids, before its sender is answered. Events that wait are taken in batches; a
batch is settled by what became of the run that read again. Nobody needs to hold anything meanwhile: a batch whose run
vanished waits again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from connector_pipelines.database.connection import scalar
from connector_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.external.line import Line
    from connector_pipelines.notices import Notice

NAME = "events"
"""A source has one webhook; this is its name in `integration_webhooks`."""

BATCH = 10_000
"""Events that one run answers at most."""

ATTEMPTS = 10
"""So many runs may fail before an event has: with the pauses between, about two hours."""

KEPT = timedelta(days=90)
"""So long events that are done are kept, to know them when they come again."""

_LONGEST = 200


class EventStatus(StrEnum):
    """Where an event stands (F37)."""

    PENDING = "pending"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a delivery: how many of its events are new; None where the source takes none."""

    new: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that one run answers.

    Attributes:
        age: how long ago it was taken.
        entities: what they ask to be read, in no order.
    """

    id: int
    age: timedelta
    events: int
    entities: tuple[str, ...]


def introduce(connection: Connection, source: str, configuration: str) -> None:
    """Note a source's webhook and how it is configured; whether it is switched on stays as it was (F25)."""
    connection.execute(
        "INSERT INTO connector.integration_webhooks AS w (integration_id, name, configuration)"
        " SELECT id, %s, %s::jsonb FROM connector.integrations WHERE name = %s"
        " ON CONFLICT (integration_id, name) DO UPDATE SET configuration = excluded.configuration"
        " WHERE w.configuration <> excluded.configuration",
        [NAME, configuration, source],
    )


def switch(connection: Connection, source: str, *, on: bool, who: str) -> None:
    """Switch a source's webhook on or off, at once; noted in the audit log (F25).

    Raises:
        ConfigurationError: the source has none that a receiver introduced.
    """
    with connection.transaction():
        known = connection.execute(
            "UPDATE connector.integration_webhooks w SET enabled = %s FROM connector.integrations i"
            " WHERE i.id = w.integration_id AND w.name = %s AND i.name = %s",
            [on, NAME, source],
        ).rowcount
        if not known:
            raise ConfigurationError(
                f"{source} has no webhook.",
                remedy="Put `webhook` into its defs.yaml, and start `connector-pipelines receive` once.",
            )
        _note(connection, source, who, "webhook switched on" if on else "webhook switched off", {})


def store(line: Line, source: str, notices: Sequence[Notice]) -> Stored:
    """Store what a genuine delivery gives notice of; durable when this returns.

    An id that is known changes nothing, unless its event failed, or was ignored and concerns us now.

    Raises:
        DatabaseUnavailable: nothing was stored.
    """
    row = line.row(
        """
        WITH hook AS (
            SELECT i.id FROM connector.integrations i
            JOIN connector.integration_webhooks w ON w.integration_id = i.id AND w.name = %s AND w.enabled
            WHERE i.name = %s
        ), told AS (
            SELECT DISTINCT ON (id) id, kind, status, entities, hints
            FROM jsonb_to_recordset(%s::jsonb) AS t (id text, kind text, status text, entities text[], hints jsonb)
        ), stored AS (
            INSERT INTO connector.integration_webhook_events AS e
                (integration_id, event_id, event_type, status, payload, entities)
            SELECT hook.id, told.id, told.kind, told.status, jsonb_build_object('records', told.hints), told.entities
            FROM hook CROSS JOIN told
            ON CONFLICT (integration_id, event_id) DO UPDATE
            SET status = 'pending', entities = excluded.entities, attempts = 0, due_at = now(), reason = NULL
            WHERE excluded.status = 'pending' AND e.status IN ('failed', 'ignored')
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM hook), (SELECT count(*) FROM stored)
        """,
        *(NAME, source, json.dumps([_shown(notice) for notice in notices])),
    )
    taken, new = row or (0, 0)
    return Stored(new if taken else None)


def _shown(notice: Notice) -> dict[str, object]:
    status = EventStatus.PENDING if notice.entities else EventStatus.IGNORED
    told = notice.id if notice.id is not None else f"once:{uuid4()}"
    return {
        "id": _plain(told),
        "kind": _plain(notice.kind),
        "status": status,
        "entities": notice.entities,
        "hints": [_plain(hint) for hint in notice.hints[:20]],
    }


def _plain(text: str) -> str:
    """PostgreSQL has no NUL in its texts, and an index no long ones."""
    return text.replace("\0", "")[:_LONGEST].encode("utf-8", errors="replace").decode()


def claim(connection: Connection, source: str) -> Batch | None:
    """Take the events of a source that are due, as one batch; None where there are none."""
    number = scalar(
        connection,
        """
        WITH due AS (
            SELECT e.id FROM connector.integration_webhook_events e
            JOIN connector.integrations i ON i.id = e.integration_id AND i.name = %s
            WHERE e.status = 'pending' AND e.due_at <= now() ORDER BY e.id LIMIT %s FOR UPDATE OF e SKIP LOCKED
        ), batch AS MATERIALIZED (
            SELECT nextval('connector.webhook_batches') AS id WHERE EXISTS (SELECT FROM due)
        ), taken AS (
            UPDATE connector.integration_webhook_events e
            SET status = 'processing', batch = batch.id, claimed_at = now(), attempts = attempts + 1, run_id = NULL
            FROM due CROSS JOIN batch WHERE e.id = due.id
            RETURNING e.batch
        )
        SELECT max(batch) FROM taken
        """,
        *(source, BATCH),
    )
    return None if number is None else _batch(connection, source, cast("int", number))


def open_batch(connection: Connection, source: str) -> Batch | None:
    """The oldest batch of a source that is not settled."""
    number = scalar(
        connection,
        "SELECT min(e.batch) FROM connector.integration_webhook_events e"
        " JOIN connector.integrations i ON i.id = e.integration_id AND i.name = %s WHERE e.status = 'processing'",
        source,
    )
    return None if number is None else _batch(connection, source, cast("int", number))


def _batch(connection: Connection, source: str, number: int) -> Batch | None:
    row = connection.execute(
        "SELECT e.batch, extract(epoch FROM now() - min(e.claimed_at))::float8, count(DISTINCT e.id),"
        " array_agg(DISTINCT entity)"
        " FROM connector.integration_webhook_events e CROSS JOIN unnest(e.entities) AS entity"
        " JOIN connector.integrations i ON i.id = e.integration_id AND i.name = %s"
        " WHERE e.status = 'processing' AND e.batch = %s GROUP BY 1",
        [source, number],
    ).fetchone()
    if row is None:
        return None
    found, seconds, events, entities = cast("tuple[int, float, int, list[str]]", row)
    return Batch(found, timedelta(seconds=seconds), events, tuple(entities))


def finish(connection: Connection, batch: Batch, run_id: str | None, reason: str) -> None:
    """The events of a batch were answered, by a run or because there is nothing to read."""
    connection.execute(
        "UPDATE connector.integration_webhook_events SET status = 'processed', processed_at = now(), run_id = %s,"
        " reason = %s WHERE batch = %s AND status = 'processing'",
        [run_id, reason, batch.id],
    )


def give_back(connection: Connection, batch: Batch, run_id: str | None, reason: str) -> None:
    """The events of a batch were not answered: they wait again, each time twice as long, or have failed."""
    connection.execute(
        "UPDATE connector.integration_webhook_events SET run_id = %s, reason = %s,"
        " status = CASE WHEN attempts >= %s THEN 'failed' ELSE 'pending' END,"
        " due_at = now() + least(interval '15 seconds' * 2 ^ (attempts - 1), interval '1 hour')"
        " WHERE batch = %s AND status = 'processing'",
        [run_id, reason, ATTEMPTS, batch.id],
    )


def held(connection: Connection, run_id: str) -> bool:
    """Whether a plan of a run waits for a person: what was told has been read, and reading again would not help."""
    return bool(
        scalar(
            connection,
            "SELECT EXISTS (SELECT FROM connector.sync_plans p JOIN connector.sync_runs r ON r.id = p.run_id"
            " WHERE p.state = 'held' AND r.launched_by = %s)",
            f"dagster run {run_id}",
        )
    )


def try_again(connection: Connection, source: str, *, who: str) -> int:
    """Let the failed events of a source wait again; noted in the audit log. Returns how many there were."""
    with connection.transaction():
        moved = connection.execute(
            "UPDATE connector.integration_webhook_events e SET status = 'pending', attempts = 0, due_at = now()"
            " FROM connector.integrations i WHERE i.id = e.integration_id AND i.name = %s AND e.status = 'failed'",
            [source],
        ).rowcount
        _note(connection, source, who, "webhook events tried again", {"events": moved})
    return moved


def forget(connection: Connection, source: str) -> None:
    """Remove what was done long ago; what failed stays until somebody looked at it."""
    connection.execute(
        "DELETE FROM connector.integration_webhook_events e USING connector.integrations i"
        " WHERE i.id = e.integration_id AND i.name = %s AND e.received_at < now() - %s::interval"
        " AND e.status IN ('processed', 'ignored')",
        [source, KEPT],
    )


def _note(connection: Connection, source: str, who: str, action: str, detail: dict[str, object]) -> None:
    connection.execute(
        "INSERT INTO connector.integration_audit_logs (who, action, source, detail) VALUES (%s, %s, %s, %s)",
        [who, action, source, json.dumps(detail)],
    )
