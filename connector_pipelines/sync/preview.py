"""Shows what a source would feed, before anything is synced: one page, its first records, what becomes of each (E19).

Nothing comes of it: no page is landed, no run recorded, no cursor moved. Within `surroundings.share` the request counts
for the source's limits like any other, and its answer is kept for who looks again soon: a mapping is put right in many
looks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.errors import ConfigurationError, at
from connector_pipelines.external.cache import looked_at
from connector_pipelines.model import Window
from connector_pipelines.pages import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_pipelines.model import Source, Stream
    from connector_pipelines.pages import Page

PERSONAL = frozenset(
    {
        "given_name",
        "family_name",
        "middle_name",
        "preferred_name",
        "username",
        "email",
        "phone",
        "student_number",
        "staff_number",
        "contact_email",
        "address",
    }
)
"""Core columns that say something about a person."""

HIDDEN = "•••"
_NO_FINGERPRINT = "0" * 32
_OF_A_ROW = ("page", "row", "fingerprint")


@dataclass(frozen=True, slots=True)
class Previewed:
    """One record.

    Attributes:
        raw: as it came; JSON where the page is not row by row text.
        mapped: the core columns it would feed, without those that are null; None where it feeds none.
        verdict: accepted, or why not.
    """

    raw: str
    mapped: Mapping[str, str] | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Preview:
    """One page of a source.

    Attributes:
        url: as asked, without secrets.
        records: how many records the page has.
        verdicts: how many of them met which fate.
        rows: the first of them.
        age_seconds: how long ago it was answered; 0 for just now.
    """

    source: str
    entity: str
    url: str
    records: int
    verdicts: Mapping[str, int]
    rows: tuple[Previewed, ...]
    age_seconds: float = 0.0


def preview(source: Source, entity: str, *, rows: int = 5, fresh: bool = False) -> Preview:
    """Read one page and show what would become of its records.

    The page behind it may have been asked for already; its answer is thrown away.

    Args:
        source: where to read.
        entity: what to read.
        rows: how many records to show one by one.
        fresh: whether to ask now; otherwise an answer that is not older than the source's `cache_seconds` will do.

    Raises:
        SyncError: the page cannot be read, or is none; a mapping that names a missing field says which.
    """
    if not source.provides(entity):
        known = ", ".join(stream.entity for stream in source.streams)
        raise ConfigurationError(f"source {source.name} has no {entity}.", remedy=f"Choose one of {known}.")
    stream = source.stream(entity)
    with at(source.name, entity), looked_at(source, fresh=fresh) as (client, looks):
        page = _first(stream.read(client, Window()).pages)
        if page is None:
            return Preview(source.name, entity, "", 0, {}, ())
        shown = tuple(_previewed(stream, raw) for raw in page.rows[:rows])
        verdicts = _verdicts(stream, page)
        return Preview(source.name, entity, page.url, len(page.rows), verdicts, shown, looks.oldest_seconds)


def masked(shown: Preview) -> Preview:
    """The same without what concerns a person: for places where it is kept. Of raw records only the fields' names and
    kinds are left.
    """
    return replace(
        shown,
        rows=tuple(replace(row, raw=shape(row.raw), mapped=row.mapped and _hidden(row.mapped)) for row in shown.rows),
    )


def _first(pages: Iterator[Page]) -> Page | None:
    """The first page, or the error that it breaks the read with."""
    try:
        page = next(pages, None)
        if page is not None and not page.rows:
            next(pages, None)  # a page that cannot be split comes without rows; what is wrong with it comes next
        return page
    finally:
        if isinstance(pages, Generator):
            pages.close()  # what is under way is given up


def _verdicts(stream: Stream, page: Page) -> dict[str, int]:
    from connector_pipelines.validation.accept import accept

    found = accept(stream, [_rows(page.number, page.rows)])
    counts = Counter({"accepted": len(found.frame)})
    counts.update(f"rejected: {rejection.rule}" for rejection in found.rejections)
    counts.update({f"skipped: {reason}": number for reason, number in found.skipped.items()})
    return dict(+counts)


def _previewed(stream: Stream, raw: bytes) -> Previewed:
    from connector_pipelines.validation.accept import accept

    found = accept(stream, [_rows(1, [raw])])
    text = bytes(raw).decode("utf-8", errors="replace")
    if found.rejections:
        return Previewed(text, None, f"rejected: {found.rejections[0].reason}")
    if found.skipped:
        return Previewed(text, None, f"skipped: {next(iter(found.skipped))}")
    row = found.frame.iloc[0].drop(list(_OF_A_ROW))
    return Previewed(text, {str(name): str(value) for name, value in row.dropna().items()}, "accepted")


def _rows(page: int, raw: Sequence[bytes]) -> Rows:
    return Rows(page, range(len(raw)), raw, [_NO_FINGERPRINT] * len(raw))


def _hidden(mapped: Mapping[str, str]) -> dict[str, str]:
    return {name: HIDDEN if name in PERSONAL else value for name, value in mapped.items()}


def shape(raw: str) -> str:
    """Names and kinds of a record's fields: what may be shown of it where it is kept."""
    try:
        return json.dumps(_kinds(json.loads(raw)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return f"{len(raw):,} characters"


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _kinds(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_kinds(value[0]), "…"] if value else []
    names = {str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "number")
