"""What the database does not say of an erased person any more: see `sync.erasing`, which calls it under all locks."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString, cast

from psycopg import sql

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import comma, query, scalar
from connector_pipelines.pages import BadRow
from connector_pipelines.sync import receipts, veil
from connector_pipelines.sync.preview import PERSONAL
from connector_pipelines.sync.veil import ABOUT_PEOPLE, PEOPLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Entity, Source
    from connector_pipelines.sync.context import Context
    from connector_pipelines.sync.subjects import Subject

PSEUDONYM = "erased"
"""Every erased person's name, and what stands where an id of theirs did."""

KEPT = frozenset({"grades", "status", "enabled"})
"""Columns of a person that say nothing about who they are; the last two say that nobody is there."""

FREE = frozenset({"comment", "notes"})
"""Columns in which people write about each other."""


@dataclass(frozen=True, slots=True)
class Known:
    """Where a person is known.

    Attributes:
        rows: of core: entity and id, their own first.
        names: sources, entities and external ids: of them, and of what belongs to them.
        sources: that know them, or did.
        held: what the database holds, by place.
    """

    subject: Subject
    rows: Sequence[tuple[str, int]]
    names: frozenset[tuple[str, str, str]]
    sources: Sequence[str]
    held: dict[str, list[Any]] = field(default_factory=dict)


def forget(context: Context, known: Known, sources: Mapping[str, Source], *, who: str, why: str) -> None:
    """Erase a person from every table, in the caller's transaction, with an entry in the audit log."""
    connection = context.connection
    refused = _refused(connection, known, sources)
    names = _names(known)
    _remember(connection, known)
    _pseudonymise(connection, known)
    what: dict[str, object] = {
        "entities": [entity for entity, _ in known.rows],
        "ids": [row for _, row in known.rows],
        "letters": [*(one["id"] for one in known.held["dead letters"]), *refused],
        "identities": [one["id"] for one in known.held["identity decisions"]],
        "of": [source for source, _, _ in sorted(known.names)],
        "kinds": [entity for _, entity, _ in sorted(known.names)],
        "named": [name for _, _, name in sorted(known.names)],
        "names": names,
        "sources": list(known.sources),
    }
    for statement in _FORGET:
        connection.execute(statement, what)
    for table, column, source in _TEXTS:
        connection.execute(query(_UNNAME, table=sql.Identifier("connector", table), column=column, of=source), what)
    _unsend(connection, known)
    _unstage(connection, known)
    _history(connection, known, names, refused, who=who, why=why)


def _names(known: Known) -> list[str]:
    """Words that tell who they are wherever they stand: their ids everywhere, and what identifies their row."""
    entity = ENTITIES[known.subject.entity]
    row: dict[str, Any] = next(iter(known.held.get(entity.name, ())), {})
    own = {str(row[name]) for name in entity.identifiers if row.get(name)}
    return sorted(own | {name for _, _, name in known.names}, key=len, reverse=True)


def _remember(connection: Connection, known: Known) -> None:
    """Note digests of the ids, so that nobody brings the person back."""
    salt = scalar(connection, "SELECT salt FROM connector.erased LIMIT 1") or secrets.token_bytes(32)
    salt = bytes(cast("bytes", salt))
    connection.cursor().executemany(
        "INSERT INTO connector.erased (source, entity, salt, digest, subject_entity, subject_id)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [
            (source, entity, salt, veil.digest(salt, entity, name), known.subject.entity, _own(known))
            for source, entity, name in sorted(known.names)
        ],
    )


def _own(known: Known) -> int | None:
    return next((row for entity, row in known.rows if entity == known.subject.entity), None)


def _pseudonymise(connection: Connection, known: Known) -> None:
    """Leave of the rows what says nothing about the person. It is no edit: nobody is to be asked about it."""
    connection.execute("SET LOCAL connector_pipelines.applying = 'on'")
    for name in {entity for entity, _ in known.rows}:
        entity = ENTITIES[name]
        values = {column.name: _instead(entity, column.name) for column in entity.columns} | {"notes": sql.NULL}
        changed = [query("{n} = {v}", n=column, v=value) for column, value in values.items() if value is not None]
        differs = [query("{n} IS DISTINCT FROM {v}", n=c, v=v) for c, v in values.items() if v is not None]
        connection.execute(
            query(
                "UPDATE {core} SET {changed}, updated_at = now() WHERE id = ANY(%s) AND ({differs})",
                core=sql.Identifier("core", entity.table),
                changed=comma(changed),
                differs=sql.SQL(" OR ").join(differs),
            ),
            [[row for kind, row in known.rows if kind == name]],
        )
    connection.execute("SET LOCAL connector_pipelines.applying = 'off'")


def _instead(entity: Entity, column: str) -> sql.Composable | None:
    """What stands in a column from now on; None leaves it as it is. Pure."""
    if entity.name not in PEOPLE:
        return sql.NULL if column in FREE else None
    if column in entity.names:
        return sql.Literal(PSEUDONYM)
    if column == "username":  # what other systems tell people apart by: without one, some would not withdraw them
        return sql.SQL("{} || id").format(sql.Literal(f"{PSEUDONYM}-"))
    if column == "status":
        return sql.Literal(entity.inactive)
    if column == "enabled":
        return sql.Literal(False)
    return None if column in KEPT else sql.NULL


def _refused(connection: Connection, known: Known, sources: Mapping[str, Source]) -> list[int]:
    """Dead letters that name the person in a record that was refused before anybody wrote down whom it names."""
    from connector_pipelines.validation.owners import named

    found = []
    for source, kind, letter, payload in cast(
        "list[tuple[str, str, int, str]]",
        connection.execute(_PAYLOADS, [list(known.sources), list(ABOUT_PEOPLE)]).fetchall(),
    ):
        if source in sources and sources[source].provides(kind):
            stream = sources[source].stream(kind)
            try:
                [of_it] = named(stream, ENTITIES[kind], [payload.encode()], PEOPLE)
            except BadRow:
                continue
            if any((source, *name) in known.names for name in of_it):
                found.append(letter)
    return found


_PAYLOADS = (
    "SELECT source, entity, id, payload FROM connector.dead_letters"
    " WHERE source = ANY(%s) AND entity = ANY(%s) AND payload IS NOT NULL ORDER BY id"
)

_FORGET: tuple[LiteralString, ...] = (
    """
    DELETE FROM connector.external_system_mappings m
    USING unnest(%(of)s::text[], %(kinds)s::text[], %(named)s::text[]) AS n (source, entity, name)
    WHERE n.source = m.connector_id AND n.entity = m.entity_type AND n.name = m.external_id
    """,
    """
    DELETE FROM connector.core_edits e USING unnest(%(entities)s::text[], %(ids)s::bigint[]) AS h (entity, id)
    WHERE h.entity = e.entity AND h.id = e.internal_id
    """,
    """
    DELETE FROM connector.conflicts c USING unnest(%(entities)s::text[], %(ids)s::bigint[]) AS h (entity, id)
    WHERE h.entity = c.entity AND h.id = c.internal_id
    """,
    """
    DELETE FROM connector.accepted_identities
    WHERE id = ANY(%(identities)s::bigint[]) OR letter_id = ANY(%(letters)s::bigint[])
    """,
    "DELETE FROM connector.dead_letters WHERE id = ANY(%(letters)s::bigint[])",
    """
    UPDATE connector.integration_webhook_events e SET payload = '{}' FROM connector.integrations i
    WHERE i.id = e.integration_id AND i.name = ANY(%(sources)s::text[])
        AND connector.erase_in(e.payload::text, %(names)s) <> e.payload::text
    """,
    """
    UPDATE connector.sync_runs r SET ids = (
        SELECT array_agg(CASE WHEN one = ANY(%(names)s::text[]) THEN 'erased' ELSE one END) FROM unnest(r.ids) one)
    WHERE r.source = ANY(%(sources)s::text[]) AND r.ids && %(names)s::text[]
    """,
    """
    UPDATE connector.alerts
    SET title = connector.erase_in(title, %(names)s), body = connector.erase_in(body, %(names)s)
    WHERE EXISTS (SELECT FROM unnest(%(names)s::text[]) n WHERE strpos(title || body, n) > 0)
    """,
    "DELETE FROM connector.response_cache",
)

_TEXTS = (
    ("dead_letters", "reason", "source"),
    ("external_system_mappings", "error_message", "connector_id"),
    ("exports", "error", "source"),
    ("sync_runs", "error", "source"),
    ("job_runs", "error", "source"),
)
"""Where sentences may name an id."""

_UNNAME = """
    UPDATE {table} t SET {column} = connector.erase_in(t.{column}, %(names)s)
    WHERE t.{of} = ANY(%(sources)s::text[])
        AND EXISTS (SELECT FROM unnest(%(names)s::text[]) n WHERE strpos(t.{column}, n) > 0)
"""


def _unsend(connection: Connection, known: Known) -> None:
    """Leave of what was sent elsewhere what says nothing about the person: withdrawing it there takes the rest."""
    told = [row[name] for kind in PEOPLE for row in known.held.get(kind, ()) for name in PERSONAL if row.get(name)]
    told += [row[name] for kind in ABOUT_PEOPLE for row in known.held.get(kind, ()) for name in FREE if row.get(name)]
    words = "|".join(sorted((re.escape(str(word)) for word in told), key=len, reverse=True)) or "(?!)"
    named = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def left(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: left(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [left(inner) for inner in value]
        return PSEUDONYM if isinstance(value, str) and named.search(value) else value

    connection.cursor().executemany(
        "UPDATE connector.exports SET record = %s, stands = NULL, refused = NULL, row_hash = NULL, error = NULL"
        " WHERE id = %s",
        [(json.dumps(left(one["record"])), one["id"]) for one in known.held["exports"]],
    )


_STAGED = re.compile(r"(?:rows|unseen|letters|shaped)_(\d+)")
_PLANNED = re.compile(r"plan_(\d+)")


def _unstage(connection: Connection, known: Known) -> None:
    """Empty what is staged of reads and plans that the person may be in, as a crash of the server does: they are made
    again from the landed pages, or of core as it is.
    """
    exported = [f"export/{one['entity']}" for one in known.held["exports"]]
    of = {source for source, _, _ in known.names} | {one["source"] for one in known.held["exports"]}
    runs = connection.execute(
        "SELECT r.id, p.id FROM connector.sync_runs r LEFT JOIN connector.sync_plans p ON p.run_id = r.id"
        " WHERE r.source = ANY(%s) AND r.entity = ANY(%s)",
        [list(of | set(known.sources)), [*ABOUT_PEOPLE, *exported]],
    ).fetchall()
    reads, plans = {cast("int", read) for read, _ in runs}, {plan for _, plan in runs}
    names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'").fetchall()
    for name in sorted(cast("str", one) for (one,) in names):
        read, plan = _STAGED.fullmatch(name), _PLANNED.fullmatch(name)
        if (read and int(read[1]) in reads) or (plan and int(plan[1]) in plans):
            connection.execute(query("TRUNCATE {table}", table=sql.Identifier("staging", name)))


def _history(connection: Connection, known: Known, names: list[str], refused: list[int], *, who: str, why: str) -> None:
    """Erase them from what is kept from change, and say so there."""
    signed = receipts.without(connection, known.sources, names, PSEUDONYM)
    rows: dict[str, Any] = {place: len(found) for place, found in known.held.items()}
    detail = {
        "entity": known.subject.entity,
        "id": _own(known),
        "why": why,
        "sources": list(known.sources),
        "rows": rows | {"refused records": len(refused)},
        "signed again": [{"plan": one["plan_id"], "was": one["was"], "is": one["digest"]} for one in signed],
    }
    pairs = [(source, name) for source in known.sources for name in names]
    connection.execute(
        "SELECT connector.erase_history(%s, %s, %s, %s, %s, %s, %s)",
        [
            [entity for entity, _ in known.rows],
            [row for _, row in known.rows],
            [source for source, _ in pairs],
            [name for _, name in pairs],
            json.dumps(signed),
            who,
            json.dumps(detail),
        ],
    )
