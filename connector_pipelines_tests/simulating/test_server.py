from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from connector_pipelines.simulating.exchange import Call, Reply, as_json
from connector_pipelines.simulating.faults import Struck
from connector_pipelines.simulating.server import ServerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def serving(answer: Callable[[Call], Reply]) -> Iterator[str]:
    """The address of a server for the duration."""
    server = ServerThread(answer)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def test_a_stalled_client_does_not_hold_the_server() -> None:
    """Stopping ends a connection that waits for its answer, without the answer."""
    arrived = threading.Event()

    def answer(_call: Call) -> Reply:
        arrived.set()
        return Reply(200, b"never seen", struck=Struck(stall=""))

    server = ServerThread(answer)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as waiting:
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert arrived.wait(20)
        server.stop()
        assert b"never seen" not in waiting.recv(10_000)


def test_a_mistake_of_the_simulator_is_shown() -> None:
    """Where the simulator itself stumbles, the client gets 500 and a traceback, not silence."""

    def answer(_call: Call) -> Reply:
        raise ZeroDivisionError

    server = ServerThread(answer)
    server.start()
    response = requests.get(f"http://127.0.0.1:{server.port}/", timeout=20)
    server.stop()
    assert (response.status_code, response.headers["Content-Type"]) == (500, "text/plain; charset=utf-8")
    assert "ZeroDivisionError" in response.text


def test_a_call_is_what_was_sent() -> None:
    """Path, parameters in order, headers in any case and body arrive; so does how many are under way."""
    heard: list[Call] = []

    def answer(call: Call) -> Reply:
        heard.append(call)
        return as_json(200, {})

    with serving(answer) as url:
        requests.post(f"{url}/a%20b?x=1&x=2&y=%2F", data=b"body", headers={"X-Odd": "1"}, timeout=20)
    [call] = heard
    assert (call.method, call.path, call.raw_path, call.query) == ("POST", "/a b", "/a%20b", "x=1&x=2&y=%2F")
    assert (call.pairs, call.params) == ((("x", "1"), ("x", "2"), ("y", "/")), {"x": "2", "y": "/"})
    assert (call.headers["x-ODD"], call.body, call.origin, call.under_way) == ("1", b"body", url, 1)


BODY = b'{"name":"Zo\xc3\xab"}'
WIRE: dict[str, Callable[[requests.Response], bool]] = {
    "truncated": lambda got: got.content == BODY[: len(BODY) // 2],
    "html-200": lambda got: got.content.startswith(b"<!doctype html>"),
    "wrong-charset": lambda got: b"Zo\xeb" in got.content,
    "gzip": lambda got: got.headers["Content-Encoding"] == "gzip" and got.content == BODY,
    "lower-case-headers": lambda got: "content-length" in [*got.headers],
    "slow-body": lambda got: got.content == BODY,
    "delay": lambda got: got.content == BODY,
}


@pytest.mark.parametrize("fault", WIRE)
def test_faults_of_the_wire(fault: str) -> None:
    """Each changes how an answer arrives, and nothing about what was answered."""
    with serving(lambda _: Reply(200, BODY, struck=Struck({fault: "1"}))) as url:
        assert WIRE[fault](requests.get(url, timeout=20))


def test_a_connection_is_broken_in_the_middle() -> None:
    """A reset sends the head and half of the body, and no more."""
    with (
        serving(lambda _: Reply(200, BODY, struck=Struck({"reset": ""}))) as url,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        requests.get(url, timeout=20)
