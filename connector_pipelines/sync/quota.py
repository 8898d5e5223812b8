"""What a backfill costs before it begins, and whether it should begin now: calls and time, from history (S10).

Rows a day and rows a page are known from earlier reads of the same source and entity, seconds a call from what its API
took, and how many calls fit into which time from the budgets that were taken from so far. Prediction and decision are
pure; a prediction without history says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, LiteralString, cast

from connector_pipelines.database.connection import scalar
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.limits import LANES, Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.database.connection import Connection

PATIENCE = timedelta(minutes=15)
"""A backfill whose first turn is later than this is parked: nothing would happen in its run meanwhile."""

_USUAL_SECONDS = 0.5  # of a call, where nothing is known


@dataclass(frozen=True, slots=True)
class Pace:
    """How one entity of a source is read, from its newest reads.

    Attributes:
        rows_per_day: of reads of some days.
        rows_per_page: of pages that were full.
        full_pages: of the newest full read.
    """

    entity: str
    rows_per_day: float | None
    rows_per_page: float | None
    full_pages: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What reading some days, or everything, takes.

    Attributes:
        known: all of it rests on history; else some entity was never read, and counts as one call.
    """

    calls: int
    seconds: float
    known: bool

    def __str__(self) -> str:
        about = "about" if self.known else "at least"
        return f"{about} {self.calls:,} calls, {timedelta(seconds=round(self.seconds))}"


def calls(pace: Pace, days: int | None) -> int | None:
    """How many pages an entity takes for so many days, or for everything; None where nothing is known. Pure.

    What is read in full by itself, because it cannot be asked for days, takes its full pages.
    """
    if days is not None and pace.rows_per_day is not None and pace.rows_per_page:
        return max(1, math.ceil(days * pace.rows_per_day / pace.rows_per_page))
    return pace.full_pages


def days_between(first: str, last: str) -> int | None:
    """How many days two dates and all between them are; None where none is named.

    Raises:
        ConfigurationError: one of them is no date.
    """
    if not first:
        return None
    try:
        return max(1, (date.fromisoformat(last or first) - date.fromisoformat(first)).days + 1)
    except ValueError as error:
        raise ConfigurationError(f"no day: {error}.", remedy="Write days as 2026-11-01.") from None


def seconds(number: int, *, each: float, rates: Sequence[Rate], used: Sequence[int] = ()) -> float:
    """How long so many calls in a row take. Pure.

    Args:
        number: of calls.
        each: seconds a call takes.
        rates: all that hold, as wide as the lane may take of them.
        used: of each rate, the calls that were sent in its span already.
    """
    longest = number * each
    for rate, before in zip(rates, [*used, *[0] * len(rates)], strict=False):
        spans, rest = divmod(before + number - 1, rate.requests)
        longest = max(longest, spans * rate.span + (rest * each if spans else 0.0))
    return longest


def estimate(
    paces: Sequence[Pace], days: int | None, *, each: float, rates: Sequence[Rate], used: Sequence[int]
) -> Estimate:
    """What reading entities takes together. Pure."""
    counts = [calls(pace, days) for pace in paces]
    number = sum(1 if count is None else count for count in counts)
    return Estimate(number, seconds(number, each=each, rates=rates, used=used), known=None not in counts)


_PACES: LiteralString = """
    SELECT e.entity,
        (SELECT sum(w.rows) / nullif(sum(w.days), 0) FROM (
            SELECT r.rows, extract(epoch FROM coalesce(r.until, r.started_at) - r.since)::float8 / 86400 AS days
            FROM connector.sync_runs r WHERE r.source = %(source)s AND r.entity = e.entity AND r.complete
                AND r.kind = 'read' AND r.ids IS NULL AND r.since IS NOT NULL ORDER BY r.id DESC LIMIT 30) w),
        (SELECT max(p.rows::float8 / p.pages) FROM (
            SELECT r.rows, r.pages FROM connector.sync_runs r WHERE r.source = %(source)s AND r.entity = e.entity
                AND r.complete AND r.ids IS NULL AND r.pages > 0 ORDER BY r.id DESC LIMIT 30) p),
        (SELECT f.pages FROM connector.sync_runs f WHERE f.source = %(source)s AND f.entity = e.entity AND f.complete
            AND f.since IS NULL AND f.until IS NULL AND f.kind IN ('read', 'dry_run') ORDER BY f.id DESC LIMIT 1)
    FROM unnest(%(entities)s::text[]) e (entity)
"""

_SPENT: LiteralString = r"""
    SELECT substring(l.budget FROM ': (\d+) in')::int, substring(l.budget FROM ' in ([\d.]+) s$')::float8,
        (SELECT count(*)::int FROM connector.rate_slots s WHERE s.scope = l.scope AND s.budget = l.budget
            AND s.at > clock_timestamp() - make_interval(secs => substring(l.budget FROM ' in ([\d.]+) s$')::float8))
    FROM connector.rate_limits l
    WHERE split_part(l.scope, ' / ', 1) IN (SELECT scope FROM connector.api_calls WHERE source = %(source)s)
        AND l.budget !~ ' for (sync|backfill): ' AND l.budget ~ ': \d+ in [\d.]+ s$'
"""


def predict(
    connection: Connection, source: str, entities: Sequence[str], days: int | None, *, lane: str = "backfill"
) -> Estimate:
    """What reading these entities of a source takes now, for so many days or in full."""
    rows = connection.execute(_PACES, {"source": source, "entities": list(entities)}).fetchall()
    paces = [Pace(*cast("tuple[str, float | None, float | None, int | None]", row)) for row in rows]
    budgets = connection.execute(_SPENT, {"source": source}).fetchall()
    known = cast("list[tuple[int, float, int]]", budgets)
    rates = [LANES[lane].within(Rate(size, span)) for size, span, _ in known]
    used = [min(spent, rate.requests) for rate, (_, _, spent) in zip(rates, known, strict=True)]
    took = connection.execute(
        "SELECT sum(seconds) / sum(requests) FROM connector.api_calls"
        " WHERE source = %s AND at > now() - interval '30 days'",
        [source],
    ).fetchone()
    each = cast("float | None", took[0]) if took else None
    return estimate(paces, days, each=_USUAL_SECONDS if each is None else each, rates=rates, used=used)


def next_turn(connection: Connection, source: str, *, lane: str = "backfill") -> datetime | None:
    """When a source may be asked next by a lane; None where nothing is known of it yet."""
    turn = scalar(
        connection,
        "SELECT max(connector.next_turn(scope, %s))"
        " FROM (SELECT DISTINCT scope FROM connector.api_calls WHERE source = %s) x",
        [one.name for one in LANES[lane].counted],
        source,
    )
    return cast("datetime | None", turn)


def refuses(connection: Connection, source: str) -> bool:
    """Whether nobody asks a source just now, because its requests failed again and again."""
    shut = (
        "SELECT EXISTS (SELECT FROM connector.gates WHERE open_until > clock_timestamp()"
        " AND split_part(scope, ' / ', 1) IN (SELECT scope FROM connector.api_calls WHERE source = %s))"
    )
    return bool(scalar(connection, shut, source))


def park_until(turn: datetime | None, now: datetime, *, refused: bool = False) -> datetime | None:
    """Until when a backfill should wait before it begins; None where it should begin now. Pure.

    Args:
        turn: when the source may be asked next.
        now: the present.
        refused: whether a request before that would not wait, but fail.
    """
    return turn if turn is not None and (refused or turn - now > PATIENCE) else None
