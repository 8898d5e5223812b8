"""A stand-in for another system: a real HTTP server on loopback that answers as the test says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
import stamina
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to send back. `promised` is the Content-Length, if it shall not be the body's."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None


@dataclass
class Stand:
    """The server: where it is, and what it was asked."""

    url: str
    asked: list[Asked]


Handle = Callable[[Asked], Answer]


def _serve(handle: Handle) -> tuple[ThreadingHTTPServer, list[Asked]]:
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            one = Asked(self.command, self.path, dict(self.headers), body)
            asked.append(one)
            answer = handle(one)
            self.send_response(answer.status)
            length = len(answer.body) if answer.promised is None else answer.promised
            for name, value in {"Content-Length": str(length), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET  # noqa: N815 -- the library's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # the usual five make a ninth client wait a second

    return Server(("127.0.0.1", 0), Handler), asked


@pytest.fixture
def stand() -> Iterator[Callable[[Handle], Stand]]:
    """Starts a stand-in that answers with a function."""
    with ExitStack() as stack:

        def start(handle: Handle) -> Stand:
            server, asked = _serve(handle)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return Stand(f"http://127.0.0.1:{server.server_port}", asked)

        yield start


@pytest.fixture
def answer() -> type[Answer]:
    """Makes answers."""
    return Answer


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Retries without pauses: the switch that tests of a user's own connector have, too."""
    stamina.set_testing(True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """The file of a certificate for this machine, with its key, that nobody but itself has signed."""
    return str(_self_signed(tmp_path))


@contextmanager
def _encrypted(certificate: str, newest: ssl.TLSVersion) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.maximum_version = newest
    server, _ = _serve(lambda _: Answer())
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client hangs up: that is the test
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tls_stand(certificate: str) -> Iterator[str]:
    """URL of an https server that signed its own certificate."""
    with _encrypted(certificate, ssl.TLSVersion.TLSv1_3) as url:
        yield url


@pytest.fixture
def tls12_stand(certificate: str) -> Iterator[str]:
    """URL of an https server that has not heard of TLS 1.3."""
    with _encrypted(certificate, ssl.TLSVersion.TLSv1_2) as url:
        yield url


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return pem
