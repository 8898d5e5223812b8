"""Pages of QuickBooks' query language: they overlap, and every page must show a record of the page before it.

STARTPOSITION counts records, so one that is deleted while we read pulls all later ones a place forward, and one of them
over the edge between two pages, unread. Therefore a page begins some records before the end of the page before it. In
the order of ids, two pages that share a record have nothing between them; two that share none may have, and then the
read is torn and begins anew. The end is a page shorter than asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector_pipelines.connectors.quickbooks.asking import moved, start_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.external.messages import Request, Response

OVERLAP = 10
"""So many records may be deleted between two pages without harm."""


@dataclass(slots=True)
class OverlapPaging:
    """Follows the pages of one pass, and knows at its end whether they hang together.

    Attributes:
        size: MAXRESULTS.
        total: how many records the source counted before the pass.
        ids: the ids in a page's body, in order.
        seen: how many different records came so far.
        torn: two pages shared no record.
    """

    size: int
    total: int
    ids: Callable[[bytes], Sequence[str]]
    seen: int = 0
    torn: bool = False
    _last: frozenset[str] = field(default_factory=frozenset, repr=False)

    def after(self, request: Request, response: Response, _rows: int) -> Request | None:
        """The page that begins a little before this one's end; None at the end, or where the read is torn."""
        ids = self.ids(response.body)
        page = frozenset(ids)
        if self._last and not page & self._last:
            self.torn = True
            return None
        self.seen += len(page - self._last)
        self._last = page
        return self._from(request, len(ids)) if len(ids) >= self.size else None

    def ahead(self, request: Request, _response: Response, _rows: int) -> Request | None:
        """The page after a full one, as far as the source counted."""
        following = self._from(request, self.size)
        return following if start_of(following.param("query") or "") + OVERLAP <= self.total else None

    def _from(self, request: Request, rows: int) -> Request:
        statement = request.param("query") or ""
        return request.with_params({"query": moved(statement, start_of(statement) + rows - OVERLAP)})
