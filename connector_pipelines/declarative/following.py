"""Which paginator carries out what an entity declares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.declarative import paginators
from connector_pipelines.declarative import paging as declared_paging
from connector_pipelines.declarative.api import counted, said
from connector_pipelines.declarative.decoding import decoder
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_pipelines.declarative.api import Api
    from connector_pipelines.declarative.settings import Declared
    from connector_pipelines.model import Window


def paginator(
    api: Api, declared: Declared, split: Callable[[bytes], Sequence[bytes]], span: Window, *, overlap: int = 0
) -> paginators.Pages:
    """What finds the pages of an entity in a span.

    Args:
        api: the source.
        declared: the entity.
        split: gives the records of a page.
        span: what is asked for.
        overlap: with how many rows of the page before a page begins; of offset paging alone.
    """
    paging, tells, counts = api.settings.paging_of(declared), said(api), counted(api, declared, split)

    def last(body: bytes, find: Callable[[Any], object]) -> object:
        rows = counts(body)
        return find(msgspec.json.decode(rows[-1])) if rows else None

    step: paginators.Step
    match paging:
        case declared_paging.SinglePage():
            step = paginators.Single()
        case declared_paging.PageNumber() | declared_paging.Offset():
            step = paginators.Counting(paging, tells, overlap)
        case declared_paging.Cursor():
            step = paginators.Token(paging, tells)
        case declared_paging.LastRecord():
            find = type(declared).path_in(paging.key).get
            step = paginators.AfterLast(paging, tells, lambda body: last(body, find))
        case declared_paging.Link():
            step = paginators.Address(paging, tells, api.http.base_url)
    total = paging.total
    if declared.incremental and declared.incremental.newest_first and span.since:
        step, total = paginators.UntilOlder(step, _older(api, declared, split, span)), None
    most = paging.size if isinstance(paging, declared_paging.Sized) and paging.size_param else None
    return paginators.Pages(step, tells, total, paging.max_pages, counts, most, watched=overlap > 0)


def _older(
    api: Api, declared: Declared, split: Callable[[bytes], Sequence[bytes]], span: Window
) -> Callable[[bytes], bool]:
    """Whether the last record of a page changed before the span."""
    decode = decoder(declared, api.kind.null_tokens(api.settings))

    def older(body: bytes) -> bool:
        try:
            when = datetime.fromisoformat(decode(split(body)[-1])[1] or "")
        except (BadRow, IndexError, ValueError):
            return False  # then nothing says that it is older
        return span.since is not None and (when if when.tzinfo else when.replace(tzinfo=UTC)) < span.since

    return older
