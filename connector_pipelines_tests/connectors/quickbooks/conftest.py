"""Companies to read: the simulator, and a stand-in whose every answer a test can choose; and where tokens are kept."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest
import stamina

from connector_pipelines.connectors.quickbooks import CONNECTOR
from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig
from connector_pipelines.connectors.quickbooks.simulator import Simulator
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Stream, Window
from connector_pipelines.pages import Page
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.validation.accept import Accepted

Record = dict[str, Any]
Sent = tuple[int, bytes, dict[str, str]]
TABLE_OF = {"vendors": "Vendor", "inventory_items": "Item"}


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def config_of(url: str, token_url: str, realm_id: str = "4620816365291234567", **more: Any) -> QuickBooksConfig:
    """A source in pages of 50; its secrets are in the environment."""
    auth = {
        "client_id": "env:QB_ID",
        "client_secret": "env:QB_SECRET",
        "refresh_token": "env:QB_TOKEN",
        "token_url": token_url,
    }
    return QuickBooksConfig.model_validate(
        {"realm_id": realm_id, "base_url": url, "auth": auth, "page_size": 50} | more
    )


def stream_of(config: QuickBooksConfig, entity: str) -> Stream:
    """An entity's stream."""
    return next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)


@dataclass
class Company:
    """A simulated company and how it is read."""

    simulator: Simulator

    def config(self, **more: Any) -> QuickBooksConfig:
        """A source that reads the company."""
        return config_of(self.simulator.url, self.simulator.token_url, self.simulator.realm_id, **more)

    def pages(self, entity: str, window: Window | None = None, **more: Any) -> list[Page]:
        """All pages of an entity."""
        config = self.config(**more)
        with CONNECTOR.open(config) as client:
            return list(stream_of(config, entity).read(client, window or Window()).pages)

    def read(self, entity: str, window: Window | None = None, **more: Any) -> Accepted:
        """What of an entity is accepted."""
        sieve = Sieve(0, None)
        stream = stream_of(self.config(**more), entity)
        return accept(stream, [sieve.sift(page) for page in self.pages(entity, window, **more)])

    def ids(self, entity: str, window: Window | None = None, **more: Any) -> list[str]:
        """The ids that are accepted, each once, in order."""
        return sorted(set(self.read(entity, window, **more).frame["external_id"]))

    def asked(self, endpoint: str) -> list[Any]:
        """The requests to an endpoint so far."""
        return [request for request in self.simulator.requests if request.endpoint == endpoint]


@dataclass
class MemoryKeep:
    """Keeps a token for one test; `kept` says when which refresh token was, and what had been asked by then."""

    held: dict[str, Any] | None = None
    kept: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def alone(self) -> Iterator[MemoryKeep]:
        """The slot."""
        with self.lock:
            yield self

    def read(self) -> dict[str, Any] | None:
        """What is kept."""
        return self.held

    def write(self, held: dict[str, Any]) -> None:
        """Keep it."""
        self.held = held
        self.kept.append(held["refresh_token"])


@pytest.fixture(autouse=True)
def keep(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryKeep]:
    """Nothing waits, tokens are kept in memory, and the secrets are the simulator's."""
    stamina.set_testing(True)
    monkeypatch.setenv("QB_ID", Simulator.client_id)
    monkeypatch.setenv("QB_SECRET", Simulator.client_secret)
    monkeypatch.setenv("QB_TOKEN", "simulated-refresh-token-1")
    own = MemoryKeep()
    monkeypatch.setattr("connector_pipelines.connectors.quickbooks.client.kept", lambda _: own)
    yield own
    stamina.set_testing(False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small company that behaves, for now."""
    with Simulator(scenario="small", seed=7) as running:
        yield running


@pytest.fixture
def company(simulator: Simulator) -> Company:
    """The small company, and how it is read."""
    return Company(simulator)


@pytest.fixture
def company_of() -> Callable[[Simulator], Company]:
    """How any simulator is read."""
    return Company


@dataclass
class StandIn:
    """A service with one answer for everything but tokens."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: Callable[[Asked], Sent] = lambda _: (200, b'{"QueryResponse":{}}', {})

    def config(self, **more: Any) -> QuickBooksConfig:
        """A source that reads it."""
        return config_of(self.url, f"{self.url}/token", **more)

    @contextmanager
    def client(self, **more: Any) -> Iterator[Any]:
        """An open client of it."""
        with CONNECTOR.open(self.config(**more)) as client:
            yield client

    def answer(self, asked: Asked) -> Sent:
        """The answer to a request."""
        if asked.path == "/token":
            return 200, b'{"access_token": "t0k3n", "expires_in": 3600, "refresh_token": "r"}', {}
        self.asked.append(asked)
        return self.answers(asked)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A service of one's own."""
    own = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body)
            status, sent, headers = own.answer(asked)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(sent)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET  # noqa: N815 -- http.server's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield own
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def frame_of() -> Callable[[str, list[Record]], pd.DataFrame]:
    """Makes the frame of an entity's external columns from records as they travel, through splitting and decoding."""
    config = config_of("https://quickbooks.example", "https://quickbooks.example/token")

    def make(entity: str, records: list[Record]) -> pd.DataFrame:
        stream = stream_of(config, entity)
        table = TABLE_OF.get(entity, "PurchaseOrder")
        decoded = [stream.decode(r) for r in stream.split(json.dumps({"QueryResponse": {table: records}}).encode())]
        columns = stream.schema().columns
        return pd.DataFrame(
            {
                name: pd.Series([stream.columns[name](r) for r in decoded], dtype=c.dtype.type)
                for name, c in columns.items()
            }
        )

    return make


@pytest.fixture
def core_of(frame_of: Callable[[str, list[Record]], pd.DataFrame]) -> Callable[..., list[Record]]:
    """What core gets of records as they travel, as dicts with None for what is missing."""

    def make(entity: str, *records: Record, **more: Any) -> list[Record]:
        config = config_of("https://quickbooks.example", "https://quickbooks.example/token", **more)
        core = stream_of(config, entity).transform(frame_of(entity, list(records)))
        plain = core.astype(object).where(core.notna(), None)
        return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]

    return make


@pytest.fixture
def accepted_of() -> Callable[[str, list[Record]], Accepted]:
    """What of some records, as they travel, is accepted."""

    def make(entity: str, records: list[Record]) -> Accepted:
        stream = stream_of(config_of("https://quickbooks.example", "https://quickbooks.example/token"), entity)
        body = json.dumps({"QueryResponse": {TABLE_OF.get(entity, "PurchaseOrder"): records}}).encode()
        return accept(stream, [Sieve(0, None).sift(Page(1, "u", 200, body, stream.split(body)))])

    return make
