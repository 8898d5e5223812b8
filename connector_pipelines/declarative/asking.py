"""What is asked: the requests of a declared entity, for a span of time and for each parent. Pure."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import quote

from connector_pipelines.declarative import paging as declared_paging
from connector_pipelines.declarative.places import with_value
from connector_pipelines.declarative.positions import start
from connector_pipelines.external.messages import Request
from connector_pipelines.model import Mode, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector_pipelines.declarative.jobs import Job
    from connector_pipelines.declarative.paging import Incremental, Paging
    from connector_pipelines.declarative.settings import Declared, Settings

    Asked = Declared | Job


def first_request(settings: Settings, declared: Declared, window: Window, names: Mapping[str, str]) -> Request:
    """The first page of an entity that is not made by a job.

    Args:
        settings: the source.
        declared: the entity.
        window: the span to ask for, as `spans` gives it.
        names: what `each` puts into path and parameters.
    """
    request = _within(_request(settings, declared, names), declared.incremental, window)
    return _sized(request, settings.paging_of(declared))


def job_request(settings: Settings, job: Job, declared: Declared, window: Window, names: Mapping[str, str]) -> Request:
    """What asks for a report, of a span where one is wanted."""
    return _within(_request(settings, job, names), declared.incremental, window)


def result_request(settings: Settings, declared: Declared, names: Mapping[str, str], url: str | None) -> Request:
    """The first page of a report: what `path` leads to, or an address that the source told."""
    request = _request(settings, declared, names)
    return _sized(request if url is None else replace(request, url=url), settings.paging_of(declared))


def _request(settings: Settings, asked: Asked, names: Mapping[str, str]) -> Request:
    path = Template(asked.path).substitute({name: quote(value, safe=",") for name, value in names.items()})
    params = {name: Template(value).substitute(names) for name, value in (settings.params | asked.params).items()}
    body = json.dumps(asked.body).encode() if asked.method == "POST" else None
    request = Request(path, tuple(params.items()), method=asked.method, body=body)
    return request if body is None else request.with_headers({"Content-Type": "application/json"})


def _sized(request: Request, paging: Paging) -> Request:
    if isinstance(paging, declared_paging.SinglePage):
        return request
    if paging.size_param:
        request = with_value(request, paging.into, paging.size_param, str(paging.size))
    if isinstance(paging, declared_paging.PageNumber | declared_paging.Offset):
        request = with_value(request, paging.into, paging.param, str(paging.first))
    return request


def _within(request: Request, incremental: Incremental | None, window: Window) -> Request:
    if incremental is None or window.mode is Mode.FULL:
        return request
    ends = _ends(incremental, window)
    for name, param in (("since", incremental.since), ("until", incremental.until)):
        if param and name in ends:
            request = with_value(request, incremental.into, param, ends[name])
    if incremental.filter and incremental.expression:
        text = Template(incremental.expression).safe_substitute(
            {"since": moment(_BEGINNING, incremental.format)} | ends
        )
        if "until" in ends and incremental.expression_until:
            text += Template(incremental.expression_until).substitute(ends)
        sent = base64.b64encode(text.encode()).decode() if incremental.base64 else text
        request = with_value(request, incremental.into, incremental.filter, sent)
    return request


def _ends(incremental: Incremental, window: Window) -> dict[str, str]:
    """Both ends of a span, as the source writes them; what is open is left out."""
    if incremental.counts:
        known = start(incremental, window.after)
        return {} if known is None else {"since": known}
    named = (("since", window.since), ("until", window.until))
    return {name: moment(end, incremental.format) for name, end in named if end is not None}


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""What stands for the beginning of time in an expression that must have one."""


def spans(incremental: Incremental | None, window: Window, now: datetime) -> Iterator[Window]:
    """The spans to ask for, one after another: looked back, cut in steps; one without ends where all is to be read.

    Args:
        incremental: as declared.
        window: as the engine wants it.
        now: the end of a span that has none, and what retention is counted from.
    """
    if incremental is None or window.mode is Mode.FULL or _forgotten(incremental, window, now):
        yield Window()
        return
    if incremental.counts:
        yield window if start(incremental, window.after) is not None else Window()
        return
    since = window.since - timedelta(seconds=incremental.lookback_seconds) if window.since else None
    if incremental.step_days is None or since is None:
        yield Window(since, window.until)
        return
    end, step = window.until or now, timedelta(days=incremental.step_days)
    while since < end - step:
        yield Window(since, since + step)
        since += step
    yield Window(since, window.until)


def halves(incremental: Incremental | None, span: Window, now: datetime) -> tuple[Window, ...]:
    """Two spans instead of one that is too large; none where it has no beginning, cannot end, or is of a second."""
    if incremental is None or span.since is None or not (incremental.until or incremental.expression_until):
        return ()
    length = (span.until or now) - span.since
    middle = span.since + timedelta(seconds=int(length.total_seconds()) // 2)
    return (Window(span.since, middle), Window(middle, span.until)) if middle > span.since else ()


def _forgotten(incremental: Incremental, window: Window, now: datetime) -> bool:
    """Whether the source no longer knows what changed since then."""
    if incremental.retention_days is None:
        return False
    return window.since is None or window.since < now - timedelta(days=incremental.retention_days)


def moment(when: datetime, form: str) -> str:
    """A time as a source wants it, in UTC."""
    utc = when.astimezone(UTC)
    match form:
        case "iso":
            return utc.isoformat(timespec="seconds" if utc.microsecond == 0 else "milliseconds").replace("+00:00", "Z")
        case "epoch":
            return str(int(utc.timestamp()))
        case "epoch_ms":
            return str(int(utc.timestamp() * 1000))
    return utc.strftime(form)
