"""Before an export changes what stands there: asks what does, where the policy says that core does not always win."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import shaped_table
from connector_pipelines.mapping import extracting
from connector_pipelines.mapping.contesting import Times, contest
from connector_pipelines.mapping.recognizing import own
from connector_pipelines.model import Progress
from connector_pipelines.policy import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.model import Read, Source
    from connector_pipelines.outward import Export
    from connector_pipelines.sync.context import Context


def rules_of(source: Source, export: Export) -> Mapping[str, Rule]:
    """The rules of an export's fields, as the policy or else the connector says; none where core always wins."""
    rules = source.conflicts.get(export.name, {})
    return rules if set(rules.values()) - {Rule.CORE_OWNS} else {}


def settle_contested(context: Context, source: Source, export: Export, client: Any, read: Read) -> None:
    """Put into the shaped records what the other system keeps; what nobody can decide becomes a dead letter."""
    rules, done = rules_of(source, export), 0
    if not rules:
        return
    there_time = export.times[1] if export.times else ""
    for rows in extracting.to_contest(context.connection, read, export):
        there = dict(export.read_back(client, [row.external_id for row in rows]))
        decided = []
        for row in rows:
            stands = there.get(row.external_id)
            if stands is None:
                continue  # gone: the plan's own update will find that out
            ours = own(row.record, stands)
            times = Times(row.changed_at, moment(stands.get(there_time)), read.started_at)
            found = contest(rules, known=row.known, wanted=row.record, stands=ours, times=times)
            torn = f"core and the system say different things of {', '.join(found.torn)}" if found.torn else None
            decided.append({"key": row.key, "record": found.record, "stands": ours, "torn": torn})
        context.connection.execute(query(_DECIDED, table=shaped_table(read.id)), [json.dumps(decided)])
        done += len(rows)
        context.report(Progress(read.source, read.entity, "compare", done, None))


_DECIDED = """
    UPDATE {table} s SET record = d.record, stands = d.stands, reason = d.torn,
        verdict = CASE WHEN d.torn IS NULL THEN s.verdict ELSE 'contested' END,
        rule = CASE WHEN d.torn IS NOT NULL THEN 'contested' END
    FROM jsonb_to_recordset(%s::jsonb) AS d(key text, record jsonb, stands jsonb, torn text) WHERE d.key = s.key
"""


def moment(told: Any) -> datetime | None:
    """A time as systems tell it: seconds since 1970, where 0 is never, or ISO 8601, in UTC unless it says otherwise."""
    try:
        if isinstance(told, str):
            found = datetime.fromisoformat(told)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        number = isinstance(told, int | float) and not isinstance(told, bool)
        return datetime.fromtimestamp(told, UTC) if number and told > 0 else None
    except (ValueError, OverflowError, OSError):
        return None
