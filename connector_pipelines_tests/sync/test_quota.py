"""What a backfill is said to take, held against what it takes; and who keeps whom waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.database.connection import connect
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import surroundings
from connector_pipelines.external.gate import Gate
from connector_pipelines.external.limits import LANES, Budget, Rate
from connector_pipelines.external.surroundings import share
from connector_pipelines.sync import parking, quota
from connector_pipelines.sync.overview import budgets
from connector_pipelines.sync.quota import Pace, days_between, estimate, next_turn, park_until, refuses, seconds

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOURLY = Budget("all", (Rate(100, 3_600),))


@pytest.mark.parametrize(
    ("pace", "days", "pages"),
    [
        (Pace("students", 250.0, 100.0, 40), 10, 25),
        (Pace("students", 3.0, 100.0, 40), 10, 1),
        (Pace("students", 250.0, 100.0, 40), None, 40),
        (Pace("organizations", None, 100.0, 2), 10, 2),
        (Pace("grades", None, None, None), 10, None),
    ],
)
def test_pages_follow_from_rows(pace: Pace, days: int | None, pages: int | None) -> None:
    """Thirty quiet days are one page, not thirty; what cannot be asked for days takes its full pages."""
    assert quota.calls(pace, days) == pages


def test_an_estimate_reads_like_a_sentence() -> None:
    """640 calls at 100 an hour of which a backfill may take 60 are ten hours; without history it says "at least"."""
    rates = [LANES["backfill"].within(Rate(100, 3_600))]
    known = estimate([Pace("grades", 64_000, 100, 9)], 1, each=0.5, rates=rates, used=[0])
    assert (known.calls, str(known)) == (640, "about 640 calls, 10:12:22")
    unknown = estimate([Pace("grades", None, None, None)], 1, each=0.5, rates=[], used=[])
    assert str(unknown) == "at least 1 calls, 0:00:00"


@pytest.mark.parametrize(
    ("first", "last", "days"), [("", "", None), ("2026-11-01", "", 1), ("2026-11-01", "2026-11-30", 30)]
)
def test_days_are_counted_with_both_ends(first: str, last: str, days: int | None) -> None:
    """The first and the last day are both read."""
    assert days_between(first, last) == days


def test_what_is_no_day_is_refused() -> None:
    """A word that is no date ends in a sentence with the form to write."""
    with pytest.raises(ConfigurationError, match="2026-11-01"):
        days_between("yesterday", "")


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("number", [60, 61, 100, 250, 640])
def test_the_time_is_that_of_the_gate(database: str, lane: str, number: int) -> None:
    """What so many calls are said to take is within 10 % of when the gate gives the last of them its turn (S10)."""
    with share(database):
        gate = Gate(surroundings.needed().line, "here", LANES[lane])
        turns = [gate.admit([HOURLY], patience=1e9).seconds for _ in range(number)]
    said = seconds(number, each=0.0, rates=[LANES[lane].within(HOURLY.rates[0])])
    assert abs(said - turns[-1]) <= 0.1 * turns[-1] + 1


def test_a_backfill_leaves_room_for_syncs_and_those_for_events(database: str) -> None:
    """When a backfill has taken all it may, 30 calls of syncs go at once, and after them 10 for events (S10)."""
    with share(database):
        line = surroundings.needed().line
        at_once = {
            lane: sum(Gate(line, "here", LANES[lane]).admit([HOURLY], patience=0).verdict == "go" for _ in range(150))
            for lane in ("backfill", "sync", "urgent")
        }
    assert at_once == {"backfill": 60, "sync": 30, "urgent": 10}


def test_a_spent_budget_parks_and_a_free_one_does_not(database: str) -> None:
    """After its share is spent a backfill's next turn is an hour away, so it parks; a sync's is now."""
    with share(database), connect(database) as connection:
        gate = Gate(surroundings.needed().line, "here", LANES["backfill"])
        connection.execute(
            "INSERT INTO connector.api_calls (source, scope, endpoint, requests, seconds, histogram)"
            " VALUES ('alpha', 'here', 'GET /', 1, 1, '{}')"
        )
        assert park_until(next_turn(connection, "alpha"), datetime.now(UTC)) is None
        for _ in range(60):
            gate.admit([HOURLY], patience=0)
        now = datetime.now(UTC)
        until = park_until(next_turn(connection, "alpha"), now)
        assert until is not None
        assert timedelta(minutes=60) < until - now < timedelta(minutes=63)
        assert park_until(next_turn(connection, "alpha", lane="sync"), now) is None
        assert next_turn(connection, "unknown") is None


def test_a_parked_run_is_due_until_it_was_resumed(connection: Connection) -> None:
    """A parked run is due from its time on, once it was launched again no more, and parked once if told twice."""
    one = parking.Parked("run-1", "alpha", NOON, ("alpha/external/students",), {"dagster/partition": "2026-11-21"})
    parking.park(connection, one)
    parking.park(connection, one)
    assert parking.due(connection, "alpha", NOON - timedelta(seconds=1)) == []
    assert parking.due(connection, "alpha", NOON) == [one]
    assert parking.parked(connection, ["run-1", "run-2"]) == {"run-1"}
    parking.resumed(connection, ["run-1"], NOON)
    assert parking.due(connection, "alpha", NOON) == []


def test_a_parked_run_is_forgotten_long_after_it_was_resumed(connection: Connection) -> None:
    """What was launched again is remembered for 90 days; what still waits, for ever."""
    for name in ("resumed", "waits"):
        parking.park(connection, parking.Parked(name, "alpha", NOON, (), {}))
    parking.resumed(connection, ["resumed"], NOON)
    for days, left in ((90, {"resumed", "waits"}), (91, {"waits"})):
        parking.forget(connection, "alpha", NOON + timedelta(days=days))
        assert parking.parked(connection, ["resumed", "waits"]) == left


def test_what_a_service_spends_and_fails_is_its_sources(connection: Connection) -> None:
    """Budgets and breakers of a source's parts are the source's, though the statistics know only the whole."""
    connection.execute(
        "INSERT INTO connector.api_calls (source, scope, endpoint, requests, failed, refused, seconds, histogram)"
        " VALUES ('campus', 'here', 'POST x', 1, 0, 0, 1, '{}'), ('other', 'there', 'POST x', 1, 0, 0, 1, '{}');"
        "INSERT INTO connector.gates (scope, failures, open_until)"
        " VALUES ('here / grades', 5, now() + interval '1 hour')"
    )
    connection.execute("SELECT connector.admit('here / users', '{users: 2 in 60 s}', '{2}', '{61.45}', 0, 60)")
    assert [refuses(connection, source) for source in ("campus", "other")] == [True, False]
    assert [(one.scope, one.used) for one in budgets(connection, "campus")] == [("here / users", 1)]
    assert budgets(connection, "other") == []
