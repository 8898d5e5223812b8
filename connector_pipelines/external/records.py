"""Records of a REST collection, each at an address of its own under an id of ours: looked for, put, read back.

Ids are ours, so that a PUT creates what is not there and replaces what is: done twice it does no harm. What replaces
carries everything that stood there and is not ours.
"""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from connector_pipelines.errors import BrokenPage, RefusedBySource
from connector_pipelines.external.messages import Request
from connector_pipelines.outward import Action, Done, NotDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connector_pipelines.external.http import Client
    from connector_pipelines.outward import Order, Wanted

_NOT_FOUND = 404
_OURS = uuid.UUID("5d1f6f9c-3f0b-4d0e-9a35-7f2f0f6b9b51")
_PLAIN = re.compile(r"[a-z_]+/\d+")


def id_of(prefix: str, key: str) -> str:
    """The id of the record for a row of core, the same for good: "core-assessments-17".

    A key with words of people in it, such as the code of an outcome, is hashed: ids stand in addresses.
    """
    table, _, row = key.partition("/")
    return f"{prefix}-{table}-{row if _PLAIN.fullmatch(key) else uuid.uuid5(_OURS, key)}"


@dataclass(frozen=True, slots=True)
class Records:
    """A collection.

    Attributes:
        reads: a client to which a 404 is an answer.
        writes: a client that asks once: what may have been done is looked up by whoever sent it.
        path: the address of the record with an id.
        envelope: the field of a body that holds the record; "" where the record is the body.
        in_flight: how many are asked for at the same time.
        prefix: what our ids begin with.
    """

    reads: Client
    writes: Client
    path: Callable[[str], str]
    envelope: str
    in_flight: int
    prefix: str

    def find(self, wanted: Sequence[Wanted]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Key, id and record of what stands there under the id that it is to have."""
        ids = [id_of(self.prefix, one.key) for one in wanted]
        for one, (number, told) in zip(wanted, self.get_each(ids), strict=True):
            if told is not None:
                yield one.key, number, told

    def send(
        self,
        action: Action,
        orders: Sequence[Order],
        told: Callable[[Order, str], Mapping[str, Any]],
        about: Callable[[Order], str] = lambda _: "",
    ) -> Iterator[Done | NotDone]:
        """Put records, one after another; one that is refused says so by itself. What is gone need not be withdrawn.

        Args:
            action: what is done to them.
            orders: the records.
            told: our fields of a record with this id, as they travel.
            about: a sentence on what a refused record was for.
        """
        for order in orders:
            number = order.external_id or id_of(self.prefix, order.key)
            try:
                there = {} if action is Action.CREATE else self.get(number)
                if there is not None or action is not Action.WITHDRAW:
                    self.put(number, {**(there or {}), **told(order, number)})
            except RefusedBySource as refused:
                yield NotDone(order.key, "refused", f"{refused.problem} {about(order)}".strip())
            else:
                yield Done(order.key, number)

    def get(self, number: str) -> dict[str, Any] | None:
        """A record, or None where there is none.

        Raises:
            BrokenPage: the answer is no record.
        """
        response = self.reads.get(self.path(number))
        if response.status == _NOT_FOUND:
            return None
        try:
            told = json.loads(response.body)
            told = told[self.envelope] if self.envelope else told
        except (ValueError, KeyError, TypeError):
            told = None
        if not isinstance(told, dict):
            where = f" under {self.envelope!r}" if self.envelope else ""
            raise BrokenPage(
                f"GET {self.path('…')} answers without a record{where}.",
                remedy="Look at the answer; tell the system's vendor.",
            )
        return told

    def get_each(self, numbers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Records, several at the same time, in order."""
        with ThreadPoolExecutor(self.in_flight) as pool:
            asked = [pool.submit(copy_context().run, partial(self.get, number)) for number in numbers]
            for number, answer in zip(numbers, asked, strict=True):
                yield number, answer.result()

    def put(self, number: str, record: Mapping[str, Any]) -> None:
        """Let this stand there.

        Raises:
            RefusedBySource: the system does not take it.
            SyncError: whether it was done is not known.
        """
        body = {self.envelope: record} if self.envelope else record
        headers = (("Content-Type", "application/json"),)
        self.writes.send(Request(self.path(number), method="PUT", headers=headers, body=json.dumps(body).encode()))
