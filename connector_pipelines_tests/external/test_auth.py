from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1, sha256
from hmac import digest
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, quote, unquote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt as jose
from joserfc.jwk import import_key

from connector_pipelines.declarative.credentials import Session as DeclaredSession
from connector_pipelines.errors import AuthFailed, ConfigurationError, NetworkError, SecretMissing
from connector_pipelines.external.auth import ApiKey, Basic, Bearer, Custom, OAuth1
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.jwt import Jwt, Signer, service_account
from connector_pipelines.external.oauth import Granted, client_credentials, password
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.session import SessionLogin
from connector_pipelines.external.tokens import Endpoint

if TYPE_CHECKING:
    from connector_pipelines.external.messages import Response

pytestmark = pytest.mark.usefixtures("no_waiting")


def nobody(_: Request) -> Response:
    """A scheme that needs no token asks nobody."""
    raise AssertionError


def header(auth: Any, request: Request) -> str:
    """The Authorization header a scheme adds."""
    return str(auth.sign(request, nobody).header("Authorization"))


class Issuer:
    """Issues tokens T1, T2 … and takes those that are not revoked."""

    def __init__(self, answer: Any, life: float | None = 3600) -> None:
        self.answer, self.life, self.issued, self.revoked = answer, life, 0, set[str]()

    def __call__(self, asked: Any) -> Any:
        """A token, or a page for those who have one."""
        if asked.path == "/token":
            self.issued += 1
            told = {"access_token": f"T{self.issued}", "token_type": "bearer"}
            return self.answer(body=json.dumps(told | ({"expires_in": self.life} if self.life else {})).encode())
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        good = token == f"T{self.issued}" and token not in self.revoked
        return self.answer(body=token.encode()) if good else self.answer(401)


def credentials(url: str, *, send_as: Literal["basic", "body"] = "basic", **more: Any) -> Granted:
    """OAuth 2 for a stand-in."""
    endpoint = Endpoint(f"{url}/token", Secret.literal("me"), Secret.literal("p&ss"), send_as)
    return client_credentials(endpoint, ("a", "b"), **more)


@pytest.mark.parametrize("place", ["basic", "body"])
def test_client_credentials_request(stand: Any, answer: Any, place: Literal["basic", "body"]) -> None:
    """Id and secret travel as HTTP Basic or in the form, with grant type and scopes."""
    server = stand(Issuer(answer))
    with Client(server.url, credentials(server.url, send_as=place)) as client:
        assert client.get("users").body == b"T1"
    asked = server.asked[0]
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    basic = f"Basic {base64.b64encode(b'me:p&ss').decode()}"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert (form["grant_type"], form["scope"]) == ("client_credentials", "a b")
    assert asked.headers.get("Authorization") == (basic if place == "basic" else None)
    assert form.get("client_secret") == (None if place == "basic" else "p&ss")


def test_every_request_says_who_asks(stand: Any, answer: Any) -> None:
    """A system's operators find our name in each request, also in those for tokens, unless a source has its own."""
    server = stand(Issuer(answer))
    with Client(server.url, credentials(server.url)) as ours:
        ours.get("users")
    with Client(server.url, credentials(server.url), headers={"user-agent": "springfield"}) as theirs:
        theirs.get("users")
    told = [value for asked in server.asked for name, value in asked.headers.items() if name.lower() == "user-agent"]
    assert told == ["connector-pipelines", "connector-pipelines", "connector-pipelines", "springfield"]


def test_token_is_renewed_at_80_percent_of_its_life(stand: Any, answer: Any) -> None:
    """One token serves all requests until four fifths of its life, then the next one is fetched."""
    now = [0.0]
    server = stand(Issuer(answer, life=100))
    with Client(server.url, credentials(server.url, clock=lambda: now[0])) as client:
        seen = []
        for now[0] in (0.0, 79.0, 81.0):
            seen.append(client.get("users").body)
    assert seen == [b"T1", b"T1", b"T2"]


def test_token_that_dies_early_is_renewed_once(stand: Any, answer: Any) -> None:
    """A 401 between two requests is answered with one new token and the same request again."""
    issuer = Issuer(answer)
    server = stand(issuer)
    with Client(server.url, credentials(server.url)) as client:
        client.get("users")
        issuer.revoked.add("T1")
        assert client.get("users").body == b"T2"
        issuer.revoked.add("T2")
        issuer.revoked.add("T3")
        with pytest.raises(AuthFailed, match="after its credentials were renewed"):
            client.get("users")
    assert issuer.issued == 3


def test_threads_share_one_fetch(stand: Any, answer: Any) -> None:
    """Eight threads that need a token, first and after it died, cause one fetch each time."""
    issuer = Issuer(answer)
    server = stand(issuer)
    with Client(server.url, credentials(server.url)) as client, ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: client.get("users").body, range(16))) == {b"T1"}
        issuer.revoked.add("T1")
        assert set(pool.map(lambda _: client.get("users").body, range(16))) == {b"T2"}
    assert issuer.issued == 2


def test_token_without_life_serves_until_refused(stand: Any, answer: Any) -> None:
    """A token endpoint that does not say `expires_in` is not asked again before a 401."""
    server = stand(Issuer(answer, life=None))
    with Client(server.url, credentials(server.url)) as client:
        assert [client.get("users").body for _ in range(3)] == [b"T1"] * 3


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"error":"invalid_client"}', AuthFailed),
        (400, b'{"error":"invalid_scope"}', AuthFailed),
        (404, b"<html>not here</html>", AuthFailed),
        (200, b"<html>log in</html>", AuthFailed),
        (200, b'{"token":"x"}', AuthFailed),
        (503, b"", NetworkError),
    ],
)
def test_token_endpoint_that_fails(stand: Any, answer: Any, status: int, body: bytes, error: type[Exception]) -> None:
    """Wrong credentials, a wrong URL and an endpoint that is down are told apart, and no page is asked for."""
    server = stand(lambda _: answer(status, body))
    with Client(server.url, credentials(server.url)) as client, pytest.raises(error, match="/token") as caught:
        client.get("users")
    assert "p&ss" not in str(caught.value)
    assert {asked.path for asked in server.asked} == {"/token"}


def test_unset_secret_stops_before_anything_is_sent(stand: Any, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing secret is named, and the source is not asked."""
    monkeypatch.delenv("SIS_SECRET", raising=False)
    server = stand(lambda _: answer())
    with (
        Client(server.url, Bearer(Secret.env("SIS_SECRET"))) as client,
        pytest.raises(SecretMissing, match="SIS_SECRET"),
    ):
        client.get("users")
    assert server.asked == []


def test_oauth1_known_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """With fixed nonce and time the signature is that of the base string RFC 5849 prescribes, written out here."""
    monkeypatch.setattr("authlib.oauth1.rfc5849.client_auth.generate_nonce", lambda: "kllo9940pd9333jh")
    monkeypatch.setattr("authlib.oauth1.rfc5849.client_auth.generate_timestamp", lambda: "1191242096")
    auth = OAuth1(Secret.literal("dpf43f3p2l4k3l03"), Secret.literal("kd94hf93k423kf44"), "HMAC-SHA1")
    signed = header(
        auth, Request("https://photos.example.net/photos", (("file", "vacation.jpg"), ("size", "original")))
    )
    base = (
        "GET&https%3A%2F%2Fphotos.example.net%2Fphotos&file%3Dvacation.jpg%26oauth_consumer_key%3Ddpf43f3p2l4k3l03"
        "%26oauth_nonce%3Dkllo9940pd9333jh%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1191242096"
        "%26oauth_version%3D1.0%26size%3Doriginal"
    )
    expected = base64.b64encode(digest(b"kd94hf93k423kf44&", base.encode(), sha1)).decode()
    assert f'oauth_signature="{quote(expected, safe="")}"' in signed


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
def test_oauth1_signs_what_arrives(stand: Any, answer: Any, method: Literal["HMAC-SHA1", "HMAC-SHA256"]) -> None:
    """A filter with quotes, spaces and > is signed as it travels: a server that recomputes the signature agrees."""
    server = stand(lambda _: answer())
    with Client(server.url, OAuth1(Secret.literal("key"), Secret.literal("s%cret"), method)) as client:
        client.get("users", {"filter": "dateLastModified>='2026-01-01' AND role='a b+c~é'", "limit": "10"})
    path, _, query = server.asked[0].path.partition("?")
    assert "+" not in query
    told = dict(re.findall(r'(oauth_\w+)="([^"]*)"', server.asked[0].headers["Authorization"]))
    signature = unquote(told.pop("oauth_signature"))
    pairs = [(unquote(n), unquote(v)) for n, v in (pair.split("=") for pair in query.split("&"))]
    pairs += [(name, unquote(value)) for name, value in told.items()]
    normal = "&".join(f"{n}={v}" for n, v in sorted((quote(n, safe="~"), quote(v, safe="~")) for n, v in pairs))
    base = f"GET&{quote(server.url + path, safe='~')}&{quote(normal, safe='~')}"
    algorithm = sha1 if method == "HMAC-SHA1" else sha256
    assert signature == base64.b64encode(digest(b"s%25cret&", base.encode(), algorithm)).decode()
    assert told["oauth_signature_method"] == method


def test_small_schemes() -> None:
    """Bearer, Basic and API keys are put where they belong."""
    request = Request("https://x.example/a")
    key = Secret.literal("k1")
    assert header(Bearer(key), request) == "Bearer k1"
    assert header(Basic(Secret.literal("u"), key), request) == f"Basic {base64.b64encode(b'u:k1').decode()}"
    assert ApiKey(key).sign(request, nobody).header("X-API-Key") == "k1"
    assert ApiKey(key, "sid", "cookie").sign(request, nobody).header("Cookie") == "sid=k1"
    assert Custom(lambda asked: asked.with_headers({"X-Mine": "1"})).sign(request, nobody).header("X-Mine") == "1"
    assert ApiKey(key, "wstoken", "query").sign(request, nobody).full_url == "https://x.example/a?wstoken=k1"


def test_password_grant(stand: Any, answer: Any) -> None:
    """A person's name and password travel in the form, beside the client's own proof."""
    server = stand(Issuer(answer))
    endpoint = Endpoint(f"{server.url}/token", Secret.literal("me"), Secret.literal("s"))
    with Client(server.url, password(endpoint, Secret.literal("ada"), Secret.literal("p&ss"), ["a"])) as client:
        assert client.get("users").body == b"T1"
    form = parse_qs(server.asked[0].body.decode())
    assert form == {"grant_type": ["password"], "username": ["ada"], "password": ["p&ss"], "scope": ["a"]}


def test_service_account_exchanges_what_it_signed(stand: Any, answer: Any) -> None:
    """The assertion carries the claims, its times and the key's id, and whoever has the public key can check it."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = stand(Issuer(answer))
    signer = Signer(Secret.literal(pem.decode()), {"iss": "robot", "scope": "rosters"}, key_id="k7")
    with Client(server.url, service_account(f"{server.url}/token", signer, clock=lambda: 1_000.0)) as client:
        assert client.get("users").body == b"T1"
    form = parse_qs(server.asked[0].body.decode())
    token = jose.decode(form["assertion"][0], import_key(pem, "RSA"))
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert token.header == {"alg": "RS256", "typ": "JWT", "kid": "k7"}
    assert token.claims == {"iss": "robot", "scope": "rosters", "iat": 1_000, "exp": 4_600}


def test_signed_token_is_renewed_and_signed_anew_when_refused(stand: Any, answer: Any) -> None:
    """A token of our own serves for four fifths of its life; a source that refuses it gets one more."""
    now = [1_000.0]
    key = Secret.literal("k" * 32)
    server = stand(lambda asked: answer(body=asked.headers["Authorization"].encode()))
    with Client(server.url, Jwt(Signer(key, {}, "HS256", life_seconds=100), lambda: now[0])) as client:
        bodies = []
        for now[0] in (1_000.0, 1_079.0, 1_081.0):
            bodies.append(client.get("users").body)
    assert [bodies[0] == body for body in bodies] == [True, True, False]
    with pytest.raises(ConfigurationError, match="cannot sign with RS256"):
        Signer(key, {}).token(0)


@pytest.mark.parametrize("as_json", [True, False])
def test_session_is_logged_in_again_when_it_was_forgotten(stand: Any, answer: Any, as_json: bool) -> None:  # noqa: FBT001 -- both ways
    """One log-in serves all requests; a session that ends between two pages is replaced, and the page read again."""
    sessions: list[str] = []
    ended = set[str]()

    def handle(asked: Any) -> Any:
        if asked.path == "/auth":
            sessions.append(f"S{len(sessions)}")
            return answer(headers={"Set-Cookie": f"JSESSIONID={sessions[-1]}; Path=/; HttpOnly"})
        session = asked.headers.get("Cookie", "").removeprefix("JSESSIONID=")
        return answer(200 if session in sessions and session not in ended else 401)

    server = stand(handle)
    auth = SessionLogin(
        f"{server.url}/auth",
        Secret.literal("ada"),
        Secret.literal("pw"),
        "JSESSIONID",
        as_json=as_json,
        adorn=lambda request, session: request.with_headers({"X-Secret": session}),
    )
    with Client(server.url, auth) as client:
        client.get("a")
        ended.add("S0")
        assert client.get("b").status == 200
    paths = [asked.path for asked in server.asked]
    assert paths == ["/auth", "/a", "/b", "/auth", "/b"]
    assert server.asked[0].body == (
        b'{"username": "ada", "password": "pw"}' if as_json else b"username=ada&password=pw"
    )
    assert server.asked[-1].headers["X-Secret"] == "S1"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_declared_session_says_how_its_log_in_is_asked(stand: Any, answer: Any, *, as_json: bool) -> None:
    """Names of the fields, their form, where the session is in the answer and its header are as declared (F63)."""
    server = stand(lambda _: answer(body=b'{"in": {"key": "S9"}}'))
    declared = {"login_url": f"{server.url}/in", "user": "env:A_USER", "password": "env:A_PASSWORD", "as_json": as_json}
    own = {"user_field": "who", "password_field": "word", "token": "in.key", "cookie": "SID", "header": "X-Session"}
    scheme = DeclaredSession.model_validate({"type": "session", **declared, **own}).scheme()
    with Client(server.url, scheme) as client, pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_USER", "ada")
        patch.setenv("A_PASSWORD", "pw")
        client.get("a")
    assert server.asked[0].body == (b'{"who": "ada", "word": "pw"}' if as_json else b"who=ada&word=pw")
    assert [server.asked[1].headers[name] for name in ("Cookie", "X-Session")] == ["SID=S9", "S9"]


@pytest.mark.parametrize(("status", "cookie"), [(401, "JSESSIONID=x"), (200, "other=x"), (200, "\x01=;")])
def test_log_in_that_fails_is_said(stand: Any, answer: Any, status: int, cookie: str) -> None:
    """Wrong credentials, and an answer that sets no session, end in an error that names what to check."""
    server = stand(lambda _: answer(status, headers={"Set-Cookie": cookie}))
    auth = SessionLogin(f"{server.url}/auth", Secret.env("A_USER"), Secret.literal("pw"), "JSESSIONID")
    with Client(server.url, auth) as client, pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_USER", "ada")
        with pytest.raises(AuthFailed, match=r"gave no session.*env:A_USER"):
            client.get("a")
