"""A collection as it is answered: filtered, capped, spoilt as the faults say, turned into one array for each field."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.connectors.finale.simulator.exchange import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from connector_pipelines.connectors.finale.simulator.world import Record
    from connector_pipelines.simulating.faults import Struck

CAP = 120_000
LONGEST_RANGE = timedelta(days=30)
NOT_FILTERABLE = frozenset({"inventoryitem"})

FIELDS: dict[str, tuple[str, ...]] = {
    "partygroup": (
        *("partyId", "partyGroupUrl", "groupName", "statusId", "roleTypeIdList", "contactMechList"),
        *("createdDate", "lastUpdatedDate"),
    ),
    "product": (
        *("productId", "productUrl", "internalName", "statusId", "category", "cost", "universalProductCode"),
        *("manufacturerProductId", "supplierList", "priceList", "reorderGuidelineList", "productAssocList"),
        *("userFieldDataList", "createdDate", "lastUpdatedDate"),
    ),
    "facility": (
        *("facilityId", "facilityUrl", "facilityName", "facilityTypeId", "parentFacilityUrl", "statusId"),
        "lastUpdatedDate",
    ),
    "inventoryitem": (
        *("facilityUrl", "lotId", "normalizedPackingString", "orderUrl", "productUrl"),
        *("quantityOnHand", "quantityOnOrder", "quantityReserved"),
    ),
    "order": (
        *("orderId", "orderUrl", "orderTypeId", "statusId", "orderDate", "receiveDate", "originFacilityUrl"),
        *("orderRoleList", "orderItemList", "orderAdjustmentList", "contactMechList", "shipmentUrlList"),
        *("referenceNumber", "lastUpdatedDate"),
    ),
}
KEYS = {"partygroup": "partyGroupUrl", "product": "productUrl", "facility": "facilityUrl", "order": "orderUrl"}
NUMBERS = ("quantityOnHand", "quantityOnOrder", "quantityReserved", "cost", "quantity", "unitPrice", "price")

_CHUNK = 5_000


def selection(collection: str, text: str | None, now: datetime) -> Callable[[Record], bool]:
    """The condition a filter states.

    Raises:
        RefusedError: 400, it is no filter, or one Finale does not take.
    """
    wanted = _decoded(text)
    if wanted and collection in NOT_FILTERABLE:
        raise RefusedError(400, f"{collection} cannot be filtered")
    conditions = [_condition(collection, name, value, now) for name, value in wanted.items()]
    return lambda record: all(holds(record) for holds in conditions)


def _decoded(text: str | None) -> dict[str, Any]:
    try:
        told = json.loads(base64.b64decode(text, validate=True)) if text else {}
    except (binascii.Error, ValueError):
        raise RefusedError(400, "filter is not base64 of JSON") from None
    if not isinstance(told, dict):
        raise RefusedError(400, "filter is no object")
    return told


def _condition(collection: str, name: str, value: Any, now: datetime) -> Callable[[Record], bool]:
    if name not in FIELDS[collection] or name.endswith("List"):
        raise RefusedError(400, f"{collection} cannot be filtered by {name}")
    if not isinstance(value, list) or len(value) == 1:
        exact = value[0] if isinstance(value, list) else value
        return lambda record: record.get(name) == exact
    if len(value) != 2:  # noqa: PLR2004 -- both ends
        raise RefusedError(400, f"the range of {name} has {len(value)} ends")
    low, high = (_moment(end) for end in value)
    if name == "lastUpdatedDate" and (low is None or (high or now) - low > LONGEST_RANGE):
        raise RefusedError(400, "lastUpdatedDate needs a lower bound and a range of at most 30 days")
    return lambda record: _within(record.get(name), low, high)


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise RefusedError(400, f"{text!r} is no time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _within(text: object, low: datetime | None, high: datetime | None) -> bool:
    """Both ends included."""
    if text is None:
        return False
    moment = datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    return (low is None or low <= moment) and (high is None or moment <= high)


def answer(collection: str, records: Iterator[Record], struck: Struck, limit: int | None) -> tuple[bytes, int]:
    """The body, and how many entities are in it."""
    if "empty-object" in struck:
        return b"{}", 0
    cap = struck.number("cap") if "cap" in struck else CAP
    rows = islice(records, 0 if "empty-list" in struck else min(cap, cap if limit is None else limit))
    fields = [*FIELDS[collection], *(("simExtra",) if "unknown-fields" in struck else ())]
    return columnar(_spoilt(rows, struck), fields, struck)


def columnar(rows: Iterator[Record], fields: Iterable[str], struck: Struck) -> tuple[bytes, int]:
    """One array for each field, made in pieces, so that only the text is held, and how long they are."""
    pieces: dict[str, list[bytes]] = {name: [] for name in fields}
    count = 0
    while chunk := list(islice(rows, _CHUNK)):
        for name, made in pieces.items():
            values = [row.get(name) for row in chunk]
            lacks_first = count == 0 and name == struck.get("short-array")
            text = msgspec.json.encode(values[1:] if lacks_first else values)[1:-1]
            made.extend([text] if text else [])
        count += len(chunk)
    arrays = [
        b'"%b":%b' % (name.encode(), b"null" if name == struck.get("null-array") else b"[" + b",".join(made) + b"]")
        for name, made in pieces.items()
        if name != struck.get("missing-array")
    ]
    return b"{" + b",".join(arrays) + b"}", count


def _spoilt(rows: Iterator[Record], struck: Struck) -> Iterator[Record]:
    """The rows as the faults of rows leave them."""
    first = next(rows, None)
    if first is None:
        return iter(())
    spoilt = first
    for name, spoil in _FIRST.items():
        value = struck.get(name)
        if value is not None:
            spoilt = spoilt | spoil(value)
    doubled = [spoilt, spoilt] if "duplicate-ids" in struck else [spoilt]
    every: Iterator[Record] = chain(doubled, rows)
    for name, change in _EVERY.items():
        every = map(change, every) if name in struck else every
    return _dateless(every) if "no-dates" in struck else every


_FIRST: Mapping[str, Callable[[str], Record]] = {
    "missing-field": lambda name: {name: None},
    "wrong-type": lambda name: {name: {"x": 1}},
    "nul-byte": lambda name: {name: "A\x00B"},
    "big-string": lambda name: {name: "x" * 1_000_000},
    "year-0001": lambda _: {"lastUpdatedDate": "0001-01-01T00:00:00"},
}


def _dateless(rows: Iterator[Record]) -> Iterator[Record]:
    return (row | {"lastUpdatedDate": None} if at % 3 == 0 else row for at, row in enumerate(rows))


def _numbers(spell: Callable[[float], object], value: Any) -> Any:
    """A record with its numbers spelled in another way, nested ones, too."""
    if isinstance(value, list):
        return [_numbers(spell, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: spell(held) if name in NUMBERS and held is not None else _numbers(spell, held)
        for name, held in value.items()
    }


def _exponent(number: float) -> object:
    """1.25E1 for 12.5: what Java writes for large and small numbers."""
    if isinstance(number, int):
        return number
    return msgspec.Raw(f"{Decimal(repr(number)):E}".replace("+", "").encode())


def _null_lists(record: Record) -> Record:
    return {name: None if held == [] else held for name, held in record.items()}


_EVERY: Mapping[str, Callable[[Record], Record]] = {
    "string-numbers": partial(_numbers, str),
    "exponents": partial(_numbers, _exponent),
    "null-lists": _null_lists,
    "unknown-fields": lambda record: record | {"simExtra": {"nested": [1, 2]}},
}
