"""Alerts in PostgreSQL and on their way: remembered, sent once, tried again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connector_pipelines.sync.alarms import Level, Message
from connector_pipelines.sync.alerting import Ended, deliver, facts, forget, note_runs, tell, watch

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Box:
    """A place that keeps what it is sent, unless it is closed."""

    name: str = "box"
    open: bool = True
    got: list[str] = field(default_factory=list)

    def send(self, _level: Level, title: str, _body: str) -> bool:
        """Take it."""
        self.got += [title] if self.open else []
        return self.open


def run(number: int, state: str, *, source: str = "alpha") -> Ended:
    """A run that ended so many minutes after noon."""
    at = NOON + timedelta(minutes=number)
    return Ended(
        f"{source}-{number}", source, f"sync_{source}", state, at, at, "no answer" if state == "failed" else None
    )


def test_failures_in_a_row_are_counted_since_the_last_success(connection: Connection) -> None:
    """Three failures after a success count three, a cancelled run or another source changes nothing."""
    states = ("failed", "succeeded", "failed", "cancelled", "failed", "failed")
    note_runs(connection, [run(n, state) for n, state in enumerate(states)] + [run(9, "succeeded", source="beta")])
    alpha, beta, gamma = facts(connection, ["alpha", "beta", "gamma"], NOON + timedelta(minutes=10))
    assert (alpha.in_a_row, alpha.runs, alpha.failed_runs, alpha.error) == (3, 5, 4, "no answer")
    assert (beta.in_a_row, beta.runs, gamma.in_a_row, gamma.runs) == (0, 1, 0, 0)


def test_one_alert_whatever_restarts(connection: Connection) -> None:
    """Runs that are noted twice and watched again and again make one warning, one alert, one recovery."""
    box = Box()
    for minute, state in enumerate(("failed", "failed", "failed", "failed", "succeeded")):
        for _ in range(3):
            now = NOON + timedelta(minutes=minute, seconds=1)
            note_runs(connection, [run(minute, state)])
            watch(connection, ["alpha"], now)
            deliver(connection, [box], now, at_least=Level.WARNING)
    assert box.got == ["alpha: runs", "alpha: runs", "alpha: runs is well again"]


def test_rows_and_latencies_come_from_the_records(connection: Connection) -> None:
    """The share of refused rows leaves out those that only wait; the p95 is that of the last quarter of an hour."""
    connection.execute(
        """
        INSERT INTO connector.sync_runs (source, entity) VALUES ('alpha', 'students');
        INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks, created_at)
        SELECT 1, 'alpha', 'students', state, '', '{"fetched": 90, "retried": 10, "dead_lettered": 9, "waiting": 3}',
            1, 0, at FROM (VALUES ('applied', timestamptz '2026-11-21 11:30Z'), ('superseded', '2026-11-21 11:30Z'),
            ('applied', '2026-11-21 10:30Z')) v (state, at);
        INSERT INTO connector.api_calls (source, scope, endpoint, at, requests, seconds, histogram) VALUES
            ('alpha', 's', 'GET /', '2026-11-21 11:50Z', 90, 90, '{"-5": 90}'),
            ('alpha', 's', 'GET /', '2026-11-21 11:55Z', 10, 90, '{"3": 10}'),
            ('alpha', 's', 'GET /', '2026-11-21 11:00Z', 900, 90, '{"-9": 900}');
        """
    )
    [alpha] = facts(connection, ["alpha"], NOON)
    assert (alpha.rows, alpha.refused_rows, alpha.requests) == (100, 6, 100)
    assert round(alpha.p95_seconds, 2) == 8.64


def test_what_did_not_arrive_is_sent_again_to_those_alone_who_lack_it(connection: Connection) -> None:
    """A place that was closed gets the message when it opens, after a pause; the other one is not told twice."""
    first, second = Box("first"), Box("second", open=False)
    tell(connection, Message(Level.CRITICAL, "alpha: runs", "failed"))
    assert deliver(connection, [first, second], NOON, at_least=Level.WARNING) == 0
    second.open = True
    assert deliver(connection, [first, second], NOON + timedelta(seconds=30), at_least=Level.WARNING) == 0
    assert deliver(connection, [first, second], NOON + timedelta(seconds=60), at_least=Level.WARNING) == 1
    assert (first.got, second.got) == (["alpha: runs"], ["alpha: runs"])


def test_a_message_with_a_key_is_written_once(connection: Connection) -> None:
    """The digest of a day is one message, however often it is made; it is sent whatever the level is set to."""
    box, message = Box(), Message(Level.INFO, "digest", "all well", key="digest 2026-11-21")
    assert [tell(connection, message), tell(connection, message)] == [True, False]
    tell(connection, Message(Level.INFO, "only a note", ""))
    assert deliver(connection, [box], NOON, at_least=Level.WARNING) == 2
    assert box.got == ["digest"]


def test_what_is_old_is_forgotten_unless_nobody_was_told(connection: Connection) -> None:
    """After 90 days runs, requests and sent messages are gone; a message that never arrived is still there."""
    note_runs(connection, [run(0, "failed")])
    connection.execute(
        "INSERT INTO connector.api_calls (source, scope, endpoint, at, requests, seconds, histogram)"
        " VALUES ('alpha', 's', 'GET /', %s, 1, 1, '{}')",
        [NOON],
    )
    tell(connection, Message(Level.CRITICAL, "sent", ""))
    deliver(connection, [Box()], NOON, at_least=Level.WARNING)
    tell(connection, Message(Level.CRITICAL, "not sent", ""))
    kept = (
        "SELECT (SELECT count(*) FROM connector.job_runs), (SELECT count(*) FROM connector.api_calls),"
        " (SELECT array_agg(title ORDER BY id) FROM connector.alerts)"
    )
    forget(connection, NOON + timedelta(days=89))
    assert connection.execute(kept).fetchone() == (1, 1, ["sent", "not sent"])
    forget(connection, NOON + timedelta(days=91))
    assert connection.execute(kept).fetchone() == (0, 0, ["not sent"])


def test_what_nothing_explains_is_told_and_is_no_failed_sync(connection: Connection) -> None:
    """A comparison of core that finds differences warns once by its own rule; the rule of runs does not count it."""
    box = Box()
    for minute, state in enumerate(("failed", "failed", "succeeded")):
        now = NOON + timedelta(minutes=minute)
        note_runs(connection, [replace(run(minute, state), job="reconcile")])
        assert facts(connection, ["alpha"], now)[0].in_a_row == 0
        watch(connection, ["alpha"], now)
        deliver(connection, [box], now, at_least=Level.WARNING)
    assert box.got == ["alpha: core", "alpha: core is well again"]


def test_exports_are_judged_by_what_was_sent_in_a_quarter_of_an_hour(connection: Connection) -> None:
    """Batches of fifteen minutes are added up; older ones, and those of other sources, are not."""
    connection.execute(
        "INSERT INTO connector.export_figures (source, entity, at, sent, failed) VALUES"
        " ('alpha', 'users', %(now)s - interval '14 minutes', 90, 3), ('alpha', 'results', %(now)s, 10, 3),"
        " ('alpha', 'users', %(now)s - interval '16 minutes', 100, 100), ('beta', 'users', %(now)s, 5, 5)",
        {"now": NOON},
    )
    (alpha,) = facts(connection, ["alpha"], NOON)
    assert (alpha.sent, alpha.not_taken) == (100, 6)
    assert [message.title for message in watch(connection, ["alpha", "beta"], NOON)] == ["alpha: exports"]
    assert watch(connection, ["alpha"], NOON + timedelta(minutes=20))[0].title == "alpha: exports is well again"
