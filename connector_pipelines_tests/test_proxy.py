"""The proxy that is shipped: nginx with our file, before servers that tell which one was reached, and with what."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connector_pipelines.orchestration import dev

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[..., requests.Response]

SHIPPED = Path(__file__).parents[1] / "deploy/proxy"
OPERATING, LOOKING, RECEIVER, GUARD = "3000", "3001", "8300", "4180"
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
VIEWER, OPERATOR = ("vera", "looks"), ("otto", "launches")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


class Told(BaseHTTPRequestHandler):
    """Answers which server it is and the headers that it was sent; as oauth2-proxy, whether the groups are enough."""

    server: Any

    def do_GET(self) -> None:
        """Answer."""
        status = 200
        if self.path.startswith("/oauth2/auth?"):
            status = 202 if self.path.partition("allowed_groups=")[2] in self.headers.get("Cookie", "") else 401
        body = json.dumps({"server": self.server.name, "path": self.path, **dict(self.headers.items())}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 -- the library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(name: str) -> Iterator[int]:
    """A server of that name; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        server.name = name  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def certify(folder: Path) -> None:
    """A certificate of this machine, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*form))


def configured(folder: Path, port: int, servers: dict[str, int], sign_in: str) -> str:
    """The shipped file with our places for its own, and what every nginx has around it."""
    for one in SHIPPED.glob("*.conf"):
        text = one.read_text().replace("/etc/nginx/dagster", str(folder))
        for shipped, here in {f"127.0.0.1:{name}": f"127.0.0.1:{at}" for name, at in servers.items()}.items():
            text = text.replace(shipped, here)
        (folder / one.name).write_text(text.replace("443 ssl", f"127.0.0.1:{port} ssl"))
    shutil.copy(folder / f"sign-in-{sign_in}.conf", folder / "sign-in.conf")
    who = "user root;" if os.geteuid() == 0 else ""  # its workers read pytest's folder, which is closed to others
    places = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"{who} daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {places}\ninclude {folder}/nginx.conf; }}\n"
    )


@pytest.fixture(scope="module", params=["basic", "oidc"])
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Ask]]:
    """How people sign in, and a way to ask nginx for something by one of its names."""
    folder, port = tmp_path_factory.mktemp("proxy"), dev.free_port()
    certify(folder)
    for file, (name, password) in {"viewers": VIEWER, "operators": OPERATOR}.items():
        kept = base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
        (folder / f"{file}.htpasswd").write_text(f"{name}:{{SHA}}{kept}\n")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(served(name)) for name in (OPERATING, LOOKING, RECEIVER, GUARD)}
        main = folder / "main.conf"
        main.write_text(configured(folder, port, servers, request.param))
        command = [str(NGINX), "-p", str(folder), "-c", str(main), "-e", str(folder / "error.log")]
        tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert tried.returncode == 0, tried.stderr
        process = stack.enter_context(dev.child(command, os.environ, log=folder / "nginx.log"))
        dev.await_port(port, process=process, log=folder / "error.log")

        def ask(host: str, path: str = "/", method: str = "GET", **how: Any) -> requests.Response:
            headers = {"Host": f"{host}.example.org"} | how.pop("headers", {})
            where = f"https://127.0.0.1:{port}{path}"
            certificate = str(folder / "certificate.pem")
            return requests.request(method, where, headers=headers, verify=certificate, timeout=10, **how)

        yield request.param, ask


def as_(way: str, who: tuple[str, str] | None) -> dict[str, Any]:
    """The credentials of somebody, the way people sign in there."""
    if who is None:
        return {}
    groups = {VIEWER: "dagster-viewers", OPERATOR: "dagster-operators"}[who]
    return {"auth": who} if way == "basic" else {"cookies": {"groups": groups}}


@pytest.mark.parametrize(
    ("host", "who", "reached"),
    [
        ("dagster", None, None),
        ("operate", None, None),
        ("dagster", VIEWER, LOOKING),
        ("operate", VIEWER, None),
        ("operate", OPERATOR, OPERATING),
        ("other", OPERATOR, None),
    ],
)
def test_nobody_reaches_more_than_was_meant(
    proxy: tuple[str, Ask], host: str, who: tuple[str, str] | None, reached: str | None
) -> None:
    """Strangers reach no webserver, viewers the one that launches nothing, operators the other one."""
    way, ask = proxy
    answer = ask(host, "/graphql", "POST", json={}, **as_(way, who))
    if reached:
        assert (answer.status_code, answer.json()["server"]) == (200, reached)
    elif host == "other":
        assert answer.status_code == 404
    elif way == "basic":
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="Dagster"')
    else:
        assert (answer.json()["server"], answer.json()["path"]) == (GUARD, "/oauth2/sign_in")


def test_credentials_stay_with_the_proxy(proxy: tuple[str, Ask]) -> None:
    """Dagster is told neither the password nor an address that the caller made up."""
    way, ask = proxy
    told = ask("dagster", headers={"X-Forwarded-For": "10.0.0.1"}, **as_(way, VIEWER)).json()
    assert told["X-Forwarded-For"] == "127.0.0.1"
    assert "Authorization" not in told


def test_another_site_launches_nothing_with_a_browser_that_is_signed_in(proxy: tuple[str, Ask]) -> None:
    """A request that a foreign page had a browser make is refused, credentials or not; our own pages' are not."""
    way, ask = proxy
    for origin, status in {"https://evil.example": 403, "null": 403, "https://operate.example.org": 200}.items():
        headers = {"Origin": origin, "Content-Type": "text/plain"}
        answer = ask("operate", "/graphql", "POST", data="{}", headers=headers, **as_(way, OPERATOR))
        assert answer.status_code == status, origin


def test_webhooks_need_no_sign_in_and_nothing_else_is_there(proxy: tuple[str, Ask]) -> None:
    """Deliveries reach the receiver with the caller's true address; its other pages are not to be had from outside."""
    _, ask = proxy
    told = ask("hooks", "/webhooks/books", "POST", data="{}", headers={"X-Forwarded-For": "203.0.113.9"}).json()
    assert (told["server"], told["path"], told["X-Forwarded-For"]) == (RECEIVER, "/webhooks/books", "127.0.0.1")
    assert [ask("hooks", path).status_code for path in ("/metrics", "/health", "/", "/webhooks/../metrics")] == [
        404
    ] * 4


def test_only_encrypted() -> None:
    """The shipped file listens for nothing but TLS."""
    lines = [line.split() for line in (SHIPPED / "nginx.conf").read_text().splitlines()]
    listening = [words for words in lines if words[:1] == ["listen"]]
    assert len(listening) == 4
    assert all("ssl" in words or "ssl;" in words for words in listening)
