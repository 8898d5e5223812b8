"""Clients that others published read the simulator as they read QuickBooks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from intuitlib.client import AuthClient
from intuitlib.exceptions import AuthClientError
from quickbooks import QuickBooks
from quickbooks.cdc import change_data_capture
from quickbooks.exceptions import AuthorizationException, ObjectNotFoundException, QuickbooksException
from quickbooks.objects.item import Item
from quickbooks.objects.purchaseorder import PurchaseOrder
from quickbooks.objects.vendor import Vendor

from connector_pipelines.connectors.quickbooks.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(UTC)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A company whose first version is of two days ago."""
    with Simulator(scenario="small", seed=7, start=NOW - timedelta(days=2)) as running:
        yield running


@pytest.fixture
def auth(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Intuit's own client for sign-in."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # plain http, to this machine
    with AuthClient(
        simulator.client_id, simulator.client_secret, "http://127.0.0.1/", simulator.discovery_url
    ) as client:
        yield client


@pytest.fixture
def quickbooks(simulator: Simulator, auth: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The usual client, signed in with Intuit's."""
    monkeypatch.setattr(QuickBooks, "api_url_v3", f"{simulator.url}/v3")
    client = QuickBooks(
        auth_client=auth,
        refresh_token=simulator.refresh_token,
        company_id=simulator.realm_id,
        minorversion=75,
        use_decimal=True,
    )
    yield client
    client.session.close()


def test_sign_in(simulator: Simulator, auth: Any) -> None:
    """Intuit's client exchanges a code, refreshes with the rotated token, and is refused with the old one."""
    simulator.set_faults(["rotate"])
    auth.get_bearer_token("simulated-code", realm_id=simulator.realm_id)
    first = auth.refresh_token
    auth.include_refresh_token_hard_expires_in = True
    auth.refresh()
    assert auth.refresh_token == simulator.refresh_token != first
    assert (auth.expires_in, auth.x_refresh_token_expires_in) == (3_600, 8_726_400)
    with pytest.raises(AuthClientError, match="invalid_grant"):
        auth.refresh(refresh_token=first)


def test_revoking(simulator: Simulator, auth: Any) -> None:
    """After Intuit's client revoked its token, nothing opens the company."""
    auth.refresh(refresh_token=simulator.refresh_token)
    token = auth.refresh_token
    assert auth.revoke(token=token)
    with pytest.raises(AuthClientError, match="invalid_grant"):
        auth.refresh(refresh_token=token)


def test_lists(simulator: Simulator, quickbooks: Any) -> None:
    """The usual client pages through items, filters, counts, and reads one, with numbers as they are."""
    everything = Item.where("Active IN (true, false)", order_by="Id", max_results=1000, qb=quickbooks)
    truth = {record["Id"]: record for record in simulator.expected("Item")}
    assert [item.Id for item in everything] == list(truth)
    assert [item.Id for item in Item.all(max_results=1000, qb=quickbooks)] == [
        key for key, record in truth.items() if record["Active"]
    ]
    second = Item.where("Active IN (true, false)", start_position=51, max_results=50, qb=quickbooks)
    assert [item.Id for item in second] == list(truth)[50:100]
    assert Item.count("Type = 'Service'", qb=quickbooks) == sum(
        record["Type"] == "Service" and record["Active"] for record in truth.values()
    )
    one = Item.get(20, qb=quickbooks)
    assert (one.Name, one.Sku) == (truth["20"]["Name"], truth["20"]["Sku"])
    assert Decimal(one.PurchaseCost) == Decimal(str(truth["20"]["PurchaseCost"]))


def test_vendors_and_orders(simulator: Simulator, quickbooks: Any) -> None:
    """The usual client finds vendors by name and reads orders with their lines."""
    vendor = next(record for record in simulator.expected("Vendor") if record["Active"])
    assert [found.Id for found in Vendor.filter(DisplayName=vendor["DisplayName"], qb=quickbooks)] == [vendor["Id"]]
    orders = {record["Id"]: record for record in simulator.expected("PurchaseOrder")}
    for order in PurchaseOrder.all(max_results=1000, qb=quickbooks):
        assert order.VendorRef.value == orders[order.Id]["VendorRef"]["value"]
        assert [line.Id for line in order.Line] == [line["Id"] for line in orders[order.Id].get("Line", [])]


def test_changes(simulator: Simulator, quickbooks: Any) -> None:
    """The usual client reads change data capture, deleted orders included."""
    simulator.evolve(20, at=NOW - timedelta(days=1))
    changes = change_data_capture(
        [Item, PurchaseOrder], (NOW - timedelta(days=1, hours=1)).isoformat(timespec="seconds"), qb=quickbooks
    )
    tables = simulator.world.tables
    assert {item.Id for item in changes.Item} == set(tables["Item"].changed)
    assert {order.Id for order in changes.PurchaseOrder} == {
        *tables["PurchaseOrder"].changed,
        *tables["PurchaseOrder"].gone,
    }


def test_faults(simulator: Simulator, quickbooks: Any) -> None:
    """The usual client understands faults: not found, a wrong statement, and a token that ended."""
    with pytest.raises(ObjectNotFoundException):
        Item.get(999_999, qb=quickbooks)
    with pytest.raises(QuickbooksException, match="Invalid query"):
        Item.where("Colour = 'red'", qb=quickbooks)
    simulator.expire_tokens()
    with pytest.raises(AuthorizationException):
        Item.all(qb=quickbooks)
