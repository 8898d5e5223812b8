"""What waits for a person, as the digest counts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.database.connection import scalar
from connector_pipelines.mapping.cases import RULES
from connector_pipelines.sync.digest import TO_DO, Kept, Waiting, digest, message, waiting

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


def test_cases_of_identity_are_those_that_a_person_can_accept(connection: Connection) -> None:
    """A letter of each rule that `accept_identity` takes is a case of identity; any other is a dead letter."""
    run = "INSERT INTO connector.sync_runs (source, entity) VALUES ('alpha', 'students') RETURNING id"
    read = scalar(connection, run)
    for rule in (*RULES, "schema"):
        connection.execute(
            "INSERT INTO connector.dead_letters (source, entity, external_id, rule, reason, first_run_id, last_run_id)"
            " VALUES ('alpha', 'students', %(rule)s::text, %(rule)s::text, '', %(read)s, %(read)s)",
            {"rule": rule, "read": read},
        )
    assert waiting(connection) == [
        Waiting("cases of identity", "alpha", "students", len(RULES)),
        Waiting("dead letters", "alpha", "students", 1),
    ]
    assert {one.what for one in waiting(connection)} <= set(TO_DO)


@pytest.mark.parametrize(
    ("kept", "missed"),
    [
        (Kept("alpha", 1_000, 5, 10, 20.0), 0),
        (Kept("alpha", 1_000, 6, 10, 20.0), 1),
        (Kept("alpha", 1_000, 5, 10, 20.1), 1),
        (Kept("alpha", 1_000, 50, 10, 50.0), 2),
        (Kept("alpha", 0, 0, 0, 0.0), 0),
    ],
)
def test_what_was_promised_and_missed_is_named(kept: Kept, missed: int) -> None:
    """Over 0.5 % of records refused, and over 2 s for an answer, are named; what is promised is not (K17)."""
    assert len(kept.missed) == missed


def test_the_digest_warns_between_the_promise_and_the_alarm(connection: Connection) -> None:
    """Two refused records of a hundred and answers of three seconds ring no alarm, and stand in their day's digest."""
    now = datetime.now(UTC)
    read = scalar(
        connection, "INSERT INTO connector.sync_runs (source, entity) VALUES ('alpha', 'students') RETURNING id"
    )
    counts = (
        '{"fetched": 100, "retried": 0, "dead_lettered": 3, "waiting": 1, "created": 0, "updated": 0, "dropped": 0}'
    )
    connection.execute(
        "INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks)"
        " VALUES (%s, 'alpha', 'students', 'applied', 'h', %s, 1, 1)",
        [read, counts],
    )
    connection.execute(
        "INSERT INTO connector.api_calls (source, scope, endpoint, requests, seconds, histogram)"
        " VALUES ('alpha', 's', 'GET /', 4, 12, '{}'), ('beta', 's', 'GET /', 4, 2, '{}')"
    )
    said = message(digest(connection, now + timedelta(minutes=1))).body
    assert "WARNING alpha: 2.0% of 100 records were refused, more than 0.5%" in said
    assert "WARNING alpha: its answers took 3.0 s on average, more than 2 s" in said
    assert "beta" not in said
    assert "promised" not in message(digest(connection, now + timedelta(days=3))).body
