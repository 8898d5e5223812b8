"""The rows of core that a record in doubt may belong to, each with a score and the reasons for it (S8).

A person decides; this only looks the rows up. A row is a candidate when it has one of the record's identifiers or all
of its names, or is the record's own row. The score says how much of what the record tells of itself speaks for the row:

    100 · (weight of what agrees - weight of what differs) / weight of all that the record says, at least 0

    identifiers   40 the best one, 25 the next, 15 any other
    names         10 each, in whichever order they stand
    school         5

What the record or the row leaves empty speaks neither for nor against. Of values nothing is told, only which agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database.connection import Connection, comma, query
from connector_pipelines.database.tables import mappings_table
from connector_pipelines.mapping import cases
from connector_pipelines.mapping.likeness import key, name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.model import Entity

SHOWN = 3
"""So many candidates are shown of each record, the likeliest first."""

_IDENTIFIERS = (40, 25, 15)
_NAME = 10
_SCHOOL = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of core.

    Attributes:
        score: 0 to 100.
        reasons: which fields agree and which differ, and whether the row is taken by another record.
    """

    internal_id: int
    score: int
    reasons: str

    def __str__(self) -> str:
        """A sentence."""
        return f"core row {self.internal_id}, score {self.score} ({self.reasons})"


@dataclass(frozen=True, slots=True)
class _Trait:
    """What a record `a` and a row `c` are compared by."""

    label: str
    weight: int
    said: sql.Composable
    agrees: sql.Composable
    differs: sql.Composable


def candidates(
    connection: Connection, entity: Entity, source: str, letters: Sequence[int]
) -> dict[int, tuple[Candidate, ...]]:
    """The likeliest rows for each of these dead letters of identity, the likeliest first.

    Args:
        connection: to the database.
        entity: what the records are.
        source: whose records they are.
        letters: the numbers of their dead letters.
    """
    if not letters or not entity.identifiers:
        return {}
    with connection.transaction(), cases.hashed(connection):
        rows = connection.execute(_query(entity, source), [list(letters)]).fetchall()
    found: dict[int, tuple[Candidate, ...]] = {}
    for letter, internal_id, score, reasons in cast("list[tuple[int, int, int, str]]", rows):
        found[letter] = (*found.get(letter, ()), Candidate(internal_id, score, reasons))
    return found


def _query(entity: Entity, source: str) -> sql.Composed:
    traits = [*_traits(entity)]
    return query(
        """
        WITH a AS MATERIALIZED (
            SELECT d.id AS letter, d.external_id, said.*
            FROM connector.dead_letters d CROSS JOIN LATERAL jsonb_to_record(d.staged) said ({columns})
            WHERE d.id = ANY(%s)
        ), pairs AS ({pairs}), scored AS (
            SELECT a.letter, c.id,
                round(100.0 * greatest(0, {agreeing} - {differing}) / greatest(1, {said}))::int AS score,
                concat_ws('; ', 'agree: ' || {alike}, 'differ: ' || {unlike}, CASE WHEN EXISTS (
                    SELECT FROM {mappings} m WHERE m.entity_type = {entity} AND m.internal_id = c.id
                        AND m.external_id = a.external_id) THEN 'its own row'
                    WHEN EXISTS (SELECT FROM {mappings} m WHERE m.entity_type = {entity} AND m.internal_id = c.id
                        AND m.absent_since IS NULL) THEN 'another id of the source has it' END) AS reasons
            FROM pairs JOIN a USING (letter) JOIN {core} c ON c.id = pairs.id
        )
        SELECT letter, id, score, reasons
        FROM (SELECT *, row_number() OVER (PARTITION BY letter ORDER BY score DESC, id) AS place FROM scored) s
        WHERE place <= {shown} ORDER BY letter, place
        """,
        columns=comma([query("{n} text", n=n) for n in (*entity.names, *entity.identifiers, *_school(entity))]),
        pairs=sql.SQL(" UNION ").join(_pairs(entity, source)),
        agreeing=_sum([query("({c})::int * {w}", c=t.agrees, w=sql.Literal(t.weight)) for t in traits]),
        differing=_sum([query("({c})::int * {w}", c=t.differs, w=sql.Literal(t.weight)) for t in traits]),
        said=_sum([query("({c} IS NOT NULL)::int * {w}", c=t.said, w=sql.Literal(t.weight)) for t in traits]),
        alike=_named([(t.agrees, t.label) for t in traits]),
        unlike=_named([(t.differs, t.label) for t in traits]),
        mappings=mappings_table(source),
        entity=sql.Literal(entity.name),
        core=sql.Identifier("core", entity.table),
        shown=sql.Literal(SHOWN),
    )


def _pairs(entity: Entity, source: str) -> Iterator[sql.Composed]:
    """Letters and rows that share an identifier, or all names; and the record's own row."""
    core = sql.Identifier("core", entity.table)
    same = [query("{a} = {c}", a=key("a", column), c=key("c", column)) for column in entity.identifiers]
    if entity.names:
        same.append(query("{a} = {c}", a=_sorted_names(entity, "a"), c=_sorted_names(entity, "c")))
    for condition in same:
        yield query("SELECT a.letter, c.id FROM a JOIN {core} c ON {condition}", core=core, condition=condition)
    own = (
        "SELECT a.letter, m.internal_id FROM a JOIN {mappings} m ON m.external_id = a.external_id"
        " WHERE m.entity_type = {entity} AND m.internal_id IS NOT NULL"
    )
    yield sql.SQL(own).format(mappings=mappings_table(source), entity=sql.Literal(entity.name))


def _traits(entity: Entity) -> Iterator[_Trait]:
    for rank, column in enumerate(entity.identifiers):
        ours, theirs = key("a", column), key("c", column)
        yield _trait(column, _IDENTIFIERS[min(rank, 2)], ours, theirs, query("{a} = {c}", a=ours, c=theirs))
    names = query("ARRAY[{names}]", names=comma([name("c", n) for n in entity.names]))
    for column in entity.names:
        ours = name("a", column)
        yield _trait(column, _NAME, ours, name("c", column), query("{a} = ANY({names})", a=ours, names=names))
    for reference in _school(entity):
        school = query(
            "(SELECT s.internal_id FROM connector.external_system_mappings s JOIN connector.dead_letters d"
            " ON d.id = a.letter WHERE s.connector_id = d.source AND s.entity_type = 'organizations'"
            " AND s.external_id = a.{n})",
            n=reference,
        )
        column = next(r.column for r in entity.references if r.name == reference)
        theirs = query("c.{n}", n=column)
        yield _trait("school", _SCHOOL, school, theirs, query("{a} = {c}", a=school, c=theirs))


def _trait(column: str, weight: int, ours: sql.Composable, theirs: sql.Composable, agrees: sql.Composable) -> _Trait:
    both = query("{a} IS NOT NULL AND {c} IS NOT NULL", a=ours, c=theirs)
    return _Trait(
        label=column.replace("_", " "),
        weight=weight,
        said=ours,
        agrees=query("coalesce({agrees}, false)", agrees=agrees),
        differs=query("{both} AND NOT ({agrees})", both=both, agrees=agrees),
    )


def _school(entity: Entity) -> tuple[str, ...]:
    """The reference to the organization that a person belongs to."""
    return tuple(r.name for r in entity.references if r.entity == "organizations" and entity.names)


def _sorted_names(entity: Entity, row: str) -> sql.Composed:
    """All names in one order: whichever way round they stand."""
    names = comma([name(row, n) for n in entity.names])
    return query("(SELECT string_agg(n, ' ' ORDER BY n) FROM unnest(ARRAY[{names}]) n)", names=names)


def _sum(parts: list[sql.Composed]) -> sql.Composed:
    return query("({sum})", sum=sql.SQL(" + ").join(parts))


def _named(parts: list[tuple[sql.Composable, str]]) -> sql.Composed:
    """The labels of what holds; null where nothing does."""
    named = [query("CASE WHEN {c} THEN {n} END", c=condition, n=sql.Literal(label)) for condition, label in parts]
    return query("nullif(concat_ws(', ', {named}), '')", named=comma(named))
