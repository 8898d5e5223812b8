"""Retries dead letters: the raw records are accepted and planned again by today's code, as a run of their own.

What is accepted goes to core like everything else, judged by the guard and proven by a receipt; what is refused again
counts one more attempt. A row that was refused after it had been accepted is taken from where it stood: its validated
row. Rows that wait for their parents need no retry; every plan takes them up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString, cast

from psycopg import sql

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database import dead_letters, ledger, staging
from connector_pipelines.database.connection import comma, query
from connector_pipelines.database.tables import rows_table
from connector_pipelines.errors import at
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import PlanState, RunKind, Window
from connector_pipelines.pages import Page
from connector_pipelines.sync import letters, records
from connector_pipelines.sync.applying import apply
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.planning import plan_read
from connector_pipelines.sync.push import push
from connector_pipelines.sync.salt import salt_of
from connector_pipelines.sync.whole import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.model import Plan, Read, Receipt, Source
    from connector_pipelines.outward import Export
    from connector_pipelines.sync.context import Context
    from connector_pipelines.sync.letters import Choice

    _Note = Callable[[str, list[int]], None]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of the letters of one entity.

    Attributes:
        letters: how many were retried.
        receipt: None when the guard holds the plan; then it is approved like any other.
    """

    letters: int
    plan: Plan
    receipt: Receipt | None


def retry(context: Context, source: Source, choice: Choice, *, who: str, why: str = "") -> list[Retried]:
    """Retry the chosen letters, entity after entity, parents before children; who did it stands in the audit log.

    Raises:
        AnotherRunIsActive: the source's entity is being read or planned just now, or its core table written.
    """

    def note(entity: str, ids: list[int]) -> None:
        records.audit(
            context.connection, "dead letters retried", who=who, source=source.name, entity=entity, why=why, ids=ids
        )

    entities = in_order(source, [choice.entity] if choice.entity else None)
    read = [
        done for entity in entities if (done := _retry(context, source, replace(choice, entity=entity), entity, note))
    ]
    return read + [
        done
        for export in source.exports
        if choice.entity in {None, export.name} and (done := _send_again(context, source, choice, export, note))
    ]


def _send_again(context: Context, source: Source, choice: Choice, export: Export, note: _Note) -> Retried | None:
    """What another system refused is sent again with all else that is due."""
    chosen = letters.listed(context.connection, source.name, replace(choice, entity=export.name), limit=0)
    keys = [letter.external_id for letter in chosen if letter.external_id]
    if not keys:
        return None
    note(export.name, [letter.id for letter in chosen if letter.external_id])
    ledger.forgive(context.connection, source.name, export.entity, keys)
    last = list(push(context, source, entities=[export.entity]))[-1]
    return Retried(len(keys), last.plan, last.receipt)


def _retry(context: Context, source: Source, choice: Choice, entity: str, note: _Note) -> Retried | None:
    connection = context.connection
    with at(source.name, entity):
        with hold(connection, f"{source.name}/{entity}"), connection.transaction():
            chosen = _chosen(context, source, choice)
            if not chosen:
                return None
            note(entity, chosen)
            plan = plan_read(context, source, _staged(context, source, entity, chosen))
        receipts = apply(context, entity, {source.name: source}, only=source.name)
        now = records.plan_of(connection, plan.read_id)
        if now.state is PlanState.APPLIED:
            connection.execute(_SKIPPED, [chosen, plan.read_id])
        return Retried(len(chosen), now, next((r for r in receipts if r.plan_id == now.id), None))


# A record that was neither accepted nor refused again belongs elsewhere today.
_SKIPPED = (
    "UPDATE connector.dead_letters SET state = 'resolved', updated_at = now()"
    " WHERE id = ANY(%s) AND last_run_id < %s AND state <> 'resolved'"
)


def _chosen(context: Context, source: Source, choice: Choice) -> list[int]:
    """The letters that are meant; of a record with several the newest, which is what the source said last."""
    head: LiteralString = "SELECT DISTINCT ON (coalesce(external_id, id::text)) id FROM connector.dead_letters WHERE"
    newest = head + letters.CHOSEN + " ORDER BY coalesce(external_id, id::text), last_run_id DESC, id DESC"
    rows = context.connection.execute(newest, choice.values(source.name)).fetchall()
    return [cast("int", letter_id) for (letter_id,) in rows]


def _staged(context: Context, source: Source, entity: str, chosen: list[int]) -> Read:
    """A run with the letters' records as its staged rows. It asked the source for nothing, so its window is empty."""
    connection, now = context.connection, datetime.now(UTC)
    read = records.start_run(
        connection, source.name, entity, Window(now, now), launched_by=context.launched_by, kind=RunKind.RETRY
    )
    staging.create(connection, core_entity(entity), read.id)
    again = _rows_again(context, read, chosen)
    read = replace(read, rows=again, staged=again, salt=salt_of(source, source.stream(entity)))
    skipped: dict[str, int] = {}
    for pages in _records(context, chosen):
        read = _accepted(context, source, read, pages, skipped)
    records.finish_run(connection, read, skipped)
    return read


def _accepted(context: Context, source: Source, read: Read, pages: list[Page], skipped: dict[str, int]) -> Read:
    from connector_pipelines.validation.accept import accept

    sieve = Sieve(read.salt, None)
    accepted = accept(source.stream(read.entity), [sieve.sift(page) for page in pages])
    refused = staging.copy_rows(context.connection, core_entity(read.entity), read.id, accepted.frame)
    dead_letters.write(context.connection, read, accepted.rejections + refused)
    for reason, count in accepted.skipped.items():
        skipped[reason] = skipped.get(reason, 0) + count
    return replace(
        read,
        pages=read.pages + len(pages),
        rows=read.rows + sum(len(page.rows) for page in pages),
        staged=read.staged + len(accepted.frame) - len(refused),
        rejected=read.rejected + len(accepted.rejections) + len(refused),
    )


def _records(context: Context, chosen: list[int]) -> Iterator[list[Page]]:
    """The raw records in batches. Each is a page of its own, numbered below zero: it stands on no page of this run, and
    its letter keeps the place where it was read.
    """
    with context.connection.cursor("records") as cursor:
        cursor.execute(
            "SELECT id, payload FROM connector.dead_letters WHERE id = ANY(%s) AND payload IS NOT NULL ORDER BY id",
            [chosen],
        )
        while rows := cast("list[tuple[int, str]]", cursor.fetchmany(context.chunk_rows)):
            yield [Page(-letter_id, "", 200, b"", [payload.encode()]) for letter_id, payload in rows]


def _rows_again(context: Context, read: Read, chosen: list[int]) -> int:
    """Stage the validated rows of letters that were refused later than when they were read; how many."""
    names = comma([sql.Identifier(name) for name in staging.columns(core_entity(read.entity))])
    return context.connection.execute(
        query(
            """
            INSERT INTO {rows} ({names})
            SELECT {names} FROM (
                SELECT (jsonb_populate_record(NULL::{rows},
                    d.staged || jsonb_build_object('page', -d.id, 'row', 0))).*
                FROM connector.dead_letters d WHERE d.id = ANY(%s) AND d.payload IS NULL
            ) again
            """,
            rows=rows_table(read.id),
            names=names,
        ),
        [chosen],
    ).rowcount
