"""An account on real HTTP, sources that read it, and a database of one's own with the truth to compare it with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import stamina
from psycopg import sql

from connector_pipelines.connectors.finale import CONNECTOR
from connector_pipelines.connectors.finale.config import FinaleConfig
from connector_pipelines.connectors.finale.simulator import Simulator
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Mode, Source, Stream, Window
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import Outcome, sync
from connector_pipelines.validation.accept import Accepted, accept
from connector_pipelines_tests.kept import Kept, kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from connector_pipelines.pages import Page

Record = dict[str, Any]
Rows = dict[str, Record]

KEY = {"type": "api_key", "key": "env:FINALE_KEY", "secret": "env:FINALE_SECRET"}
SESSION = {"type": "session", "username": "env:FINALE_USER", "password": "env:FINALE_PASSWORD"}


@dataclass
class Account:
    """A simulated account, and ways to read it."""

    simulator: Simulator

    def config(self, **more: Any) -> FinaleConfig:
        """A source's configuration."""
        base = {"base_url": self.simulator.url, "account": self.simulator.account, "auth": KEY}
        return FinaleConfig.model_validate(base | more)

    def session(self, **more: Any) -> FinaleConfig:
        """The same with the older log-in."""
        return self.config(**{"auth": SESSION} | more)

    def pages(self, config: FinaleConfig, entity: str, window: Window | None = None) -> list[Page]:
        """All pages of an entity."""
        with CONNECTOR.open(config) as client:
            return list(stream_of(config, entity).read(client, window or Window()).pages)

    def read(self, config: FinaleConfig, entity: str, window: Window | None = None) -> Accepted:
        """What of an entity is accepted."""
        pages = self.pages(config, entity, window)
        return accept(stream_of(config, entity), [Sieve(0, None).sift(page) for page in pages])

    def expected(self, collection: str) -> list[Record]:
        """The records there are."""
        return list(self.simulator.expected(collection))

    def filters(self, collection: str) -> list[Any]:
        """The filters that were asked for so far, decoded; None for a request without one."""
        return [r.query.get("filter") for r in self.simulator.requests if r.collection == collection]


def stream_of(config: FinaleConfig, entity: str) -> Stream:
    """An entity's stream."""
    return next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)


@pytest.fixture
def streams() -> Callable[[FinaleConfig, str], Stream]:
    """Finds an entity's stream."""
    return stream_of


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """A small account that behaves, for now; nothing waits between tries."""
    stamina.set_testing(True)
    with Simulator(scenario="small", seed=7) as running:
        monkeypatch.setenv("FINALE_KEY", running.api_key)
        monkeypatch.setenv("FINALE_SECRET", running.api_secret)
        monkeypatch.setenv("FINALE_USER", running.username)
        monkeypatch.setenv("FINALE_PASSWORD", running.password)
        yield Account(running)
    stamina.set_testing(False)


@dataclass
class Place(Kept):
    """A database and a landing folder; syncs an account into them."""

    url: str
    landing: Landing
    account: Account
    last: dict[str, Outcome] = field(default_factory=dict)

    def sync(self, *entities: str, mode: Mode = Mode.FULL, **config: Any) -> dict[str, Outcome]:
        """Sync as the command line does, and return the outcome per entity."""
        source = Source("shop", CONNECTOR, self.account.config(**config))
        with connect(self.url) as connection:
            context = Context(connection, self.landing, url=self.url)
            done = sync(context, source, mode=mode, entities=entities or None)
            return {outcome.entity: outcome for outcome in done}

    def core(self, entity: str) -> Rows:
        """What core holds: the fed columns and, for references, their targets' external ids."""
        known = ENTITIES[entity]
        columns = [sql.SQL("c.{}").format(sql.Identifier(column.name)) for column in known.columns]
        target = sql.SQL(
            "(SELECT t.external_id FROM connector.external_system_mappings t WHERE t.connector_id = m.connector_id"
            " AND t.entity_type = {} AND t.internal_id = c.{}) AS {}"
        )
        targets = [target.format(r.entity, sql.Identifier(r.column), sql.Identifier(r.name)) for r in known.references]
        query = sql.SQL(
            "SELECT m.external_id, {} FROM core.{} c JOIN connector.external_system_mappings m"
            " ON m.internal_id = c.id AND m.entity_type = {} WHERE m.absent_since IS NULL"
        ).format(sql.SQL(", ").join([*columns, *targets]), sql.Identifier(known.table), entity)
        names = [column.name for column in known.columns] + [reference.name for reference in known.references]
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in self.rows(query)}

    def checksum(self) -> list[Any]:
        """Of every core row with all its columns, and of every mapping."""
        tables = [f"core.{entity}" for entity in ENTITIES] + ["connector.external_system_mappings"]
        digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
        return [self.rows(digest.format(table)) for table in tables]

    def letters(self) -> list[tuple[Any, ...]]:
        """Entity, external id and reason of the open dead letters."""
        return self.rows("SELECT entity, external_id, reason FROM connector.dead_letters WHERE state = 'open'")

    def set_back(self, moment: datetime) -> None:
        """As if all reads so far had begun then."""
        with kept(self.url) as connection:
            connection.execute("UPDATE connector.sync_cursors SET cursor = %s", [moment])


@pytest.fixture
def place(database: str, tmp_path: Path, account: Account) -> Place:
    """This test's own database and landing folder, for a small account."""
    return Place(database, Landing(str(tmp_path / "landing")), account)


def _tail(url: str | None) -> str | None:
    return url.rsplit("/", 1)[1] if url else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


def _decimal(number: float | str | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _info(party: Record, kind: str) -> str | None:
    return next((m["infoString"] for m in party["contactMechList"] if m["contactMechTypeId"] == kind), None)


def _vendor(r: Record) -> Record:
    postal = next((m for m in r["contactMechList"] if m["contactMechTypeId"] == "POSTAL_ADDRESS"), None)
    return {
        "name": r["groupName"],
        "contact_email": _info(r, "EMAIL_ADDRESS"),
        "phone": _info(r, "TELECOM_NUMBER"),
        "address": postal and f"{postal['address1']}, {postal['city']}, {postal['postalCode']}",
        "status": {"PARTY_ENABLED": "active", "PARTY_DISABLED": "inactive"}[r["statusId"]],
    } | dict.fromkeys(("website", "account_number", "lead_time_days", "currency"))


def _item(r: Record, stock: list[Record]) -> Record:
    mine = [item for item in stock if item["productUrl"] == r["productUrl"]]
    prices = r["priceList"] or [{"price": None, "currencyUomId": None}]
    offers = sorted(r["supplierList"], key=lambda offer: str(offer["supplierPrefOrderId"]))
    return {
        "sku": r["productId"],
        "name": r["internalName"] or r["productId"],
        "description": None,
        "item_type": None,
        "category": r["category"],
        "barcode": r["universalProductCode"],
        "unit_cost": _decimal(r["cost"]),
        "unit_price": _decimal(prices[0]["price"]),
        "currency": prices[0]["currencyUomId"],
        "quantity_on_hand": sum((Decimal(str(item["quantityOnHand"])) for item in mine), Decimal(0)),
        "quantity_on_order": sum((Decimal(str(item["quantityOnOrder"])) for item in mine), Decimal(0)),
        "quantity_reserved": sum((Decimal(str(item["quantityReserved"])) for item in mine), Decimal(0)),
        "reorder_point": None,
        "status": {"PRODUCT_ACTIVE": "active", "PRODUCT_INACTIVE": "inactive"}[r["statusId"]],
        "preferred_vendor": _tail(offers[0]["supplierPartyUrl"]) if offers else None,
    }


STATUS = {
    "ORDER_CREATED": "draft",
    "ORDER_LOCKED": "open",
    "ORDER_COMPLETED": "closed",
    "ORDER_CANCELLED": "cancelled",
}


def _amount(line: Record) -> Decimal:
    return Decimal(str(line["quantity"])) * Decimal(str(line["unitPrice"]))


def _order(r: Record) -> Record:
    freight = sum((Decimal(str(a["amount"])) for a in r["orderAdjustmentList"]), Decimal(0))
    return {
        "order_number": r["orderId"],
        "order_date": _day(r["orderDate"]),
        "expected_date": _day(r["receiveDate"]),
        "total_amount": sum(map(_amount, r["orderItemList"]), freight),
        "currency": None,
        "memo": None,
        "status": STATUS[r["statusId"]],
        "vendor": r["orderRoleList"][0]["partyId"],
    }


def _lines(r: Record) -> Iterator[tuple[str, Record]]:
    order = _tail(r["orderUrl"])
    for number, line in enumerate(r["orderItemList"], 1):
        yield (
            f"{order}/{_tail(line['orderItemUrl'])}",
            {
                "line_number": number,
                "description": None,
                "quantity": _decimal(line["quantity"]),
                "quantity_received": None,
                "unit_price": _decimal(line["unitPrice"]),
                "amount": _amount(line),
                "status": STATUS[r["statusId"]],
                "purchase_order": order,
                "inventory_item": _tail(line["productUrl"]),
            },
        )


@pytest.fixture
def truth(account: Account) -> Callable[[], dict[str, Rows]]:
    """Works out what core must hold, by entity and external id, from the simulator's records and the README's table."""

    def work_out() -> dict[str, Rows]:
        stock = account.expected("inventoryitem")
        orders = [r for r in account.expected("order") if r["orderTypeId"] == "PURCHASE_ORDER"]
        parties = [r for r in account.expected("partygroup") if "SUPPLIER" in r["roleTypeIdList"]]
        return {
            "vendors": {r["partyId"]: _vendor(r) for r in parties},
            "inventory_items": {str(_tail(r["productUrl"])): _item(r, stock) for r in account.expected("product")},
            "purchase_orders": {str(_tail(r["orderUrl"])): _order(r) for r in orders},
            "purchase_order_lines": dict(line for r in orders for line in _lines(r)),
        }

    return work_out
