"""The service on a socket: an ASGI application, and a uvicorn server in a thread that starts and stops at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import traceback
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.requests import Request as HttpRequest

from connector_pipelines.simulating.exchange import Call, Reply, on_the_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send


PIECES = 10
BACKLOG = 512
LINGER_SECONDS = 2.0
TICK_SECONDS = 0.005


class ConnectionBrokenError(Exception):
    """Raised inside the application to make the server drop a connection whose answer has begun."""


@dataclass(slots=True)
class Application:
    """ASGI: reads a request, has it answered, sends the answer as the faults of the wire demand.

    Header names are sent in title case, as servers do that are no ASGI servers, unless a fault asks for lower case.
    """

    answer: Callable[[Call], Reply]
    stopping: asyncio.Event
    under_way: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        call = await _call(HttpRequest(scope, receive))
        self.under_way += 1
        try:
            await self._reply(on_the_wire(self._answered(replace(call, under_way=self.under_way))), send)
        finally:
            self.under_way -= 1

    async def _reply(self, reply: Reply, send: Send) -> None:
        struck = reply.struck
        if "delay" in struck:
            await self._pause(struck.number("delay"))
        if "stall" in struck:
            await self.stopping.wait()
            raise ConnectionBrokenError
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
        await self._body(reply, send)

    def _answered(self, call: Call) -> Reply:
        """The answer, or our own traceback: a mistake of the simulator must not look like one of the client."""
        try:
            return self.answer(call)
        except Exception:  # noqa: BLE001 -- whatever it was, it is shown to whoever asked
            return Reply(500, traceback.format_exc().encode(), content_type="text/plain; charset=utf-8")

    async def _body(self, reply: Reply, send: Send) -> None:
        body, struck = reply.body, reply.struck
        if "reset" in struck:
            await _send(send, body[: len(body) // 2], more=True)
            raise ConnectionBrokenError
        if "slow-body" in struck:
            size = max(1, -(-len(body) // PIECES))
            for first in range(0, len(body), size):
                await _send(send, body[first : first + size], more=True)
                await self._pause(struck.number("slow-body"))
            body = b""
        await _send(send, body, more=False)

    async def _pause(self, milliseconds: int) -> None:
        """Wait, but no longer than the simulator runs."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), milliseconds / 1000)


async def _send(send: Send, body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _call(request: HttpRequest) -> Call:
    return Call(
        method=request.method,
        path=request.scope["path"],
        pairs=tuple(request.query_params.multi_items()),
        headers=request.headers,
        body=await request.body(),
        origin=f"{request.url.scheme}://{request.headers.get('host', '')}",
        raw_path=request.scope["raw_path"].decode("latin-1").partition("?")[0],
        query=request.scope["query_string"].decode("latin-1"),
    )


def _headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    always = (("Date", formatdate(usegmt=True)), ("Content-Length", str(len(reply.body))))
    kind = (("Content-Type", reply.content_type),) if reply.body else ()
    lower = "lower-case-headers" in reply.struck
    return [
        ((name.lower() if lower else name).encode(), value.encode("latin-1", errors="replace"))
        for name, value in (*always, *kind, *reply.headers)
    ]


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket that says it is TCP: asyncio switches Nagle's algorithm off for such sockets alone."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class ServerThread:
    """A server on a socket of its own, in a daemon thread; `stop` returns when thread and sockets are gone."""

    def __init__(self, answer: Callable[[Call], Reply], host: str = "127.0.0.1", port: int = 0) -> None:
        self._answer = answer
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name=f"simulator-{self.port}", daemon=True)

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
        application: Any = Application(self._answer, self._stopping)
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
