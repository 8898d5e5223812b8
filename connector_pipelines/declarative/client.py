"""The open source: asks for pages, for each parent where that is declared, and tests the connection."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.declarative import answers, positions
from connector_pipelines.declarative import paging as declared_paging
from connector_pipelines.declarative.api import Api, Kind, Part, fetch, remembered, said, splitter
from connector_pipelines.declarative.asking import first_request, halves, spans
from connector_pipelines.declarative.decoding import decoder
from connector_pipelines.declarative.following import paginator
from connector_pipelines.declarative.running import made
from connector_pipelines.declarative.schemas import columns_of
from connector_pipelines.declarative.watching import watched
from connector_pipelines.external.options import BUSINESS_RETRIES
from connector_pipelines.external.paginate import paginate, side_by_side
from connector_pipelines.external.retry import utc_now
from connector_pipelines.model import Health, Mode, Stream, Window
from connector_pipelines.pages import Page, Reading, Stability

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import pandas as pd
    import pandera.pandas as pa

    from connector_pipelines.declarative.settings import Declared, Each, Settings
    from connector_pipelines.external.http import Client, Request
    from connector_pipelines.external.retry import Rule


@contextmanager
def connect(kind: Kind, settings: Settings) -> Iterator[Api]:
    """A client for a source; nothing is asked before the first read.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
        SecretMissing: a secret header is not set.
    """
    with http(kind, settings) as opened:
        yield Api(settings, kind, opened)


def http(kind: Kind, settings: Settings, overrides: Mapping[int, Rule] | None = None) -> Client:
    """A client that asks as a source wants to be asked.

    Args:
        kind: of the source's connector.
        settings: of the source.
        overrides: what statuses mean where no rule of the source says it.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
        SecretMissing: a secret header is not set.
    """
    secret = {name: value.reveal() for name, value in settings.secret_headers.items()}
    return settings.client(
        settings.base_url,
        settings.auth.scheme() if settings.auth else None,
        retries=BUSINESS_RETRIES,
        overrides={**(overrides or {}), **answers.overrides(settings.answers)},
        lifted=answers.lifted(settings.answers),
        headers={"Accept": kind.media} | settings.headers | secret,
        explain=answers.explained,
    )


def streams(kind: Kind, settings: Settings) -> tuple[Stream, ...]:
    """What a source can read, parents before children."""
    return tuple(_stream(kind, settings, name, declared) for name, declared in settings.declared.items())


def _stream(kind: Kind, settings: Settings, name: str, declared: Declared) -> Stream:
    def schema() -> pa.DataFrameSchema:
        from connector_pipelines.core.entities import ENTITIES
        from connector_pipelines.declarative.schemas import schema_of

        return schema_of(ENTITIES[name], declared)

    def transform(frame: pd.DataFrame) -> pd.DataFrame:
        from connector_pipelines.core.entities import ENTITIES
        from connector_pipelines.declarative.transform import core_frame

        return core_frame(ENTITIES[name], frame)

    def read(api: Api, window: Window) -> Reading:
        asked = api.settings.declared.get(name, declared)  # the source may be asked as an earlier configuration says
        noted = _tracker(api, asked, window)
        still = Stability.STABLE if _holds_still(api, asked) else None
        return Reading(
            _pages(api, asked, window, api.settings.in_flight, noted),
            snapshot=window.mode is Mode.FULL,
            stability=lambda: still,
            reached=noted.reached if noted else lambda: None,
            fenced=watched(api, asked) if window.mode is Mode.FULL else None,
        )

    counts = declared.incremental is not None and declared.incremental.counts
    by_time = (declared.incremental is not None and not counts) or (
        declared.each is not None and declared.each.changed_only
    )
    return Stream(
        entity=name,
        read=read,
        split=splitter(kind, settings, declared),
        decode=decoder(declared, kind.null_tokens(settings)),
        columns={column: _at(position) for position, column in enumerate(columns_of(declared))},
        schema=schema,
        transform=transform,
        filters_by_time=by_time,
        counts=counts,
        endpoint=_endpoint(declared),
    )


def _endpoint(declared: Declared) -> str:
    """What a person would call it: where it is asked for first."""
    asked = declared.job or declared
    return f"{asked.method} /{asked.path.removeprefix('/')}"


def _holds_still(api: Api, declared: Declared) -> bool:
    """Whether no record can slip by unread while others come and go: in one answer, or page by page by their keys."""
    by_itself = declared_paging.SinglePage | declared_paging.LastRecord
    return declared.each is None and isinstance(api.settings.paging_of(declared), by_itself)


def _at(position: int) -> Callable[[Any], object]:
    from operator import itemgetter

    return itemgetter(position)


def check(api: Api) -> Health:
    """Read one page of the first entity: proves URL, credentials, paging and mapping."""
    parents = [one for one in api.settings.declared.values() if one.each is None or one.each.entity is None]
    declared = next((one for one in parents if one.job is None), parents[0])
    part = next(_values(declared.each)) if declared.each else Part({}, {})
    split = splitter(api.kind, api.settings, declared)
    started = time.monotonic()
    with _first(api, declared, Window(), part) as request:
        response = fetch(api, part, api.settings.paging_of(declared))(request, None)
    rows = split(response.body)
    seconds = time.monotonic() - started
    following = paginator(api, declared, split, Window()).after(request, response, len(rows))
    found = f"{len(rows):,} record{'' if len(rows) == 1 else 's'} on the first page"
    return Health(
        ok=True,
        detail=f"{response.url} answers with {found}; {'there is another page' if following else 'it is the last'}.",
        latency_seconds=seconds,
    )


def _tracker(api: Api, declared: Declared, window: Window) -> positions.Tracker | None:
    """Notes how far a read comes, where the source counts in its own way."""
    incremental = declared.incremental
    if incremental is None or not incremental.counts:
        return None
    split = remembered(splitter(api.kind, api.settings, declared))
    number = type(declared).path_in(incremental.number or "@").get
    return positions.Tracker(incremental, window.after, split, number, said(api))


def _pages(
    api: Api, declared: Declared, window: Window, in_flight: int, noted: positions.Tracker | None = None
) -> Generator[Page]:
    """All pages of an entity in a window, numbered through.

    A span that is too large is asked for in halves; one that the source knows nothing of any more is everything.
    """
    numbers, now = count(1), utc_now()
    todo = deque(spans(declared.incremental, window, now))
    while todo:
        span = todo.popleft()
        if noted and span.mode is Mode.FULL:
            noted.begin()
        try:
            for page in _span(api, declared, span, window, in_flight, noted=noted):
                yield replace(page, number=next(numbers))
        except answers.Forgotten:
            if span.mode is Mode.FULL:
                raise
            todo = deque([Window()])
        except answers.SpanTooLarge:
            two = halves(declared.incremental, span, now)
            if not two:
                raise
            todo.extendleft(reversed(two))


def _span(
    api: Api, declared: Declared, span: Window, window: Window, in_flight: int, *, noted: positions.Tracker | None
) -> Iterable[Page]:
    each = declared.each
    if each is None:
        return _part(api, declared, span, Part({}, {}), in_flight, noted=noted)
    if each.entity is None:
        return chain.from_iterable(_part(api, declared, span, part, in_flight) for part in _values(each))
    parents = api.settings.declared[each.entity]
    theirs = _pages(api, parents, window if each.changed_only else Window(), 1 if parents.each else in_flight)
    found = _parents(each, parents, theirs, needed=declared.named())
    return side_by_side(found, lambda part: list(_part(api, declared, span, part, 1)), in_flight)


def _part(
    api: Api, declared: Declared, span: Window, part: Part, in_flight: int, *, noted: positions.Tracker | None = None
) -> Iterator[Page]:
    split = remembered(splitter(api.kind, api.settings, declared))
    pages = paginator(api, declared, split, span)
    following = positions.Tracked(pages, noted) if noted else pages
    with _first(api, declared, span, part) as first:
        yield from paginate(
            fetch(api, part, api.settings.paging_of(declared)), split, first, following, in_flight=in_flight
        )


def _first(api: Api, declared: Declared, span: Window, part: Part) -> AbstractContextManager[Request]:
    """The first page; where the source makes a report, it is there while this is open."""
    if declared.job:
        return made(api, declared, declared.job, span, part.names)
    return nullcontext(first_request(api.settings, declared, span, part.names))


def _values(each: Each) -> Iterator[Part]:
    for batch in _batches(each.values, each.batch):
        text = each.separator.join(batch)
        yield Part({each.name: text}, {each.name: text})


def _batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def _parents(each: Each, parents: Declared, pages: Iterable[Page], *, needed: frozenset[str]) -> Iterator[Part]:
    """Each parent once, in the order in which they come; one without a needed field has no children to ask for."""
    path_in = type(parents).path_in
    find = path_in(str(each.field)).get
    carried = {name: path_in(text).get for name, text in each.carry.items()}
    seen: set[tuple[str, ...]] = set()

    def known() -> Iterator[tuple[str, dict[str, object]]]:
        for record in _records(pages):
            value = find(record)
            more = {name: get(record) for name, get in carried.items()}
            lacking = value is None or any(more.get(name, "") is None for name in needed)
            key = (str(value), *(str(more[name]) for name in sorted(needed & more.keys())))
            if not lacking and key not in seen:
                seen.add(key)
                yield str(value), more

    if each.batch == 1:
        for value, more in known():
            carried_texts = {name: str(held) for name, held in more.items() if held is not None}
            yield Part(carried_texts | {each.name: value}, more | {each.name: value})
        return
    for batch in _batches((value for value, _ in known()), each.batch):
        yield Part({each.name: each.separator.join(batch)}, {each.name: each.separator.join(batch)})


def _records(pages: Iterable[Page]) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder().decode
    for page in pages:
        for raw in page.rows:
            try:
                record = decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # a dead letter of its own entity
            if isinstance(record, dict):
                yield record
