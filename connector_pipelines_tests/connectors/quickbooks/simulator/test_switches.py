"""Each fault does what it says, and nothing where it is not switched on."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from connector_pipelines.connectors.quickbooks.simulator import FAULTS, Simulator
from connector_pipelines.connectors.quickbooks.simulator.switches import KNOWN

ALL = "SELECT * FROM PurchaseOrder"


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_written(name: str) -> None:
    """Every fault can be written alone, with a position and for a target."""
    assert KNOWN.parse(name).name == name
    assert KNOWN.parse(f"{name}@3:item,cdc").at == 3
    assert KNOWN.parse(f"{name}:item,cdc").targets == {"item", "cdc"}


@pytest.mark.parametrize("text", ["", "nothing", "clamp=0", "clamp=x", "429=never", "500:customer", "500@x"])
def test_mistakes_are_refused(text: str) -> None:
    """A fault that there is not, with another value or target, is refused with what there is."""
    with pytest.raises(ValueError, match="fault"):
        KNOWN.parse(text)


STATUS = {
    "401": (401, "fault"),
    "403": (403, "Fault"),
    "429": (429, "fault"),
    "500": (500, "Fault"),
    "fault-200": (200, "Fault"),
}


@pytest.mark.parametrize("name", STATUS)
def test_faults_have_their_spelling(simulator: Simulator, api: Any, name: str) -> None:
    """The gateway's faults are in lower case and the service's are not; each names its request."""
    simulator.set_faults([name])
    response = api.get("query", query=ALL)
    status, key = STATUS[name]
    assert (response.status_code, key in response.json()) == (status, True)
    assert response.headers["intuit_tid"].startswith("1-")


@pytest.mark.parametrize("how", ["none", "seconds", "date", "html"])
def test_throttling_in_all_its_forms(simulator: Simulator, api: Any, how: str) -> None:
    """A 429 says when to come back in either form, or not at all."""
    simulator.set_faults([f"429={how}"])
    response = api.get("query", query=ALL)
    assert response.status_code == 429
    assert ("Retry-After" in response.headers) == (how in {"seconds", "date"})
    assert response.headers["Content-Type"].startswith("text/html") == (how == "html")


def test_more_than_so_many_a_minute(simulator: Simulator, api: Any) -> None:
    """The limit is of all requests in a minute, and refused ones count."""
    simulator.set_faults(["throttle=3"])
    assert [api.get("query", query=ALL).status_code for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_fault_strikes_its_targets_alone(simulator: Simulator, api: Any) -> None:
    """A fault for the second request for items leaves all others alone."""
    simulator.set_faults(["500@2:item"])
    asked = ["SELECT * FROM Item", ALL, "SELECT * FROM Item", "SELECT * FROM Item"]
    assert [api.get("query", query=statement).status_code for statement in asked] == [200, 200, 500, 200]
    assert [request.faults for request in simulator.requests[1:]] == [(), (), ("500",), ()]


def test_a_refresh_token_is_good_until_it_is_replaced(simulator: Simulator, api: Any) -> None:
    """Without rotation a refresh token stays good; with it, the old one is worthless at once."""
    first = simulator.refresh_token
    assert [api.sign_in(first).status_code for _ in range(2)] == [200, 200]
    simulator.set_faults(["rotate=2"])
    statuses = [api.sign_in(first).status_code for _ in range(4)]
    assert statuses.count(400) >= 1
    assert api.told == {"error": "invalid_grant", "error_description": "Incorrect or expired token"}
    assert simulator.refresh_token != first


def test_sku_can_be_hidden(simulator: Simulator, api: Any) -> None:
    """Where Sku is hidden it comes only when it is named."""
    simulator.set_faults(["hide-sku"])
    statement = "SELECT {} FROM Item STARTPOSITION 20 MAXRESULTS 1"
    assert "Sku" not in api.query(statement.format("*"))["Item"][0]
    assert "Sku" in api.query(statement.format("*, Sku"))["Item"][0]


def test_control_and_greeting() -> None:
    """A simulator that is served alone greets with what to try, and is looked at and changed from outside."""
    with Simulator(control=True) as simulator, requests.Session() as session:
        session.trust_env = False
        said = simulator.greeting()
        assert simulator.token_url in "\n".join(said)
        control = next(line.split()[-1] for line in said if "__sim__/state" in line).removesuffix("state")
        assert session.get(f"{control}state", timeout=20).json()["records"]["Vendor"] == 40
        assert session.post(f"{control}evolve?percent=10", timeout=20).json()["version"] == 1
        assert session.post(f"{control}evolve?vanish=true", timeout=20).status_code == 400


def test_a_mistake_of_the_simulator_is_shown(simulator: Simulator, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of its own is shown as its traceback, not as an answer of QuickBooks."""
    monkeypatch.setattr(simulator.world, "tables", {})
    response = api.get("query", query=ALL)
    assert response.status_code == 500
    assert "KeyError" in response.text
