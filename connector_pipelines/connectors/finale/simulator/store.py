"""The world plus what was put over it: by tests, and by clients that write."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from connector_pipelines.connectors.finale.simulator.collections import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.connectors.finale.simulator.world import Record, World


@dataclass(slots=True)
class Store:
    """Records by collection and address.

    Attributes:
        put_over: records that stand for generated ones, or beside them; None for one that is gone.
        edits: how often anything was put over.
    """

    world: World
    put_over: dict[str, dict[str, Record | None]] = field(default_factory=dict)
    edits: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def records(self, collection: str) -> Iterator[Record]:
        """Every record, those that were added last.

        Raises:
            ValueError: there is no such collection.
        """
        generated, over = self.world.records(collection), self.put_over.get(collection)
        if not over:
            return generated
        return self._merged(collection, generated, dict(over))

    def _merged(self, collection: str, generated: Iterator[Record], over: dict[str, Record | None]) -> Iterator[Record]:
        key = KEYS[collection]
        kept = (over.pop(record[key]) if record[key] in over else record for record in generated)
        added = (record for held in (over,) for record in held.values())
        return (record for record in chain(kept, added) if record is not None)

    def find(self, collection: str, url: str) -> Record | None:
        """The record at an address."""
        if url in self.put_over.get(collection, {}):
            return self.put_over[collection][url]
        return next((record for record in self.records(collection) if record[KEYS[collection]] == url), None)

    def put(self, collection: str, url: str, record: Record | None) -> None:
        """Put a record in its place; None takes it away.

        Raises:
            ValueError: records of this collection have no address.
        """
        if collection not in KEYS:
            raise ValueError(f"{collection} cannot be changed; there are {', '.join(KEYS)}")
        self.put_over.setdefault(collection, {})[url] = record
        self.edits += 1
