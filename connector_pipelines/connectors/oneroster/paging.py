"""The stop rule of OneRoster's offset paging, as the contract has it ("Paging stop rule").

1. follow `Link rel="next"`; else
2. advance the offset by the rows *received* until it reaches the total the source states; else
3. advance by the rows received until an empty page.

Servers clamp pages silently, so a page shorter than asked for means nothing. A total may be an estimate, and an
estimate that is too low must not lose rows; so where only a total says that the end is reached, one more page is asked
for: it costs one request per read and is empty when the total was right. A `Link` header without `next` is the source's
own statement that there is no more, and needs no such proof, unless its own total says otherwise: a higher one, or one
that the rows received have already passed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from connector_pipelines.external.links import links_of

if TYPE_CHECKING:
    from connector_pipelines.external.http import Request, Response

_TOTAL = re.compile(rb'"totalCount"\s*:\s*(\d+)')
_FROM_LINK = ("offset", "limit")
"""Of a Link we take the position alone: filter and sort stay ours, whatever a proxy made of them."""


@dataclass(frozen=True, slots=True)
class OffsetPaging:
    """Pages by `limit` and `offset`.

    Attributes:
        total_in_body: TimeBack states `totalCount` beside the list.
        overlap: with how many rows of the page before a page begins, where that has more.
    """

    total_in_body: bool = False
    overlap: int = 0

    def after(self, request: Request, response: Response, rows: int) -> Request | None:
        """The next page, or None at the end."""
        offset = int(request.param("offset") or 0)
        links = links_of(response.headers.get("Link"))
        if "next" in links:
            return _linked(request, links["next"], offset, rows, self._again(rows))
        if rows == 0:
            return None
        total = self.total(response)
        if links and (total is None or offset + rows == total):
            return None
        if offset and rows <= self.overlap and total is not None and offset + rows >= total:
            return None  # it brought nothing but what it repeats: the page that is asked for behind a stated total
        return _at(request, offset + rows - self._again(rows))

    def ahead(self, request: Request, response: Response, rows: int) -> Request | None:
        """A page as long as the latest one further on, within the stated total."""
        offset = int(request.param("offset") or 0)
        total = self.total(response)
        if rows == 0 or (total is not None and offset + rows >= total):
            return None
        return _at(request, offset + rows - self._again(rows))

    def _again(self, rows: int) -> int:
        """How many rows of a page of so many the next one repeats."""
        return self.overlap if rows > self.overlap else 0

    def total(self, response: Response) -> int | None:
        """How many rows the source says there are in all pages; None if it does not say."""
        stated = response.headers.get("X-Total-Count", "").strip()
        if stated.isdecimal():
            return int(stated)
        return _total_in(response.body) if self.total_in_body else None


def _at(request: Request, offset: int) -> Request:
    return request.with_params({"offset": str(offset)})


def _linked(request: Request, url: str, offset: int, rows: int, again: int) -> Request:
    """Our request at the Link's position.

    The Link's host and path are not followed: behind a proxy they name a machine that is not ours to talk to. A Link
    that would skip rows, because it counts the rows asked for instead of those sent, is corrected; one without a
    usable offset continues after the rows received.
    """
    query = dict(parse_qsl(urlsplit(url).query))
    position = {name: query[name] for name in _FROM_LINK if query.get(name, "").isdecimal()}
    told = int(position.get("offset", offset + rows))
    right = min(told, offset + rows) if rows else told
    return request.with_params(position | {"offset": str(right - again)})


def offset_of(url: str) -> int:
    """Where the page of an address begins."""
    return int(dict(parse_qsl(urlsplit(url).query)).get("offset", 0))


def _total_in(body: bytes) -> int | None:
    """`totalCount` beside the list: looked for at both ends of the page first, since the list is long."""
    for part in (body[-400:], body[:400]):
        found = _TOTAL.search(part)
        if found:
            return int(found.group(1))
    try:
        total = json.loads(body).get("totalCount")
    except (ValueError, AttributeError):
        return None
    return total if isinstance(total, int) else None
