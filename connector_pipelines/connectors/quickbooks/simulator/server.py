"""The service on a socket: an ASGI application, and a uvicorn server in a thread that starts and stops at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import traceback
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol

import uvicorn
from starlette.requests import Request as HttpRequest

from connector_pipelines.connectors.quickbooks.simulator.exchange import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

LINGER_SECONDS = 2.0
TICK_SECONDS = 0.005


class BrokenError(Exception):
    """Raised inside the application to make the server drop a connection whose answer has begun."""


class Answers(Protocol):
    """What is served."""

    under_way: int


@dataclass(slots=True)
class Application:
    """ASGI: reads a request, has it answered, sends the answer as the faults of the wire demand."""

    answer: Callable[[Call], Reply]
    counted: Answers
    stopping: asyncio.Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        call = await _call(HttpRequest(scope, receive))
        self.counted.under_way += 1
        try:
            await self._serve(self._answered(call), send)
        finally:
            self.counted.under_way -= 1

    async def _serve(self, reply: Reply, send: Send) -> None:
        struck, body = reply.struck, reply.bytes
        if "delay" in struck:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), struck.number("delay") / 1000)
        if "stall" in struck:
            await self.stopping.wait()
            raise BrokenError
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply, body)})
        if "reset" in struck:
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise BrokenError
        await send({"type": "http.response.body", "body": body})

    def _answered(self, call: Call) -> Reply:
        """The answer, or our own traceback: a mistake of the simulator must not look like one of the client."""
        try:
            return self.answer(call)
        except Exception:  # noqa: BLE001 -- whatever it was, it is shown to whoever asked
            return Reply(500, body=traceback.format_exc().encode(), content_type="text/plain; charset=utf-8")


async def _call(request: HttpRequest) -> Call:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.url.path, dict(request.query_params), headers, await request.body())


def _headers(reply: Reply, body: bytes) -> list[tuple[bytes, bytes]]:
    always = (
        ("Date", formatdate(usegmt=True)),
        ("Content-Length", str(len(body))),
        ("Content-Type", reply.content_type),
    )
    lower = "lower-case-headers" in reply.struck
    return [((n.lower() if lower else n).encode(), v.encode()) for n, v in (*always, *reply.headers)]


class ServerThread:
    """A server on a socket of its own, in a daemon thread; `stop` returns when thread and sockets are gone."""

    def __init__(self, answer: Callable[[Call], Reply], counted: Answers, host: str, port: int) -> None:
        self._answer, self._counted = answer, counted
        self._socket = socket.create_server((host, port), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name=f"quickbooks-simulator-{self.port}", daemon=True)

    def start(self) -> None:
        """Begin to serve. The socket listens already, so the first client need not wait."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections and the thread."""
        self._ready.wait()
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()
            self._socket.close()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        application: Any = Application(self._answer, self._counted, self._stopping)
        config = uvicorn.Config(
            application,
            http="h11",  # httptools writes every header name in lower case
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[self._socket])
        self._ready.set()
        await self._stopping.wait()
        await _close(server)


async def _close(server: uvicorn.Server) -> None:
    """Close listeners and idle connections at once, busy ones when they are done or have lingered too long.

    uvicorn's own shutdown sleeps in steps of 100 ms, which a test suite with many simulators pays each time.
    """
    for listener in server.servers:
        listener.close()
    connections, told = server.server_state.connections, set[object]()
    deadline = asyncio.get_running_loop().time() + LINGER_SECONDS
    await asyncio.sleep(0)  # what was accepted just now becomes a connection
    while connections and asyncio.get_running_loop().time() < deadline:
        for connection in {*connections} - told:
            connection.shutdown()
            told.add(connection)
        await asyncio.sleep(TICK_SECONDS)  # uvicorn signals nothing when a connection has gone
    for connection in [*connections]:
        if isinstance(connection.transport, asyncio.Transport):
            connection.transport.abort()
    for listener in server.servers:
        await listener.wait_closed()
