"""Plans an export: takes the extract, shapes what is new, looks for what stands there already. Writes nowhere else."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector_pipelines.core.extracts import extract
from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import plan_table, shaped_table
from connector_pipelines.errors import ConfigurationError, SyncError
from connector_pipelines.external.surroundings import opened
from connector_pipelines.mapping import extracting, outgoing
from connector_pipelines.mapping.recognizing import grouped, own, recognize
from connector_pipelines.model import PlanState, Progress, RunKind, Window
from connector_pipelines.outward import Skipped, Unwanted
from connector_pipelines.pages import BadRow
from connector_pipelines.sync import records
from connector_pipelines.sync.contesting import settle_contested
from connector_pipelines.sync.planning import keep_approved
from connector_pipelines.sync.salt import salt_of_export

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from typing import Any

    from connector_pipelines.model import Plan, Read, Source
    from connector_pipelines.outward import Export, Wanted
    from connector_pipelines.sync.context import Context

_SHAPED_AT_ONCE = 5_000


def export_of(source: Source, entity: str) -> Export:
    """The export of a source, by what it is called there ("users") or in the records ("export/users").

    Raises:
        ConfigurationError: the source has none of that name.
    """
    for export in source.exports:
        if entity in {export.entity, export.name}:
            return export
    known, why = ", ".join(export.entity for export in source.exports) or "nothing", source.connector.no_place
    because = f": {why[entity]}" if entity in why else ""
    raise ConfigurationError(f"source {source.name} exports no {entity}{because}.", remedy=f"It exports {known}.")


def plan(
    context: Context, source: Source, export: Export, client: Any, *, dry_run: bool = False, today: date | None = None
) -> Plan:
    """Plan what another system should hold of core.

    Args:
        context: the run's surroundings.
        source: where to.
        export: what.
        client: the source's, to look for what stands there already; nothing is written through it.
        dry_run: only look: the plan waits for a person, nobody sees its dead letters before.
        today: the day by which terms end; in UTC, today by default.

    Raises:
        SyncError: core could not be compared; the run is recorded as failed, nothing was sent.
    """
    kind = RunKind.DRY_RUN if dry_run else RunKind.EXPORT
    read = records.start_run(
        context.connection, source.name, export.name, Window(), launched_by=context.launched_by, kind=kind
    )
    try:
        read, skipped = _looked(context, source, export, client, read, today=today)
    except SyncError as error:
        records.fail_run(context.connection, read, error.located(source.name, export.name))
        raise
    with context.connection.transaction():  # what is not planned is closed, with its staged rows, by the next run
        records.finish_run(context.connection, read, skipped)
        return outgoing.make(context.connection, read, export, policy=source.policy)


def replan(context: Context, source: Source, outdated: Plan) -> Plan:
    """Make a plan anew from core as it is now; the old one gives way.

    The guard judges the new plan, too, unless a person approved the old one: then it must be the same.
    """
    export, read = export_of(source, outdated.entity), records.load_read(context.connection, outdated.read_id)
    who = records.approved_by(context.connection, outdated)
    with opened(source) as client:
        dead_letters.create(context.connection, read)
        read, skipped = _looked(context, source, export, client, read)
    with context.connection.transaction():
        records.finish_run(context.connection, read, skipped)
        records.move_plan(context.connection, outdated, PlanState.SUPERSEDED, by="core moved since it was made")
        staging.drop(context.connection, plan_table(outdated.id))
        fresh = outgoing.make(context.connection, read, export, policy=source.policy)
        if who:
            keep_approved(context, outdated, fresh, who)
    return records.load_plan(context.connection, fresh.id)


def _looked(
    context: Context, source: Source, export: Export, client: Any, read: Read, *, today: date | None = None
) -> tuple[Read, Counter[str]]:
    taken = extract(export.of)
    read = replace(read, salt=salt_of_export(source, export))
    day = today or datetime.now(UTC).date()
    awaits = export.awaited(source.exports)
    rows = extracting.stage(context.connection, read, export, taken.query(day), taken.references, awaits=awaits)
    read = replace(read, rows=rows, staged=rows, complete=True, snapshot=True)
    skipped = _shape(context, export, read)
    _find(context, export, client, read)
    settle_contested(context, source, export, client, read)
    return read, skipped


def _shape(context: Context, export: Export, read: Read) -> Counter[str]:
    """Shape what is not known in its present form; why rows are skipped."""
    skipped: Counter[str] = Counter()
    done = 0
    for rows in extracting.to_shape(context.connection, read, export, batch=_SHAPED_AT_ONCE):
        shaped = [one for row, waits in rows if (one := _shaped(export, row, waits=waits))]
        skipped.update(str(reason) for _, verdict, _, reason, _ in shaped if verdict in {"skipped", "unwanted"})
        names = query("COPY {table} (key, verdict, rule, reason, record) FROM STDIN", table=shaped_table(read.id))
        with context.connection.cursor() as cursor, cursor.copy(names) as copy:
            for one in shaped:
                copy.write_row(one)
        done += len(rows)
        context.report(Progress(read.source, read.entity, "shape", done, None))
    staging.analyze_keys(context.connection, shaped_table(read.id))
    return skipped


def _shaped(
    export: Export, row: Mapping[str, Any], *, waits: bool
) -> tuple[str, str, str | None, str | None, str | None] | None:
    """Key, verdict, rule, reason and record of one row; None where it is chosen and has to wait."""
    key = row["key"]
    try:
        shaped = export.choose(row) or (None if waits else export.shape(row))
    except BadRow as bad:
        return key, "refused", bad.rule, bad.reason, None
    match shaped:
        case None:
            return None
        case Skipped(reason):
            return key, "skipped", None, reason, None
        case Unwanted(reason):
            return key, "unwanted", None, reason, None
    return key, "wanted", None, None, json.dumps(shaped)


def _find(context: Context, export: Export, client: Any, read: Read) -> None:
    """Look there for what should be new."""
    done = 0
    for wanted in extracting.to_find(context.connection, read, export):
        found = _recognized(export, wanted, client)
        if found:
            context.connection.execute(query(_FOUND, table=shaped_table(read.id)), [json.dumps(found)])
        done += len(wanted)
        context.report(Progress(read.source, read.entity, "look for", done, None))


_FOUND = """
    UPDATE {table} s SET external_id = f.external_id, matched_by = f.matched_by, stands = f.stands, reason = f.reason,
        verdict = CASE WHEN f.external_id IS NULL THEN 'doubtful' ELSE s.verdict END,
        rule = CASE WHEN f.external_id IS NULL THEN 'doubtful match' END
    FROM jsonb_to_recordset(%s::jsonb) AS f(key text, external_id text, matched_by text, stands jsonb, reason text)
    WHERE f.key = s.key
"""


def _recognized(export: Export, wanted: Sequence[Wanted], client: Any) -> list[dict[str, Any]]:
    candidates = grouped(export.find(client, wanted))
    decided: list[dict[str, Any]] = []
    for one in wanted:
        known = recognize(candidates.get(one.key, ()), export.sure)
        if known.doubt:
            decided.append({"key": one.key, "reason": known.doubt})
        elif known.found:
            stands = own(one.record, known.found.record)
            there = {"external_id": known.found.external_id, "matched_by": known.found.by, "stands": stands}
            decided.append({"key": one.key, **there})
    return decided
