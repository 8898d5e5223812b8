"""Explains a value in core: who wrote it and when, and for a sync, from which bytes of which page, by which rule."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database.connection import query
from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.model import RunKind
from connector_pipelines.pages import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from connector_pipelines.external.landing import LandedPage
    from connector_pipelines.model import Entity, Source, Stream
    from connector_pipelines.sync.context import Context


@dataclass(frozen=True, slots=True)
class Writing:
    """The plan that wrote the value last.

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
        url: how the page was asked for, without secrets.
        raw: the record as it came.
        rule: what made the value of it: the transform, and the columns it depends on.
        derived: the value made again from the record: a core value, or the external id of a reference's target.
    """

    read: int
    page: int
    row: int
    url: str
    raw: bytes
    rule: str
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
        value: what core holds now, as JSON has it.
    """

    entity: str
    internal_id: int
    field: str
    value: object
    writing: Writing | None = None
    record: Record | None = None
    edit: Edit | None = None

    @property
    def sentence(self) -> str:
        """The short form, without values."""
        if self.edit:
            return f"edited by {self.edit.who} at {self.edit.at:%Y-%m-%d %H:%M} UTC"
        if self.writing is None:
            return "no plan wrote it"
        what = f"written by plan {self.writing.hash[:12]} ({self.writing.kind}) at {self.writing.at:%Y-%m-%d %H:%M} UTC"
        if self.record is None:
            return what
        place = f"read {self.record.read}, page {self.record.page}, record {self.record.row}"
        return f"{what}, from {self.writing.source}, {place}, by {self.record.rule}"


def explain(context: Context, sources: Mapping[str, Source], entity: str, internal_id: int, field: str) -> Explanation:
    """Say where the value of one field of one core row comes from.

    Raises:
        ConfigurationError: no source feeds the field, or core has no such row.
    """
    core = core_entity(entity)
    value = _value(context, core, internal_id, field)
    writing = _writing(context, core, internal_id, field)
    edit = _edit(context, core, internal_id, field, since=writing.at if writing else None)
    source = sources.get(writing.source) if writing and not edit else None
    record = _record(context, source, core, field, writing) if source and writing else None
    return Explanation(entity, internal_id, field, value, writing, record, edit)


def _value(context: Context, core: Entity, internal_id: int, field: str) -> object:
    fed = [c.name for c in core.columns] + [r.column for r in core.references]
    if field not in fed:
        raise ConfigurationError(f"no source feeds {field} of {core.name}.", remedy=f"Name one of {', '.join(fed)}.")
    found = context.connection.execute(
        query("SELECT to_jsonb({field}) FROM core.{table} WHERE id = %s", field=field, table=core.table), [internal_id]
    ).fetchone()
    if found is None:
        raise ConfigurationError(f"core has no {core.name} {internal_id}.", remedy="Take the id from core.")
    return found[0]


def _writing(context: Context, core: Entity, internal_id: int, field: str) -> Writing | None:
    row = context.connection.execute(_WRITTEN, {"entity": core.name, "id": internal_id, "field": field}).fetchone()
    if row is None:
        return None
    source, external_id, plan, plan_hash, kind, at, read, read_at = cast("tuple[Any, ...]", row)
    return Writing(source, external_id, plan, plan_hash, RunKind(kind), at, read, read_at)


# A created row has no changes; the mapping names the plan that created it. One that was linked was there before.
_WRITTEN = """
    SELECT p.source, w.external_id, p.id, p.hash, r.kind, coalesce(p.applied_at, p.decided_at, p.created_at) AS at,
        coalesce(r.replays, r.id), r.started_at
    FROM (
        SELECT s.plan_id, s.external_id FROM connector.sync_changes s
        WHERE s.internal_id = %(id)s AND s.changes ? %(field)s
        UNION ALL
        SELECT m.created_by, m.external_id FROM connector.external_system_mappings m
        WHERE m.entity_type = %(entity)s AND m.internal_id = %(id)s AND NOT EXISTS (
            SELECT FROM connector.sync_changes s
            WHERE s.plan_id = m.created_by AND s.internal_id = m.internal_id AND s.action = 'link')
    ) w
    JOIN connector.sync_plans p ON p.id = w.plan_id AND p.entity = %(entity)s
    JOIN connector.sync_runs r ON r.id = p.run_id
    ORDER BY at DESC, p.id DESC LIMIT 1
"""


def _edit(context: Context, core: Entity, internal_id: int, field: str, *, since: datetime | None) -> Edit | None:
    newest = (
        "SELECT edited_by, edited_at FROM connector.core_edits WHERE entity = %s AND internal_id = %s AND field = %s"
        " AND settled_by IS NULL AND edited_at > coalesce(%s, '-infinity') ORDER BY edited_at DESC LIMIT 1"
    )
    row = context.connection.execute(newest, [core.name, internal_id, field, since]).fetchone()
    return Edit(*cast("tuple[str, datetime]", row)) if row else None


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
            return Record(read, page.number, row, page.url, bytes(raw), rule, traced.value)
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
            rows = stream.split(page.body)
            raws = {at: bytes(raw) for at, raw in enumerate(rows)}
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
