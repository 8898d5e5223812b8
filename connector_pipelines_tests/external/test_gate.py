from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_pipelines.errors import DatabaseUnavailable, NetworkError, RateLimited
from connector_pipelines.external.gate import FAILURES, Gate, Verdict
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.limits import Budget, Limits, Rate, Service
from connector_pipelines.external.line import Line
from connector_pipelines.external.retry import Policy
from connector_pipelines.external.surroundings import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.database.connection import Connection

REPORTS = Budget("reports", (Rate(2, 3_600),), path="/report/")
GETS = Budget("GET", (Rate(3, 60),), methods=("GET",))


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    """A line to this test's database."""
    opened = Line(database)
    yield opened
    opened.close()


@pytest.fixture
def gate(line: Line) -> Gate:
    """A gate nobody went through yet."""
    return Gate(line, "sis.example")


class Slept:
    """Waits for nothing, and knows how long it would have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float, _: Event) -> None:
        """Note the seconds."""
        self.seconds.append(seconds)


def test_budgets_are_told_apart_by_verb_and_path() -> None:
    """A request takes from every budget whose verb and path it has, and from no other."""
    limits = Limits((GETS, REPORTS, Budget("POST", methods=("POST",))))
    taken = {
        (method, url): [budget.name for budget in limits.of(Request(url, method=method))]
        for method, url in [("GET", "a/product"), ("GET", "a/report/1"), ("POST", "a/product"), ("PUT", "a")]
    }
    assert list(taken.values()) == [["GET"], ["GET", "reports"], ["POST"], []]


def test_a_full_budget_grants_turns_one_span_later(gate: Gate) -> None:
    """The first three of three go at once, the next three when the first ones are a span ago, and so on."""
    waits = [gate.admit([GETS], patience=1_000).seconds for _ in range(7)]
    assert waits[:3] == [0, 0, 0]
    assert [round(wait / GETS.rates[0].span) for wait in waits[3:]] == [1, 1, 1, 2]


def test_whoever_is_late_takes_nothing(gate: Gate) -> None:
    """A turn that comes too late is not taken, from none of the budgets, so that others may have it."""
    asked = [gate.admit([GETS, REPORTS], patience=1).verdict for _ in range(3)]
    assert asked == [Verdict.GO, Verdict.GO, Verdict.LATE]
    assert gate.admit([GETS], patience=1).verdict is Verdict.GO


@given(
    budgets=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 50)), min_size=1, max_size=3, unique=True),
    wanted=st.lists(st.sets(st.integers(0, 2), min_size=1), min_size=1, max_size=25),
    pauses=st.sets(st.integers(0, 24), max_size=2),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_span_holds_more_than_its_budget(
    line: Line, budgets: list[tuple[int, int]], wanted: list[set[int]], pauses: set[int]
) -> None:
    """However budgets overlap and pauses fall, no span of a budget's time has more turns than it allows."""
    gate = Gate(line, f"law {time.monotonic_ns()}")
    made = [Budget(f"b{n}", (Rate(requests, seconds),)) for n, (requests, seconds) in enumerate(budgets)]
    turns: dict[str, list[float]] = {budget.name: [] for budget in made}
    for number, which in enumerate(wanted):
        if number in pauses:
            gate.pause(7)
        before = _clock(line)
        taken = [budget for n, budget in enumerate(made) if n in which]
        seconds = gate.admit(taken, patience=1e6).seconds
        for budget in taken:
            turns[budget.name].append(before + seconds)
    for budget in made:
        rate, at = budget.rates[0], sorted(turns[budget.name])
        assert all(later - first >= rate.seconds for first, later in zip(at, at[rate.requests :], strict=False))


def _clock(line: Line) -> float:
    return float((line.row("SELECT extract(epoch FROM clock_timestamp())::float8") or (0,))[0])


def test_usage_counts_what_failed_too(gate: Gate, line: Line) -> None:
    """A turn counts when it is given (K36): the view has it in this minute and hour, with the time of the last one."""
    for _ in range(2):
        gate.admit([GETS], patience=0)
        gate.failed()
    row = line.row("SELECT budget, sent, requests_this_minute, requests_this_hour, failures FROM connector.rate_usage")
    assert row == ("GET: 3 in 60 s", 2, 2, 2, 2)
    last = line.row("SELECT last_request_at FROM connector.gates")
    assert last is not None
    assert datetime.now(last[0].tzinfo) - last[0] < timedelta(minutes=1)


def test_a_pause_holds_for_everybody(gate: Gate, line: Line) -> None:
    """What a 429 asked for delays whoever else comes, in this process or another; a shorter one does not end it."""
    gate.pause(50)
    gate.pause(5)
    other = Gate(line, gate.scope)
    assert 45 < other.admit([], patience=100).seconds <= 50
    assert other.admit([], patience=10).verdict is Verdict.LATE


def test_threads_wait_out_one_pause_together(database: str, stand: Any, answer: Any) -> None:
    """After one 429 all threads of a client hold still as long as it said, and the source is not asked meanwhile."""
    answers = deque([answer(429, headers={"Retry-After": "40"})])
    server = stand(lambda _: answers.popleft() if answers else answer())
    slept = Slept()
    with share(database), Client(server.url, sleep=slept) as client:
        assert client.get("a").status == 200
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(client.get, "bcde"))
    assert slept.seconds[0] == 40
    assert len([seconds for seconds in slept.seconds if seconds > 30]) >= 5
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "40"}, True),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "40"}, True),
        ({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "40"}, False),
        ({"X-RateLimit-Remaining": "0"}, False),
    ],
)
def test_the_last_request_that_is_left_is_followed_by_a_pause(
    database: str, stand: Any, answer: Any, headers: dict[str, str], *, waits: bool
) -> None:
    """A good answer that says that nothing is left until then keeps everybody from asking for a refusal."""
    server, slept = stand(lambda _: answer(headers=headers)), Slept()
    with share(database), Client(server.url, sleep=slept) as first, Client(server.url, sleep=slept) as second:
        assert first.get("a").status == 200
        second.get("b")
    assert len(server.asked) == 2
    assert any(35 < seconds <= 40 for seconds in slept.seconds) is waits


def test_a_spent_budget_ends_the_read_with_the_time_to_go_on(database: str, stand: Any, answer: Any) -> None:
    """A turn beyond the patience is an error that says when, before anything is sent."""
    server = stand(lambda _: answer())
    limits = Limits((GETS,), patience_seconds=30)
    with share(database), Client(server.url, limits=limits, sleep=Slept()) as client:
        for _ in range(3):
            client.get("a")
        with pytest.raises(RateLimited, match=r"are spent.*Run it again after \d\d:\d\d:\d\d UTC"):
            client.get("a")
    assert len(server.asked) == 3


def test_whoever_is_not_wanted_any_more_is_not_sent(database: str, stand: Any, answer: Any) -> None:
    """A request that is given up while it waits is not sent before its turn, nor does it count as a failure."""
    server, stop = stand(lambda _: answer()), Event()
    limits = Limits((Budget("all", (Rate(1, 60),)),))
    with share(database), Client(server.url, limits=limits, sleep=lambda _, given_up: given_up.set()) as client:
        client.get("a")
        with pytest.raises(NetworkError, match="nobody waits"):
            client.send(Request("b"), stop)
    assert [asked.path for asked in server.asked] == ["/a"]


def test_accounts_on_one_host_have_budgets_of_their_own(database: str, stand: Any, answer: Any) -> None:
    """A realm's limit is that realm's (K18): another one at the same host does not wait for it."""
    server = stand(lambda _: answer())
    slept = Slept()
    with share(database):
        for realm in ("1", "2"):
            with Client(server.url, limits=Limits((GETS,), scope=f"realm {realm}"), sleep=slept) as client:
                for _ in range(3):
                    client.get("a")
    assert slept.seconds == []


def test_breaker_opens_for_everybody_and_one_probe_closes_it(
    database: str, line: Line, stand: Any, answer: Any, connection: Connection
) -> None:
    """After five failures nobody asks; when the time is over one request does, and a good answer lets all others."""
    down = [True]
    server = stand(lambda _: answer(503 if down[0] else 200))
    with share(database), Client(server.url, policy=Policy(max_retries=0), sleep=Slept()) as client:
        for _ in range(FAILURES):
            with pytest.raises(NetworkError, match="answered 503"):
                client.get("a")
        with pytest.raises(NetworkError, match="failed 5 times in a row and is not asked before"):
            client.get("a")
        assert len(server.asked) == FAILURES
        connection.execute("UPDATE connector.gates SET open_until = now()")
        scope = server.url.removeprefix("http://")
        assert Gate(line, scope).admit([], patience=0).verdict is Verdict.PROBE
        assert Gate(line, scope).admit([], patience=0).verdict is Verdict.OPEN
        connection.execute("UPDATE connector.gates SET open_until = now()")
        down[0] = False
        assert client.get("a").status == 200
    assert connection.execute("SELECT failures, open_until FROM connector.gates").fetchall() == [(0, None)]


PARTS = (Service("users", "^users_", (Rate(2, 3_600),)), Service("grades", "^grades_"))


def about(part: str) -> Request:
    """A call about one part of a source that has one address for everything."""
    return Request("server", method="POST", body=part.encode(), counts_as=f"{part}_get")


def test_one_service_is_throttled_and_the_other_goes_on(database: str, stand: Any, answer: Any) -> None:
    """A part of a source that has spent its own budget waits; the others do not, but for what holds for all (M61)."""
    server = stand(lambda _: answer())
    limits = Limits((Budget("all", (Rate(6, 3_600),)),), patience_seconds=30, services=PARTS)
    with share(database), Client(server.url, limits=limits, sleep=Slept()) as client:
        client.send(about("users"))
        client.send(about("users"))
        with pytest.raises(RateLimited, match="/ users are spent"):
            client.send(about("users"))
        for _ in range(4):
            client.send(about("grades"))
        with pytest.raises(RateLimited, match=r"the limits of [\d.:]+ are spent"):
            client.send(about("grades"))
    assert len(server.asked) == 6


def test_one_service_fails_and_the_other_goes_on(
    database: str, stand: Any, answer: Any, connection: Connection
) -> None:
    """Each part has its own breaker: what fails is left alone, what works is asked, each mends itself (M61)."""
    down = [True]
    server = stand(lambda call: answer(503 if down[0] and call.body == b"grades" else 200))
    limits, policy = Limits(services=PARTS), Policy(max_retries=0)
    with share(database), Client(server.url, limits=limits, policy=policy, sleep=Slept()) as client:
        for _ in range(FAILURES):
            with pytest.raises(NetworkError, match="answered 503"):
                client.send(about("grades"))
        with pytest.raises(NetworkError, match="/ grades failed 5 times in a row"):
            client.send(about("grades"))
        assert client.send(about("users")).status == 200
        assert client.get("something").status == 200
        connection.execute("UPDATE connector.gates SET open_until = now() WHERE open_until IS NOT NULL")
        down[0] = False
        assert client.send(about("grades")).status == 200
    rows = connection.execute("SELECT scope, failures, open_until FROM connector.gates ORDER BY scope").fetchall()
    host = server.url.removeprefix("http://")
    assert rows == [(host, 0, None), (f"{host} / grades", 0, None), (f"{host} / users", 0, None)]


def test_a_refusal_is_a_sign_of_life(database: str, stand: Any, answer: Any, connection: Connection) -> None:
    """A source that answers 404 works: failures before it do not add up with those after it."""
    statuses = deque([503, 404])
    server = stand(lambda _: answer(statuses.popleft()))
    with share(database), Client(server.url, policy=Policy(max_retries=0)) as client:
        for match in ("503", "404"):
            with pytest.raises(Exception, match=match):
                client.get("a")
    assert connection.execute("SELECT failures FROM connector.gates").fetchall() == [(0,)]


def test_no_more_requests_at_once_than_seats(database: str, stand: Any, answer: Any) -> None:
    """Of ten threads, two are with the source at any time, and all get their answer."""
    inside, most, lock = [0], [0], threading.Lock()
    met = threading.Barrier(2)

    def handle(_: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        met.wait(10)  # nobody leaves before there are two
        with lock:
            inside[0] -= 1
        return answer()

    server = stand(handle)
    limits = Limits((Budget("all", at_once=2),))
    with share(database), Client(server.url, limits=limits) as client, ThreadPoolExecutor(10) as pool:
        assert [response.status for response in pool.map(client.get, "abcdefghij")] == [200] * 10
    assert most[0] == 2


def test_a_dead_process_gives_its_seat_back(database: str, admin: Connection) -> None:
    """A seat is held by a session: when that ends, however it ends, the next one has it."""
    budget = Budget("all", at_once=1)
    with (
        closing(Line(database)) as first,
        closing(Line(database)) as second,
        Gate(first, "x").seat(budget, 1) as held,
        Gate(second, "x").seat(budget, 1) as got,
    ):
        assert (held, got) == (True, False)
        session = first.row("SELECT pg_backend_pid(), 10000")
        first.close()
        admin.execute("SELECT pg_terminate_backend(%s, %s)", session)  # waits until it is gone, if it is not yet
        with Gate(second, "x").seat(budget, 1) as freed:
            assert freed


def test_a_broken_line_is_mended_with_the_next_request(line: Line, admin: Connection) -> None:
    """When the server ends our connection, one request says so and the next one has a new connection."""
    row = line.row("SELECT pg_backend_pid()")
    assert row is not None
    admin.execute("SELECT pg_terminate_backend(%s)", row)
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        line.row("SELECT 1")
    assert line.row("SELECT 1") == (1,)


CHILD = """
import json, sys
from connector_pipelines.external.http import Client
from connector_pipelines.external.limits import Budget, Limits, Rate
from connector_pipelines.external.surroundings import share
database, url, requests, seconds, each = json.loads(sys.argv[1])
limits = Limits((Budget("GET", (Rate(requests, seconds),)), Budget("all", at_once=4)))
with share(database), Client(url, limits=limits) as client:
    sys.stdin.readline()
    print(sum(client.get(str(n)).status == 200 for n in range(each)))
"""


def refusals(arrived: list[float], rate: Rate) -> int:
    """How many of these requests a source would refuse that allows so many in any span, wherever it begins."""
    taken: deque[float] = deque()
    refused = 0
    for now in arrived:
        while taken and now - taken[0] >= rate.seconds:
            taken.popleft()
        if len(taken) < rate.requests:
            taken.append(now)
        else:
            refused += 1
    return refused


def test_eight_processes_cause_no_429(database: str, stand: Any, answer: Any) -> None:
    """A source that allows twenty requests in three seconds never has to refuse one of eight processes at once.

    How long a request is on its way is not ours to tell, so what counts is that each has its turn, that none is sent
    before it, and that the turns leave a source no reason, also where some requests are slower than others by as much
    as `Rate.span` allows for.
    """
    rate, each = Rate(20, 3.0), 5
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE granted (at timestamptz)")
        connection.execute(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO granted VALUES (NEW.at); RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE TRIGGER noted AFTER INSERT OR UPDATE ON connector.rate_slots FOR EACH ROW"
            " WHEN (NEW.budget NOT LIKE '% for %') EXECUTE FUNCTION note()"
        )
    arrived: list[float] = []

    def handle(_: Any) -> Any:
        arrived.append(time.time())
        return answer()

    server = stand(handle)
    told = json.dumps([database, server.url, rate.requests, rate.seconds, each])
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    good = [int(child.communicate()[0]) for child in children]
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute("SELECT extract(epoch FROM at)::float8 FROM granted ORDER BY at").fetchall()
    turns = [float(at) for (at,) in found]
    assert (good, len(server.asked), len(turns)) == ([each] * 8, 8 * each, 8 * each)
    assert all(sent >= turn - _CLOCKS_DIFFER for sent, turn in zip(sorted(arrived), turns, strict=True))
    late = rate.span - rate.seconds - _CLOCKS_DIFFER
    assert refusals(turns, rate) == 0
    assert refusals(sorted(turn + (0.0 if nth % 3 else late) for nth, turn in enumerate(turns)), rate) == 0


_CLOCKS_DIFFER = 0.002
