"""Looks for, sends and reads back records of a gradebook, each by a call of its own: the contract has no other way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from connector_pipelines.connectors.oneroster.shapes import ACTIVE, DELETED, body, instant, stands
from connector_pipelines.external.records import Records
from connector_pipelines.outward import Action, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_pipelines.connectors.oneroster.client import OneRoster
    from connector_pipelines.outward import Done, NotDone, Order, Record, Wanted

BY_ID = "sourcedId"

_SINGLE = {"categories": "category", "lineItems": "lineItem", "results": "result"}


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the gradebook: the functions of an export (contract 1.1, "Writes").

    Attributes:
        name: as in its path: "lineItems".
        prefix: what our ids begin with.
    """

    name: str
    prefix: str

    def find(self, roster: OneRoster, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """What stands there under the id that a record is to have."""
        return (Found(key, number, BY_ID, stands(told)) for key, number, told in self._records(roster).find(wanted))

    def read(self, roster: OneRoster, ids: Sequence[str]) -> Iterator[tuple[str, Record | None]]:
        """Records as they stand."""
        for number, told in self._records(roster).get_each(ids):
            yield number, None if told is None else stands(told)

    def send(self, roster: OneRoster, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
        """Put records; one that is refused says what it was for."""
        status, config = DELETED if action is Action.WITHDRAW else ACTIVE, roster.config

        def told(order: Order, number: str) -> Mapping[str, Any]:
            record = body(order.record, rosters=config.root, books=config.gradebook_root)
            ours = {"status": status, "sourcedId": number, "dateLastModified": instant(datetime.now(UTC))}
            return record | ours

        return self._records(roster).send(action, orders, told, _about)

    def _records(self, roster: OneRoster) -> Records:
        single, in_flight = _SINGLE[self.name], roster.config.in_flight
        return Records(roster.books, roster.writes, self._path, single, in_flight, self.prefix)

    def _path(self, number: str) -> str:
        return f"{self.name}/{quote(number, safe='')}"


def _about(order: Order) -> str:
    """What a refused record was for, so that a person finds the assessment."""
    item = order.record.get("lineItem")
    return f"It is a result of {item}." if item else ""
