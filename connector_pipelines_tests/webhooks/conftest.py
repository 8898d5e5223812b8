"""A receiver on a socket, and a source whose webhook a test can choose."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import requests
import uvicorn

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.external.line import Line
from connector_pipelines.model import Source
from connector_pipelines.webhooks.receiver import application
from connector_pipelines.webhooks.serving import open_receiver, options
from connector_pipelines_tests.kept import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.applications import Starlette

    from connector_pipelines.webhooks.receiver import Receiver

SECRET = "a secret of these tests"
ENTITIES = {
    "vendors": {"path": "vendors", "id": "id", "mapping": {"name": "name"}},
    "purchase_orders": {"path": "orders", "id": "id", "mapping": {"order_number": "no"}},
}


class _Quiet(uvicorn.Server):
    """Leaves the signals of the test's process alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The URL of an application while it is served from a thread, with the options of the real receiver."""
    quickly = {"log_config": None, "ws": "none", "lifespan": "on", "timeout_graceful_shutdown": 5}
    config = uvicorn.Config(app, port=0, **(options() | quickly))
    listening = config.bind_socket()
    listening.listen()  # who comes before the thread is ready waits
    server = _Quiet(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def shop(name: str = "shop", **webhook: Any) -> Source:
    """A declared source with vendors and orders."""
    reads = {"vendor.*": ["vendors"], "order.*": ["vendors", "purchase_orders"]}
    signed = {"secret": "env:SHOP_HOOK", "id": "id", "record": "record", "reads": reads}
    declared = {"base_url": "https://shop.example", "entities": ENTITIES, "webhook": signed | webhook}
    return Source(name, CONNECTOR, CONNECTOR.config.model_validate(declared))


@dataclass
class Place:
    """A receiver that answers, and its database."""

    url: str
    database: str
    receiver: Receiver
    session: requests.Session = field(default_factory=requests.Session)

    def post(self, body: bytes, headers: dict[str, str] | None = None, source: str = "shop") -> requests.Response:
        """Deliver something."""
        return self.session.post(f"{self.url}/webhooks/{source}", data=body, headers=headers, timeout=10)

    def rows(self, statement: Any, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with kept(self.database) as connection:
            return connection.execute(statement, values or None).fetchall()

    def events(self) -> list[tuple[Any, ...]]:
        """Id, status and entities of every event, in the order they came."""
        return self.rows("SELECT event_id, status, entities FROM connector.integration_webhook_events ORDER BY id")

    def noted(self) -> list[tuple[Any, ...]]:
        """Action, source and number of calls of what stands in the audit log."""
        return self.rows("SELECT action, source, detail -> 'calls' FROM connector.integration_audit_logs ORDER BY id")


@pytest.fixture
def receiving(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Serves a receiver of the given sources, or of a shop with these webhook settings; ends it with the test."""
    monkeypatch.setenv("SHOP_HOOK", SECRET)
    opened: list[Any] = []

    @contextmanager
    def serve(*sources: Source) -> Iterator[Place]:
        receiver = open_receiver(database, sources)
        with served(application(receiver)) as url, requests.Session() as session:
            yield Place(url, database, receiver, session)

    def open_place(*, sources: Sequence[Source] = (), **webhook: Any) -> Place:
        context = serve(*(sources or (shop(**webhook),)))
        opened.append(context)
        return context.__enter__()

    yield open_place
    for context in reversed(opened):
        context.__exit__(None, None, None)


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    """A durable line to the test's database."""
    opened = Line(database, durable=True)
    yield opened
    opened.close()


@pytest.fixture
def broken_line() -> Line:
    """A line to a database that is not there."""
    return Line(psycopg.conninfo.make_conninfo(host="127.0.0.1", port=1, connect_timeout=2))
