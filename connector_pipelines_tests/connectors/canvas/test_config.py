"""What a source may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.connectors.canvas.config import CanvasConfig

GOOD = {"base_url": "https://school.example", "auth": {"type": "bearer", "token": "env:T"}}
KEY = {"type": "oauth2", "client_id": "env:I", "client_secret": "env:S", "refresh_token": "env:R"}


@pytest.mark.parametrize("url", ["https://school.example", "https://school.example/", "https://school.example/api/v1/"])
def test_the_address_may_be_written_in_any_way(url: str) -> None:
    """With or without the API's own path, the same addresses are asked."""
    config = CanvasConfig.model_validate(GOOD | {"base_url": url, "auth": KEY})
    assert (config.root, config.token_url) == (
        "https://school.example/api/v1",
        "https://school.example/login/oauth2/token",
    )


@pytest.mark.parametrize("account", ["self", "17", "4021~17", "sis_account_id:SCH-001"])
def test_an_account_has_a_number_or_a_name(account: str) -> None:
    """An account is self, a number, one of another shard, or has a SIS id."""
    assert CanvasConfig.model_validate(GOOD | {"account": account}).account == account


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"account": "../users"}, "pattern"),
        ({"time_zone": "Mountain Time"}, "is no time zone"),
        ({"page_size": 101}, "less than or equal to 100"),
        ({"in_flight": 9}, "less than or equal to 8"),
        ({"auth": {"type": "oauth2", "client_id": "env:I"}}, "client_secret"),
        ({"entities": ["engagement"]}, "entities"),
    ],
)
def test_mistakes_are_refused(bad: dict[str, Any], says: str) -> None:
    """Each mistake is refused with a sentence that names it."""
    with pytest.raises(ValidationError, match=says):
        CanvasConfig.model_validate(GOOD | bad)


def test_few_requests_are_under_way() -> None:
    """All processes together keep to the number of requests that Canvas' bucket bears."""
    (budget,) = CanvasConfig.model_validate(GOOD).limits().budgets
    assert (budget.at_once, budget.rates) == (8, ())
