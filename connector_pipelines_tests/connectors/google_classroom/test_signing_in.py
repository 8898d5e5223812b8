"""Who we are, what we may see, and how often we may ask."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import import_key
from pydantic import ValidationError

from connector_pipelines.connectors.google_classroom import CONNECTOR
from connector_pipelines.connectors.google_classroom.config import SCOPES, OAuth2
from connector_pipelines.errors import AuthFailed, RateLimited
from connector_pipelines.external.limits import MINUTE, Rate

if TYPE_CHECKING:
    from collections.abc import Iterator

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Memory:
    """Keeps a token for one test."""

    held: dict[str, Any] | None = None

    @contextmanager
    def alone(self) -> Iterator[Memory]:
        """The slot."""
        yield self

    def read(self) -> dict[str, Any] | None:
        """What is kept."""
        return self.held

    def write(self, held: dict[str, Any]) -> None:
        """Keep it."""
        self.held = held


def test_a_service_account_asks_once_for_a_token(domain: Any) -> None:
    """One signed assertion opens all rosters."""
    assert domain.ids("enrollments")
    assert len(domain.asked("token")) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"iss": "stranger@project.iam.gserviceaccount.com"}, "account not found"),
        ({"sub": "pupil@school.example"}, "Invalid email or User ID"),
        ({"aud": "https://token.example"}, "audience check"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "unauthorized_client"),
        ({"scope": ""}, "unauthorized_client"),
        ({"exp": 7_200}, "short-lived"),
        ({"iat": -7_200, "exp": -3_600}, "short-lived"),
        ({"key": "another"}, "Signature"),
    ],
)
def test_only_a_right_assertion_is_taken(domain: Any, changed: dict[str, Any], said: str) -> None:
    """The simulator takes an assertion by the right account, for an administrator, addressed to it, for an hour."""
    simulator, now = domain.simulator, int(time.time())
    usual = {"iss": simulator.client_email, "sub": simulator.subject, "aud": simulator.token_url}
    claims = usual | {"scope": " ".join(SCOPES), "iat": 0, "exp": 3_600} | changed
    claims = claims | {"iat": now + claims["iat"], "exp": now + claims["exp"]}
    key = import_key(simulator.private_key.encode(), "RSA")
    if claims.pop("key", None):
        from joserfc.jwk import RSAKey

        key = RSAKey.generate_key(2_048)
    assertion = jwt.encode({"alg": "RS256"}, claims, key)
    answer = requests.post(simulator.token_url, {"grant_type": GRANT, "assertion": assertion}, timeout=10)
    assert answer.status_code in {400, 401}
    assert said in answer.text


def test_a_refused_sign_in_names_what_to_look_at(domain: Any) -> None:
    """A token endpoint that says invalid_grant stops the read, with its words and the secret's name."""
    domain.simulator.set_faults(["invalid-grant"])
    with pytest.raises(AuthFailed, match=r"invalid_grant.*Check env:CLASSROOM_KEY"):
        domain.pages("courses")


def test_a_refresh_token_signs_in(domain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's refresh token reads the same, one access token for all requests."""
    monkeypatch.setattr(OAuth2, "keep", Memory())
    secrets = {"client_id": "env:CLASSROOM_ID", "client_secret": "env:CLASSROOM_SECRET"}
    more = {"refresh_token": "env:CLASSROOM_TOKEN", "token_url": domain.simulator.token_url}
    auth = {"type": "oauth2"} | secrets | more
    assert domain.ids("students", auth=auth) == domain.ids("students")
    assert len(domain.asked("token")) == 2


def test_a_token_that_ends_between_pages_is_renewed(domain: Any) -> None:
    """A token that ends after three calls is fetched anew, and nobody is missing."""
    whole = domain.ids("enrollments", page_size=3)
    domain.simulator.set_faults(["token-expiry=3"])
    assert domain.ids("enrollments", page_size=3) == whole


def test_a_401_is_answered_with_one_new_token(domain: Any) -> None:
    """Whoever keeps being refused is refused after a single new token."""
    domain.simulator.set_faults(["401"])
    with pytest.raises(AuthFailed, match=r"401 \(UNAUTHENTICATED: .*after its credentials were renewed"):
        domain.pages("courses")
    assert len(domain.asked("token")) == 2
    assert len(domain.asked("courses")) == 2


def test_without_the_scope_there_are_no_addresses(domain: Any) -> None:
    """People come without e-mail addresses where their scope is not asked for, and are accepted."""
    found = domain.read("students", scopes=SCOPES[:2])
    assert found.frame["email"].isna().all()
    assert found.rejections == []
    assert domain.read("students").frame["email"].notna().all()


def test_a_missing_scope_stops_the_read_in_googles_words(domain: Any) -> None:
    """Courses without rosters are no rosters without people."""
    with pytest.raises(AuthFailed, match="insufficient authentication scopes"):
        domain.pages("enrollments", scopes=SCOPES[:1])


@pytest.mark.parametrize("fault", ["429", "403-limit=rateLimitExceeded", "403-limit=userRateLimitExceeded", "quota=3"])
def test_limits_are_waited_for(domain: Any, fault: str) -> None:
    """What means a limit is tried again three times, as long as told, and then ends as a limit."""
    domain.simulator.set_faults([fault])
    with pytest.raises(RateLimited):
        domain.pages("enrollments")
    domain.simulator.set_faults([f"{fault}@1"] if "quota" not in fault else [])
    assert domain.ids("enrollments")


def test_the_limits_are_googles(domain: Any) -> None:
    """A project's sources share 3,000 requests a minute, each person's 1,200; nobody's address is kept with them."""
    one, other = (
        domain.config(auth=domain.auth(subject=name)).vendor_limits() for name in ("a@x.example", "b@x.example")
    )
    assert one.scope == other.scope == "project simulated-project"
    assert [budget.rates for budget in one.budgets] == [(Rate(3_000, MINUTE),), (Rate(1_200, MINUTE),)]
    assert one.budgets[0] == other.budgets[0]
    assert one.budgets[1].name != other.budgets[1].name
    assert "@" not in str(one)


def test_a_source_says_how_it_signs_in(domain: Any) -> None:
    """A declaration without a way to sign in, or with a key as plain text, is refused where it stands."""
    for wrong in ({"auth": domain.auth(private_key="-----BEGIN")}, {"auth": {"type": "password"}}, {"auth": None}):
        with pytest.raises(ValidationError, match="auth"):
            domain.config(**wrong)


def test_the_connection_test_tells_of_an_empty_domain(domain: Any) -> None:
    """A connection that works and shows nothing says so."""
    domain.simulator.set_faults(["empty"])
    with CONNECTOR.open(domain.config()) as client:
        assert CONNECTOR.check(client).detail == "Google Classroom answers, but shows no course."
