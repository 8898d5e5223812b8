"""An open source, and how its pages become raw records: what reading, paging and jobs build on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.declarative import answers, bodies, paginators
from connector_pipelines.declarative.fields import check as field_check
from connector_pipelines.declarative.places import halved
from connector_pipelines.errors import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from connector_pipelines.declarative.paging import Paging, Place
    from connector_pipelines.declarative.settings import Declared, Settings
    from connector_pipelines.external.http import Client, Request, Response


@dataclass(frozen=True, slots=True)
class Kind:
    """What one connector adds: the shape of its pages. All pure.

    Attributes:
        splitter: for an entity, how an unpacked body becomes raw records; raises `BrokenPage`.
        document: how an unpacked body becomes one document, for paths into it.
        adopt: puts a parent, as JSON, into raw records.
        outer: for an entity, how an unpacked body becomes what the source counts, where that is not its records: those
            that records are expanded from. None where it is.
        null_tokens: texts that mean that there is nothing.
        media: what we ask for.
    """

    splitter: Callable[[Any, Any], Callable[[bytes], Sequence[bytes]]]
    document: Callable[[Any], Callable[[bytes], Any]]
    adopt: Callable[[Sequence[bytes], bytes], Sequence[bytes]]
    outer: Callable[[Any, Any], Callable[[bytes], Sequence[bytes]] | None]
    null_tokens: Callable[[Any], Sequence[str]]
    media: str


@dataclass(frozen=True, slots=True)
class Api:
    """An open source."""

    settings: Settings
    kind: Kind
    http: Client


@dataclass(frozen=True, slots=True)
class Part:
    """One of the collections an entity is read from.

    Attributes:
        names: what stands in path and parameters.
        parent: what its records carry.
    """

    names: Mapping[str, str]
    parent: Mapping[str, object]


def splitter(kind: Kind, settings: Settings, declared: Declared) -> Callable[[bytes], Sequence[bytes]]:
    """A function that gives the raw records of a landed page.

    Returns:
        a pure function; it raises `BrokenPage`, and `FieldMissing` where the mapping names what is not there.
    """
    rows_of, look = _landed(kind, settings, kind.splitter(settings, declared)), field_check(declared)

    def split(body: bytes) -> Sequence[bytes]:
        rows = rows_of(body)
        look(rows)
        return rows

    return split


def counted(
    api: Api, declared: Declared, split: Callable[[bytes], Sequence[bytes]]
) -> Callable[[bytes], Sequence[bytes]]:
    """What the source counts on a landed page: its records, or what they are expanded from."""
    outer = api.kind.outer(api.settings, declared)
    return _landed(api.kind, api.settings, outer) if outer else split


def _landed(
    kind: Kind, settings: Settings, rows_of: Callable[[bytes], Sequence[bytes]]
) -> Callable[[bytes], Sequence[bytes]]:
    """The same for a body as it is landed: packed, and with its parent noted before it."""

    def split(body: bytes) -> Sequence[bytes]:
        page = bodies.opened(body, settings.compression, settings.member)
        rows = [] if page.empty else rows_of(page.plain)
        return kind.adopt(rows, _whole(page.parent)) if page.parent else rows

    return split


def _whole(parent: bytes) -> bytes:
    """The record that a page's rows belong to, as we noted it before the page.

    Raises:
        BrokenPage: it is none.
    """
    try:
        msgspec.json.decode(parent, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BrokenPage(
            "a landed page does not begin with the record it belongs to.", remedy="Read the entity again."
        ) from None
    return parent


def remembered(split: Callable[[bytes], Sequence[bytes]]) -> Callable[[bytes], Sequence[bytes]]:
    """The same for one thread, taking a page apart once: its reader and its paginator ask one after the other."""
    latest: tuple[bytes, Sequence[bytes]] | None = None

    def once(body: bytes) -> Sequence[bytes]:
        nonlocal latest
        if latest is None or latest[0] is not body:
            latest = (body, split(body))
        return latest[1]

    return once


def said(api: Api) -> Callable[[Place, Response], object]:
    """A function that gives what an answer says at a place, by the shape of the source's pages."""
    document = api.kind.document(api.settings)

    def plain(body: bytes) -> Any:
        page = bodies.opened(body, api.settings.compression, api.settings.member)
        return None if page.empty else document(page.plain)

    return lambda place, response: paginators.at(place, response, plain)


def fetch(api: Api, part: Part, paging: Paging) -> Callable[[Request, Event | None], Response]:
    """A function that sends a request, for fewer rows where the source wants that.

    The answer's body is noted as what a replay needs to know.
    """

    def send(request: Request, stop: Event | None) -> Response:
        try:
            response = answers.taken(api.settings.answers, api.http.send(request, stop))
        except answers.PageTooLarge:
            fewer = halved(request, paging)
            if fewer is None:
                raise
            return send(fewer, stop)
        return replace(response, body=bodies.of_parent(part.parent, response.body)) if part.parent else response

    return send
