"""The world of a simulator: every record of a school district as a pure function of seed, scenario and steps taken.

Nothing is stored but the seed and the steps; a page is computed from its indices, so that the millionth enrollment
costs what the first one costs (requirement F64). Records are in the shape of OneRoster 1.2; `v1p1.py` makes 1.1 of
them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from connector_pipelines.connectors.oneroster.simulator import calendar, gradebook, organizations, people, teaching
from connector_pipelines.connectors.oneroster.simulator.evolution import (
    EVOLVING,
    LONGEST_SPAN_MS,
    Step,
    Timeline,
    growth,
    timeline,
)
from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, key
from connector_pipelines.connectors.oneroster.simulator.identifiers import Links, Record, index_of
from connector_pipelines.connectors.oneroster.simulator.placement import Placement
from connector_pipelines.connectors.oneroster.simulator.shape import Shape, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connector_pipelines.connectors.oneroster.simulator.evolution import Growth

START = datetime(2025, 9, 1, tzinfo=UTC)
DAY_MS = 86_400_000
HREF_BASE = "https://sis.example"  # a fixed one, so that pages of two servers on different ports are the same bytes
STREAM_BLOCK = 1_000

BUILDERS: dict[str, Callable[[World, Indices], list[Record]]] = {
    "orgs": organizations.orgs,
    "academicSessions": organizations.academic_sessions,
    "courses": teaching.courses,
    "classes": teaching.classes,
    "users": people.users,
    "demographics": people.demographics,
    "enrollments": teaching.enrollments,
    "categories": gradebook.categories,
    "lineItems": gradebook.line_items,
    "results": gradebook.results,
    "scoreScales": gradebook.score_scales,
    "assessmentLineItems": gradebook.assessment_line_items,
    "assessmentResults": gradebook.assessment_results,
    "resources": gradebook.resources,
}
COLLECTIONS = tuple(BUILDERS)


@dataclass(frozen=True)
class World:
    """One version of a district.

    Args:
        seed: another seed, other names, dates and places.
        scenario: tiny, small, school or district (`shape.SCENARIOS`).
        start: the instant of version 0; all dates follow from it.
        steps: the evolution so far; the number of steps is the version.
        href_base: scheme and host of the hrefs in references.

    Raises:
        ValueError: no such scenario.
    """

    seed: int
    scenario: str
    start: datetime = START
    steps: tuple[Step, ...] = ()
    href_base: str = HREF_BASE

    @property
    def version(self) -> int:
        """How many steps of evolution led here."""
        return len(self.steps)

    @cached_property
    def start_ms(self) -> int:
        """`start` in milliseconds since 1970 UTC."""
        return int(self.start.timestamp() * 1000)

    @cached_property
    def shape(self) -> Shape:
        """The scenario's sizes and numbering."""
        return lay_out(self.scenario)

    @cached_property
    def grown(self) -> tuple[Growth, ...]:
        """What each step added."""
        return growth(self.shape, self.steps)

    @cached_property
    def place(self) -> Placement:
        """Who sits where."""
        return Placement(self.seed, self.shape, self.grown)

    @cached_property
    def links(self) -> Links:
        """Makes references."""
        return Links(self.href_base)

    @cached_property
    def sessions(self) -> tuple[calendar.Session, ...]:
        """All academic sessions."""
        return calendar.sessions(self.start.date())

    @property
    def now_ms(self) -> int:
        """The instant of this version, in milliseconds since 1970 UTC."""
        return self.steps[-1].at if self.steps else self.start_ms

    def evolve(self, percent: float, *, at: datetime | None = None, vanish: bool = False) -> World:
        """The next version. `at` defaults to a day after this one; it must not be earlier than this version.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before this version's.
        """
        instant = self.now_ms + DAY_MS if at is None else int(at.timestamp() * 1000)
        if not 0 <= percent <= 100:  # noqa: PLR2004  (percent)
            raise ValueError(f"percent is {percent}; it must be between 0 and 100")
        if instant < self.now_ms:
            raise ValueError("a step cannot lie before the version it starts from")
        span = min(instant - self.now_ms, LONGEST_SPAN_MS)
        return replace(self, steps=(*self.steps, Step(percent, instant, span, vanish)))

    def key(self, label: str) -> int:
        """The salt of a question about records."""
        return key(self.seed, label)

    def timeline(self, collection: str, indices: Indices) -> Timeline:
        """When these records were last modified, and what changed in them."""
        history = tuple(zip(self.steps, self.grown, strict=True))
        return timeline(self.seed, collection, self.start_ms, history, indices)

    def count(self, collection: str) -> int:
        """How many records of a collection there have ever been, the vanished ones included."""
        return self._counts[collection]

    @cached_property
    def _counts(self) -> dict[str, int]:
        shape = self.shape
        counts = gradebook.counts(shape) | {
            "orgs": organizations.FIRST_SCHOOL + len(shape.schools),
            "academicSessions": len(self.sessions),
            "courses": shape.courses,
            "resources": shape.courses,
            "classes": shape.classes + sum(grown.classes for grown in self.grown),
            "users": shape.users + sum(grown.users for grown in self.grown),
            "enrollments": shape.enrollments + sum(grown.enrollments for grown in self.grown),
        }
        return counts | {"demographics": shape.students + counts["users"] - shape.users}

    def rows(self, collection: str) -> range | Indices:
        """The indices of the records that are there, in the order in which they are listed."""
        if not any(step.vanish for step in self.steps) or collection not in (*EVOLVING, "demographics"):
            return range(self.count(collection))
        if collection not in self._present:
            self._present[collection] = np.flatnonzero(~self.vanished(collection))
        return self._present[collection]

    @cached_property
    def _present(self) -> dict[str, Indices]:
        return {}

    def vanished(self, collection: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For every index of a collection whether it vanished, by itself or with the user or class it belongs to."""
        if collection == "demographics":
            subjects = people.subjects(self, np.arange(self.count("demographics")))
            return np.asarray(self.vanished("users")[subjects])
        indices = np.arange(self.count(collection))
        gone = self.timeline(collection, indices).gone
        if collection == "enrollments":
            seats = self.place.seats(indices)
            gone |= self.vanished("users")[seats.user] | self.vanished("classes")[seats.school_class]
        return gone

    def records(self, collection: str, indices: Sequence[int] | Indices) -> list[Record]:
        """The records at these indices, in this order."""
        return BUILDERS[collection](self, np.asarray(indices, dtype=np.int64))

    def find(self, collection: str, sourced_id: str) -> int | None:
        """The index of a record that is there, or None."""
        index = index_of(collection, sourced_id)
        if collection == "demographics" and index is not None:
            index = people.demographics_index(self, index)
        if index is None or index >= self.count(collection):
            return None
        rows = self.rows(collection)
        if isinstance(rows, range):
            return index
        at = int(np.searchsorted(rows, index))
        return index if at < len(rows) and rows[at] == index else None

    def stream(self, collection: str) -> Iterator[Record]:
        """All records of a collection, block by block."""
        rows = self.rows(collection)
        for first in range(0, len(rows), STREAM_BLOCK):
            yield from self.records(collection, rows[first : first + STREAM_BLOCK])
