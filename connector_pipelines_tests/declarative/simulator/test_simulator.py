"""The simulator itself: real HTTP, the same data for the same seed, steered while it runs."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from connector_pipelines.declarative.simulator import FAULTS, Simulator

ELSEWHERE = {"slow-body", "token-expiry", "delay"}
"""Faults that no single answer shows: tested where tokens are renewed and where slowness is borne."""

PATHS = {"uneven-columns": "/columns/products", "ragged-row": "/api/suppliers.csv", "no-header": "/api/suppliers.csv"}
PARAMS: dict[str, dict[str, Any]] = {
    "empty-omits-key": {"updated_since": "2027-01-01T00:00:00Z"},
    "span-limit": {"updated_since": "2026-01-01T00:00:00Z"},
    "empty-null": {"updated_since": "2027-01-01T00:00:00Z"},
    "ignore-filter": {"updated_since": "2026-03-02T06:00:00.020Z"},
    "repeat-page": {"offset": 5},
    "forgotten": {"sync_token": "t:"},
    "no-sync-token": {"sync": "true", "offset": 20},
}


def get(simulator: Simulator, path: str, **params: Any) -> requests.Response:
    """An answer."""
    headers = {"X-API-Key": simulator.secret}
    return requests.get(f"{simulator.url}{path}", params=params, headers=headers, timeout=1)


def test_one_seed_is_one_world() -> None:
    """The same seed gives the same records, also after changes; another seed gives others."""
    with Simulator(seed=3) as one, Simulator(seed=3) as same, Simulator(seed=4) as other:
        for simulator in (one, same, other):
            simulator.evolve(20)
        assert one.records("orders") == same.records("orders") != other.records("orders")


def test_a_collection_of_any_size_is_a_stream() -> None:
    """The last page of ten million records is there at once: they are made when they are asked for."""
    with Simulator(sizes={"products": 10_000_000}) as simulator:
        page = get(simulator, "/api/products", offset=9_999_999, limit=5).json()
    assert [record["productCode"] for record in page["data"]] == ["SKU-9999999"]
    assert page["meta"]["total"] == 10_000_000


def test_references_lead_somewhere() -> None:
    """Products name suppliers that exist, and lines name products that do."""
    with Simulator() as simulator:
        suppliers = {record["supplierId"] for record in simulator.records("suppliers")}
        products = {record["productCode"] for record in simulator.records("products")}
        assert {record["defaultSupplierId"] for record in simulator.records("products")} <= suppliers
        assert {line["productCode"] for order in simulator.records("orders") for line in order["lines"]} <= products


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}])
def test_nobody_reads_without_credentials(headers: dict[str, str]) -> None:
    """Without credentials, or with wrong ones, there is a 401."""
    with Simulator() as simulator:
        assert requests.get(f"{simulator.api_url}/suppliers", headers=headers, timeout=10).status_code == 401


def test_it_is_steered_while_it_runs() -> None:
    """Faults and changes are switched over HTTP; a fault that is none is refused."""
    with Simulator() as simulator:
        control = f"{simulator.url}/__sim__"
        state = requests.post(f"{control}/faults?fault=429&fault=clamp=3", timeout=10).json()
        assert state["faults"] == ["429", "clamp"]
        assert requests.post(f"{control}/faults?fault=gremlins", timeout=10).status_code == 400
        before = requests.post(f"{control}/faults", timeout=10).json()["records"]["suppliers"]
        requests.post(f"{control}/evolve?percent=30&vanish=true", timeout=10)
        assert get(simulator, "/api/suppliers").json()["meta"]["total"] < before


def reported(simulator: Simulator) -> list[str]:
    """What asking for a report and three looks at it show."""
    own = {"Authorization": f"Bearer {simulator.secret}"}
    made = requests.post(f"{simulator.api_url}/reports", json={"collection": "suppliers"}, headers=own, timeout=10)
    looks = [get(simulator, "/api/reports/R1") for _ in "123"]
    return [one.text.replace(simulator.url, "") for one in (made, *looks)]


def shown(simulator: Simulator, fault: str) -> object:
    """What two answers show of a fault: what breaks, or status, headers without the date, and body."""
    if fault.startswith("job-"):
        return reported(simulator)
    try:
        answers = [get(simulator, PATHS.get(fault, "/api/suppliers"), limit=30, **PARAMS.get(fault, {})) for _ in "12"]
    except requests.RequestException as error:
        return type(error)
    said = [(one.status_code, {**one.headers, "Date": ""}, one.text.replace(simulator.url, "")) for one in answers]
    return [(status, dict(headers), text) for status, headers, text in said]


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - ELSEWHERE))
def test_every_fault_shows(fault: str) -> None:
    """Each switch changes an answer in status, headers or body."""
    with Simulator() as simulator:
        friendly = shown(simulator, fault)
        simulator.set_faults([fault])
        assert shown(simulator, fault) != friendly


def test_it_greets_with_what_a_source_needs() -> None:
    """Whoever starts it is told where it listens; a fault that is none is refused."""
    with Simulator(sizes={"suppliers": 3}) as simulator:
        assert any("/api/suppliers" in line for line in simulator.greeting())
    with pytest.raises(ValueError, match="unknown fault 'gremlins'"):
        Simulator(faults=["gremlins"])
