"""What a source sends: raw pages, the records in them, and what is wrong with some. All frozen, no behavior."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not accepted, on its way to the dead letters.

    Attributes:
        page: number of the landed page, from 1.
        row: position in that page, from 0.
        external_id: the source's id where one could be read.
        rule: short name of the rule that refused, for counting ("givenName: not_nullable").
        reason: a sentence a person understands, without the value of a personal field.
        payload: the raw record as JSON text.
    """

    page: int
    row: int
    external_id: str | None
    rule: str
    reason: str
    payload: str


class BadRow(Exception):
    """A raw record that cannot be decoded.

    Args:
        rule: short name of what is wrong, for counting.
        reason: a sentence, without the value of a personal field.
        external_id: where one could be read.
    """

    def __init__(self, rule: str, reason: str, external_id: str | None = None) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason
        self.external_id = external_id


@dataclass(frozen=True, slots=True)
class Page:
    """One raw page as it came, and how it was asked for (URL already redacted).

    Attributes:
        rows: its raw records in order, each as bytes; slices of the body where that is possible. Nothing where a
            record is of a person who was erased: it is counted as skipped and never looked at.
    """

    number: int
    url: str
    status: int
    body: bytes
    rows: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Rows:
    """Raw records of one page: all of it, or those that are worth a look.

    Attributes:
        page: number of the landed page.
        positions: for each record, its position in the page, from 0.
        raw: the records.
        fingerprints: their hashes, in hexadecimal.
    """

    page: int
    positions: Sequence[int]
    raw: Sequence[bytes]
    fingerprints: Sequence[str]


@dataclass(frozen=True, slots=True)
class Together:
    """Records that come with all of their siblings, as the lines of an order do: one that does not come is gone, also
    in a read of nothing but changes.

    Attributes:
        reference: the name of the reference to what they belong to.
        parents: the external ids of those that a page holds with all that belongs to them, or calls deleted. Pure.
    """

    reference: str
    parents: Callable[[bytes], Sequence[str]]


def _nobody_watched() -> None:
    """Of a read that was not watched."""


def _nobody_counted() -> None:
    """Of a source that counts nothing of its own."""


class Stability(StrEnum):
    """Whether a collection held still while it was read page by page (S9).

    An UNSTABLE read may have missed rows; a REPAIRED one has read the gaps again.
    """

    STABLE = "stable"
    REPAIRED = "repaired"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stream's `read` returns: pages to be consumed once, and what they will prove.

    Attributes:
        pages: lazily read pages, in order. The iterator raises a `SyncError` when the read fails; it ends only
            when the source said by the contract's rule that there is no more.
        snapshot: the pages together are the whole collection, so that an absent record is really absent there.
        stability: asked once the pages are consumed; None where nobody watched.
        reached: asked once the pages are consumed: how far they came in the source's own counting. The next increment
            gets it as `Window.after`; None where nothing is counted.
        fenced: the same read, watched more closely, for one that is to prove absence: it costs one row more for each
            page, and a second look where rows moved. None where there is nothing to watch.
    """

    pages: Iterator[Page]
    snapshot: bool
    stability: Callable[[], Stability | None] = _nobody_watched
    reached: Callable[[], str | None] = _nobody_counted
    fenced: Callable[[], Reading] | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a read that recognized records relied on: the fingerprints core held when it began.

    Attributes:
        count, checksum: of the fingerprints, independent of their order.
        unseen: how many of them did not come.
    """

    count: int
    checksum: str
    unseen: int
