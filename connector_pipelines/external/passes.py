"""A collection that is read until two passes in a row hold the same ids (S9), where pages cannot be made to overlap.

Where a page begins is the source's own business: a token or a bookmark may stand for a place in a list that shifts. So
one pass may miss a record without anybody noticing: one that was removed behind us pulls the later ones forward, and
one of them over the edge between two pages, unread. But what was removed then was read by that pass and is not by the
next one. So where two passes hold the same ids, nothing that was read went away in the first of them, nothing moved
forward in it, and all that was there all the time was read. A single page is one moment, and needs no second pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_pipelines.pages import Stability

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from connector_pipelines.pages import Page

MAX_PASSES = 4
"""How often a collection is read at most; where no two passes agree by then, nothing is proven."""


@dataclass(slots=True)
class Passes:
    """What all passes of a read have come to.

    Attributes:
        moved: a pass differed from the one before it.
        torn: no two passes agreed, or something could not be read.
    """

    moved: bool = False
    torn: bool = False

    @property
    def stability(self) -> Stability:
        """Whether an absent record is really absent."""
        if self.torn:
            return Stability.UNSTABLE
        return Stability.REPAIRED if self.moved else Stability.STABLE

    def pages(self, read: Callable[[], Iterable[Page]], ids: Callable[[Page], set[str]]) -> Generator[Page]:
        """The pages of a first pass, and of later ones those that hold something new.

        Args:
            read: one pass over the collection.
            ids: those of the records of a page.
        """
        seen: set[str] = set()
        before: set[str] | None = None
        for _ in range(MAX_PASSES):
            now: set[str] = set()
            pages = 0
            for page in read():
                pages += 1
                found = ids(page)
                if before is None or found - seen:
                    yield page
                now |= found
                seen |= found
            if now == before or (before is None and pages <= 1):
                return
            if before is not None:
                self.moved = True
            before = now
        self.torn = True
