"""A company's items, vendors and purchase orders: each record follows from seed, table and number, and is made when it
is asked for, so that a company of any size takes no memory. Only what changed since is kept.

Fields stand in the order of Intuit's schema (Finance.xsd), so that the XML of the same record is valid.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Record = dict[str, Any]

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
PACIFIC = timezone(timedelta(hours=-8))
CATEGORIES = 8
"""The first so many items are categories."""

# Items, vendors, purchase orders.
SCENARIOS = {"small": (120, 40, 90), "company": (2_500, 300, 4_000), "large": (120_000, 10_000, 60_000)}
TABLES = ("Item", "Vendor", "PurchaseOrder")

_WORDS = (
    "Water",
    "Copper",
    "Steel",
    "Garden",
    "Oak",
    "Valve",
    "Pump",
    "Hose",
    "Pipe",
    "Rock",
    "Lamp",
    "Cable",
    "Filter",
    "Brass",
    "Granite",
    "Fitting",
)
_PEOPLE = (
    "Ada",
    "Björn",
    "Chloé",
    "Dimitri",
    "Elif",
    "Farah",
    "Grace",
    "Hồng",
    "Ines",
    "José",
    "Kofi",
    "Lena",
    "Maya",
    "Noor",
    "Omar",
    "Peña",
)
_CITIES = (("Mountain View", "CA", "94043"), ("Middlefield", "OH", "44062"), ("Bayshore", "NY", "11706"))
_USD = {"value": "USD", "name": "United States Dollar"}


def stamp(at: datetime) -> str:
    """A time as QuickBooks writes it: Pacific, whole seconds."""
    return at.astimezone(PACIFIC).isoformat(timespec="seconds")


@dataclass(slots=True)
class Table:
    """One kind of record.

    Attributes:
        made: the record of a number, from 1, as it was in the beginning.
        size: the highest number there is.
        changed: records that differ from what is made, by id.
        gone: when a record was deleted, by id.
        version: counts changes, so that what was worked out about the table can be thrown away.
    """

    name: str
    made: Callable[[int], Record]
    size: int
    changed: dict[str, Record] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    version: int = 0

    def ids(self) -> list[str]:
        """The ids there are, in order."""
        return [key for number in range(1, self.size + 1) if (key := str(number)) not in self.gone]

    def get(self, key: str) -> Record | None:
        """A record as it is now."""
        if key in self.gone or not key.isdecimal() or not 1 <= int(key) <= self.size:
            return None
        return self.changed.get(key) or self.made(int(key))

    def records(self) -> Iterator[Record]:
        """All records as they are now, in order of their ids."""
        return (record for key in self.ids() if (record := self.get(key)) is not None)

    def put(self, record: Record, at: datetime) -> None:
        """Change or create a record; it counts as updated then."""
        key = str(record["Id"])
        before = self.get(key)
        token = str(int(before["SyncToken"]) + 1) if before else "0"
        created = before["MetaData"]["CreateTime"] if before else stamp(at)
        meta = {"CreateTime": created, "LastUpdatedTime": stamp(at)}
        self.changed[key] = record | {"SyncToken": token, "MetaData": meta}
        self.size = max(self.size, int(key))
        self.gone.pop(key, None)
        self.version += 1

    def remove(self, key: str, at: datetime) -> None:
        """Delete a record.

        Raises:
            KeyError: there is none.
        """
        if self.get(key) is None:
            raise KeyError(key)
        self.changed.pop(key, None)
        self.gone[key] = stamp(at)
        self.version += 1


class World:
    """A company.

    Args:
        seed: another seed, other records; the same seed, the same bytes.
        scenario: small, company or large.
        start: the instant everything was like this.

    Raises:
        ValueError: no such scenario.
    """

    def __init__(self, seed: int = 7, scenario: str = "small", start: datetime = START) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"unknown scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
        items, vendors, orders = SCENARIOS[scenario]
        self.seed, self.scenario, self.start, self.now = seed, scenario, start, start
        self.version = 0
        self._items, self._vendors = items, vendors
        self.tables = {
            "Item": Table("Item", self._item, items),
            "Vendor": Table("Vendor", self._vendor, vendors),
            "PurchaseOrder": Table("PurchaseOrder", self._order, orders),
        }

    def evolve(self, percent: float, at: datetime | None = None) -> None:
        """Go on: a share of each table changes, some orders are deleted, and there are a few new ones of each.

        Args:
            percent: of the records of each table.
            at: when; a day later by default.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current one.
        """
        then = at or self.now + timedelta(days=1)
        if not 0 <= percent <= 100 or then < self.now:  # noqa: PLR2004 -- percent
            raise ValueError("the share must be from 0 to 100 and the instant not before the current one")
        self.version, self.now = self.version + 1, then
        dice = self._dice("evolve", self.version)
        for name, change in (("Vendor", _vendor_changes), ("Item", _item_changes), ("PurchaseOrder", _order_changes)):
            table = self.tables[name]
            keys = table.ids()
            struck = dice.sample(keys, max(1, round(len(keys) * percent / 100)) if percent else 0)
            for key in struck:
                self._change(table, key, change, dice)
            for _ in range(len(struck) // 10):
                table.put(table.made(table.size + 1), then)

    def _change(self, table: Table, key: str, change: Callable[[Record, random.Random], Record], dice: Any) -> None:
        if table.name == "PurchaseOrder" and dice.random() < 0.15:  # noqa: PLR2004 -- lists are never deleted
            table.remove(key, self.now)
            return
        record = table.get(key)
        if record is not None and record.get("Type") != "Category":
            table.put(change(record, dice), self.now)

    def _dice(self, *words: object) -> random.Random:
        return random.Random(":".join(map(str, (self.seed, *words))))

    def _head(self, number: int, dice: random.Random) -> Record:
        created = self.start - timedelta(days=400) + timedelta(minutes=number)
        updated = self.start - timedelta(minutes=dice.randrange(60, 90 * 24 * 60))
        return {
            "domain": "QBO",
            "sparse": False,
            "Id": str(number),
            "SyncToken": str(dice.randrange(4)),
            "MetaData": {"CreateTime": stamp(min(created, updated)), "LastUpdatedTime": stamp(updated)},
        }

    def _item(self, number: int) -> Record:
        dice = self._dice("Item", number)
        head = self._head(number, dice)
        if number <= CATEGORIES:
            name = _WORDS[number - 1]
            return head | {"Name": name, "Active": True, "FullyQualifiedName": name, "Type": "Category"}
        parent = dice.randrange(1, CATEGORIES + 1)
        name = f"{dice.choice(_WORDS)} {dice.choice(_WORDS).lower()} {number}"
        kind = dice.choice(("Inventory", "Inventory", "NonInventory", "Service"))
        cost = dice.randrange(50, 90_000) / 100
        item = head | {
            "Name": name,
            "Sku": f"P-{number:05}",
            "Description": f'{name}, 3/4" for {dice.choice(_PEOPLE)}',
            "Active": dice.random() > 0.1,  # noqa: PLR2004 -- one in ten is inactive
            "SubItem": True,
            "ParentRef": {"value": str(parent), "name": _WORDS[parent - 1]},
            "Level": 1,
            "FullyQualifiedName": f"{_WORDS[parent - 1]}:{name}",
            "Taxable": True,
            "UnitPrice": round(cost * 1.4, 2),
            "Type": kind,
            "IncomeAccountRef": {"value": "79", "name": "Sales of Product Income"},
            "PurchaseDesc": name,
            "PurchaseCost": cost,
            "ExpenseAccountRef": {"value": "80", "name": "Cost of Goods Sold"},
        }
        return item | (self._stock(dice) if kind == "Inventory" else {"TrackQtyOnHand": False})

    def _stock(self, dice: random.Random) -> Record:
        return {
            "AssetAccountRef": {"value": "81", "name": "Inventory Asset"},
            "PrefVendorRef": {"value": str(dice.randrange(1, self._vendors + 1))},
            "TrackQtyOnHand": True,
            "QtyOnHand": dice.choice((dice.randrange(500), dice.randrange(5_000) / 10)),
            "QtyOnPurchaseOrder": dice.randrange(40),
            "QtyOnSalesOrder": 0,
            "ReorderPoint": dice.randrange(20),
            "InvStartDate": "2025-01-01",
        }

    def _vendor(self, number: int) -> Record:
        dice = self._dice("Vendor", number)
        given, company = dice.choice(_PEOPLE), f"{dice.choice(_WORDS)} & {dice.choice(_PEOPLE)} {number}"
        city, state, code = dice.choice(_CITIES)
        vendor = self._head(number, dice) | {
            "GivenName": given,
            "CompanyName": company,
            "DisplayName": company,
            "PrintOnCheckName": company,
            "Active": dice.random() > 0.1,  # noqa: PLR2004 -- one in ten is inactive
            "PrimaryPhone": {"FreeFormNumber": f"(650) 555-{number % 10_000:04}"},
            "PrimaryEmailAddr": {"Address": f"orders{number}@example.com"},
            "WebAddr": {"URI": f"https://vendor{number}.example.com"},
            "BillAddr": {
                "Id": str(100_000 + number),
                "Line1": f"{number} Main St.",
                "City": city,
                "CountrySubDivisionCode": state,
                "PostalCode": code,
            },
            "Balance": dice.randrange(100_000) / 100,
            "AcctNum": f"A{number}",
            "Vendor1099": False,
            "CurrencyRef": dict(_USD),
        }
        missing = ("PrimaryPhone", "PrimaryEmailAddr", "WebAddr", "BillAddr", "AcctNum")
        return {name: value for name, value in vendor.items() if name not in missing or dice.random() > 0.2}  # noqa: PLR2004 -- many vendors lack some

    def _order(self, number: int) -> Record:
        dice = self._dice("PurchaseOrder", number)
        lines = [self._line(place, dice) for place in range(1, dice.randrange(1, 6))]
        day = self.start.date() - timedelta(days=dice.randrange(1, 300))
        closed = dice.random() < 0.4  # noqa: PLR2004 -- a share
        vendor = str(dice.randrange(1, self._vendors + 1))
        order = self._head(number, dice) | {
            "DocNumber": str(1_000 + number),
            "TxnDate": day.isoformat(),
            "CurrencyRef": dict(_USD),
            "PrivateNote": f"for {dice.choice(_PEOPLE)}",
            "LinkedTxn": [{"TxnId": str(200_000 + number), "TxnType": "Bill"}] if closed else [],
            "Line": lines,
            "VendorRef": {"value": vendor, "name": f"Vendor {vendor}"},
            "APAccountRef": {"value": "33", "name": "Accounts Payable (A/P)"},
            "TotalAmt": _total(lines),
            "DueDate": (day + timedelta(days=14)).isoformat(),
            "ShipAddr": {"Id": str(300_000 + number), "Line1": "1 Dock Rd."},
            "EmailStatus": "NotSet",
            "POStatus": "Closed" if closed else "Open",
        }
        return {name: value for name, value in order.items() if value != []}

    def _line(self, place: int, dice: random.Random) -> Record:
        head: Record = {"Id": str(place), "LineNum": place, "Description": dice.choice(_WORDS)}
        if dice.random() < 0.1:  # noqa: PLR2004 -- few lines order no item
            supplies = {"AccountRef": {"value": "64", "name": "Supplies"}, "BillableStatus": "NotBillable"}
            kind = "AccountBasedExpenseLineDetail"
            return head | {"Amount": dice.randrange(100, 9_000) / 100, "DetailType": kind, kind: supplies}
        price, quantity = dice.randrange(50, 90_000) / 100, dice.randrange(1, 40)
        item = str(dice.randrange(CATEGORIES + 1, self._items + 1))
        detail: Record = {
            "ItemRef": {"value": item, "name": f"Item {item}"},
            "UnitPrice": price,
            "Qty": quantity,
            "TaxCodeRef": {"value": "NON"},
            "BillableStatus": "NotBillable",
        }
        kind = "ItemBasedExpenseLineDetail"
        return head | {"Amount": round(price * quantity, 2), "DetailType": kind, kind: detail}


def _total(lines: list[Record]) -> float:
    return round(sum(float(line["Amount"]) for line in lines), 2)


def _item_changes(item: Record, dice: random.Random) -> Record:
    changed = item | {"UnitPrice": round(item["UnitPrice"] + dice.randrange(1, 500) / 100, 2)}
    if "QtyOnHand" in item:
        changed["QtyOnHand"] = dice.randrange(600)
    return changed | {"Active": not item["Active"]} if dice.random() < 0.2 else changed  # noqa: PLR2004 -- a share


def _vendor_changes(vendor: Record, dice: random.Random) -> Record:
    changed = vendor | {"Balance": dice.randrange(100_000) / 100, "Active": dice.random() > 0.2}  # noqa: PLR2004 -- a share
    address = {"Address": f"new{dice.randrange(1_000_000)}@example.com"}
    return changed | {"PrimaryEmailAddr": address} if "PrimaryEmailAddr" in vendor else changed


def _order_changes(order: Record, dice: random.Random) -> Record:
    if dice.random() < 0.5 or "Line" not in order:  # noqa: PLR2004 -- a share
        return order | {"POStatus": "Closed"}
    first, *others = order["Line"]
    lines = [
        first | {"Description": f"{first['Description']} (urgent)", "Amount": round(first["Amount"] + 1, 2)},
        *others,
    ]
    return order | {"Line": lines, "TotalAmt": _total(lines)}
