"""What limits, pause, breaker and cache cost a request: the same requests with and without what processes share.

    python bench/gate.py

A server in a thread of this process answers at once, so that both numbers hold as little else as possible.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from pydantic import BaseModel

from connector_pipelines.external.cache import looked_at
from connector_pipelines.external.gate import Gate
from connector_pipelines.external.http import Client
from connector_pipelines.external.limits import Budget, Limits, Rate
from connector_pipelines.external.line import Line
from connector_pipelines.external.surroundings import share
from connector_pipelines.model import Connector, Health, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUESTS = 2_000
BUDGETS = (Budget("GET", (Rate(1_000, 0.1),)), Budget("POST", (Rate(1_000, 0.1),)))
"""So generous that nobody waits, and so short that the rings are full, as they are in a long sync."""


@contextmanager
def _server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else headers and body wait 40 ms for one another

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _milliseconds(*works: Callable[[], object]) -> list[float]:
    """The lower decile of each: what it costs while nothing else runs. They take turns."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(REQUESTS):
        for mine, work in zip(taken, works, strict=True):
            started = time.perf_counter()
            work()
            mine.append(time.perf_counter() - started)
    return [statistics.quantiles(mine, n=10)[0] * 1_000 for mine in taken]


class _Config(BaseModel):
    """Nothing is to be said of this source."""


def _healthy(_: object) -> Health:
    return Health(ok=True, detail="", latency_seconds=0)


def gate(database: str) -> dict[str, float]:
    """Milliseconds of a request.

    Args:
        database: URL of a migrated PostgreSQL.
    """
    limits = Limits(BUDGETS)
    with (
        _server() as url,
        closing(Line(database)) as line,
        Client(url) as alone,
        share(database),
        Client(url, limits=limits) as shared,
    ):
        connector = Connector("gate", "Gate", _Config, lambda _: Client(url, limits=limits), lambda _: (), _healthy)
        source = Source("gate", connector, _Config())
        with looked_at(source) as (first, _):
            first.get("a")
        with looked_at(source) as (again, _):
            admission, bare, limited, looked = _milliseconds(
                lambda: Gate(line, "alone").admit(BUDGETS, patience=1e9),
                lambda: alone.get("a"),
                lambda: shared.get("a"),
                lambda: again.get("a"),
            )
    return {
        "one admission, two budgets": admission,
        "a request that shares nothing": bare,
        "a request with limits and breaker": limited,
        "a look that is answered from the cache": looked,
        "what they cost a request": limited - bare,
    }


if __name__ == "__main__":
    import tempfile
    from pathlib import Path

    from connector_pipelines.database import embedded
    from connector_pipelines.database.migrate import migrate

    with tempfile.TemporaryDirectory() as folder:
        fresh = embedded.start(Path(folder) / "postgres")
        migrate(fresh)
        print(json.dumps(gate(fresh), indent=1))
