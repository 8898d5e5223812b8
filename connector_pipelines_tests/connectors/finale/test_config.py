from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.connectors.finale.config import FinaleConfig

GOOD: dict[str, Any] = {"account": "acme", "auth": {"type": "api_key", "key": "env:KEY", "secret": "env:SECRET"}}
REPORT = {"url": "https://app.finaleinventory.com/acme/doc/report/pivotTable/1/Report.csv", "quantity_on_hand": "QoH"}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"account": "https://app.finaleinventory.com/acme"}, "account"),
    ({"account": ""}, "account"),
    ({"auth": {"type": "api_key", "key": "plain-text", "secret": "env:SECRET"}}, "env.NAME"),
    ({"auth": {"type": "oauth2"}}, "api_key"),
    ({"base_url": "http://app.finaleinventory.com"}, "https://"),
    ({"base_url": "https://app.finaleinventory.com/acme/api"}, "account has a field of its own"),
    ({"report": REPORT | {"url": "https://elsewhere.example/r.csv"}}, "our credentials are sent there"),
    ({"report": REPORT | {"quantity_on_hand": None}}, "at least one quantity"),
    ({"report": REPORT, "stock": "none"}, "remove one of them"),
    ({"stock": "report"}, "inventoryitem"),
    ({"full_read_since": {"products": "2015-01-01"}}, "inventory_items"),
    ({"full_read_since": {"vendors": "long ago"}}, "date"),
    ({"collection_cap": 0}, "greater than or equal to 1"),
    ({"pagesize": 5}, "pagesize"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG, ids=[says for _, says in WRONG])
def test_mistakes_are_named_when_a_source_is_declared(changes: dict[str, Any], says: str) -> None:
    """A configuration that cannot work is refused at once, in words that say where and why."""
    with pytest.raises(ValidationError, match=says):
        FinaleConfig.model_validate(GOOD | changes)


def test_the_address_is_made_of_host_and_account() -> None:
    """Collections lie below the account's api."""
    assert FinaleConfig.model_validate(GOOD).root == "https://app.finaleinventory.com/acme/api"


@pytest.mark.parametrize(
    ("changes", "source"), [({}, "inventoryitem"), ({"report": REPORT}, "report"), ({"stock": "none"}, None)]
)
def test_quantities_have_one_source(changes: dict[str, Any], source: str | None) -> None:
    """A report stands for inventoryitem, and none is none."""
    assert FinaleConfig.model_validate(GOOD | changes).quantities == source


def test_items_with_stock_are_not_filtered_by_time(streams: Any) -> None:
    """Stock moves without its product, so that only items without stock are read by what changed."""
    with_stock, without = (FinaleConfig.model_validate(GOOD | {"stock": s}) for s in ("inventoryitem", "none"))
    assert not streams(with_stock, "inventory_items").filters_by_time
    assert streams(without, "inventory_items").filters_by_time
    assert streams(with_stock, "vendors").filters_by_time


def test_entities_can_be_chosen() -> None:
    """A source may feed less than it could."""
    config = FinaleConfig.model_validate(GOOD | {"entities": ["vendors"]})
    assert config.provides("vendors")
    assert not config.provides("inventory_items")
