"""What a source may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.connectors.quickbooks.config import TOKEN_URL, QuickBooksConfig

AUTH = {"client_id": "env:A", "client_secret": "env:B", "refresh_token": "env:C"}


def config(**more: Any) -> QuickBooksConfig:
    """A source with as little as it needs."""
    return QuickBooksConfig.model_validate({"realm_id": "123", "auth": AUTH} | more)


def test_hosts_follow_the_environment() -> None:
    """A company is read at Intuit's host for its environment, a simulator where it says."""
    assert config().root == "https://quickbooks.api.intuit.com/v3/company/123"
    assert config(environment="sandbox").root == "https://sandbox-quickbooks.api.intuit.com/v3/company/123"
    assert config(base_url="http://127.0.0.1:1/").root == "http://127.0.0.1:1/v3/company/123"
    assert config().auth.token_url == TOKEN_URL


def test_a_realm_id_read_as_a_number_is_one() -> None:
    """A realm id that YAML took for a number is the same realm id."""
    assert config(realm_id=4620816365291234567).realm_id == "4620816365291234567"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"realm_id": "12a"}, "digits alone"),
        ({"realm_id": ""}, "digits alone"),
        ({"realm_id": "١٢"}, "digits alone"),
        ({"page_size": 1_001}, "less than or equal to 1000"),
        ({"page_size": 10}, "greater than or equal to 20"),
        ({"in_flight": 11}, "less than or equal to 10"),
        ({"item_types": []}, "at least 1 item"),
        ({"item_types": ["Widget"]}, "Inventory"),
        ({"entities": ["students"]}, "vendors"),
        ({"auth": AUTH | {"client_secret": "s3cr3t"}}, "never as its value"),
    ],
)
def test_mistakes_are_refused_when_they_are_made(wrong: dict[str, Any], says: str) -> None:
    """What cannot work is refused when a source is declared, in words that say what can."""
    with pytest.raises(ValidationError, match=says):
        config(**wrong)
