from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.finale.windows import Span, filter_of, spans
from connector_pipelines.model import Window

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOST = timedelta(days=30)
moments = st.datetimes(datetime(2015, 1, 1), datetime(2026, 11, 20), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone


@given(moments, moments)
def test_closed_windows_are_covered(one: datetime, other: datetime) -> None:
    """The spans of a window in the past cover it without a gap and without more, and are short enough."""
    since, until = sorted((one, other))
    cut = [span for span in spans(Window(since, until), now=NOW) if span]
    ends = [span.until or NOW for span in cut]
    assert cut[0].since <= since
    assert ends[-1] >= until
    assert all(one.until == other.since for one, other in pairwise(cut))
    assert all(end - span.since <= MOST for span, end in zip(cut, ends, strict=True))
    assert since - cut[0].since < timedelta(seconds=1)
    assert ends[-1] - until < timedelta(seconds=1)


def test_a_young_delta_is_one_span() -> None:
    """What changed since a day within the limit is one span that is open at its end."""
    since = NOW - timedelta(days=28, microseconds=5)
    assert spans(Window(since), now=NOW) == (Span(NOW - timedelta(days=28, seconds=1)),)


def test_an_old_delta_is_a_full_read() -> None:
    """What changed since a day beyond the limit is the whole collection, and so is everything until a day."""
    assert spans(Window(NOW - timedelta(days=30)), now=NOW) == (None,)
    assert spans(Window(None, NOW - timedelta(days=400)), now=NOW) == (None,)
    assert spans(Window(), now=NOW) == (None,)


@given(st.dates(date(2015, 1, 1), date(2026, 11, 21)))
def test_full_reads_in_spans_reach_from_the_day_to_now(day: date) -> None:
    """A collection over the cap is read from its first day on without a gap; the last span is open."""
    cut = [span for span in spans(Window(), now=NOW, whole_since=day) if span]
    assert cut[0].since == datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert cut[-1].until is None
    assert NOW - cut[-1].since <= MOST
    assert all(one.until == other.since and other.since - one.since <= MOST for one, other in pairwise(cut))


@given(moments, st.timedeltas(timedelta(0), MOST))
def test_halves_share_their_middle(since: datetime, length: timedelta) -> None:
    """Two halves are the whole and meet on a whole second; only a span under two seconds has none."""
    whole = Span(since.replace(microsecond=0), since.replace(microsecond=0) + length)
    halves = whole.halves(NOW)
    if halves is None:
        assert length < timedelta(seconds=2)
        return
    first, second = halves
    assert (first.since, second.until) == (whole.since, whole.until)
    assert first.until == second.since
    assert second.since.microsecond == 0
    assert whole.since < second.since


def test_an_open_span_stays_open() -> None:
    """The second half of a span without an end has none, either."""
    assert Span(NOW - timedelta(days=2)).halves(NOW) == (
        Span(NOW - timedelta(days=2), NOW - timedelta(days=1)),
        Span(NOW - timedelta(days=1)),
    )


def test_filters_are_base64_of_json() -> None:
    """A filter is an object in base64, with both ends in UTC and null for an open one."""
    text = filter_of(Span(datetime(2015, 11, 19, 20, 9, 57, tzinfo=UTC)), {})
    assert text == base64.b64encode(b'{"lastUpdatedDate": ["2015-11-19T20:09:57Z", null]}').decode()
    whole = filter_of(None, {"orderTypeId": "PURCHASE_ORDER"})
    assert json.loads(base64.b64decode(str(whole))) == {"orderTypeId": "PURCHASE_ORDER"}
    assert filter_of(None, {}) is None


def test_spans_are_written_for_people() -> None:
    """A span in a message says from when to when."""
    assert str(Span(NOW)) == "2026-11-21T12:00:00Z to now"
    assert str(Span(NOW, NOW)) == "2026-11-21T12:00:00Z to 2026-11-21T12:00:00Z"
