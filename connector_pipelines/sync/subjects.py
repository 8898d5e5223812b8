"""Everything that is held about one person, for the person who asks (FERPA, GDPR article 15; requirement M64).

What is held is found by the person's row of core, by the rows that point to it, and by the external ids that any source
has for them. A person who learns and teaches has two rows, and is asked for twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, cast

from psycopg import sql

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import query
from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.pages import Rows
from connector_pipelines.sync import records
from connector_pipelines.sync.veil import PEOPLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.external.landing import LandedPage
    from connector_pipelines.model import Source, Stream
    from connector_pipelines.sync.context import Context


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is meant: a row of core by its id, or a record by its source and external id, which core may not have."""

    entity: str
    id: int | None = None
    source: str = ""
    external_id: str = ""

    def __post_init__(self) -> None:
        """Exactly one of both.

        Raises:
            ConfigurationError: the entity's rows are no persons, or nobody or too much is named.
        """
        if self.entity not in PEOPLE:
            raise ConfigurationError(f"{self.entity!r} are no persons.", remedy=f"Name one of {', '.join(PEOPLE)}.")
        named = bool(self.source and self.external_id)
        if (self.id is not None) == named or bool(self.source) != bool(self.external_id):
            raise ConfigurationError(
                "it is not said who is meant.", remedy="Name the id of the row in core, or a source and an external id."
            )

    def __str__(self) -> str:
        return f"{self.entity} {self.source}/{self.external_id}" if self.id is None else f"{self.entity} {self.id}"


def export(
    context: Context, subject: Subject, sources: Mapping[str, Source], *, who: str, why: str
) -> dict[str, list[Any]]:
    """All that is held about a person, and an entry in the audit log of who asked for it and why.

    Args:
        context: the run's surroundings.
        subject: whose.
        sources: that are declared; pages of others cannot be read.
        who: asks.
        why: they do.

    Returns:
        rows as JSON has them, by place: the tables of core, `mappings`, `changes`, `edits`, `conflicts`,
        `dead letters`, `identity decisions`, `exports`, and `landed`: each record of the person, with its source,
        read, page and place there, from 0. Of pages that cannot be read, why.

    Raises:
        ConfigurationError: nothing is held of such a person, or nobody says why it is asked.
    """
    records.demand_reason(why, "nothing is exported")
    with context.connection.transaction():
        context.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # all of one moment
        held = held_of(context.connection, subject)
    names = {(one["connector_id"], one["entity_type"], one["external_id"]) for one in held["mappings"]}
    names |= {(one["source"], one["entity"], one["external_id"]) for one in held["dead letters"] if one["external_id"]}
    if subject.id is None:
        names.add((subject.source, subject.entity, subject.external_id))
    places = sorted({(source, entity) for source, entity, _ in names})
    held["landed"] = [found for place in places for found in _landed(context, sources, *place, names)]
    if not any(held.values()):
        raise ConfigurationError(f"nothing is held of {subject}.", remedy="Look for the id in core, or at the source.")
    detail = {"id": subject.id, "external_id": subject.external_id, "rows": {k: len(v) for k, v in held.items()}}
    records.audit(
        context.connection, "subject exported", who=who, source=subject.source, entity=subject.entity, why=why, **detail
    )
    return held


def as_json(held: Mapping[str, list[Any]]) -> str:
    """What `export` returns, to be read by people."""
    return json.dumps(held, indent=1, ensure_ascii=False, default=str)


def write(held: Mapping[str, list[Any]], path: Path) -> None:
    """Write it to a file that nobody else may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(as_json(held) + "\n", encoding="utf-8")


def held_of(connection: Connection, subject: Subject) -> dict[str, list[Any]]:
    """What the database holds of a person, by place; in `export` is what there is."""
    own = subject.id
    if own is None:
        found = connection.execute(WHOSE, [subject.source, subject.entity, subject.external_id]).fetchone()
        own = cast("int | None", found[0]) if found else None
    held = {} if own is None else _core(connection, subject.entity, own)
    rows = [(entity, row["id"]) for entity, of_it in held.items() for row in of_it]
    points = [
        (name, r.name) for name, other in ENTITIES.items() for r in other.references if r.entity == subject.entity
    ]
    values: dict[str, object] = {
        "pointing": [name for name, _ in points],
        "fields": [field for _, field in points],
        "entities": [entity for entity, _ in rows],
        "ids": [row for _, row in rows],
        "source": subject.source,
        "entity": subject.entity,
        "external_id": subject.external_id,
    }
    for place, statement in _PLACES.items():
        held[place] = [row for (row,) in connection.execute(_OF_THEM + statement, values).fetchall()]
    return held


def _core(connection: Connection, entity: str, own: int) -> dict[str, list[Any]]:
    """The person's row, and those that point to it."""
    points = {entity: ["id"]}
    for name, other in ENTITIES.items():
        if columns := [r.column for r in other.references if r.entity == entity]:
            points[name] = columns
    held = {}
    for name, columns in points.items():
        condition = sql.SQL(" OR ").join(query("c.{column} = {own}", column=c, own=sql.Literal(own)) for c in columns)
        statement = query(
            "SELECT to_jsonb(c) FROM {table} c WHERE {condition} ORDER BY c.id",
            table=sql.Identifier("core", ENTITIES[name].table),
            condition=condition,
        )
        held[name] = [row for (row,) in connection.execute(statement).fetchall()]
    return held


def _landed(
    context: Context, sources: Mapping[str, Source], source: str, entity: str, names: set[tuple[str, str, str]]
) -> Iterator[dict[str, Any]]:
    """The records of these ids on the landed pages of an entity. All are decoded: an id may be made of anything."""
    wanted = {external_id for of, kind, external_id in names if (of, kind) == (source, entity)}
    for read in context.landing.reads(source, entity):
        place = {"source": source, "entity": entity, "read": read}
        if source not in sources or not sources[source].provides(entity):
            yield place | {"unread": f"no source {source} that provides {entity} is declared"}
            continue
        stream = sources[source].stream(entity)
        try:
            for page in context.landing.pages(source, entity, read):
                for row, raw in _records(stream, page, wanted):
                    yield place | {"page": page.number, "row": row, "record": raw.decode(errors="replace")}
        except BrokenPage as broken:
            yield place | {"unread": str(broken)}


def _records(stream: Stream, page: LandedPage, wanted: set[str]) -> list[tuple[int, bytes]]:
    """Which records of a page have one of these ids, accepted or not."""
    from connector_pipelines.validation.accept import accept

    raws = [bytes(raw) for raw in page.records(stream.split)]
    there = [at for at, raw in enumerate(raws) if raw]
    accepted = accept(stream, [Rows(page.number, there, [raws[at] for at in there], [""] * len(there))])
    frame = accepted.frame
    found = [int(row) for row in frame.loc[frame["external_id"].isin(wanted), "row"]]
    found += [one.row for one in accepted.rejections if one.external_id in wanted]
    return [(row, raws[row]) for row in sorted(found)]


WHOSE = """
    SELECT internal_id FROM connector.external_system_mappings
    WHERE connector_id = %s AND entity_type = %s AND external_id = %s
"""
"""Which row of core is behind a source, an entity and an external id."""

# The rows of core, and every name that a source has for one of them; the name that was asked for, also where core has
# no row of it.
_OF_THEM: LiteralString = """
    WITH held AS (SELECT * FROM unnest(%(entities)s::text[], %(ids)s::bigint[]) AS t (entity, id)),
    points AS (SELECT * FROM unnest(%(pointing)s::text[], %(fields)s::text[]) AS t (entity, field)),
    named AS (
        SELECT m.connector_id AS source, m.entity_type AS entity, m.external_id
        FROM connector.external_system_mappings m JOIN held h ON m.entity_type = h.entity AND m.internal_id = h.id
        UNION
        SELECT x.source, h.entity, x.external_id  -- where we wrote them
        FROM connector.exports x JOIN held h ON x.key = h.entity || '/' || h.id
        WHERE x.external_id IS NOT NULL
        UNION
        SELECT %(source)s::text, %(entity)s::text, %(external_id)s::text WHERE %(external_id)s::text <> ''
    )
"""

_PLACES: dict[str, LiteralString] = {
    "mappings": """
        SELECT to_jsonb(m) FROM connector.external_system_mappings m
        JOIN named n ON m.connector_id = n.source AND m.entity_type = n.entity AND m.external_id = n.external_id
        ORDER BY m.entity_type, m.connector_id, m.external_id
    """,
    "changes": """
        SELECT to_jsonb(s) || jsonb_build_object('source', p.source, 'entity', p.entity)
        FROM connector.sync_changes s JOIN connector.sync_plans p ON p.id = s.plan_id
        JOIN held h ON h.entity = p.entity AND h.id = s.internal_id ORDER BY s.plan_id, s.internal_id
    """,
    "edits": """
        SELECT to_jsonb(e) FROM connector.core_edits e
        JOIN held h ON h.entity = e.entity AND h.id = e.internal_id ORDER BY e.id
    """,
    "conflicts": """
        SELECT to_jsonb(c) FROM connector.conflicts c
        JOIN held h ON h.entity = c.entity AND h.id = c.internal_id ORDER BY c.id
    """,
    # A record that names the person is about them, too, whatever it waits for or was refused for.
    "dead letters": """
        SELECT to_jsonb(d) FROM connector.dead_letters d WHERE EXISTS (
            SELECT FROM named n WHERE n.source = d.source AND (
                (n.entity = d.entity AND n.external_id = d.external_id)
                OR n.entity = %(entity)s AND EXISTS (
                    SELECT FROM points p WHERE p.entity = d.entity AND d.staged ->> p.field = n.external_id))
        ) ORDER BY d.id
    """,
    "identity decisions": """
        SELECT to_jsonb(a) FROM connector.accepted_identities a WHERE EXISTS (
            SELECT FROM named n WHERE n.source = a.source AND n.entity = a.entity AND n.external_id = a.external_id
        ) OR EXISTS (SELECT FROM held h WHERE h.entity = a.entity AND h.id = a.onto) ORDER BY a.id
    """,
    # A key is made of the rows that the record is of: "students/17@courses/3".
    "exports": """
        SELECT to_jsonb(x) FROM connector.exports x
        WHERE string_to_array(x.key, '@') && ARRAY(SELECT h.entity || '/' || h.id FROM held h) ORDER BY x.id
    """,
}
"""Where the database holds what, but for core itself: queries for one JSON object a row."""
