"""Looks for, sends and reads back records of a gradebook, each by a call of its own: the contract has no other way.

Ids are ours, so that a PUT creates what is not there and replaces what is (contract 1.1, "Writes"). What replaces
carries everything that stood there and is not ours.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from connector_pipelines.connectors.oneroster.shapes import ACTIVE, DELETED, body, id_of, instant, stands
from connector_pipelines.errors import BrokenPage, RefusedBySource
from connector_pipelines.external.http import Request
from connector_pipelines.outward import Action, Done, Found, NotDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from connector_pipelines.connectors.oneroster.client import OneRoster
    from connector_pipelines.outward import Order, Record, Wanted

    One = TypeVar("One")
    Told = TypeVar("Told")

BY_ID = "sourcedId"

_SINGLE = {"categories": "category", "lineItems": "lineItem", "results": "result"}
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the gradebook: the functions of an export.

    Attributes:
        name: as in its path: "lineItems".
        prefix: what our ids begin with.
    """

    name: str
    prefix: str

    def find(self, roster: OneRoster, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """What stands there under the id that a record is to have."""
        ids = [id_of(self.prefix, one.key) for one in wanted]
        for one, number, told in zip(wanted, ids, _each(roster, partial(self._get, roster), ids), strict=True):
            if told is not None:
                yield Found(one.key, number, BY_ID, stands(told))

    def read(self, roster: OneRoster, ids: Sequence[str]) -> Iterator[tuple[str, Record | None]]:
        """Records as they stand."""
        for number, told in zip(ids, _each(roster, partial(self._get, roster), ids), strict=True):
            yield number, None if told is None else stands(told)

    def send(self, roster: OneRoster, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
        """Put records, one after another; one that is refused says so by itself, with what it was for."""
        for order in orders:
            try:
                yield self._put(roster, action, order)
            except RefusedBySource as refused:
                yield NotDone(order.key, "refused", f"{refused.problem} {_about(order)}".strip())

    def _put(self, roster: OneRoster, action: Action, order: Order) -> Done | NotDone:
        number = order.external_id or id_of(self.prefix, order.key)
        there = {} if action is Action.CREATE else self._get(roster, number)
        if there is None and action is Action.WITHDRAW:
            return Done(order.key, number)
        record = body(order.record, rosters=roster.config.root, books=roster.config.gradebook_root)
        ours = {"status": DELETED if action is Action.WITHDRAW else ACTIVE, "sourcedId": number}
        whole = (there or {}) | record | ours | {"dateLastModified": instant(datetime.now(UTC))}
        roster.writes.send(
            Request(
                self._path(number),
                method="PUT",
                headers=(("Content-Type", "application/json"),),
                body=json.dumps({_SINGLE[self.name]: whole}).encode(),
            )
        )
        return Done(order.key, number)

    def _get(self, roster: OneRoster, number: str) -> dict[str, Any] | None:
        """A record, or None where there is none.

        Raises:
            BrokenPage: the answer is no record.
        """
        response = roster.books.get(self._path(number))
        if response.status == _NOT_FOUND:
            return None
        try:
            told = json.loads(response.body)[_SINGLE[self.name]]
        except (ValueError, KeyError, TypeError):
            told = None
        if not isinstance(told, dict):
            raise BrokenPage(
                f"GET {self.name} answers without a record.", remedy="Look at the answer; tell the system's vendor."
            )
        return told

    def _path(self, number: str) -> str:
        return f"{self.name}/{quote(number, safe='')}"


def _each(roster: OneRoster, ask: Callable[[One], Told], of: Sequence[One]) -> Iterator[Told]:
    """Ask for each, as many at the same time as the source allows; answers in order."""
    with ThreadPoolExecutor(roster.config.in_flight) as pool:
        yield from pool.map(ask, of)


def _about(order: Order) -> str:
    """What a refused record was for, so that a person finds the assessment."""
    item = order.record.get("lineItem")
    return f"It is a result of {item}." if item else ""
