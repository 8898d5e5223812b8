"""The service on a socket: Python's own threading server, since most faults of the wire are a matter of what is written
to the socket, and when.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from connector_pipelines.declarative.simulator.service import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Callable


class Server(ThreadingHTTPServer):
    """Serves in daemon threads until stopped.

    Args:
        answer: answers a call.
        host: interface to listen on.
        port: where to listen; 0 for any.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, answer: Callable[[Call], Reply], host: str = "127.0.0.1", port: int = 0) -> None:
        self.answer = answer
        self.stopping = threading.Event()
        super().__init__((host, port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End; whoever still waits is let go."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 60
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        origin = f"http://{self.headers.get('Host', '')}"
        try:
            reply = self.server.answer(Call(self.command, self.path, headers, body, origin))
        except Exception:  # noqa: BLE001 -- a mistake of the simulator must not look like one of the client
            reply = Reply(500, traceback.format_exc().encode(), media="text/plain")
        struck = reply.struck
        if "stall" in struck:
            self.server.stopping.wait()
            self.close_connection = True
            return
        if "delay" in struck:
            self.server.stopping.wait(int(struck["delay"]) / 1000)
        self._send(reply, cut=len(reply.body) // 2 if "reset" in struck else None)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _send(self, reply: Reply, cut: int | None) -> None:
        lower = "lower-case-headers" in reply.struck
        self.send_response_only(reply.status)
        told = (("Content-Type", reply.media), ("Content-Length", str(len(reply.body))), *reply.headers)
        for name, value in told:
            self.send_header(name.lower() if lower else name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(reply.body if cut is None else reply.body[:cut])
            self.wfile.flush()
        self.close_connection = self.close_connection or cut is not None

    def log_message(self, *_: object) -> None:
        """Say nothing."""
