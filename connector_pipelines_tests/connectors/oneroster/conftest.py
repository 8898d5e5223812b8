"""A stand-in whose every answer a test can choose: for what no server should do, not even the simulator."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest
import stamina

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.model import Stream, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.pages import Page

Record = dict[str, Any]
Sent = tuple[int, bytes, dict[str, str]]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Roster:
    """A service with one answer for everything, and a OneRoster source that points to it.

    `answers` takes the request and the position of the page asked for, and gives status, body and headers.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: Callable[[Asked], Sent] = lambda _: (200, b'{"users": []}', {})

    def config(self, **more: Any) -> OneRosterConfig:
        """A source's configuration."""
        auth = {"type": "bearer", "token": "env:ROSTER_TOKEN"}
        return OneRosterConfig.model_validate({"base_url": self.url, "auth": auth, "page_size": 2} | more)

    def pages(self, entity: str, window: Window | None = None, **more: Any) -> list[Page]:
        """All pages of an entity."""
        config = self.config(**more)
        stream = stream_of(config, entity)
        with CONNECTOR.open(config) as client:
            return list(stream.read(client, window or Window()).pages)


def stream_of(config: OneRosterConfig, entity: str) -> Stream:
    """An entity's stream."""
    return next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)


@pytest.fixture
def roster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Roster]:
    """A service of one's own."""
    stamina.set_testing(True)
    monkeypatch.setenv("ROSTER_TOKEN", "t0k3n")
    own = Roster()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), dict(self.headers))
            own.asked.append(asked)
            status, body, headers = own.answers(asked)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

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
    stamina.set_testing(False)


@pytest.fixture
def frame_of() -> Callable[[str, list[Record]], pd.DataFrame]:
    """Makes the frame of an entity's external columns from records as they travel, through decoding."""
    config = OneRosterConfig(base_url="https://sis.example")

    def make(entity: str, records: list[Record]) -> pd.DataFrame:
        stream = stream_of(config, entity)
        envelope = {"organizations": "orgs", "terms": "academicSessions", "sections": "classes", "courses": "courses"}
        name = envelope.get(entity, "users" if entity in {"students", "instructors"} else "enrollments")
        decoded = [stream.decode(row) for row in stream.split(json.dumps({name: records}).encode())]
        columns = stream.schema().columns
        return pd.DataFrame(
            {name: pd.Series([stream.columns[name](r) for r in decoded], dtype="str") for name in columns}
        )

    return make
