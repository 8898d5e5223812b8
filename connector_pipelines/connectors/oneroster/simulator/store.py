"""The world plus what was put over it: rows planted by tests and rows written by consumers.

A *row* is a number: the index of a generated record, or EXTRA + k for the k-th record that was added. The truth is what
`expected` yields; rows given to `append_raw` are served, but are no truth.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import numpy as np

from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, Mask
from connector_pipelines.connectors.oneroster.simulator.instants import parse_ms
from connector_pipelines.connectors.oneroster.simulator.world import COLLECTIONS, STREAM_BLOCK, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record

Rows: TypeAlias = range | Indices
EXTRA = 1 << 40
CACHED_SELECTIONS = 4


@dataclass(slots=True)
class Overlay:
    """What differs from the world in one collection."""

    replaced: dict[int, Record] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    added: list[Any] = field(default_factory=list)
    added_at: dict[str, int] = field(default_factory=dict)
    front: list[int] = field(default_factory=list)
    raw: set[int] = field(default_factory=set)


class Store:
    """Rows of every collection, readable by number and by sourcedId, with everything that was put, removed and
    appended.

    Safe to use from the thread of the server and from that of a test at the same time.
    """

    def __init__(self, world: World) -> None:
        self.lock = threading.RLock()
        self.revision = 0
        self.cache: OrderedDict[tuple[Any, ...], Rows] = OrderedDict()
        self._world = world
        self._overlays = {collection: Overlay() for collection in COLLECTIONS}

    @property
    def world(self) -> World:
        """The generated world of the current version."""
        return self._world

    def _overlay(self, collection: str) -> Overlay:
        if collection not in self._overlays:
            raise ValueError(f"unknown collection {collection!r}; there are {', '.join(COLLECTIONS)}")
        return self._overlays[collection]

    def become(self, world: World) -> None:
        """Go on with another version; rows that were put stay as they were put."""
        with self.lock:
            self._world = world
            self._changed()

    def put(self, collection: str, record: Record, *, front: bool = False) -> None:
        """Add a record, or replace the one with its sourcedId; `front` lists a new one before all others."""
        with self.lock:
            overlay, sourced_id = self._overlay(collection), str(record["sourcedId"])
            index = self.world.find(collection, sourced_id)
            if sourced_id in overlay.added_at:
                row = overlay.added_at[sourced_id]
                overlay.added[row - EXTRA] = dict(record)
                overlay.removed.discard(row)
            elif index is not None:
                overlay.replaced[index] = dict(record)
                overlay.removed.discard(index)
            else:
                row = EXTRA + len(overlay.added)
                overlay.added.append(dict(record))
                overlay.added_at[sourced_id] = row
                if front:
                    overlay.front.append(row)
            self._changed()

    def overlays(self) -> dict[str, Overlay]:
        """A copy of all that was put over the world."""
        with self.lock:
            return deepcopy(self._overlays)

    def lay(self, overlays: dict[str, Overlay]) -> None:
        """Put a copy of this over the world, instead of what lies there."""
        with self.lock:
            self._overlays = deepcopy(overlays)
            self._changed()

    def append_raw(self, collection: str, raw: bytes | Record) -> None:
        """Serve this at the end of the collection exactly as it is: bad rows, duplicates, bytes that are no JSON."""
        with self.lock:
            overlay = self._overlay(collection)
            overlay.raw.add(EXTRA + len(overlay.added))
            overlay.added.append(msgspec.Raw(raw) if isinstance(raw, bytes) else dict(raw))
            self._changed()

    def remove(self, collection: str, sourced_id: str) -> None:
        """Take a record away without a trace.

        Raises:
            KeyError: there is no such record.
        """
        with self.lock:
            row = self.find(collection, sourced_id)
            if row is None:
                raise KeyError(sourced_id)
            self._overlay(collection).removed.add(row)
            self._changed()

    def _changed(self) -> None:
        self.revision += 1
        self.cache.clear()

    def find(self, collection: str, sourced_id: str) -> int | None:
        """The row of a record, or None."""
        overlay = self._overlay(collection)
        row = overlay.added_at.get(sourced_id)
        if row is None:
            row = self.world.find(collection, sourced_id)
        return None if row in overlay.removed else row

    def get(self, collection: str, sourced_id: str) -> Record | None:
        """A record by sourcedId, or None."""
        row = self.find(collection, sourced_id)
        return None if row is None else self.fetch(collection, [row])[0]

    def rows(self, collection: str) -> Rows:
        """All rows of a collection in the order in which they are listed."""
        overlay = self._overlay(collection)
        base = self.world.rows(collection)
        if not overlay.added and not overlay.removed:
            return base
        return self._arranged(overlay, np.asarray(base), range(EXTRA, EXTRA + len(overlay.added)))

    def subset(self, collection: str, indices: Indices, belongs: Callable[[Record], bool]) -> Rows:
        """The rows among generated `indices`, corrected for what was put: `belongs` decides about those.

        Args:
            collection: whose rows.
            indices: generated records that belong, sorted.
            belongs: whether a record that was put belongs.
        """
        overlay, base = self._overlay(collection), self.world.rows(collection)
        if not isinstance(base, range):
            indices = np.intersect1d(indices, base, assume_unique=True)
        if not overlay.added and not overlay.removed and not overlay.replaced:
            return indices
        replaced = overlay.replaced
        fitting = np.array([index for index, record in replaced.items() if belongs(record)], dtype=np.int64)
        indices = np.union1d(np.setdiff1d(indices, np.array([*replaced], dtype=np.int64)), fitting)
        added = [
            EXTRA + number
            for number, record in enumerate(overlay.added)
            if isinstance(record, dict) and belongs(record)
        ]
        return self._arranged(overlay, indices, added)

    @staticmethod
    def _arranged(overlay: Overlay, indices: Indices, added: Sequence[int]) -> Indices:
        """Rows put in front, generated rows, rows put at the end; without the removed ones."""
        present = set(added)
        front = [row for row in reversed(overlay.front) if row in present]
        back = [row for row in added if row not in overlay.front]
        rows = np.concatenate([np.array(front, dtype=np.int64), indices, np.array(back, dtype=np.int64)])
        return rows[~np.isin(rows, np.array([*overlay.removed], dtype=np.int64))]

    def fetch(self, collection: str, rows: Rows | Sequence[int]) -> list[Any]:
        """The records of rows in this order; raw bytes come as `msgspec.Raw`."""
        numbers = np.asarray(rows, dtype=np.int64)
        overlay = self._overlay(collection)
        if not overlay.added and not overlay.replaced:
            return self.world.records(collection, numbers)
        generated = iter(self.world.records(collection, numbers[numbers < EXTRA]))
        merged: list[Any] = []
        for row in numbers.tolist():
            if row >= EXTRA:
                merged.append(overlay.added[row - EXTRA])
                continue
            record = next(generated)
            merged.append(overlay.replaced.get(row, record))
        return merged

    def explicit(self, collection: str) -> dict[int, Any]:
        """The rows that were put, replaced or appended, with their records."""
        overlay = self._overlay(collection)
        return overlay.replaced | {EXTRA + number: record for number, record in enumerate(overlay.added)}

    def instants(self, collection: str, rows: Rows) -> Indices:
        """When rows were last modified, in milliseconds; -1 where a planted row has none."""
        numbers = np.asarray(rows, dtype=np.int64)
        modified = self.world.timeline(collection, numbers).modified
        for row, record in self.explicit(collection).items():
            text = record.get("dateLastModified") if isinstance(record, dict) else None
            instant = parse_ms(text) if isinstance(text, str) else None
            modified[numbers == row] = -1 if instant is None else instant
        return modified

    def deleted(self, collection: str, rows: Rows) -> Mask:
        """Which rows are `tobedeleted`."""
        numbers = np.asarray(rows, dtype=np.int64)
        deleted = self.world.timeline(collection, numbers).deleted
        for row, record in self.explicit(collection).items():
            deleted[numbers == row] = isinstance(record, dict) and record.get("status") == "tobedeleted"
        return deleted

    def expected(self, collection: str) -> Iterator[Record]:
        """The truth of the current version: every record of a collection, without the raw rows."""
        rows, raw = self.rows(collection), self._overlay(collection).raw
        for first in range(0, len(rows), STREAM_BLOCK):
            block = [row for row in rows[first : first + STREAM_BLOCK] if row not in raw]
            yield from self.fetch(collection, block)

    def remembered(self, question: tuple[Any, ...], answer: Callable[[], Rows]) -> Rows:
        """A selection of rows, computed once while nothing changes, so that its later pages cost nothing."""
        if question not in self.cache:
            self.cache[question] = answer()
            if len(self.cache) > CACHED_SELECTIONS:
                self.cache.popitem(last=False)
        self.cache.move_to_end(question)
        return self.cache[question]
