from __future__ import annotations

import gzip
import socket
from io import BytesIO
from typing import Any

import pytest

from connector_pipelines.errors import AuthFailed, BrokenPage, ConfigurationError, NetworkError, RefusedBySource
from connector_pipelines.external.auth import Bearer
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.retry import Policy
from connector_pipelines.external.secrets import Secret

pytestmark = pytest.mark.usefixtures("no_waiting")

TOKEN = "t0p-s3cret"
ONCE = Policy(max_retries=0)


def bearer() -> Bearer:
    """Credentials that must not travel."""
    return Bearer(Secret.literal(TOKEN))


def test_request_is_what_was_meant(stand: Any, answer: Any) -> None:
    """Base URL, percent-encoded query, headers and credentials arrive; the answer comes back whole."""
    server = stand(lambda _: answer(body=b'{"a": 1}', headers={"X-Total-Count": "7"}))
    with Client(server.url + "/ims/", bearer(), headers={"X-Extra": "1"}) as client:
        response = client.get("users", {"filter": "name='O Neil'", "limit": "5"})
    asked = server.asked[0]
    assert asked.path == "/ims/users?filter=name%3D%27O%20Neil%27&limit=5"
    assert (asked.headers["X-Extra"], asked.headers["Accept"]) == ("1", "application/json")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert (response.status, response.body, response.headers["x-total-count"]) == (200, b'{"a": 1}', "7")


@pytest.mark.parametrize("url", ["http://sis.example", "ftp://sis.example", "sis.example", "https://", "http://[", ""])
def test_unusable_base_urls_are_refused(url: str) -> None:
    """Plain http to another machine, and what is no http URL, is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"unencrypted|no http\(s\) URL"):
        Client(url)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_credentials_do_not_follow_to_another_host(stand: Any, answer: Any, status: int) -> None:
    """A redirect to another host is an error that names it, and the other host never hears from us."""
    other = stand(lambda _: answer())
    server = stand(lambda _: answer(status, headers={"Location": f"{other.url}/users"}))
    with Client(server.url, bearer(), policy=ONCE) as client, pytest.raises(ConfigurationError, match="redirects to"):
        client.get("users")
    assert other.asked == []


def test_credentials_do_not_fall_back_to_http(stand: Any, answer: Any) -> None:
    """A redirect to the same name on another port or scheme is another place, too."""
    server = stand(lambda _: answer(302, headers={"Location": "https://127.0.0.1:1/users"}))
    with Client(server.url, bearer(), policy=ONCE) as client, pytest.raises(NetworkError):
        client.get("users")  # http to https of one host is an upgrade: followed, and nobody is there
    down = stand(lambda _: answer(302, headers={"Location": "ftp://127.0.0.1/users"}))
    with Client(down.url, bearer(), policy=ONCE) as client, pytest.raises(ConfigurationError):
        client.get("users")


def test_redirect_within_the_host_is_followed_and_signed(stand: Any, answer: Any) -> None:
    """A trailing-slash redirect is followed with query and credentials."""
    server = stand(
        lambda asked: (
            answer()
            if asked.path.startswith("/users/")
            else answer(301, headers={"Location": asked.path.replace("/users", "/users/")})
        )
    )
    with Client(server.url, bearer()) as client:
        assert client.get("users", {"limit": "5"}).status == 200
    assert server.asked[1].path == "/users/?limit=5"
    assert server.asked[1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_redirects_without_end_are_an_error(stand: Any, answer: Any) -> None:
    """A server that redirects in a circle is a wrong URL, not an endless read."""
    server = stand(lambda _: answer(302, headers={"Location": "/again"}))
    with Client(server.url) as client, pytest.raises(ConfigurationError, match="redirects without end"):
        client.get("users")


def test_body_is_limited_after_decompression(stand: Any, answer: Any) -> None:
    """A small compressed body that grows beyond the limit is refused while it is read."""
    bomb = gzip.compress(b"x" * 5_000_000)
    server = stand(lambda _: answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    with (
        Client(server.url, max_bytes=1_000_000) as client,
        pytest.raises(BrokenPage, match="over 1,000,000 bytes"),
    ):
        client.get("users")
    with Client(server.url) as client:
        assert len(client.get("users").body) == 5_000_000


def test_broken_off_answer_is_repeated(stand: Any, answer: Any) -> None:
    """An answer that ends before its promised length is no page; it is asked for again."""
    answers = iter([answer(body=b'{"users": [', promised=500), answer(body=b'{"users": []}')])
    server = stand(lambda _: next(answers))
    with Client(server.url) as client:
        assert client.get("users").body == b'{"users": []}'


def test_a_large_answer_goes_into_a_file(stand: Any, answer: Any) -> None:
    """A request may name a file: the last try's body stands there alone, over what was there before."""
    calls = iter((answer(503, body=b"busy, and longer"), answer(body=b"x" * 50, promised=99), answer(body=b"the body")))
    server = stand(lambda _: next(calls))
    file = BytesIO(b"left from before, and longer than all")
    with Client(server.url, policy=Policy(max_retries=2)) as client:
        response = client.send(Request("users", into=file))
    assert (response.body, file.getvalue()) == (b"", b"the body")


def test_time_out_is_a_network_error() -> None:
    """A source that never answers is given up after the time-out, with endpoint and attempts in the message."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Client(url, timeout_seconds=0.05, policy=Policy(max_retries=1))
        with client, pytest.raises(NetworkError, match=r"GET .*/users did not answer in time; tried 2 times"):
            client.get("users")


def test_nobody_there_is_a_network_error() -> None:
    """A refused connection is retried and then named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with Client(url) as client, pytest.raises(NetworkError, match="refused the connection; tried 4 times"):
        client.get("users")


def test_unknown_host_is_a_network_error() -> None:
    """A host name that does not resolve is said to be that."""
    with Client("https://sis.invalid", policy=ONCE) as client, pytest.raises(NetworkError, match="does not resolve"):
        client.get("users")


def test_secrets_stay_out_of_errors(stand: Any, answer: Any) -> None:
    """Neither the token in a header nor one in the query is in an error."""
    server = stand(lambda _: answer(400))
    with Client(server.url, bearer()) as client, pytest.raises(RefusedBySource) as caught:
        client.send(Request("rest", (("wstoken", "w0rd"), ("function", "f"))))
    assert TOKEN not in str(caught.value)
    assert "w0rd" not in str(caught.value)
    assert "function=f" in str(caught.value) or "rest" in str(caught.value)


def test_netrc_is_not_read(stand: Any, answer: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that happen to lie in a .netrc are not sent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = stand(lambda _: answer())
    with Client(server.url) as client:
        client.get("users")
    assert "Authorization" not in server.asked[0].headers


def test_untrusted_certificate_is_not_accepted(tls_stand: str) -> None:
    """A self-signed certificate is an error that retries do not mend (G25)."""
    with Client(tls_stand) as client, pytest.raises(AuthFailed, match="certificate that is not to be trusted"):
        client.get("users")
