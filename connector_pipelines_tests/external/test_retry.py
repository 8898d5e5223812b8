from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import AuthFailed, NetworkError, RateLimited, RefusedBySource, SyncError
from connector_pipelines.external.messages import Response
from connector_pipelines.external.retry import Call, Do, Policy, Unreachable, lifted, pause, persist, retry_after

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
DEAD = 0  # no answer at all

Script = "Sequence[int | tuple[int, str]]"


def play(
    script: Sequence[int | tuple[int, str]], policy: Policy, *, refreshable: bool = False
) -> tuple[Response | SyncError, list[float], int]:
    """Let a source answer by a script; what came of it, the pauses, and how often it was asked."""
    answers = iter(script)
    pauses: list[float] = []
    sent = []

    def send() -> Response:
        one = next(answers)
        status, told = one if isinstance(one, tuple) else (one, "")
        sent.append(status)
        if status == DEAD:
            raise Unreachable("refused the connection")
        return Response(status, {"Retry-After": told} if told else {}, b"limit" if status == 403 else b"", "u")

    call = Call("GET /users", send, refresh=lambda: refreshable, credentials="env:SIS_SECRET")
    try:
        result: Response | SyncError = persist(
            call, policy, stop=Event(), sleep=lambda seconds, _: pauses.append(seconds), clock=lambda: NOW
        )
    except SyncError as error:
        result = error
    return result, pauses, len(sent)


def date(seconds: int) -> str:
    """A Retry-After date so many seconds from now."""
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


TABLE = [
    ("good at once", [200], [], 200),
    ("transient", [500, 502, 503, 200], [1, 2, 4], 200),
    ("transient for good", [500] * 4, [1, 2, 4], NetworkError),
    ("connection refused", [DEAD, DEAD, 200], [1, 2], 200),
    ("never there", [DEAD] * 4, [1, 2, 4], NetworkError),
    ("408 and 425 may be repeated", [408, 425, 200], [1, 2], 200),
    ("503 that says how long", [(503, "7"), 200], [7], 200),
    ("limit with seconds", [(429, "7"), 200], [7], 200),
    ("limit with a date", [(429, date(90)), 200], [90], 200),
    ("limit with a past date", [(429, date(-90)), 200], [], 200),
    ("limit with an absurd time", [(429, "86400"), 200], [300], 200),
    ("limit that does not say", [429, 200], [60], 200),
    ("limit that says nonsense", [(429, "soon"), 200], [60], 200),
    ("limit for good", [429] * 4, [60, 60, 60], RateLimited),
    ("two counters", [429, 500, 429, 500, 429, 500, 200], [60, 1, 60, 2, 60, 4], 200),
    ("forbidden", [403], [], AuthFailed),
    ("unauthorized", [401], [], AuthFailed),
    ("wrong URL", [404], [], RefusedBySource),
    ("bad request", [400], [], RefusedBySource),
    ("conflict", [409], [], RefusedBySource),
    ("not implemented", [501], [], RefusedBySource),
    ("redirect without target", [304], [], RefusedBySource),
]


@pytest.mark.parametrize(("script", "pauses", "end"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_an_answer_means(
    script: Sequence[int | tuple[int, str]], pauses: list[float], end: int | type[SyncError]
) -> None:
    """Each answer is repeated, waited for or given up as the table says, with exactly these pauses."""
    result, waited, sent = play(script, Policy(max_retries=3))
    assert waited == pauses
    assert sent == len(script)
    assert (result.status if isinstance(result, Response) else type(result)) == end


def test_every_status_ends_as_its_kind_demands() -> None:
    """From 200 to 599 there is no status whose outcome is left to chance (G27, G29)."""
    ends: dict[int, list[object]] = {}
    for status in range(200, 600):
        result, _, sent = play([status] * 4, Policy(max_retries=3))
        ends[status] = [Response if isinstance(result, Response) else type(result), sent]
    refused: dict[int, list[object]] = {code: [RefusedBySource, 1] for code in (*range(300, 500), 501, 505)}
    denied: dict[int, list[object]] = {code: [AuthFailed, 1] for code in (401, 403, 407)}
    passing: dict[int, list[object]] = {code: [NetworkError, 4] for code in (408, 425, *range(500, 600))}
    good: dict[int, list[object]] = {code: [Response, 1] for code in range(200, 300)}
    assert ends == good | passing | refused | denied | {code: passing[code] for code in (408, 425)} | {
        429: [RateLimited, 4]
    }


@pytest.mark.parametrize("retries", [0, 1, 5, 8])
def test_number_of_retries_is_configured(retries: int) -> None:
    """`max_retries` counts the re-sends after the first try; pauses double up to a minute."""
    _, waited, sent = play([500] * (retries + 1), Policy(max_retries=retries))
    assert sent == retries + 1
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60][:retries]


def test_401_is_answered_with_one_refresh() -> None:
    """After one refresh the same request is sent once more, at once; a second 401 is final."""
    good, pauses, sent = play([401, 200], Policy(), refreshable=True)
    assert isinstance(good, Response)
    assert (pauses, sent) == ([], 2)
    bad, _, sent = play([401, 401], Policy(), refreshable=True)
    assert isinstance(bad, AuthFailed)
    assert sent == 2
    assert "after its credentials were renewed" in str(bad)


def test_errors_name_endpoint_and_attempts() -> None:
    """A failure says which endpoint, how often it was tried, and which secrets to look at (G67, E54)."""
    network, _, _ = play([DEAD] * 4, Policy())
    denied, _, _ = play([403], Policy())
    assert "GET /users refused the connection; tried 4 times" in str(network)
    assert "answered 403" in str(denied)
    assert "Check env:SIS_SECRET" in str(denied)


def test_connector_overrides_entries_of_the_table() -> None:
    """A connector may read a status its own way, by its text where that is needed: Canvas throttles with 403 (K2)."""
    throttled = Policy(overrides={403: lambda response: Do.WAIT if b"limit" in response.body else Do.DENY})
    result, pauses, _ = play([403, 200], throttled)
    assert isinstance(result, Response)
    assert pauses == [60]


def test_waits_that_nobody_told_may_grow() -> None:
    """Where a source never says when its limit is lifted, each wait is as long as the policy has it; else as told."""
    result, pauses, _ = play([429, (429, "3"), 429, 200], Policy(unsaid=lambda wait: 10.0 * 2 ** (wait - 1)))
    assert isinstance(result, Response)
    assert pauses == [10, 3, 40]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("0", 0), ("1.5", 1.5), ("-3", None), (date(10), 10), ("1e9", None)],
)
def test_retry_after_forms(value: str | None, seconds: float | None) -> None:
    """Seconds and dates are read, anything else is as if it were not there."""
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"RateLimit-Reset": "12"}, 12),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 40)}, 40),
        ({"X-Rate-Limit-Reset": str(int(NOW.timestamp() * 1000) + 2_500)}, 2.5),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) - 40)}, 0),
        ({"X-RateLimit-Reset": "86400"}, 300),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Reset": "nan"}, None),
        ({"Retry-After": "7", "X-RateLimit-Reset": "12"}, 7),
        ({"Retry-After": "soon", "X-RateLimit-Reset": "12"}, 12),
    ],
)
def test_when_a_limit_is_lifted(headers: dict[str, str], seconds: float | None) -> None:
    """`Retry-After` counts first, then a header that says when: in seconds, or as a time since 1970."""
    assert lifted(Response(429, headers, b"", ""), NOW) == seconds


def test_waiting_ends_when_nobody_wants_the_answer() -> None:
    """A pause of minutes ends at once when its reader stops, and nothing is sent after it."""
    stop = Event()
    sent: list[int] = []

    def send() -> Response:
        sent.append(1)
        stop.set()
        return Response(429, {"Retry-After": "300"}, b"", "u")

    with pytest.raises(NetworkError):
        persist(Call("GET /users", send), Policy(), stop=stop, sleep=pause)
    assert len(sent) == 1
