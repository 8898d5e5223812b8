"""Tokens, scopes and signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth1Auth
from authlib.oauth1 import ClientAuth
from authlib.oauth1.rfc5849.signature import generate_signature_base_string

from connector_pipelines.connectors.oneroster.simulator import Simulator, oauth1

if TYPE_CHECKING:
    from collections.abc import Callable

SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
NOW = 1_700_000_000


def test_a_token_is_issued_for_basic_credentials_and_for_those_in_the_body(simulator: Simulator) -> None:
    """Both forms of client authentication are answered with a bearer token, its end and its scopes."""
    form = {"grant_type": "client_credentials", "scope": f"{SCOPE}roster.readonly"}
    identity = {"client_id": simulator.client_id, "client_secret": simulator.client_secret}
    credentials = simulator.client_id, simulator.client_secret
    basic = requests.post(simulator.token_url, data=form, auth=credentials, timeout=20)
    body = requests.post(simulator.token_url, data=form | identity, timeout=20)
    for response in (basic, body):
        answer = response.json()
        assert (response.status_code, answer["token_type"], answer["expires_in"]) == (200, "bearer", 3600)
        assert answer["scope"] == f"{SCOPE}roster.readonly"


@pytest.mark.parametrize(
    ("form", "secret", "status", "error"),
    [
        ({"grant_type": "client_credentials"}, "wrong", 401, "invalid_client"),
        ({"grant_type": "password"}, None, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "everything"}, None, 400, "invalid_scope"),
    ],
)
def test_bad_token_requests_are_refused(
    simulator: Simulator, form: dict[str, str], secret: str | None, status: int, error: str
) -> None:
    """Wrong credentials, grants and scopes are refused in the words of RFC 6749."""
    identity = simulator.client_id, secret or simulator.client_secret
    response = requests.post(simulator.token_url, data=form, auth=identity, timeout=20)
    assert (response.status_code, response.json()) == (status, {"error": error})


def test_without_a_token_nothing_is_read(simulator: Simulator, api_of: Callable[..., Any]) -> None:
    """A request without credentials is answered with 401 and a challenge."""
    response = api_of(simulator, sign_in=False).get("users")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("roster.readonly", "users", 200),
        ("roster.readonly", "classes/cls-0000000/students", 200),
        ("roster.readonly", "demographics", 403),
        ("roster-demographics.readonly", "demographics", 200),
        ("roster-demographics.readonly", "users", 403),
        ("roster-core.readonly", "users", 200),
        ("roster-core.readonly", "users/usr-0000000", 200),
        ("roster-core.readonly", "classes/cls-0000000/students", 403),
        ("gradebook.readonly", "users", 403),
    ],
)
def test_scopes_open_what_they_name(
    simulator: Simulator, api_of: Callable[..., Any], scope: str, path: str, status: int
) -> None:
    """Demographics need their own scope, nested collections the full one (contract 1.1)."""
    api = api_of(simulator, sign_in=False)
    api.sign_in(f"{SCOPE}{scope}")
    assert api.get(path).status_code == status


def test_writing_needs_a_scope_of_its_own(simulator: Simulator, api_of: Callable[..., Any]) -> None:
    """A token that reads the gradebook neither puts, posts nor deletes."""
    api = api_of(simulator, sign_in=False)
    api.sign_in(f"{SCOPE}gradebook.readonly")
    assert api.send("PUT", "categories/c", {"category": {"title": "x"}}).status_code == 403
    assert api.send("POST", "classes/cls-0000000/lineItems", {"lineItems": []}).status_code == 403
    assert api.send("DELETE", "categories/cat-0000000", None).status_code == 403
    assert simulator.ledger == []


def test_tokens_end_with_their_time(api_of: Callable[..., Any]) -> None:
    """A token whose seconds have run out is answered with 401."""
    with Simulator(scenario="small", token_seconds=0) as simulator:
        assert api_of(simulator).get("users").status_code == 401


def test_tokens_end_after_so_many_calls(simulator: Simulator, api_of: Callable[..., Any]) -> None:
    """With `token-expiry=2` the third call is refused, and a new token works again (F42)."""
    simulator.set_faults(["token-expiry=2"])
    api = api_of(simulator)
    assert [api.get("orgs").status_code for _ in range(3)] == [200, 200, 401]
    api.sign_in()
    assert api.get("orgs").status_code == 200


def test_all_tokens_can_be_ended(simulator: Simulator, api: Any) -> None:
    """`expire_tokens` ends what was issued, as when a provider rotates its keys."""
    simulator.expire_tokens()
    assert api.get("orgs").status_code == 401


def test_the_base_string_of_the_specification() -> None:
    """The base string of RFC 5849 section 3.4.1.1 is made as written there: sorted, encoded twice, space as %20."""
    parameters = [
        ("b5", "=%3D"),
        ("a3", "a"),
        ("c@", ""),
        ("a2", "r b"),
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
        ("c2", ""),
        ("a3", "2 q"),
    ]
    assert oauth1.base_string("post", "http://example.com/request", parameters) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D"
        "%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1"
        "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def sha256_signature(client: Any, request: Any) -> str:
    """The signature method that Authlib does not bring along, over the base string it makes."""
    text = generate_signature_base_string(request)
    digest = hmac.new(f"{client.client_secret}&".encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
def test_a_signature_of_another_library_is_accepted(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """1.1 accepts what Authlib signs, with a filter full of quotes, spaces and comparison signs."""
    monkeypatch.setitem(ClientAuth.SIGNATURE_METHODS, "HMAC-SHA256", sha256_signature)
    signed = OAuth1Auth(simulator.client_id, simulator.client_secret, signature_method=method)
    query = "filter=familyName%3E%3D%27O%27Neil%20x%27%20AND%20status%3D%27active%27&limit=3&fields=sourcedId"
    with requests.Session() as session:
        response = session.get(f"{simulator.v1p1_url}/users?{query}", auth=signed, timeout=20)
        assert response.status_code == 200, response.text
        assert session.get(f"{simulator.rostering_url}/users", auth=signed, timeout=20).status_code == 401


def header(simulator: Simulator, url: str, **changes: str) -> str:
    """A signed Authorization header; `changes` replace parameters after signing."""
    given = {
        "oauth_consumer_key": simulator.client_id,
        "oauth_nonce": "n1",
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(NOW),
        "oauth_version": "1.0",
    }
    text = oauth1.base_string("GET", url, list(given.items()))
    given |= {"oauth_signature": oauth1.sign(text, simulator.client_secret, "HMAC-SHA256")} | changes
    return "OAuth " + ",".join(f'{name}="{oauth1.encode(value)}"' for name, value in given.items())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"oauth_signature": "bad"}, "The signature does not match"),
        ({"oauth_nonce": "other"}, "The signature does not match"),
        ({"oauth_consumer_key": "who"}, "Unknown oauth_consumer_key"),
        ({"oauth_signature_method": "PLAINTEXT"}, "Unsupported oauth_signature_method 'PLAINTEXT'"),
        ({"oauth_timestamp": "1"}, "oauth_timestamp is too far from the server's clock"),
        ({"oauth_timestamp": "soon"}, "oauth_timestamp is missing"),
    ],
)
def test_signatures_are_verified(simulator: Simulator, changes: dict[str, str], problem: str | None) -> None:
    """Whatever is changed after signing, and whatever is unknown or too old, is refused with the reason."""
    url = "http://sis.example/ims/oneroster/v1p1/users"
    verifier = oauth1.Verifier(simulator.client_id, simulator.client_secret)
    assert verifier.problem("GET", url, "", header(simulator, url, **changes), NOW) == problem


def test_a_signature_cannot_be_replayed(simulator: Simulator) -> None:
    """The same nonce and timestamp are accepted once."""
    url = "http://sis.example/ims/oneroster/v1p1/users"
    verifier = oauth1.Verifier(simulator.client_id, simulator.client_secret)
    signed = header(simulator, url)
    assert verifier.problem("GET", url, "", signed, NOW) is None
    assert verifier.problem("GET", url, "", signed, NOW) == "The nonce was used before"
