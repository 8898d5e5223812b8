"""An account that is generated: any record can be asked for alone, so that a collection of any size is a stream.

What a record is follows from seed, collection, index and how often it was changed; nothing is drawn in sequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Record = dict[str, Any]

START = datetime(2026, 9, 1, 6, tzinfo=UTC)
COLLECTIONS = ("partygroup", "product", "facility", "inventoryitem", "order")
FACILITIES = ("Main warehouse", "Annex", "Zürich")
STATUSES = ("ORDER_CREATED", "ORDER_LOCKED", "ORDER_COMPLETED", "ORDER_CANCELLED")
_OLDEST_DAYS = 300
_MOVING = 0.2
_WORDS = ("Widget", "Gadget", "Gasket", "Flänsch", "Bracket", "Sprocket", "Valve", "Bolt M8", "Cable 5 m", "Lamp")
_KINDS = ("red", "blue", "steel", "brass", "left", "right", "XL", "mini")


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are at the start. A sixth of the parties is no supplier, a fifth of the orders are sales."""

    products: int
    parties: int
    orders: int
    lines_per_order: int = 5

    def of(self, collection: str) -> int:
        """How many records of a collection that grows; stock follows from products."""
        return {"product": self.products, "partygroup": self.parties, "order": self.orders}[collection]


SCENARIOS = {
    "small": Size(60, 12, 40),
    "shop": Size(2_000, 200, 1_500),
    "warehouse": Size(119_999, 12_000, 25_000, 10),
}
"""The products of warehouse are one less than Finale's cap: a collection that reaches it may not be whole."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of evolution."""

    percent: float
    at: datetime


@dataclass(frozen=True, slots=True)
class World:
    """Everything an account holds, at one version.

    Attributes:
        account: as it stands in URLs.
        start: when nothing had been changed yet.
        steps: what happened since.
    """

    seed: int
    scenario: str
    size: Size
    account: str = "demo"
    start: datetime = START
    steps: tuple[Step, ...] = field(default=())

    @property
    def version(self) -> int:
        """How many steps of evolution were taken."""
        return len(self.steps)

    @property
    def now(self) -> datetime:
        """The instant of this version."""
        return self.steps[-1].at if self.steps else self.start

    def evolve(self, percent: float, at: datetime | None = None) -> World:
        """The next version: so many percent of each collection change, and a tenth of that is new.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current version's.
        """
        moment = at or self.now + timedelta(days=1)
        if not 0 <= percent <= 100:  # noqa: PLR2004 -- percent
            raise ValueError(f"{percent} is no share from 0 to 100")
        if moment < self.now:
            raise ValueError(f"{moment} lies before {self.now}")
        return replace(self, steps=(*self.steps, Step(percent, moment)))

    def records(self, collection: str) -> Iterator[Record]:
        """Every record, in order.

        Raises:
            ValueError: there is no such collection.
        """
        if collection not in COLLECTIONS:
            raise ValueError(f"unknown collection {collection!r}; there are {', '.join(COLLECTIONS)}")
        if collection == "facility":
            return (self._facility(index) for index in range(len(FACILITIES)))
        if collection == "inventoryitem":
            return (item for index in range(self.count("product")) for item in self._items(index))
        make: dict[str, Callable[[int], Record]] = {
            "product": self._product,
            "partygroup": self._party,
            "order": self._order,
        }
        return map(make[collection], range(self.count(collection)))

    def count(self, collection: str) -> int:
        """How many there are by now."""
        base = self.size.of(collection)
        return base + sum(self._added(base, step) for step in self.steps)

    def _added(self, base: int, step: Step) -> int:
        return -(-int(base * step.percent) // 1_000) if step.percent else 0

    def _url(self, kind: str, number: int) -> str:
        return f"/{self.account}/api/{kind}/{number}"

    def _chance(self, collection: str, index: int, of: int) -> Random:
        """Randomness for a record at a revision; another one for each step that may have changed it."""
        text = f"{self.seed} {collection} {index} {of}".encode()
        return Random(blake2b(text, digest_size=8).digest())

    def _history(self, collection: str, index: int) -> tuple[int, datetime]:
        """How often a record was changed, and when last."""
        base = born = self.size.of(collection)
        chance = self._chance(collection, index, -1)
        at = self.start - timedelta(seconds=chance.randrange(_OLDEST_DAYS * 86_400))
        changes = 0
        for step in self.steps:
            if born <= index < (born := born + self._added(base, step)):
                at = step.at
            elif index < born and chance.random() * 100 < step.percent:
                changes, at = changes + 1, step.at
        return changes, at

    def _facility(self, index: int) -> Record:
        url = self._url("facility", 300_001 + index)
        return {
            "facilityId": str(300_001 + index),
            "facilityUrl": url,
            "facilityName": FACILITIES[index],
            "facilityTypeId": "WAREHOUSE",
            "parentFacilityUrl": None,
            "statusId": "FACILITY_ACTIVE",
            "lastUpdatedDate": stamp(self.start),
        }

    def _party(self, index: int) -> Record:
        changes, at = self._history("partygroup", index)
        chance = self._chance("partygroup", index, changes)
        number = 10_001 + index
        mails = [{"contactMechTypeId": "EMAIL_ADDRESS", "infoString": f"orders{changes or ''}@vendor{number}.example"}]
        phones = [{"contactMechTypeId": "TELECOM_NUMBER", "infoString": f"+1 555 {chance.randrange(10**7):07}"}]
        return {
            "partyId": str(number),
            "partyGroupUrl": self._url("partygroup", number),
            "groupName": f"{chance.choice(('Ace', 'Müller', 'Øst', 'Best'))} Supplies {number}",
            "statusId": "PARTY_DISABLED" if chance.random() < 0.1 else "PARTY_ENABLED",  # noqa: PLR2004 -- a share
            "roleTypeIdList": ["CUSTOMER"] if _is_customer(index) else ["SUPPLIER", "CARRIER"][: 1 + index % 2],
            "contactMechList": mails + phones[: index % 2] + [_postal(chance)] * (index % 3 > 0),
            "createdDate": stamp(self.start - timedelta(days=_OLDEST_DAYS)),
            "lastUpdatedDate": stamp(at),
        }

    def _supplier(self, chance: Random) -> int:
        """The number of a party that was a supplier from the start."""
        index = chance.randrange(self.size.parties)
        return 10_001 + (index - 1 if _is_customer(index) else index)

    def _product(self, index: int) -> Record:
        changes, at = self._history("product", index)
        chance = self._chance("product", index, changes)
        suppliers = [self._offer(chance, "20_BACKUP_SUPPL"), self._offer(chance, "10_MAIN_SUPPL")]
        renamed = f"-R{changes}" if changes % 3 == 2 else ""  # noqa: PLR2004 -- now and then
        price = round(chance.uniform(1, 900), 2)
        return {
            "productId": f"{'ABCDEF'[index % 6]}-{index + 1:06}{renamed}",
            "productUrl": self._url("product", 100_001 + index),
            "internalName": None if index % 17 == 0 else f"{chance.choice(_WORDS)}, {chance.choice(_KINDS)}",
            "statusId": "PRODUCT_INACTIVE" if chance.random() < 0.1 else "PRODUCT_ACTIVE",  # noqa: PLR2004 -- a share
            "category": chance.choice((None, "Parts", "Finished goods")),
            "cost": None if index % 13 == 0 else round(price * 0.6, 4),
            "universalProductCode": f"{chance.randrange(10**12):012}" if index % 2 else None,
            "manufacturerProductId": f"M{index}" if index % 5 == 0 else None,
            "supplierList": suppliers[index % 3 :],
            "priceList": [
                {"productPriceTypeId": "LIST_PRICE", "price": price, "currencyUomId": "USD"},
                {"productPriceTypeId": "WHOLESALE", "price": round(price * 0.8, 2), "currencyUomId": "USD"},
            ][: (index + 1) % 3],
            "reorderGuidelineList": [],
            "productAssocList": [],
            "userFieldDataList": [{"attrName": "user_10001", "attrValue": f"x{index}"}] if index % 4 == 0 else None,
            "createdDate": stamp(self.start - timedelta(days=_OLDEST_DAYS)),
            "lastUpdatedDate": stamp(at),
        }

    def _offer(self, chance: Random, rank: str) -> Record:
        return {
            "supplierPartyUrl": self._url("partygroup", self._supplier(chance)),
            "supplierPrefOrderId": rank,
            "price": round(chance.uniform(1, 500), 2),
            "currencyUomId": "USD",
        }

    def _items(self, index: int) -> Iterator[Record]:
        """Stock in no, one or two places. At each step that of some products moves, whether or not they change."""
        moves = sum(self._chance("moved", index, step).random() < _MOVING for step in range(self.version))
        chance = self._chance("inventoryitem", index, moves)
        for place in range((1, 1, 0, 2, 1, 0, 1, 1, 0, 1)[index % 10]):
            yield {
                "facilityUrl": self._url("facility", 300_001 + place),
                "lotId": None,
                "normalizedPackingString": None,
                "orderUrl": None,
                "productUrl": self._url("product", 100_001 + index),
                "quantityOnHand": chance.randrange(3_000) if chance.random() < 0.9 else 0.5,  # noqa: PLR2004 -- a share
                "quantityOnOrder": chance.choice((0, 0, 250)),
                "quantityReserved": chance.choice((0, 0, 12)),
            }

    def _order(self, index: int) -> Record:
        changes, at = self._history("order", index)
        chance = self._chance("order", index, changes)
        url, sale = self._url("order", 200_001 + index), index % 5 == 4  # noqa: PLR2004 -- a fifth
        count = self._chance("order", index, -2).randint(0 if sale else 1, 2 * self.size.lines_per_order - 1)
        day = at - timedelta(days=chance.randrange(20))
        role = {"roleTypeId": "CUSTOMER" if sale else "SUPPLIER", "partyId": str(self._supplier(chance))}
        return {
            "orderId": f"{'SO' if sale else 'PO'}-{index + 1:06}",
            "orderUrl": url,
            "orderTypeId": "SALES_ORDER" if sale else "PURCHASE_ORDER",
            "statusId": STATUSES[chance.randrange(4)],
            "orderDate": stamp(day),
            "receiveDate": None if index % 3 == 0 else stamp(day + timedelta(days=14)),
            "originFacilityUrl": self._url("facility", 300_001),
            "orderRoleList": [role],
            "orderItemList": [self._line(chance, url, number) for number in range(1, count + 1)],
            "orderAdjustmentList": [{"amount": 12.5, "description": "Freight"}] if index % 4 == 1 else [],
            "contactMechList": [],
            "shipmentUrlList": [],
            "referenceNumber": f"REF{index}" if index % 2 else None,
            "lastUpdatedDate": stamp(at),
        }

    def _line(self, chance: Random, url: str, number: int) -> Record:
        product = chance.randrange(self.size.products)
        return {
            "orderItemUrl": f"{url}/orderItem/{number:05}",
            "productId": f"{'ABCDEF'[product % 6]}-{product + 1:06}",
            "productUrl": self._url("product", 100_001 + product),
            "quantity": chance.randint(1, 400),
            "unitPrice": round(chance.uniform(0.1, 90), 4),
            "userFieldDataList": None,
        }


def stamp(moment: datetime) -> str:
    """As Finale writes times: UTC, without saying so."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _is_customer(index: int) -> bool:
    return index % 6 == 5  # noqa: PLR2004 -- a sixth


def _postal(chance: Random) -> Record:
    return {
        "contactMechTypeId": "POSTAL_ADDRESS",
        "contactMechPurposeTypeId": "GENERAL_LOCATION",
        "address1": f"{chance.randrange(1, 999)} Main St",
        "city": chance.choice(("Springfield", "Basel", "Malmö")),
        "postalCode": f"{chance.randrange(100_000):05}",
    }
