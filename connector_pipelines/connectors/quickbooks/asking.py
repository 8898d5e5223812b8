"""What to ask QuickBooks for a window of time. Pure.

Everything, or a past span: statements of its query language, page by page, inactive records included, which it leaves
out unless told otherwise. What changed since a moment: change data capture, which alone knows what was deleted, as far
as it reaches: 30 days back, 1,000 objects, no pages. Beyond that the query language again
(https://developer.intuit.com/app/developer/qbo/docs/learn/explore-the-quickbooks-online-api/change-data-capture).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_pipelines.model import Window

CDC_REACH = timedelta(days=30) - timedelta(hours=1)
"""How far back we ask: an hour less than the limit, for clocks that differ."""

CDC_LIMIT = 1_000
"""So many objects in one answer and there may be more."""

MINOR_VERSION = "75"
"""The oldest one that Intuit still serves; asked for by name, so that a newer default changes nothing."""


@dataclass(frozen=True, slots=True)
class Table:
    """A kind of record at QuickBooks.

    Attributes:
        name: as the query language calls it.
        columns: what to select; `Sku` is left out of `*` by some versions.
        can_be_inactive: lists have inactive records, transactions have none.
    """

    name: str
    columns: str = "*"
    can_be_inactive: bool = True


ITEM = Table("Item", "*, Sku")
VENDOR = Table("Vendor")
PURCHASE_ORDER = Table("PurchaseOrder", can_be_inactive=False)
TABLES = (ITEM, VENDOR, PURCHASE_ORDER)


@dataclass(frozen=True, slots=True)
class Asking:
    """How a window is read.

    Attributes:
        cdc_since: ask change data capture from this moment on; None for not at all.
        query: ask the query language, too. Also done when change data capture is cut off.
    """

    cdc_since: datetime | None
    query: bool


def asking(window: Window, now: datetime) -> Asking:
    """How to read a window.

    Change data capture has no upper bound and shows the latest state alone, so a span that ends in the past is left to
    the query language, which cannot tell what was deleted.
    """
    if window.since is None or window.until is not None:
        return Asking(None, query=True)
    horizon = now - CDC_REACH
    return Asking(max(window.since, horizon), query=window.since < horizon)


def select(table: Table, window: Window, *, start: int, size: int) -> str:
    """A page of a table.

    In the order of ids, which never change: a record that is modified while we read keeps its place. In the order of
    modification it would move to the end and pull the records behind it over the page's edge, unread.
    """
    return f"SELECT {table.columns} FROM {table.name}{_where(table, window)} ORDERBY Id{_page(start, size)}"  # noqa: S608 -- QuickBooks' language, of our own words


def count(table: Table, window: Window) -> str:
    """How many records `select` would give in all pages."""
    return f"SELECT COUNT(*) FROM {table.name}{_where(table, window)}"  # noqa: S608 -- as above


def start_of(statement: str) -> int:
    """The position a statement begins at, from 1."""
    found = _START.search(statement)
    return int(found.group(1)) if found else 1


def moved(statement: str, start: int) -> str:
    """The statement for another page."""
    return _START.sub(f" STARTPOSITION {start}", statement)


def moment(at: datetime) -> str:
    """A moment as QuickBooks reads it, in UTC and whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_START = re.compile(r" STARTPOSITION (\d+)")


def _page(start: int, size: int) -> str:
    return f" STARTPOSITION {start} MAXRESULTS {size}"


def _where(table: Table, window: Window) -> str:
    clauses = [
        "Active IN (true, false)" if table.can_be_inactive else "",
        f"MetaData.LastUpdatedTime >= '{moment(window.since)}'" if window.since else "",
        f"MetaData.LastUpdatedTime < '{moment(window.until)}'" if window.until else "",
    ]
    joined = " AND ".join(clause for clause in clauses if clause)
    return f" WHERE {joined}" if joined else ""
