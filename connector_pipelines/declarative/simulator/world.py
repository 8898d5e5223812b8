"""Seeded records of any number: each is made from seed, collection, number and version when it is asked for."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Record = dict[str, Any]

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""When everything was last changed, to begin with. Each version is a day later."""

SIZES = {"suppliers": 40, "products": 150, "orders": 60, "students": 80}

_WORDS = (
    "Chalk",
    "Globe",
    "Desk",
    "Lamp",
    "Easel",
    "Prism",
    "Ruler",
    "Atlas",
    "Flask",
    "Scale",
    "Drum",
    "Loom",
    "Anvil",
    "Kite",
    "Bench",
    "Clock",
)
_KINDS = ("Oak", "Blue", "Steel", "Giant", "Soft", "Fine", "Classic", "Pocket", "Royal", "Field")
_FIRST = (
    "Ana",
    "Bruno",
    "Chidi",
    "Dara",
    "Elif",
    "Femi",
    "Greta",
    "Hiro",
    "Ines",
    "Jonas",
    "Kaya",
    "Lior",
    "Mei",
    "Nuri",
    "Oyá",
    "Zoë",
)
_LAST = (
    "Abara",
    "Brandt",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kaur",
    "Løvland",
    "Müller",
    "Nowak",
)
_CHANGES = 1_000_000
"""More than there are records: the numbers of a version's changes begin here, and at its multiples."""

_STATES = ("DRAFT", "SENT", "SENT", "RECEIVED", "VOID")


def _supplier(dice: random.Random, number: int, _world: World) -> Record:
    name = f"{dice.choice(_LAST)} & {dice.choice(_LAST)} {dice.choice(('Ltd', 'Inc', 'GmbH'))}"
    return {
        "supplierId": f"S{number:06}",
        "supplierName": name,
        "email": f"orders{number}@example.org" if dice.random() < 0.9 else None,  # noqa: PLR2004 -- nine in ten
        "leadTimeDays": dice.randint(1, 60),
        "address": {"street": f"{dice.randint(1, 99)} High Street", "city": dice.choice(("Leeds", "Köln", "Lyon"))},
        "active": dice.random() < 0.95,  # noqa: PLR2004 -- nearly all
    }


def _product(dice: random.Random, number: int, world: World) -> Record:
    return {
        "productId": 9_007_199_254_740_993 + number,  # no double can hold these (contract 8, trap 12)
        "productCode": f"SKU-{number:06}",
        "name": f"{dice.choice(_KINDS)} {dice.choice(_WORDS)}",
        "qtyOnHand": dice.randint(0, 500),
        "reorderLevel": dice.choice((None, 5, 10, 25)),
        "defaultSupplierId": f"S{dice.randrange(world.sizes['suppliers']):06}",
        "unitCost": dice.randint(50, 99_999) / 100,
    }


def _order(dice: random.Random, number: int, world: World) -> Record:
    lines: list[Record] = [
        {
            "lineNo": line,
            "productCode": f"SKU-{dice.randrange(world.sizes['products']):06}",
            "quantity": dice.randint(1, 40),
            "unitPrice": dice.randint(50, 99_999) / 100,
        }
        for line in range(1, dice.randint(1, 5))
    ]
    total = sum(round(line["quantity"] * line["unitPrice"] * 100) for line in lines) / 100
    ordered = date(2026, 1, 5) + timedelta(days=dice.randint(0, 50))
    return {
        "orderId": f"PO-{number:06}",
        "supplierId": f"S{dice.randrange(world.sizes['suppliers']):06}",
        "orderedOn": ordered.isoformat(),
        "dueOn": (ordered + timedelta(days=14)).strftime("%d.%m.%Y"),
        "state": dice.choice(_STATES),
        "total": total,
        "lines": lines,
    }


def _student(dice: random.Random, number: int, _world: World) -> Record:
    first, last = dice.choice(_FIRST), dice.choice(_LAST)
    return {
        "studentId": f"P{number:06}",
        "firstName": first,
        "lastName": last,
        "mail": f"p{number}@school.example",
        "grades": [str(dice.randint(1, 12))],
        "enrolled": "Y" if dice.random() < 0.9 else "N",  # noqa: PLR2004 -- nine in ten
    }


_MAKERS: dict[str, Callable[[random.Random, int, World], Record]] = {
    "suppliers": _supplier,
    "products": _product,
    "orders": _order,
    "students": _student,
}

KEYS = {"suppliers": "supplierId", "products": "productCode", "orders": "orderId", "students": "studentId"}

COLLECTIONS = tuple(_MAKERS)
LINE_COLUMNS = ("lineNo", "productCode", "quantity", "unitPrice")


@dataclass(slots=True)
class World:
    """All records, none of them held: numbers are, from the second version on.

    Attributes:
        sizes: how many records each collection has.
        version: how often it was changed.
    """

    seed: int = 7
    sizes: dict[str, int] = field(default_factory=lambda: dict(SIZES))
    version: int = 0
    _versions: dict[str, dict[int, int]] = field(default_factory=dict)
    _gone: dict[str, set[int]] = field(default_factory=dict)
    _first: dict[str, int] = field(default_factory=dict)

    def numbers(self, collection: str) -> range | list[int]:
        """The records there are, by number."""
        gone = self._gone.get(collection)
        every = range(self._first.get(collection, 0), self.sizes[collection])
        return [number for number in every if number not in gone] if gone else every

    def record(self, collection: str, number: int) -> Record:
        """One record as it is now."""
        version = self._versions.get(collection, {}).get(number, 0)
        dice = random.Random(f"{self.seed}/{collection}/{number}/{version}")
        made = _MAKERS[collection](dice, number, self)
        deleted = version > 0 and crc32(f"{self.seed}/{collection}/{number}".encode()) % 20 == 0
        stamp = _stamp(self.changed(collection, number))
        return made | {"deleted": deleted, "updatedAt": stamp, "sequence": self.sequence(collection, number)}

    def sequence(self, collection: str, number: int) -> int:
        """The number of a record's last change; later changes have higher ones."""
        version = self._versions.get(collection, {}).get(number, 0)
        return version * _CHANGES + number

    def latest(self, collection: str) -> int:
        """The highest number of a change so far."""
        return max((self.sequence(collection, number) for number in self.numbers(collection)), default=0)

    def changed(self, collection: str, number: int) -> datetime:
        """When a record was last changed."""
        version = self._versions.get(collection, {}).get(number, 0)
        return START + timedelta(days=version, milliseconds=number % 1000)

    def records(self, collection: str) -> Iterable[Record]:
        """All records of a collection, one after another."""
        return (self.record(collection, number) for number in self.numbers(collection))

    def evolve(self, percent: float, *, vanish: bool = False) -> None:
        """Another version: so many of a hundred records change, some of these are deleted, a few are new.

        Args:
            percent: of each collection.
            vanish: instead of changing, they are gone.
        """
        self.version += 1
        for collection in COLLECTIONS:
            drawn = [n for n in self.numbers(collection) if self._draw(collection, n) < percent]
            if vanish:
                self._gone.setdefault(collection, set()).update(drawn)
                continue
            new = range(self.sizes[collection], self.sizes[collection] + 1 + len(drawn) // 10)
            self.sizes[collection] = new.stop
            self._versions.setdefault(collection, {}).update(dict.fromkeys([*drawn, *new], self.version))

    def remove(self, collection: str, number: int) -> None:
        """Take one record out."""
        self._gone.setdefault(collection, set()).add(number)

    def shift(self, collection: str, how: str) -> None:
        """Let something happen to the first record: it is removed or edited, or another is put before it."""
        first = self.numbers(collection)[0]
        match how:
            case "remove":
                self.remove(collection, first)
            case "insert":
                self._first[collection] = self._first.get(collection, 0) - 1
            case "edit":
                self._versions.setdefault(collection, {})[first] = self.version + 1

    def _draw(self, collection: str, number: int) -> float:
        return crc32(f"{self.seed}/{collection}/{number}/{self.version}".encode()) % 10_000 / 100


def _stamp(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
