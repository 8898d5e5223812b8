"""What a backfill is said to take, against a server that counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector_pipelines.external import surroundings
from connector_pipelines.external.http import Client
from connector_pipelines.external.limits import Budget, Limits, Rate
from connector_pipelines.external.surroundings import Surroundings, restored, share
from connector_pipelines.sync.quota import predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines.database.connection import Connection

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_calls_are_foretold_from_what_was_read(
    connection: Connection, database: str, stand: Callable[..., Any], answer: Callable[..., Any]
) -> None:
    """A simulated source with 1,130 changes in 30 days and pages of 50: the forecast from ten days is within 10 %."""
    per_day = [30 + 7 * (day % 4) - day % 3 for day in range(30)]

    def pages(days: list[int]) -> int:
        with share(database, lane="backfill"):
            around = Surroundings(surroundings.needed().line, "alpha", "toy", "backfill")
            with restored(around), Client(server.url, limits=Limits((Budget("all", (Rate(1_000, 60),)),))) as client:
                number = 0
                while number == 0 or number * 50 < sum(days):
                    client.get("/students")
                    number += 1
        return number

    server = stand(lambda _: answer())
    for day in range(0, 10, 2):
        rows, took = sum(per_day[day : day + 2]), pages(per_day[day : day + 2])
        connection.execute(
            "INSERT INTO connector.sync_runs (source, entity, state, complete, since, until, rows, pages)"
            " VALUES ('alpha', 'students', 'read', true, %s, %s, %s, %s)",
            [NOON, NOON + timedelta(days=2), rows, took],
        )
    connection.execute(
        "INSERT INTO connector.sync_runs (source, entity, state, complete, snapshot, rows, pages)"
        " VALUES ('alpha', 'students', 'read', true, true, 5000, 100)"
    )
    said = predict(connection, "alpha", ["students"], 30)
    took = pages(per_day)
    assert said.known
    assert abs(said.calls - took) <= 0.1 * took
    assert predict(connection, "alpha", ["students"], None).calls == 100
