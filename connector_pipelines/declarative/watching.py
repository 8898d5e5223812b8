"""Reads by offset that are to prove absence: a page begins with the last row of the page before (`external.fence`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector_pipelines.declarative.api import Part, fetch, remembered, splitter
from connector_pipelines.declarative.asking import first_request
from connector_pipelines.declarative.decoding import key_of
from connector_pipelines.declarative.following import paginator
from connector_pipelines.declarative.paging import Offset
from connector_pipelines.declarative.places import with_value
from connector_pipelines.external.fence import Fence
from connector_pipelines.external.paginate import paginate
from connector_pipelines.model import Window
from connector_pipelines.pages import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from connector_pipelines.declarative.api import Api
    from connector_pipelines.declarative.paginators import Pages
    from connector_pipelines.declarative.settings import Declared
    from connector_pipelines.pages import Page


def watched(api: Api, declared: Declared) -> Callable[[], Reading] | None:
    """All of an entity, read more closely; None where that can prove nothing.

    It can where pages overlap at will and rows keep their places but for those that come and go. Records that are
    expanded from others, or asked for of each parent, are not what the pages count; a job's result is read once.
    """
    paging = api.settings.paging_of(declared)
    if not isinstance(paging, Offset) or not paging.fixed_order or declared.each or declared.job:
        return None
    if api.kind.outer(api.settings, declared):
        return None
    return partial(_reading, api, declared, paging)


def _reading(api: Api, declared: Declared, paging: Offset) -> Reading:
    split = remembered(splitter(api.kind, api.settings, declared))
    first = first_request(api.settings, declared, Window(), {})
    passes: list[Pages] = []

    def start(offset: int) -> Generator[Page]:
        passes.append(paginator(api, declared, split, Window(), overlap=1))
        there = with_value(first, paging.into, paging.param, str(paging.first + offset))
        send = fetch(api, Part({}, {}), paging)
        return paginate(send, split, there, passes[-1], in_flight=api.settings.in_flight)

    fence = Fence(
        start,
        lambda _: passes[-1].place or 0,
        key_of(declared),
        lambda: [total for pages in passes for total in pages.totals],
    )
    return Reading(fence.pages(), snapshot=True, stability=lambda: fence.stability)
