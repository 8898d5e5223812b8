from __future__ import annotations

import socket
import ssl
import threading
import time
from ipaddress import ip_network
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import ConfigurationError, NetworkError
from connector_pipelines.external import bounded
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.reach import may_be_asked
from connector_pipelines.external.retry import Policy
from connector_pipelines.external.surroundings import share
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.database.connection import Connection

ONCE = Policy(max_retries=0)


@pytest.fixture
def nothing_private(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An operator who allows no private network at all, not even this machine."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_ALLOWED_NETWORKS", "")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104 -- an address to refuse
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:0a00:0001::",
    ],
)
def test_private_addresses_are_refused(address: str) -> None:
    """Private, loopback, link-local, metadata and multicast addresses, however they are written."""
    assert not may_be_asked(address, ())
    assert may_be_asked(address, (ip_network("0.0.0.0/0"), ip_network("::/0")))


def test_public_and_allowed_addresses_are_asked() -> None:
    """Public addresses always, private ones where the operator named their network."""
    assert may_be_asked("93.184.216.34", ())
    assert may_be_asked("2606:2800:220:1::", ())
    assert may_be_asked("10.1.2.3", (ip_network("10.1.0.0/16"),))
    assert not may_be_asked("10.2.2.3", (ip_network("10.1.0.0/16"),))


@pytest.mark.usefixtures("nothing_private")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_is_sent_to_a_private_address(stand: Any, answer: Any, host: str) -> None:
    """The address behind a name is looked at, not the name: the server there hears nothing."""
    server = stand(lambda _: answer())
    url = server.url.replace("127.0.0.1", host)
    with (
        Client(url, policy=ONCE) as client,
        pytest.raises(ConfigurationError, match="at the private address") as caught,
    ):
        client.get("latest/meta-data")
    assert "CONNECTOR_PIPELINES_ALLOWED_NETWORKS" in str(caught.value)
    assert server.asked == []


def test_unusable_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is none is an error that names the variable."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_ALLOWED_NETWORKS", "10.0.0.0/8,here")
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match="CONNECTOR_PIPELINES_ALLOWED_NETWORKS"):
        settings()
    settings.cache_clear()


def test_a_link_to_another_host_is_not_followed(stand: Any, answer: Any) -> None:
    """The next page's URL may not lead credentials elsewhere, unless the connector says that it is the same source."""
    other, server = stand(lambda _: answer()), stand(lambda _: answer())
    with Client(server.url) as client, pytest.raises(ConfigurationError, match="leads on to"):
        client.send(Request(f"{other.url}/page2"))
    assert other.asked == []
    with Client(server.url, other_origins=[other.url]) as client:
        assert client.send(Request(f"{other.url}/page2")).status == 200


@pytest.mark.parametrize("oldest", ["1.3", "1.2"])
def test_older_tls_is_refused_unless_declared(
    tls12_stand: str, monkeypatch: pytest.MonkeyPatch, certificate: str, oldest: Any
) -> None:
    """A server that speaks no TLS 1.3 is an error that says what to do; a declaration may allow it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    with Client(tls12_stand, policy=ONCE, oldest_tls=oldest) as client:
        if oldest == "1.2":
            assert client.get("a").status == 200
        else:
            with pytest.raises(ConfigurationError, match=r"set oldest_tls to 1\.2"):
                client.get("a")


def test_older_tls_is_audited(connection: Connection, database: str) -> None:
    """Allowing it leaves an entry with the host; the default leaves none."""
    with share(database):
        Client("https://sis.example").close()
        Client("https://old.example", oldest_tls="1.2").close()
    rows = connection.execute("SELECT action, detail FROM connector.integration_audit_logs").fetchall()
    assert rows == [("older TLS allowed", {"host": "old.example", "oldest": "1.2"})]


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Drop: 1\r\n", "did not answer in time"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx", "had not sent its whole answer after 5 s"),
    ],
    ids=["head", "body"],
)
def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch, sent: bytes, sentence: str) -> None:
    """Of an answer of which a little comes before every time-out, no more is read once its deadline is over."""
    start = time.monotonic()
    clock = iter((start, start + 10))
    monkeypatch.setattr(bounded, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    more = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            there, _ = listening.accept()
            with there:
                there.sendall(sent)
                more.wait(10)  # the rest never comes: reading on would end in the time-out of the next byte

        dripping = threading.Thread(target=drip)
        dripping.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with (
            Client(url, deadline_seconds=5.0, timeout_seconds=60, policy=ONCE) as client,
            pytest.raises(NetworkError, match=sentence),
        ):
            client.get("a")
        more.set()
        dripping.join()


def test_certificates_are_never_unchecked() -> None:
    """A context that we make verifies names and certificates (G25)."""
    from connector_pipelines.external.reach import Adapter

    context = Adapter("1.3")._context()
    assert (context.verify_mode, context.minimum_version) == (ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_3)
