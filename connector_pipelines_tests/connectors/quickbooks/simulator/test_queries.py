"""The simulator's query language, change data capture and batches, asked by a client that is not ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.connectors.quickbooks.simulator import Simulator


def ids(api: Any, statement: str) -> list[str]:
    """The ids a statement gives."""
    return [
        record["Id"] for records in api.query(statement).values() if isinstance(records, list) for record in records
    ]


def test_pages_are_one_based_and_bounded(api: Any) -> None:
    """STARTPOSITION counts from 1, MAXRESULTS is 100 unless told and 1,000 at most."""
    everything = ids(api, "SELECT * FROM PurchaseOrder MAXRESULTS 1000")
    assert everything == [str(number) for number in range(1, 91)]
    assert ids(api, "select * from PurchaseOrder startposition 11 maxresults 5") == everything[10:15]
    assert len(ids(api, "SELECT * FROM Item WHERE Active IN (true, false)")) == 100
    assert api.get("query", query="SELECT * FROM Item MAXRESULTS 1001").status_code == 400
    assert api.get("query", query="SELECT * FROM Item STARTPOSITION 0").status_code == 400


def test_nothing_has_no_list(api: Any) -> None:
    """An answer without records lacks their list, and a count is a number."""
    assert api.query("SELECT * FROM Item WHERE Name = 'none'") == {}
    assert api.query("SELECT * FROM PurchaseOrder STARTPOSITION 91") == {}
    assert api.query("SELECT COUNT(*) FROM PurchaseOrder") == {"totalCount": 90}


def test_inactive_records_are_hidden(simulator: Simulator, api: Any) -> None:
    """Inactive records come only where Active is spoken of."""
    records = {record["Id"]: record["Active"] for record in simulator.expected("Vendor")}
    assert ids(api, "SELECT * FROM Vendor") == [key for key, active in records.items() if active]
    assert ids(api, "SELECT * FROM Vendor WHERE Active IN (true, false)") == list(records)
    assert ids(api, "SELECT * FROM Vendor WHERE Active = false") == [
        key for key, active in records.items() if not active
    ]


def test_conditions(simulator: Simulator, api: Any) -> None:
    """Text with quotes, patterns, lists, numbers and times are compared as they should be."""
    vendor = next(simulator.expected("Vendor"))
    simulator.put("Vendor", vendor | {"Active": True, "DisplayName": "O'Brien AND Sons"})
    assert ids(api, r"SELECT Id FROM Vendor WHERE DisplayName = 'O\'Brien AND Sons' AND Active = true") == ["1"]
    assert ids(api, "SELECT * FROM Vendor WHERE DisplayName LIKE '%brien%' ORDERBY DisplayName DESC") == ["1"]
    assert ids(api, "SELECT * FROM PurchaseOrder WHERE Id IN ('3', '20')") == ["3", "20"]
    assert ids(api, "SELECT * FROM PurchaseOrder WHERE Id > '88' AND Id < '1000'") == ["89", "90"]
    at = vendor["MetaData"]["LastUpdatedTime"]
    assert at.endswith("-08:00")
    utc = datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    simulator.put("Vendor", next(simulator.expected("Vendor")), datetime.fromisoformat(at))
    same = f"SELECT * FROM Vendor WHERE Active IN (true,false) AND MetaData.LastUpdatedTime = '{utc}'"
    assert ids(api, same) == ["1"]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("", "4000"),
        ("SELECT Item", "4000"),
        ("SELECT * FROM Item WHERE Name = 'a' OR Name = 'b'", "4000"),
        ("SELECT * FROM Item WHERE NOT Active = true", "4000"),
        ("SELECT * FROM Nothing", "4001"),
        ("SELECT * FROM Item WHERE Colour = 'red'", "4001"),
        ("SELECT * FROM PurchaseOrder WHERE Active = true", "4001"),
        ("SELECT * FROM Item ORDERBY Active", "4001"),
        ("SELECT * FROM Item WHERE MetaData.LastUpdatedTime > 'soon'", "4001"),
    ],
)
def test_what_is_not_understood(api: Any, statement: str, code: str) -> None:
    """A statement that the language does not have is a fault with Intuit's number."""
    response = api.get("query", query=statement)
    fault = response.json()["Fault"]
    assert (response.status_code, fault["Error"][0]["code"], fault["type"]) == (400, code, "ValidationFault")


def test_changes_reach_30_days_and_1000_objects(api_of: Any) -> None:
    """Change data capture refuses what is older than 30 days and cuts off at 1,000 objects over all entities."""
    now = datetime.now(UTC)
    with Simulator(scenario="company", start=now - timedelta(days=2)) as simulator:
        simulator.evolve(60, at=now - timedelta(hours=1))
        api = api_of(simulator)
        since = (now - timedelta(hours=2)).isoformat()
        told = api.get("cdc", entities="Vendor,Item", changedSince=since).json()["CDCResponse"][0]["QueryResponse"]
        vendors = len(simulator.world.tables["Vendor"].changed)
        assert [part["maxResults"] for part in told] == [vendors, 1_000 - vendors]
        old = (now - timedelta(days=31)).isoformat()
        assert api.get("cdc", entities="Item", changedSince=old).status_code == 400
        assert api.get("cdc", entities="TaxCode", changedSince=since).status_code == 400


def test_batches(api: Any) -> None:
    """A batch answers each part by itself, and takes thirty at most."""
    parts = [{"bId": "a", "Query": "SELECT COUNT(*) FROM Vendor"}, {"bId": "b", "Query": "?"}]
    told = api.post("batch", {"BatchItemRequest": parts})
    assert told.status_code == 200
    assert [(part["bId"], "Fault" in part) for part in told.json()["BatchItemResponse"]] == [("a", False), ("b", True)]
    assert api.post("batch", {"BatchItemRequest": parts * 16}).status_code == 400
    assert api.post("batch", []).status_code == 400


def test_same_seed_same_bytes() -> None:
    """Two companies of one seed are the same, also after they changed; of another seed they are not."""
    worlds = [Simulator(scenario="small", seed=seed).world for seed in (7, 7, 8)]
    for world in worlds:
        world.evolve(30)
    first, second, other = ([list(table.records()) for table in world.tables.values()] for world in worlds)
    assert first == second != other


def test_large_companies_take_no_memory() -> None:
    """A company of 120,000 items holds none of them until it is asked."""
    world = Simulator(scenario="large").world
    assert len(world.tables["Item"].ids()) == 120_000
    assert world.tables["Item"].changed == {}
    last = world.tables["Item"].get("120000")
    assert last is not None
    assert last["Sku"] == "P-120000"
