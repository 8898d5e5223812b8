"""Remembers what people were told, and sees to it that messages arrive: once, whatever restarts in between.

A message is written in the transaction that changes what people were told, and sent afterwards until it has arrived. A
process that dies between sending one and noting it sends that one again; nothing else is ever sent twice, or lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from connector_pipelines.external.latency import added, percentile
from connector_pipelines.sync.alarms import (
    EXPORT_WINDOW,
    LATENCY_WINDOW,
    RATE_WINDOW,
    Facts,
    Level,
    Message,
    State,
    days_left,
    findings,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connector_pipelines.database.connection import Connection

_LOCK = 7_205_759_404
_SLOWEST = timedelta(hours=1)
"""An address that does not answer is tried again after a minute, then two, four … and at least this often."""


KEPT = timedelta(days=90)
"""So long runs, requests and sent messages can be looked at."""


class Channel(Protocol):
    """A place where messages go."""

    @property
    def name(self) -> str:
        """What it is known by; no secret."""

    def send(self, level: Level, title: str, body: str) -> bool:
        """Whether the message arrived."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run of Dagster that synced a source and ended."""

    run_id: str
    source: str
    job: str
    state: str
    started_at: datetime | None
    ended_at: datetime
    error: str | None = None


def note_runs(connection: Connection, ended: Iterable[Ended]) -> set[str]:
    """Keep runs; one that is known already stays as it is.

    Returns:
        the sources of those that were new.
    """
    rows = [(e.run_id, e.source, e.job, e.state, e.started_at, e.ended_at, e.error) for e in ended]
    new = connection.execute(
        "INSERT INTO connector.job_runs (run_id, source, job, state, started_at, ended_at, error)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],"
        " %s::text[]) ON CONFLICT (run_id) DO NOTHING RETURNING source",
        [list(column) for column in zip(*rows, strict=True)] or [[]] * 7,
    )
    return {str(source) for (source,) in new.fetchall()}


def facts(connection: Connection, sources: Sequence[str], now: datetime) -> list[Facts]:
    """What the records say of each source now. A cancelled run is neither a success nor a failure."""
    runs = connection.execute(
        """
        WITH r AS (
            SELECT *, count(*) FILTER (WHERE state = 'succeeded')
                OVER (PARTITION BY source ORDER BY ended_at DESC, run_id) AS successes_since
            FROM connector.job_runs
            WHERE state IN ('succeeded', 'failed') AND job <> 'reconcile' AND ended_at <= %(now)s
        )
        SELECT source, count(*) FILTER (WHERE state = 'failed' AND successes_since = 0),
            coalesce((array_agg(error ORDER BY ended_at DESC) FILTER (WHERE state = 'failed'))[1], ''),
            count(*) FILTER (WHERE ended_at > %(since)s),
            count(*) FILTER (WHERE ended_at > %(since)s AND state = 'failed')
        FROM r WHERE ended_at > %(now)s - interval '90 days' GROUP BY source
        """,
        {"now": now, "since": now - RATE_WINDOW},
    ).fetchall()
    rows = connection.execute(
        """
        SELECT source, sum((counts ->> 'fetched')::bigint + (counts ->> 'retried')::bigint)::bigint,
            sum((counts ->> 'dead_lettered')::bigint - (counts ->> 'waiting')::bigint)::bigint
        FROM connector.sync_plans WHERE state <> 'superseded' AND created_at > %s AND created_at <= %s GROUP BY source
        """,
        [now - RATE_WINDOW, now],
    ).fetchall()
    calls = connection.execute(
        "SELECT source, sum(requests)::bigint, jsonb_agg(histogram) FROM connector.api_calls"
        " WHERE at > %s AND at <= %s GROUP BY source",
        [now - LATENCY_WINDOW, now],
    ).fetchall()
    sent = connection.execute(
        "SELECT source, sum(sent)::bigint, sum(failed)::bigint FROM connector.export_figures"
        " WHERE at > %s AND at <= %s GROUP BY source",
        [now - EXPORT_WINDOW, now],
    ).fetchall()
    compared = connection.execute(
        "SELECT DISTINCT ON (source) source, CASE state WHEN 'failed' THEN coalesce(error, 'it failed') ELSE '' END"
        " FROM connector.job_runs WHERE job = 'reconcile' AND state IN ('succeeded', 'failed') AND ended_at <= %s"
        " ORDER BY source, ended_at DESC",
        [now],
    ).fetchall()
    known: dict[str, dict[str, Any]] = {source: {} for source in sources}
    for source, *values in runs:
        known.get(str(source), {}).update(zip(("in_a_row", "error", "runs", "failed_runs"), values, strict=True))
    for source, *values in rows:
        known.get(str(source), {}).update(zip(("rows", "refused_rows"), values, strict=True))
    for source, requests, histograms in calls:
        p95 = percentile(added(cast("list[Mapping[str, int]]", histograms)), 0.95)
        known.get(str(source), {}).update(requests=requests, p95_seconds=p95)
    for source, *values in sent:
        known.get(str(source), {}).update(zip(("sent", "not_taken"), values, strict=True))
    for source, differs in compared:
        known.get(str(source), {}).update(differs=differs)
    return [Facts(source, **values) for source, values in known.items()]


def watch(
    connection: Connection, sources: Sequence[str], now: datetime, ends: Mapping[str, date | None] | None = None
) -> list[Message]:
    """Judge every rule for every source, remember it, and write down what is to be told.

    Args:
        connection: of the database.
        sources: by name.
        now: the clock.
        ends: the last day of each one's credentials, where it is known.
    """
    last = ends or {}
    known_now = [replace(f, days_left=days_left(last.get(f.source), now)) for f in facts(connection, sources, now)]
    found = [finding for one in known_now for finding in findings(one)]
    messages = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])  # two watchers would both tell
        rows = connection.execute("SELECT rule, subject, found, told, since FROM connector.alert_states").fetchall()
        known = {
            (rule, subject): State(Level(cast("int", found)), Level(cast("int", told)), cast("datetime", since))
            for rule, subject, found, told, since in rows
        }
        for finding in found:
            key = (finding.rule, finding.subject)
            state, message = judge(known.get(key), finding, now)
            if state != known.get(key):
                _remember(connection, *key, state)
            if message:
                tell(connection, message)
                messages.append(message)
    return messages


def _remember(connection: Connection, rule: str, subject: str, state: State) -> None:
    connection.execute(
        "INSERT INTO connector.alert_states (rule, subject, found, told, since) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (rule, subject)"
        " DO UPDATE SET found = excluded.found, told = excluded.told, since = excluded.since",
        [rule, subject, state.found, state.told, state.since],
    )


def tell(connection: Connection, message: Message) -> bool:
    """Write down a message to be sent; whether it is a new one."""
    written = connection.execute(
        "INSERT INTO connector.alerts (key, level, title, body) VALUES (%s, %s, %s, %s) ON CONFLICT (key) DO NOTHING",
        [message.key, message.level, message.title, message.body],
    )
    return bool(written.rowcount)


def forget(connection: Connection, now: datetime) -> None:
    """Delete what is older than `KEPT`; what was not sent stays until it is."""
    until = {"until": now - KEPT}
    connection.execute("DELETE FROM connector.api_calls WHERE at < %(until)s", until)
    connection.execute("DELETE FROM connector.export_figures WHERE at < %(until)s", until)
    connection.execute("DELETE FROM connector.job_runs WHERE ended_at < %(until)s", until)
    connection.execute("DELETE FROM connector.alerts WHERE sent_at < %(until)s", until)


def deliver(connection: Connection, channels: Sequence[Channel], now: datetime, *, at_least: Level) -> int:
    """Send what is to be sent, oldest first; what a channel did not take is tried again later.

    Args:
        connection: of the database.
        channels: where messages go; with none, they are taken for seen in the UI.
        now: the clock.
        at_least: less than that is taken for seen, but for what has a key: digests.

    Returns:
        how many messages have arrived everywhere.
    """
    arrived = 0
    while True:
        with connection.transaction():
            row = connection.execute(
                "SELECT id, level, title, body, sent_to, attempts, key IS NOT NULL FROM connector.alerts"
                " WHERE sent_at IS NULL AND coalesce(next_try_at <= %s, true)"
                " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
                [now],
            ).fetchone()
            if row is None:
                return arrived
            number, level, title, body, sent_to, attempts, keyed = cast(
                "tuple[int, int, str, str, list[str], int, bool]", row
            )
            wanted = channels if keyed or level >= at_least else ()
            having = set(sent_to) | {
                one.name for one in wanted if one.name not in sent_to and one.send(Level(level), title, body)
            }
            done = all(one.name in having for one in wanted)
            later = now + min(timedelta(minutes=2 ** min(attempts, 10)), _SLOWEST)
            connection.execute(
                "UPDATE connector.alerts SET sent_to = %s, attempts = attempts + 1, next_try_at = %s,"
                " sent_at = CASE WHEN %s THEN %s::timestamptz END WHERE id = %s",
                [sorted(having), later, done, now, number],
            )
            arrived += done
