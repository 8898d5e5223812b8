"""Looks at the dead letters, and clears those that a person is done with. Retrying them is `retrying`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, cast

from connector_pipelines.database import ledger
from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import mappings_table
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.outward import PREFIX, is_export
from connector_pipelines.sync import records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connector_pipelines.database.connection import Connection


@dataclass(frozen=True, slots=True)
class Letters:
    """Unsettled dead letters of one entity that share a rule."""

    entity: str
    state: str
    rule: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One unsettled dead letter.

    Attributes:
        read: the last run that met it; page and row are where its record stands there.
        attempts: how many runs met it with the same content.
    """

    id: int
    entity: str
    external_id: str | None
    state: str
    rule: str
    reason: str
    read: int
    page: int | None
    row: int | None
    attempts: int
    since: datetime
    payload: str | None = None
    """The record, where it was asked for: see `payload` below."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the chosen letters, the oldest first.

    Attributes:
        counts: how many are chosen in all, by entity.
        left: how many of them come after these.
    """

    letters: list[Letter]
    counts: dict[str, int]
    left: int

    @property
    def count(self) -> int:
        """How many are chosen in all."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Choice:
    """Which unsettled dead letters of a source are meant. Nothing named means all.

    Attributes:
        ids: these; also ones that wait.
        entity, rule: of this entity; refused by this rule.
        waiting: also rows that wait for their parents.
    """

    ids: tuple[int, ...] = ()
    entity: str | None = None
    rule: str | None = None
    waiting: bool = False

    def values(self, source: str) -> dict[str, object]:
        """For statements with `WHERE` below."""
        states = ["open", "waiting"] if self.waiting or self.ids else ["open"]
        ids = list(self.ids) or None
        return {"source": source, "ids": ids, "entity": self.entity, "rule": self.rule, "states": states}


CHOSEN: LiteralString = (
    " (source = %(source)s AND state = ANY(%(states)s) AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s))"
    " AND (%(entity)s::text IS NULL OR entity = %(entity)s) AND (%(rule)s::text IS NULL OR rule = %(rule)s))"
)
"""A condition on `connector.dead_letters`, with the values of a choice."""


def by_reason(connection: Connection, source: str, entity: str | None = None) -> list[Letters]:
    """Open and waiting dead letters of a source, most frequent first, with one reason as an example."""
    rows = connection.execute(
        "SELECT entity, state, rule, count(*), min(reason) FROM connector.dead_letters"
        " WHERE source = %s AND (%s::text IS NULL OR entity = %s) AND state <> 'resolved'"
        " GROUP BY entity, state, rule ORDER BY count(*) DESC, entity, rule",
        [source, entity, entity],
    ).fetchall()
    return [Letters(*cast("tuple[str, str, str, int, str]", row)) for row in rows]


LISTED = 100
"""So many are listed at once unless somebody asks for more."""


def listed(
    connection: Connection,
    source: str,
    choice: Choice,
    *,
    limit: int = LISTED,
    after: int = 0,
    payloads: bool = False,
) -> list[Letter]:
    """The chosen letters one by one, oldest first.

    Args:
        connection: any.
        source: whose.
        choice: which.
        limit: at most so many; 0 for all.
        after: only those with greater numbers: where the page before ended.
        payloads: with their records, which may be personal.
    """
    head: LiteralString = (
        "SELECT id, entity, external_id, state, rule, reason, last_run_id, page, row, attempts, created_at,"
        " CASE WHEN %(payloads)s THEN coalesce(payload, staged::text) END FROM connector.dead_letters WHERE"
    )
    statement = head + CHOSEN + " AND id > %(after)s ORDER BY id LIMIT nullif(%(limit)s, 0)"
    values = choice.values(source) | {"limit": limit, "after": after, "payloads": payloads}
    return [Letter(*cast("tuple[Any, ...]", row)) for row in connection.execute(statement, values).fetchall()]


def page(
    connection: Connection,
    source: str,
    choice: Choice,
    *,
    limit: int = LISTED,
    after: int = 0,
    payloads: bool = False,
) -> Page:
    """Some of the chosen letters, see `listed`, and how many there are."""
    found = listed(connection, source, choice, limit=limit, after=after, payloads=payloads)
    head: LiteralString = (
        "SELECT entity, count(*), count(*) FILTER (WHERE id > %(last)s) FROM connector.dead_letters WHERE"
    )
    last = found[-1].id if found else after
    rows = connection.execute(head + CHOSEN + " GROUP BY entity", choice.values(source) | {"last": last}).fetchall()
    counts = cast("list[tuple[str, int, int]]", rows)
    return Page(found, {entity: count for entity, count, _ in counts}, sum(left for _, _, left in counts))


def counted(connection: Connection, source: str, choice: Choice) -> int:
    """How many letters are chosen: what `clear` would settle."""
    head: LiteralString = "SELECT count(*) FROM connector.dead_letters WHERE"
    ((count,),) = connection.execute(head + CHOSEN, choice.values(source)).fetchall()
    return cast("int", count)


def payload(connection: Connection, source: str, letter_id: int) -> str:
    """The record of a letter as it came; for one that was refused after it was accepted, its validated row as JSON.

    Raises:
        ConfigurationError: the source has no such letter.
    """
    row = connection.execute(
        "SELECT coalesce(payload, staged::text) FROM connector.dead_letters WHERE source = %s AND id = %s",
        [source, letter_id],
    ).fetchone()
    if row is None:
        raise ConfigurationError(f"{source} has no dead letter {letter_id}.", remedy="List the dead letters.")
    return str(row[0])


def clear(connection: Connection, source: str, choice: Choice, *, who: str, why: str, apply: bool = True) -> int:
    """Settle letters without accepting their rows; who and why stand in the audit log (G73).

    The error of their mappings goes, too, and their records are looked at again when they are sent the next time: one
    that still breaks a rule is a new letter then. Without `apply` nothing is done.

    Returns:
        how many were cleared, or would be.

    Raises:
        ConfigurationError: nobody says why.
    """
    if not apply:
        return counted(connection, source, choice)
    records.demand_reason(why, "dead letters are not cleared")
    head: LiteralString = "UPDATE connector.dead_letters SET state = 'resolved', updated_at = now() WHERE"
    with connection.transaction():
        cleared = head + CHOSEN + " RETURNING id, entity, external_id"
        rows = connection.execute(cleared, choice.values(source)).fetchall()
        by_entity: dict[str, list[tuple[int, str | None]]] = {}
        for letter_id, entity, external_id in cast("list[tuple[int, str, str | None]]", rows):
            by_entity.setdefault(entity, []).append((letter_id, external_id))
        for entity, letters in by_entity.items():
            _forgive(connection, source, entity, [external_id for _, external_id in letters if external_id])
            ids = [letter_id for letter_id, _ in letters]
            records.audit(connection, "dead letters cleared", who=who, source=source, entity=entity, why=why, ids=ids)
    return len(rows)


@dataclass(frozen=True, slots=True)
class Errors:
    """Which records are meant whose mapping says `error`. Nothing named means all of the source."""

    entity: str | None = None
    external_ids: tuple[str, ...] = ()

    def values(self, source: str) -> dict[str, object]:
        """For statements with the condition below."""
        return {"source": source, "entity": self.entity, "ids": list(self.external_ids) or None}


_IN_ERROR: LiteralString = (
    " connector_id = %(source)s AND sync_status = 'error' AND (%(entity)s::text IS NULL OR entity_type = %(entity)s)"
    " AND (%(ids)s::text[] IS NULL OR external_id = ANY(%(ids)s))"
)


def in_error(connection: Connection, source: str, which: Errors) -> dict[str, int]:
    """How many records of each entity are marked as errors: what `clear_errors` would forgive."""
    counted: LiteralString = "SELECT entity_type, count(*) FROM connector.external_system_mappings WHERE"
    rows = connection.execute(counted + _IN_ERROR + " GROUP BY 1 ORDER BY 1", which.values(source)).fetchall()
    return dict(cast("list[tuple[str, int]]", rows))


def clear_errors(
    connection: Connection, source: str, which: Errors, *, who: str, why: str, apply: bool = True
) -> dict[str, int]:
    """Take the mark `error` from records, and settle their dead letters; they are looked at again when they come (G73).
    Without `apply` nothing is done.

    Returns:
        how many records of each entity were forgiven, or would be.

    Raises:
        ConfigurationError: nobody says why.
    """
    if not apply:
        return in_error(connection, source, which)
    records.demand_reason(why, "errors are not cleared")
    chosen: LiteralString = "SELECT entity_type, external_id FROM connector.external_system_mappings WHERE"
    with connection.transaction():
        rows = connection.execute(chosen + _IN_ERROR + " FOR UPDATE", which.values(source)).fetchall()
        by_entity: dict[str, list[str]] = {}
        for entity, external_id in cast("list[tuple[str, str]]", rows):
            by_entity.setdefault(entity, []).append(external_id)
        for entity, external_ids in by_entity.items():
            connection.execute(
                "UPDATE connector.dead_letters SET state = 'resolved', updated_at = now()"
                " WHERE source = %s AND entity = %s AND state = 'open' AND external_id = ANY(%s)",
                [source, entity, external_ids],
            )
            _forgive(connection, source, entity, external_ids)
            count = len(external_ids)
            records.audit(connection, "errors cleared", who=who, source=source, entity=entity, why=why, records=count)
    return {entity: len(external_ids) for entity, external_ids in sorted(by_entity.items())}


def _forgive(connection: Connection, source: str, entity: str, external_ids: Sequence[str]) -> None:
    if is_export(entity):
        ledger.forgive(connection, source, entity.removeprefix(PREFIX), external_ids)
        return
    connection.execute(
        query(
            "UPDATE {mappings} SET error_message = NULL, row_hash = NULL, fingerprint = NULL,"
            " sync_status = CASE WHEN internal_id IS NULL THEN 'pending' ELSE 'synced' END"
            " WHERE entity_type = %s AND external_id = ANY(%s) AND sync_status <> 'synced'",
            mappings=mappings_table(source),
        ),
        [entity, external_ids],
    )
