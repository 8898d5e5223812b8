"""What is asked for a window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.quickbooks import asking
from connector_pipelines.connectors.quickbooks.asking import CDC_REACH, ITEM, PURCHASE_ORDER, TABLES
from connector_pipelines.connectors.quickbooks.simulator import query
from connector_pipelines.model import Window

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
EARLIEST, LATEST = datetime(2020, 1, 1), datetime(2030, 1, 1)  # noqa: DTZ001 -- hypothesis adds the zone
MOMENTS = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))
WINDOWS = st.builds(Window, since=st.none() | MOMENTS, until=st.none() | MOMENTS)


def test_everything_is_asked_for_by_id_with_inactive_ones() -> None:
    """A full read of items names Sku, speaks of Active, and goes by Id."""
    assert asking.select(ITEM, Window(), start=1, size=1_000) == (
        "SELECT *, Sku FROM Item WHERE Active IN (true, false) ORDERBY Id STARTPOSITION 1 MAXRESULTS 1000"
    )
    assert asking.count(PURCHASE_ORDER, Window()) == "SELECT COUNT(*) FROM PurchaseOrder"


def test_a_window_is_told_in_utc() -> None:
    """A window's ends are told in UTC, the beginning included and the end not."""
    pacific = timezone(timedelta(hours=-8))
    window = Window(datetime(2026, 1, 1, 0, 0, 0, 999, pacific), datetime(2026, 1, 2, tzinfo=pacific))
    where = asking.count(PURCHASE_ORDER, window).partition(" WHERE ")[2]
    assert where.split(" AND ") == [
        "MetaData.LastUpdatedTime >= '2026-01-01T08:00:00Z'",
        "MetaData.LastUpdatedTime < '2026-01-02T08:00:00Z'",
    ]


@given(window=WINDOWS, table=st.sampled_from(TABLES), start=st.integers(1, 10**6), size=st.integers(20, 1_000))
def test_statements_are_of_the_language(window: Window, table: asking.Table, start: int, size: int) -> None:
    """Every statement can be parsed, says what it was made of, and can be moved to another page."""
    statement = asking.select(table, window, start=start, size=size)
    parsed = query.parse(statement)
    assert (parsed.table, parsed.start, parsed.most, parsed.order) == (table.name, start, size, "Id")
    assert asking.start_of(statement) == start
    assert asking.moved(statement, start + 7) == asking.select(table, window, start=start + 7, size=size)
    assert query.parse(asking.count(table, window)).counts


@given(window=WINDOWS)
def test_change_data_capture_stays_within_its_reach(window: Window) -> None:
    """Change data capture is asked for open windows alone, within its reach; what it does not cover is queried."""
    how = asking.asking(window, NOW)
    if window.since is None or window.until is not None:
        assert how == asking.Asking(None, query=True)
        return
    assert how.cdc_since is not None
    assert how.cdc_since >= NOW - CDC_REACH
    assert how.query == (window.since < how.cdc_since)
    assert how.cdc_since >= window.since


def test_the_reach_is_less_than_30_days() -> None:
    """A cursor of 29 days is read by change data capture alone, one of 31 days by both."""
    assert asking.asking(Window(NOW - timedelta(days=29)), NOW).query is False
    assert asking.asking(Window(NOW - timedelta(days=31)), NOW) == asking.Asking(NOW - CDC_REACH, query=True)
    assert timedelta(days=29) < CDC_REACH < timedelta(days=30)
