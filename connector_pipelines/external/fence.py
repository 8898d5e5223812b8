"""The page fence: whether a collection held still while it was read page by page (S9, P5).

Rows that come or go while we read move all later rows, and one of them over the edge between two pages, unread. So each
page is made to begin with the last row of the page before. Where it does, nothing was lost between the two: in a
collection sorted by something that never changes, every row that was there all the time is in one of them or further
on. It does not matter which page was fetched first. Where it begins with another row, but any row of it was seen
before, rows have moved and none was lost. Where no row was seen before there is a gap: reading goes back until a page
joins what is known, and on from there.

What cannot be joined, an id that came twice with different content, and a total that moved without being reached make
a read unstable. An unstable read proves no absence.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connector_pipelines.pages import Stability

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from connector_pipelines.pages import Page

MAX_REPAIRS = 12
"""How often one read goes back. The steps double, so this reaches the beginning of 4,000 pages."""


@dataclass(slots=True)
class Fence:
    """One fenced read.

    Attributes:
        start: reads from an offset to the end, each page beginning with the last row of the page before.
        offset_of: where a page began.
        key: the id in a raw record; None where it has none.
        totals: the totals that the source has stated so far, in the order they came.
    """

    start: Callable[[int], Generator[Page]]
    offset_of: Callable[[Page], int]
    key: Callable[[bytes], str | None]
    totals: Callable[[], Sequence[int]]
    _seen: dict[str, int] = field(default_factory=dict)
    _edge: bytes = b""
    _alone: bool = False
    _widest: int = 0
    _repairs: int = 0
    _moved: bool = False
    _torn: bool = False
    _done: bool = False

    def pages(self) -> Generator[Page]:
        """All pages in the order they were read, numbered from 1; pages of a gap come again.

        Raises:
            SyncError: whatever reading raises.
        """
        number, offset = 0, 0
        while offset >= 0:
            with closing(self.start(offset)) as pages:
                offset = -1
                for page in pages:
                    number += 1
                    joins = self._joins(page)
                    yield replace(page, number=number)
                    if not joins:
                        offset = self._further_back(page)
                        break
                    self._note(page.rows)
        self._done = True

    @property
    def stability(self) -> Stability | None:
        """What the read was; None before its end."""
        if not self._done:
            return None
        totals = self.totals()
        held_still = not totals or totals[0] == totals[-1]
        if self._torn or not (held_still or len(self._seen) >= totals[-1]):
            return Stability.UNSTABLE
        return Stability.REPAIRED if self._moved or not held_still else Stability.STABLE

    def _joins(self, page: Page) -> bool:
        """Whether nothing can lie unread between what was seen and this page."""
        if self._torn or self.offset_of(page) == 0 or not (page.rows or self._must_go_on()):
            return True  # nothing to prove any more; the beginning; the end
        if page.rows and self._same(page.rows[0], self._edge):
            self._moved |= page.rows[0] != self._edge
            return True
        self._moved = True
        return any(self.key(row) in self._seen for row in page.rows)

    def _must_go_on(self) -> bool:
        """Whether rows must come yet: an empty page is the end only behind a last row that came again, and alone.

        Where every page has one row, it may be cut; unless the source said at first that there is but one.
        """
        return not (self._widest > 1 and self._alone) and self.totals()[:1] != [1]

    def _same(self, row: bytes, other: bytes) -> bool:
        key = self.key(row)
        return row == other or bool(key is not None and key == self.key(other))

    def _note(self, rows: Sequence[bytes]) -> None:
        """Remember what was seen. The first row may have been edited since the page before; others came twice then."""
        import xxhash

        before = len(self._seen)
        for at, row in enumerate(rows):
            key, content = self.key(row), xxhash.xxh3_64_intdigest(row)
            if key is not None:
                self._torn |= self._seen.get(key, content) != content and not (at == 0 and self._same(row, self._edge))
                self._seen[key] = content
        self._alone = len(rows) == 1 and len(self._seen) == before
        self._widest = max(self._widest, len(rows))
        self._edge = rows[-1] if rows else self._edge

    def _further_back(self, page: Page) -> int:
        """Where to begin again: each time twice as far back; when that does not help, we go on and prove nothing."""
        self._repairs += 1
        if self._repairs > MAX_REPAIRS or self._widest < 2:  # noqa: PLR2004 -- one row has no other to join
            self._torn = True
            return self.offset_of(page)
        return max(0, self.offset_of(page) - (max(1, len(page.rows)) << self._repairs))
