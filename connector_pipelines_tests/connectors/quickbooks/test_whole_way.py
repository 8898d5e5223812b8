"""From the simulator through the engine into PostgreSQL: core is the truth, and a failing read harms nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from connector_pipelines.connectors.quickbooks import CONNECTOR
from connector_pipelines.connectors.quickbooks.client import kept
from connector_pipelines.connectors.quickbooks.simulator import Simulator
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import Category, SyncError
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.surroundings import share
from connector_pipelines.external.vault import new_key
from connector_pipelines.model import Mode, Source
from connector_pipelines.settings import settings
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import Outcome, sync
from connector_pipelines_tests.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Record = dict[str, Any]
Truth = dict[str, dict[str, Record]]
NOW = datetime.now(UTC).replace(microsecond=0)
FED = ("vendors", "inventory_items", "purchase_orders", "purchase_order_lines")


@dataclass
class Place(Kept):
    """A database, a landing folder, and the company that is synced there."""

    url: str
    landing: Landing
    company: Any

    @property
    def source(self) -> Source:
        """The company in pages of 50."""
        return Source("books", CONNECTOR, self.company.config())

    def sync(self, *entities: str, mode: Mode = Mode.FULL) -> dict[str, Outcome]:
        """Sync as the command line does, and return the outcome per entity."""
        with share(self.url), connect(self.url) as connection:
            context = Context(connection, self.landing, url=self.url)
            return {done.entity: done for done in sync(context, self.source, mode=mode, entities=entities or None)}

    def core(self, *, absent: bool = False) -> Truth:
        """What core holds: the fed columns and, for references, their targets' external ids."""
        return {entity: self._core(entity, absent=absent) for entity in FED}

    def _core(self, entity: str, *, absent: bool) -> dict[str, Record]:
        known = ENTITIES[entity]
        columns = [sql.SQL("c.{}").format(sql.Identifier(column.name)) for column in known.columns]
        target = sql.SQL(
            "(SELECT t.external_id FROM connector.external_system_mappings t WHERE t.connector_id = m.connector_id"
            " AND t.entity_type = {} AND t.internal_id = c.{})"
        )
        targets = [target.format(r.entity, sql.Identifier(r.column)) for r in known.references]
        query = sql.SQL(
            "SELECT m.external_id, {} FROM core.{} c JOIN connector.external_system_mappings m"
            " ON m.internal_id = c.id AND m.entity_type = {} WHERE (m.absent_since IS NULL) = {}"
        ).format(sql.SQL(", ").join([*columns, *targets]), sql.Identifier(known.table), entity, not absent)
        names = [column.name for column in known.columns] + [reference.name for reference in known.references]
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in self.rows(query)}

    def checksum(self) -> list[Any]:
        """Of every core row with all its columns, and of every mapping."""
        tables = [f"core.{entity}" for entity in FED] + ["connector.external_system_mappings"]
        digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
        return [self.rows(digest.format(table)) for table in tables]

    def letters(self) -> list[tuple[Any, ...]]:
        """Entity and external id of all dead letters."""
        return self.rows(
            "SELECT entity, external_id FROM connector.dead_letters WHERE state <> 'resolved' ORDER BY 1, 2"
        )

    def set_back(self, moment: datetime) -> None:
        """As if all reads so far had begun then."""
        with connect(self.url) as connection:
            connection.execute("UPDATE connector.sync_cursors SET cursor = %s", [moment])


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A company whose first version is of two days ago, so that its changes are within reach of change data capture."""
    with Simulator(scenario="small", seed=7, start=NOW - timedelta(days=2)) as running:
        yield running


@pytest.fixture
def place(
    database: str,
    tmp_path: Path,
    simulator: Simulator,
    company_of: Callable[[Simulator], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """This test's own database and landing folder; tokens are kept in the database, sealed."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", new_key())
    settings.cache_clear()
    monkeypatch.setattr("connector_pipelines.connectors.quickbooks.client.kept", kept)
    yield Place(database, Landing(str(tmp_path / "landing")), company_of(simulator))
    settings.cache_clear()


def _money(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _vendor(r: Record) -> Record:
    at = r.get("BillAddr")
    place = f"{at['City']} {at['CountrySubDivisionCode']} {at['PostalCode']}" if at else None
    return {
        "name": r["DisplayName"],
        "contact_email": r.get("PrimaryEmailAddr", {}).get("Address"),
        "phone": r.get("PrimaryPhone", {}).get("FreeFormNumber"),
        "website": r.get("WebAddr", {}).get("URI"),
        "address": f"{at['Line1']}, {place}" if at else None,
        "account_number": r.get("AcctNum"),
        "lead_time_days": None,
        "currency": "USD",
        "status": "active" if r["Active"] else "inactive",
    }


def _item(r: Record) -> Record:
    return {
        "sku": r["Sku"],
        "name": r["Name"],
        "description": r["Description"],
        "item_type": r["Type"],
        "category": r["ParentRef"]["name"],
        "barcode": None,
        "unit_cost": _money(r["PurchaseCost"]),
        "unit_price": _money(r["UnitPrice"]),
        "currency": None,
        "quantity_on_hand": _money(r.get("QtyOnHand")),
        "quantity_on_order": _money(r.get("QtyOnPurchaseOrder")),
        "quantity_reserved": _money(r.get("QtyOnSalesOrder")),
        "reorder_point": _money(r.get("ReorderPoint")),
        "status": "active" if r["Active"] else "inactive",
        "preferred_vendor": r.get("PrefVendorRef", {}).get("value"),
    }


def _order(r: Record) -> Record:
    return {
        "order_number": r["DocNumber"],
        "order_date": date.fromisoformat(r["TxnDate"]),
        "expected_date": date.fromisoformat(r["DueDate"]),
        "total_amount": _money(r["TotalAmt"]),
        "currency": "USD",
        "memo": r["PrivateNote"],
        "status": r["POStatus"].lower(),
        "vendor": r["VendorRef"]["value"],
    }


def _line(order: Record, r: Record) -> Record:
    detail = r.get("ItemBasedExpenseLineDetail", {})
    return {
        "line_number": r["LineNum"],
        "description": r["Description"],
        "quantity": _money(detail.get("Qty")),
        "quantity_received": None,
        "unit_price": _money(detail.get("UnitPrice")),
        "amount": _money(r["Amount"]),
        "status": order["POStatus"].lower(),
        "purchase_order": order["Id"],
        "inventory_item": detail.get("ItemRef", {}).get("value"),
    }


def truth_of(simulator: Simulator) -> Truth:
    """What core must hold, worked out from the simulator's records and the README's table."""
    orders = list(simulator.expected("PurchaseOrder"))
    return {
        "vendors": {r["Id"]: _vendor(r) for r in simulator.expected("Vendor")},
        "inventory_items": {r["Id"]: _item(r) for r in simulator.expected("Item") if r["Type"] != "Category"},
        "purchase_orders": {r["Id"]: _order(r) for r in orders},
        "purchase_order_lines": {f"{o['Id']}:{r['Id']}": _line(o, r) for o in orders for r in o.get("Line", [])},
    }


def differences(core: Truth, truth: Truth) -> list[tuple[Any, ...]]:
    """Entity, external id, what core holds and what it should hold, wherever these differ."""
    return [
        (entity, key, core[entity].get(key), truth[entity].get(key))
        for entity in FED
        for key in sorted(core[entity].keys() | truth[entity].keys())
        if core[entity].get(key) != truth[entity].get(key)
    ]


def written(done: dict[str, Outcome]) -> int:
    """How many rows a sync created or updated."""
    return sum(outcome.plan.counts.created + outcome.plan.counts.updated for outcome in done.values())


def test_core_is_the_truth_and_stays_it(place: Place, simulator: Simulator) -> None:
    """After one sync core is the company, row by row; a second one writes nothing and leaves every byte as it was."""
    first = place.sync()
    assert differences(place.core(), truth_of(simulator)) == []
    assert [outcome.verified for outcome in first.values()] == [True] * 4
    assert written(first) == sum(len(rows) for rows in truth_of(simulator).values()) > 400
    assert place.letters() == []
    before = place.checksum()
    second = place.sync()
    assert written(second) == 0
    assert all(outcome.verified for outcome in second.values())
    assert place.checksum() == before


def test_an_increment_brings_what_changed(place: Place, simulator: Simulator) -> None:
    """An increment writes what changed and leaves the rest; of deleted orders it changes the status alone, and knows
    that their lines are gone, as are those that were taken out of an order.
    """
    place.sync()
    before = truth_of(simulator)
    place.set_back(NOW - timedelta(days=1, minutes=5))
    simulator.evolve(20, at=NOW - timedelta(days=1))
    after = truth_of(simulator)
    place.sync(mode=Mode.INCREMENTAL)
    gone = {entity: {k: v for k, v in before[entity].items() if k not in after[entity]} for entity in FED}
    assert gone["purchase_orders"]
    closed = {key: order | {"status": "cancelled"} for key, order in gone["purchase_orders"].items()}
    gone["purchase_orders"] = closed
    lines = {"purchase_order_lines": gone["purchase_order_lines"]}
    still = gone | {"purchase_order_lines": {}}
    assert {key.partition(":")[0] for key in lines["purchase_order_lines"]} >= closed.keys()
    assert differences(place.core(), {entity: after[entity] | still[entity] for entity in FED}) == []
    assert differences(place.core(absent=True), {entity: {} for entity in FED} | lines) == []
    assert {request.endpoint for request in simulator.requests[-4:]} == {"cdc"}
    place.sync()
    assert differences(place.core(), after) == []
    assert differences(place.core(absent=True), gone) == []


def test_orders_wait_for_their_vendors(place: Place, simulator: Simulator) -> None:
    """Orders that are read before their vendors wait, and come to core by themselves once these are there."""
    place.sync("purchase_orders")
    assert place.core()["purchase_orders"] == {}
    place.sync("vendors", "purchase_orders")
    assert place.core()["purchase_orders"] == truth_of(simulator)["purchase_orders"]


def test_a_token_that_rotates_and_ends_all_the_time(place: Place, simulator: Simulator) -> None:
    """With tokens that end after every fourth call and refresh tokens good for once, core is the truth."""
    simulator.set_faults(["rotate", "token-expiry=4"])
    place.sync()
    assert differences(place.core(), truth_of(simulator)) == []


BAD: dict[str, tuple[str, Category, str]] = {
    "forbidden": ("403:purchaseorder", Category.AUTH_FAILED, "intuit_tid"),
    "unauthorized": ("401:purchaseorder", Category.AUTH_FAILED, "env:QB_TOKEN"),
    "refused": ("fault-200=validation:purchaseorder", Category.DATA_ERROR, "Invalid query"),
    "not found": ("404:purchaseorder", Category.DATA_ERROR, "404"),
    "throttled": ("429:purchaseorder", Category.RATE_LIMITED, "ThrottleExceeded"),
    "broken": ("500:purchaseorder", Category.NETWORK_ERROR, "tried 6 times"),
    "reset": ("reset:purchaseorder", Category.NETWORK_ERROR, "tried 6 times"),
    "html": ("html-200:purchaseorder", Category.DATA_ERROR, "HTML"),
    "truncated": ("truncated@3:purchaseorder", Category.DATA_ERROR, "breaks off"),
    "empty": ("empty:query", Category.NETWORK_ERROR, "fewer records"),
    "clamped": ("clamp=9:query", Category.NETWORK_ERROR, "fewer records"),
}


def test_failing_reads_harm_nothing(place: Place, simulator: Simulator) -> None:
    """Each way to fail is a named failure that leaves core as it was; the good read after them all is complete."""
    place.sync()
    simulator.evolve(20, at=NOW - timedelta(days=1))
    before = place.checksum()
    for name, (fault, category, says) in BAD.items():
        simulator.set_faults([fault])
        with pytest.raises(SyncError) as caught:
            place.sync("purchase_orders")
        message = str(caught.value)
        assert (name, caught.value.category) == (name, category)
        assert message.startswith("books/purchase_orders: ")
        assert says in message
        assert "What to do: " in message
        assert not any(secret in message for secret in (simulator.client_secret, simulator.refresh_token))
        assert place.checksum() == before
    simulator.clear_faults()
    place.sync()
    assert differences(place.core(), truth_of(simulator)) == []


def test_everything_gone_is_held(place: Place, simulator: Simulator) -> None:
    """A company that is empty all of a sudden, by its own count, too, is held for a person, and core stays."""
    place.sync("vendors")
    simulator.set_faults(["empty"])
    done = place.sync("vendors")["vendors"]
    assert done.plan.state == "held"
    assert place.core()["vendors"] == truth_of(simulator)["vendors"]


def test_spoilt_records_are_dead_letters(place: Place, simulator: Simulator) -> None:
    """Spoilt records are named in the dead letters and come to core when they are mended; their neighbors are there."""
    simulator.set_faults(["nul-byte:vendor", "not-a-number:item"])
    place.sync("vendors", "inventory_items")
    spoilt = place.letters()
    assert {entity for entity, _ in spoilt} >= {"vendors", "inventory_items"}
    simulator.clear_faults()
    place.sync("vendors", "inventory_items")
    truth = truth_of(simulator)
    core = place.core()
    assert (core["vendors"], core["inventory_items"]) == (truth["vendors"], truth["inventory_items"])
