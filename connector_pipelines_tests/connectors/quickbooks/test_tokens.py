"""Refresh tokens that QuickBooks replaces, as the connector uses them; how they are kept is tested where it is done."""

from __future__ import annotations

from typing import Any

import pytest

from connector_pipelines.errors import AuthFailed, NetworkError


def refreshes(company: Any) -> int:
    """How often a token was asked for."""
    return len(company.asked("token"))


def test_what_is_given_is_kept(company: Any, keep: Any) -> None:
    """The refresh token that came last is the one that is kept, and another process uses its access token."""
    company.simulator.set_faults(["rotate"])
    for _ in range(3):
        assert len(company.ids("vendors")) == 40
    assert keep.kept == [company.simulator.refresh_token]
    assert refreshes(company) == 1


def test_a_token_that_ends_between_two_pages(company: Any, keep: Any) -> None:
    """Access tokens that end after every third call are renewed on the way, each time with the newest refresh token."""
    company.simulator.set_faults(["rotate", "token-expiry=3"])
    assert len(company.ids("purchase_orders", page_size=20, in_flight=1)) == 90
    assert refreshes(company) == len(keep.kept) == len(set(keep.kept)) > 2


def test_many_pages_in_flight_renew_once(company: Any) -> None:
    """When the token of eight pages in flight ends, it is renewed once for all of them."""
    company.ids("purchase_orders")
    company.simulator.set_faults(["rotate"])
    company.simulator.expire_tokens()
    before = refreshes(company)
    assert len(company.ids("purchase_orders", page_size=20, in_flight=8)) == 90
    assert refreshes(company) == before + 1


def test_a_refused_refresh_token_calls_a_person(company: Any) -> None:
    """invalid_grant is told once, with the reference of the token to renew and without any token."""
    company.simulator.sign_in_again()
    with pytest.raises(AuthFailed, match="invalid_grant") as caught:
        company.pages("vendors")
    assert "env:QB_TOKEN" in str(caught.value)
    assert "simulated-refresh-token" not in str(caught.value)
    assert refreshes(company) == 1


def test_signing_in_again_takes_precedence(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new token in the environment counts at once, whatever is kept."""
    company.simulator.set_faults(["rotate"])
    company.pages("vendors")
    monkeypatch.setenv("QB_TOKEN", company.simulator.sign_in_again())
    assert len(company.ids("vendors")) == 40


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [("401:token", AuthFailed, "env:QB_ID and env:QB_SECRET"), ("500:token", NetworkError, "500")],
)
def test_a_token_endpoint_that_fails(company: Any, keep: Any, fault: str, error: type[Exception], says: str) -> None:
    """What the token endpoint says is told, with the secrets to check; nothing is kept."""
    company.simulator.set_faults([fault])
    with pytest.raises(error, match=says):
        company.pages("vendors")
    assert keep.held is None
