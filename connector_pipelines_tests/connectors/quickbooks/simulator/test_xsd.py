"""Every answer of the simulator is valid by Intuit's own XML schemas, and says in JSON what it says in XML."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from connector_pipelines.connectors.quickbooks.simulator import TABLES, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

SPACE = "{http://schema.intuit.com/finance/v3}"
BATCH = {"BatchItemRequest": [{"bId": "1", "Query": "select * from Vendor"}, {"bId": "2", "Query": "nonsense"}]}


def valid(schema: Any, response: Any) -> Any:
    """The root of an answer that is valid."""
    assert response.headers["Content-Type"].startswith("application/xml")
    root = etree.fromstring(response.content)
    assert schema.validate(root), schema.error_log.last_error
    return root


def leaves(value: Any, path: str = "") -> list[str]:
    """Every value of a JSON document with the name it stands under."""
    if isinstance(value, dict):
        return [leaf for name, part in value.items() for leaf in leaves(part, path if name == "value" else name)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part, path)]
    return [f"{path}={str(value).lower() if isinstance(value, bool) else value}"]


def written(element: Any) -> list[str]:
    """Every text and attribute of an XML document with the name it stands under."""
    name = element.tag.removeprefix(SPACE)
    own = [f"{name}={element.text}"] if element.text else []
    own += [f"{key}={value}" for key, value in element.attrib.items()]
    return own + [leaf for child in element for leaf in written(child)]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("seed", [7, 8])
def test_every_record_is_valid(schema: Any, api_of: Callable[[Simulator], Any], table: str, seed: int) -> None:
    """All records of a company, also after it changed, are valid, and the same in JSON as in XML."""
    with Simulator(scenario="small", seed=seed) as simulator:
        api = api_of(simulator)
        for _ in range(2):
            active = "" if table == "PurchaseOrder" else " WHERE Active IN (true, false)"
            statement = f"SELECT * FROM {table}{active} MAXRESULTS 1000"
            api.accept = "application/xml"
            root = valid(schema, api.get("query", query=statement))
            api.accept = "application/json"
            told = api.query(statement)
            assert sorted(written(root[0])) == sorted(leaves(told))
            assert len(root[0]) == len(told[table]) > 30
            simulator.evolve(40)


ANSWERS = {
    "columns": ("query", {"query": "SELECT Id, Name, MetaData.LastUpdatedTime FROM Item"}),
    "nothing": ("query", {"query": "SELECT * FROM Item WHERE Id = '0'"}),
    "count": ("query", {"query": "SELECT COUNT(*) FROM Vendor"}),
    "one": ("purchaseorder/7", {}),
    "not found": ("vendor/0", {}),
    "no statement": ("query", {"query": "nonsense"}),
    "no such property": ("query", {"query": "SELECT * FROM Item WHERE Colour = 'red'"}),
    "too old": ("cdc", {"entities": "Item", "changedSince": "2020-01-01T00:00:00Z"}),
    "no such thing": ("nothing", {}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_kind_of_answer_is_valid(schema: Any, api: Any, name: str) -> None:
    """Answers without records, single records and faults are valid, too."""
    endpoint, params = ANSWERS[name]
    api.accept = "application/xml"
    valid(schema, api.get(endpoint, **params))


def test_changes_are_valid(schema: Any, api_of: Callable[[Simulator], Any]) -> None:
    """Change data capture with deleted records is valid."""
    now = datetime.now(UTC)
    with Simulator(start=now - timedelta(days=2)) as simulator:
        simulator.evolve(20, at=now - timedelta(days=1))
        api = api_of(simulator)
        api.accept = "application/xml"
        since = (now - timedelta(days=1, hours=1)).isoformat()
        root = valid(schema, api.get("cdc", entities=",".join(TABLES), changedSince=since))
        deleted = root.findall(f".//{SPACE}PurchaseOrder[@status='Deleted']")
        gone = list(simulator.world.tables["PurchaseOrder"].gone)
        assert [record.findtext(f"{SPACE}Id") for record in deleted] == gone
        assert deleted


def test_batches_are_valid(schema: Any, api: Any) -> None:
    """A batch with an answer and a fault is valid."""
    api.accept = "application/xml"
    root = valid(schema, api.post("batch", BATCH))
    assert [part[0].tag.removeprefix(SPACE) for part in root] == ["QueryResponse", "Fault"]
