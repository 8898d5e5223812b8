"""Recorded exchanges of a running Moodle, sites that answer with them, and clients that ask."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
import stamina

from connector_pipelines.connectors.moodle import client
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.connectors.moodle.simulator.php import as_json, unfold
from connector_pipelines.simulation.faults import Active
from connector_pipelines.simulation.server import ServerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from connector_pipelines.simulation.exchange import Call

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


@dataclass(frozen=True)
class Reply:
    """What a stand-in answers."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    struck: Active = field(default_factory=Active)


@pytest.fixture
def reply() -> type[Reply]:
    """Makes answers."""
    return Reply


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
def stand() -> Iterator[Callable[[Callable[[Call], Reply]], Stand]]:
    """Starts a stand-in."""
    with ExitStack() as stack:

        def start(handle: Callable[[Call], Reply]) -> Stand:
            bodies: list[bytes] = []

            def answer(call: Call) -> Reply:
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
