"""Recorded exchanges of a running Moodle, sites that answer with them, and clients that ask."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
import stamina

from connector_pipelines.connectors.moodle import CONNECTOR, client
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.connectors.moodle.simulator.php import as_json, unfold
from connector_pipelines.database.connection import connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.simulating.exchange import Reply as Sent
from connector_pipelines.simulating.server import ServerThread
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.letters import Choice
from connector_pipelines.sync.push import push
from connector_pipelines.sync.retrying import retry
from connector_pipelines.sync.whole import Outcome, sync
from connector_pipelines_tests.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from connector_pipelines.simulating.exchange import Call

TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its answer."""

    name: str
    function: str
    params: Any
    encoded: dict[str, str] | None
    status: int
    content_type: str
    response: Any
    method: str | None = None
    note: str = ""

    @property
    def body(self) -> bytes:
        """The answer's bytes."""
        return as_json(self.response) if "json" in self.content_type else str(self.response).encode()


@cache
def _exchanges() -> tuple[Exchange, ...]:
    lines = (Path(__file__).parent / "recorded.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Exchange(**json.loads(line)) for line in lines)


@pytest.fixture(scope="session")
def exchanges() -> dict[str, Exchange]:
    """Every recorded exchange, by name."""
    return {exchange.name: exchange for exchange in _exchanges()}


@pytest.fixture
def reply() -> Callable[..., Sent]:
    """Makes answers."""
    return lambda body, status=200, kind="application/json": Sent(status, body, content_type=kind)


@dataclass
class Stand:
    """A site that answers as the test says, and what it was asked: functions with their parameters."""

    url: str
    bodies: list[bytes]

    @property
    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Functions with their parameters, in order."""
        found = []
        for body in self.bodies:
            fields = unfold(parse_qsl(body.decode(), keep_blank_values=True))
            for name in ("moodlewssettingraw", "moodlewsrestformat", "wstoken"):
                fields.pop(name, None)
            found.append((fields.pop("wsfunction"), fields))
        return found


@pytest.fixture
def stand() -> Iterator[Callable[[Callable[[Call], Sent]], Stand]]:
    """Starts a stand-in."""
    with ExitStack() as stack:

        def start(handle: Callable[[Call], Sent]) -> Stand:
            bodies: list[bytes] = []

            def answer(call: Call) -> Sent:
                bodies.append(call.body)
                return handle(call)

            server = ServerThread(answer, "127.0.0.1", 0)
            server.start()
            stack.callback(server.stop)
            return Stand(f"http://127.0.0.1:{server.port}", bodies)

        yield start


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Opens a client for a URL; retries do not wait."""
    monkeypatch.setenv("MOODLE_API_TOKEN", TOKEN)
    stamina.set_testing(True)

    @contextmanager
    def open_client(url: str, **more: Any) -> Iterator[client.Moodle]:
        with client.connect(MoodleConfig.model_validate({"base_url": url} | more)) as moodle:
            yield moodle

    yield open_client
    stamina.set_testing(False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small site: twelve students with ids from 4, courses 2, 3 and 4 with two assignments each."""
    with Simulator(scenario="small") as running:
        yield running


@pytest.fixture
def asked(
    simulator: Simulator, opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AbstractContextManager[client.Moodle]]:
    """Opens a client of the small site."""
    monkeypatch.setenv("MOODLE_API_TOKEN", simulator.token)
    return lambda **more: opened(simulator.url, **more)


TODAY = date(2026, 10, 1)
CORE = """
    INSERT INTO core.terms (id, title, start_date, end_date, status, parent_id) OVERRIDING SYSTEM VALUE VALUES
        (1, '2026/27', '2026-08-01', '2027-07-31', 'active', NULL),
        (2, 'Fall', '2026-08-15', '2026-12-20', 'active', 1), (3, 'Spring', '2027-01-10', '2027-06-10', 'active', 1);
    INSERT INTO core.courses (id, title, course_code, status) OVERRIDING SYSTEM VALUE VALUES
        (1, 'R&D "Lab" - d''été', 'RD', 'active'), (2, 'History', 'HIS', 'active'), (3, 'Empty', 'EMP', 'active');
    INSERT INTO core.sections (id, title, section_code, status, course_id, term_id) OVERRIDING SYSTEM VALUE VALUES
        (1, 'Lab A', 'RD-A', 'active', 1, 2), (2, 'Lab B', 'RD-B', 'active', 1, 2),
        (3, 'History', 'HIS-1', 'active', 2, 2),
        (4, 'Nowhere', 'NO', 'active', 3, NULL);
    INSERT INTO core.students (id, given_name, family_name, username, email, student_number, status)
        OVERRIDING SYSTEM VALUE VALUES
        (1, 'Ada', 'Lovelace', 'Ada', 'Ada@School.example', 'S1', 'active'),
        (2, 'Søren', 'Øst', NULL, 'soren@school.example', 'S2', 'active'),
        (3, 'No', 'Mail', 'nomail', NULL, 'S3', 'active');
    INSERT INTO core.instructors (id, given_name, family_name, username, email, staff_number, status)
        OVERRIDING SYSTEM VALUE VALUES (1, 'Grace', 'Hopper', 'ghopper', 'grace@school.example', 'T1', 'active');
    INSERT INTO core.enrollments (id, status, start_date, student_id, section_id) OVERRIDING SYSTEM VALUE VALUES
        (1, 'enrolled', '2026-09-01', 1, 1), (2, 'enrolled', NULL, 2, 2), (3, 'enrolled', NULL, 1, 3);
    INSERT INTO core.teaching_assignments (id, status, instructor_id, section_id) OVERRIDING SYSTEM VALUE VALUES
        (1, 'active', 1, 1), (2, 'active', 1, 2);
"""


@dataclass
class Campus(Kept):
    """Core with a few people, a site, and the way from one to the other."""

    url: str
    simulator: Simulator
    landing: Landing
    more: dict[str, Any] = field(default_factory=dict)
    exports: tuple[str, ...] = ("*",)

    def source(self) -> Source:
        """The site as a declared source, which may be written to."""
        config = MoodleConfig.model_validate({"base_url": self.simulator.url, "max_retries": 0} | self.more)
        names = [f"export/{export.entity}" for export in CONNECTOR.exports(config)]
        told = {"exports": self.exports, "drops": names, "guard": {"limits": {"floor": 1_000}}}
        return Source("campus", CONNECTOR, config, SyncPolicy.model_validate(told))

    def push(self, *entities: str, today: date = TODAY, **how: Any) -> dict[str, Outcome]:
        """Push; the last outcome of each export."""
        with connect(self.url) as connection:
            done = push(Context(connection, self.landing), self.source(), entities=entities or None, today=today, **how)
            return {outcome.entity.removeprefix("export/"): outcome for outcome in done}

    def retry(self) -> None:
        """Retry all dead letters."""
        with connect(self.url) as connection:
            assert list(retry(Context(connection, self.landing), self.source(), Choice(), who="ann"))

    def sync(self) -> dict[str, Outcome]:
        """Read everything; the outcome of each entity."""
        with connect(self.url) as connection:
            done = sync(Context(connection, self.landing), self.source())
            return {outcome.entity: outcome for outcome in done}

    def letters(self) -> list[tuple[Any, ...]]:
        """Unsettled dead letters."""
        return self.rows(
            "SELECT entity, external_id, rule, reason FROM connector.dead_letters WHERE state <> 'resolved' ORDER BY id"
        )

    def user(self, username: str) -> dict[str, Any]:
        """A user of the site."""
        (found,) = self.simulator.site.where("users", username=username)
        return found

    def course(self, number: str) -> dict[str, Any]:
        """A course of the site, by its ID number."""
        (found,) = self.simulator.site.where("courses", idnumber=number)
        return found

    def enrolled(self, number: str) -> dict[str, dict[str, Any]]:
        """Who is in a course, by user name."""
        rows = self.simulator.site.enrolled(self.course(number)["id"])
        return {self.simulator.site["users"][user]["username"]: row for user, row in rows.items()}


@pytest.fixture
def campus(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Campus]:
    """Core and an empty site."""
    now = int(datetime.combine(TODAY, datetime.min.time(), UTC).timestamp())
    with Simulator(scenario="empty", clock=lambda: now) as simulator:
        monkeypatch.setenv("MOODLE_API_TOKEN", simulator.token)
        campus = Campus(database, simulator, Landing(str(tmp_path / "landing")))
        campus.execute(CORE)
        yield campus
