"""Explains a value in core, as it is or as it was: who wrote it and when, and for a sync, from which bytes of which
page, by which rule (S7).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database.connection import query
from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.model import RunKind
from connector_pipelines.pages import Rows
from connector_pipelines.sync import records
from connector_pipelines.sync.salt import salt_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_pipelines.external.landing import LandedPage
    from connector_pipelines.model import Entity, Source, Stream
    from connector_pipelines.sync.context import Context


@dataclass(frozen=True, slots=True)
class Writing:
    """The plan that wrote the value.

    Attributes:
        kind: of its run; an undo or a resolution has no record behind it.
        read: the run; for a read, the number of its landed pages.
    """

    source: str
    external_id: str
    plan: int
    hash: str
    kind: RunKind
    at: datetime
    read: int
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """Where the value stands at the source.

    Attributes:
        read, page, row: the landed page, and the record's position in it, from 0.
        offset: the record's first byte in the page; None where the page does not hold it in one piece.
        url: how the page was asked for, without secrets.
        raw: the record as it came.
        rule: what made the value of it: the transform, and the columns it depends on.
        version: of the code and the settings that the read was mapped with, as a number.
        current: whether they are the same today.
        derived: the value made again from the record by today's: a core value, or the external id of a reference's
            target.
    """

    read: int
    page: int
    row: int
    offset: int | None
    url: str
    raw: bytes
    rule: str
    version: str
    current: bool
    derived: object


@dataclass(frozen=True, slots=True)
class Edit:
    """A person who changed the value after the last plan wrote it."""

    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a value comes from. A value that no plan wrote and nobody edited was there before the first sync.

    Attributes:
        value: what core holds, or held at that time, as JSON has it.
        at: the time that was asked about; None for now.
    """

    entity: str
    internal_id: int
    field: str
    value: object
    writing: Writing | None = None
    record: Record | None = None
    edit: Edit | None = None
    at: datetime | None = None

    @property
    def sentence(self) -> str:
        """The short form, without values."""
        then = f"at {_minute(self.at)}: " if self.at else ""
        if self.edit:
            return f"{then}edited by {self.edit.who} at {_minute(self.edit.at)}"
        if self.writing is None:
            return f"{then}no plan wrote it"
        what = f"{then}written by plan {self.writing.hash[:12]} ({self.writing.kind}) at {_minute(self.writing.at)}"
        if self.record is None:
            return what
        place = f"read {self.record.read}, page {self.record.page}, record {self.record.row}"
        since = "" if self.record.current else ", which changed since"
        return f"{what}, from {self.writing.source}, {place}, by {self.record.rule}{since}"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def instant(text: str) -> datetime | None:
    """A moment that somebody wrote, in UTC where no zone is named; None for nothing.

    Raises:
        ConfigurationError: it is no time.
    """
    if not text:
        return None
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text[:40]!r} is no time.", remedy="Write it like 2026-11-05T08:00+01:00; without a zone it is UTC."
        ) from None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def explain(
    context: Context,
    sources: Mapping[str, Source],
    entity: str,
    internal_id: int,
    field: str,
    *,
    at: datetime | None = None,
) -> Explanation:
    """Say where the value of one field of one core row comes from.

    Args:
        context: the run's surroundings.
        sources: the declared sources by name, to read their pages.
        entity: the core table.
        internal_id: the row's id.
        field: the column.
        at: as of when; None for now. What was changed past all triggers is not known.

    Raises:
        ConfigurationError: no source feeds the field, or core has no such row, or had none then.
    """
    core = core_entity(entity)
    now, since = _now(context, core, internal_id, field)
    if at and since and at < since:
        raise ConfigurationError(
            f"core had no {core.name} {internal_id} at {_minute(at)}.",
            remedy=f"It came at {_minute(since)}; ask later.",
        )
    events = _events(context, core, internal_id, field)
    value, past = as_of(events, at, now)
    writing = next((one.writing for one in reversed(past) if one.writing), None)
    edit = past[-1].edit if past else None
    source = sources.get(writing.source) if writing and not edit else None
    record = _record(context, source, core, field, writing) if source and writing else None
    return Explanation(entity, internal_id, field, value, writing, record, edit, at)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that gave a field its value.

    Attributes:
        before, after: what it changed; nothing for a row that came with its values.
    """

    at: datetime
    before: object = None
    after: object = None
    came: bool = False
    writing: Writing | None = None
    edit: Edit | None = None


def as_of(events: Sequence[Event], at: datetime | None, now: object) -> tuple[object, Sequence[Event]]:
    """The value at a time, and the events up to it. Pure.

    Args:
        events: of one field, the oldest first.
        at: the time; None for now.
        now: what core holds.

    Returns:
        what the last of them left; where that says nothing, what the first one after it found; else what core holds.
    """
    if at is None:
        return now, events
    past = [one for one in events if one.at <= at]
    if past and not past[-1].came:
        return past[-1].after, past
    return (events[len(past)].before if len(past) < len(events) else now), past


def _now(context: Context, core: Entity, internal_id: int, field: str) -> tuple[object, datetime | None]:
    """The value, and since when the row is there."""
    fed = [c.name for c in core.columns] + [r.column for r in core.references]
    if field not in fed:
        raise ConfigurationError(f"no source feeds {field} of {core.name}.", remedy=f"Name one of {', '.join(fed)}.")
    statement = query(
        "SELECT to_jsonb({field}), created_at FROM core.{table} WHERE id = %s", field=field, table=core.table
    )
    found = context.connection.execute(statement, [internal_id]).fetchone()
    if found is None:
        raise ConfigurationError(f"core has no {core.name} {internal_id}.", remedy="Take the id from core.")
    return found[0], cast("datetime | None", found[1])


def _events(context: Context, core: Entity, internal_id: int, field: str) -> list[Event]:
    """All that gave the field a value, the oldest first."""
    values = {"entity": core.name, "id": internal_id, "field": field}
    rows = context.connection.execute(query(_WRITTEN, core=sql.Identifier("core", core.table)), values).fetchall()
    events = []
    for came, before, after, at, *of in cast("list[tuple[Any, ...]]", rows):
        source, external_id, plan, plan_hash, kind, read, read_at = of
        writing = Writing(source, external_id, plan, plan_hash, RunKind(kind), at, read, read_at)
        events.append(Event(at, before, after, came=came, writing=writing))
    edits = context.connection.execute(_EDITED, values).fetchall()
    for before, after, who, at in cast("list[tuple[Any, ...]]", edits):
        events.append(Event(at, before, after, edit=Edit(who, at)))
    return sorted(events, key=lambda one: (one.at, one.writing is not None))


# A created row has no changes; the mapping names the plan that created it. One that was linked was there before.
# Changes of before they had times of their own are as old as their plan.
_WRITTEN = """
    SELECT w.came, w.before, w.after, coalesce(w.at, p.applied_at, p.decided_at, p.created_at) AS at, p.source,
        w.external_id, p.id, p.hash, r.kind, coalesce(r.replays, r.id), r.started_at
    FROM (
        SELECT s.plan_id, s.external_id, s.at, false AS came, s.changes -> %(field)s -> 0 AS before,
            s.changes -> %(field)s -> 1 AS after
        FROM connector.sync_changes s WHERE s.internal_id = %(id)s AND s.changes ? %(field)s
        UNION ALL
        SELECT m.created_by, m.external_id, c.created_at, true, NULL, NULL
        FROM connector.external_system_mappings m JOIN {core} c ON c.id = m.internal_id
        WHERE m.entity_type = %(entity)s AND m.internal_id = %(id)s AND NOT EXISTS (
            SELECT FROM connector.sync_changes s
            WHERE s.plan_id = m.created_by AND s.internal_id = m.internal_id AND s.action = 'link')
    ) w
    JOIN connector.sync_plans p ON p.id = w.plan_id AND p.entity = %(entity)s
    JOIN connector.sync_runs r ON r.id = p.run_id
    ORDER BY at, p.id
"""

_EDITED = """
    SELECT before, after, edited_by, edited_at FROM connector.core_edits
    WHERE entity = %(entity)s AND internal_id = %(id)s AND field = %(field)s ORDER BY edited_at, id
"""


def _record(context: Context, source: Source, core: Entity, field: str, writing: Writing) -> Record | None:
    """The record behind a writing, from the first read that holds it; None where no page does."""
    from connector_pipelines.validation.accept import trace

    stream = source.stream(core.name)
    name = next((r.name for r in core.references if r.column == field), field)
    for read in _reads(context, core.name, writing):
        found = _found(context, stream, writing, read)
        if found:
            page, row, raw = found
            traced = trace(stream, Rows(page.number, [row], [raw], [""]), name)
            columns = ", ".join(traced.columns) or "no column"
            rule = f"{stream.transform.__module__}.{stream.transform.__qualname__}: {columns} → {field}"
            offset, salt = page.body.find(raw), records.load_read(context.connection, read).salt
            return Record(
                read=read,
                page=page.number,
                row=row,
                offset=offset if offset >= 0 else None,
                url=page.url,
                raw=bytes(raw),
                rule=rule,
                version=f"{salt:016x}",
                current=salt == salt_of(source, stream),
                derived=traced.value,
            )
    return None


def _reads(context: Context, entity: str, writing: Writing) -> list[int]:
    """Where to look: the plan's own read; for a row that waited or was retried, the reads its letters came with."""
    if writing.kind in {RunKind.UNDO, RunKind.RESOLUTION}:
        return []
    met = context.connection.execute(
        "SELECT DISTINCT unnest(ARRAY[first_run_id, last_run_id]) AS read FROM connector.dead_letters"
        " WHERE source = %s AND entity = %s AND external_id = %s AND first_run_id <= %s ORDER BY read DESC",
        [writing.source, entity, writing.external_id, writing.read],
    ).fetchall()
    return list(dict.fromkeys([writing.read, *(cast("int", read) for (read,) in met)]))


def _found(context: Context, stream: Stream, writing: Writing, read: int) -> tuple[LandedPage, int, bytes] | None:
    """The page, position and bytes of a record; of several, those of the newest version.

    Only records whose bytes hold the id are decoded. Where no one does, the id is made of something else: then all are.
    """
    for narrow in (True, False):
        best = max(_versions(context, stream, writing, read, narrow=narrow), key=lambda found: found[0], default=None)
        if best:
            return best[1]
    return None


def _versions(
    context: Context, stream: Stream, writing: Writing, read: int, *, narrow: bool
) -> Iterator[tuple[tuple[float, int, int], tuple[LandedPage, int, bytes]]]:
    from connector_pipelines.validation.accept import accept

    spelled = {writing.external_id.encode(), json.dumps(writing.external_id)[1:-1].encode()}
    try:
        for page in context.landing.pages(writing.source, stream.entity, read):
            raws = {at: bytes(raw) for at, raw in enumerate(page.records(stream.split)) if raw}
            picked = [at for at, raw in raws.items() if not narrow or any(word in raw for word in spelled)]
            if picked:
                parts = Rows(page.number, picked, [raws[at] for at in picked], [""] * len(picked))
                frame = accept(stream, [parts]).frame
                for row, modified in frame.loc[
                    frame["external_id"] == writing.external_id, ["row", "modified_at"]
                ].values:
                    age = modified.timestamp() if modified == modified else float("-inf")  # noqa: PLR0124 -- not a time
                    yield (age, page.number, int(row)), (page, int(row), raws[int(row)])
    except BrokenPage:
        return  # its pages were not landed, or are gone
