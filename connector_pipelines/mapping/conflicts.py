"""Decides who wins where both sides changed a field: the rules as a table, and what a plan does about their verdicts.

A field is contested when the record says something else than core and a person's edit of it is open, that is, no plan
wrote the field since (requirements G63-G66). `VERDICTS` is the one place that decides; nothing else here has an
opinion. A field that core keeps leaves the plan's changes and stands in its column `contested`, with the reason:

    {"email": {"winner": "person", "reason": …, "core": …, "source": …, "edited_at": …, …}}

What a person set in a final grade or an override stays theirs also while the source says the same: it may be an echo of
what core wrote there, and what it says next must not win over it. So such an edit is never settled by agreement.

A field that is owned by core is kept on every row that exists. A new row takes all its values from the source: core has
nothing yet that could be lost, and a required column must come from somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

from connector_pipelines.database.connection import Connection, comma, query, scalar
from connector_pipelines.database.tables import rows_table
from connector_pipelines.policy import SKEW, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector_pipelines.model import Entity, Read

ALL = "*"
"""In a policy: every field that has no rule of its own."""

FINAL: LiteralString = "a person set it in a final grade or an override"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table.

    Attributes:
        when: SQL over `rule`, `edited_at`, `modified_at`, `read_at`, `decided_at`: when a person last decided
            against this very value of the source, and `final`: whether the row in core is a final one.
        winner: "source" is written, "core" stays, "person" stays until a person decides.
        reason: what people read.
    """

    when: LiteralString
    winner: LiteralString
    reason: LiteralString


# The first line that holds decides. A time that is equal on both sides is the source's: it is authoritative (G2).
VERDICTS = (
    Verdict("rule = 'core_owns'", "core", "core owns the field"),
    Verdict("edited_at IS NULL", "source", "nobody edited the field"),
    Verdict("rule = 'external_wins'", "source", "the source owns the field"),
    Verdict("rule = 'core_final' AND final", "core", FINAL),
    Verdict("decided_at >= edited_at", "core", "a person decided against this value"),
    Verdict("rule = 'manual'", "person", "a person edited core, and the source says something else"),
    Verdict("modified_at IS NULL", "person", "the record does not say when it changed"),
    Verdict(
        f"CASE WHEN modified_at > read_at + interval '{SKEW.seconds} s' THEN read_at ELSE modified_at END >= edited_at",
        "source",
        "the source changed it last",
    ),
    Verdict("true", "core", "core was edited last"),
)


def verdict() -> sql.Composed:
    """The table as an SQL expression: an array of winner and reason."""
    lines = [
        query(
            "WHEN {when} THEN ARRAY[{winner}, {reason}]",
            when=sql.SQL(line.when),
            winner=sql.Literal(line.winner),
            reason=sql.Literal(line.reason),
        )
        for line in VERDICTS
    ]
    return query("CASE {lines} END", lines=sql.SQL(" ").join(lines))


def rules_of(rules: Mapping[str, Mapping[str, Rule]], entity: Entity) -> dict[str, Rule]:
    """The rule of each fed column of an entity."""
    given = rules.get(entity.name, {})
    return {name: given.get(name, given.get(ALL, Rule.EXTERNAL_WINS)) for name in _fields(entity)}


def unknown(rules: Mapping[str, Mapping[str, Rule]], entities: Mapping[str, Entity]) -> Iterator[tuple[str, ...]]:
    """What a policy names and a source with these entities does not feed: (entity, why) or (entity, field, why)."""
    for name, fields in rules.items():
        if name not in entities:
            yield name, f"the source feeds no {name}; it feeds {', '.join(entities)}"
            continue
        known = _fields(entities[name])
        for field in fields:
            if field != ALL and field not in known:
                yield (
                    name,
                    field,
                    f"no source fills {field} of {name}; there are {', '.join(known)}, or '*' for all",
                )


def decide(
    connection: Connection, entity: Entity, read: Read, policy: Mapping[str, Mapping[str, Rule]], plan: sql.Identifier
) -> None:
    """Take out of a plan's changes what core keeps, in the planning transaction.

    A row with a field that waits for a person becomes a `conflict`; its other fields are written. A row of which
    nothing is left to write is only touched, and a drop of which nothing is left is only noted as absent.
    """
    rules = rules_of(policy, entity)
    owned = [name for name, rule in rules.items() if rule is Rule.CORE_OWNS]
    if not owned and not scalar(connection, _ANY_EDIT, entity.name):
        return
    connection.execute(_EDITED, [entity.name])
    connection.execute("ANALYZE edited")  # a guess of one row made the join quadratic
    connection.execute(_contested(entity, read, rules, plan), [owned])
    if entity.final:
        connection.execute(_agreed(entity, rules, plan))
    kept = [
        query("{name} = CASE WHEN k.fields ? {key} THEN c.{name} ELSE p.{name} END", name=name, key=sql.Literal(name))
        for name in rules
    ]
    connection.execute(query(_KEEP, plan=plan, core=sql.Identifier("core", entity.table), kept=comma(kept)))


_ANY_EDIT = "SELECT EXISTS (SELECT FROM connector.core_edits WHERE entity = %s AND settled_by IS NULL)"

# The newest open edit of each field.
_EDITED = """
    CREATE TEMP TABLE edited ON COMMIT DROP AS
    SELECT DISTINCT ON (internal_id, field) internal_id, field, edited_at, edited_by FROM connector.core_edits
    WHERE entity = %s AND settled_by IS NULL ORDER BY internal_id, field, edited_at DESC, id DESC
"""


def _contested(entity: Entity, read: Read, rules: Mapping[str, Rule], plan: sql.Identifier) -> sql.Composed:
    """Fill `contested`: what core keeps, one row for each record and field."""
    given = comma([query("({n}, {r})", n=sql.Literal(n), r=sql.Literal(rule.value)) for n, rule in rules.items()])
    return query(
        """
        CREATE TEMP TABLE contested ON COMMIT DROP AS
        SELECT external_id, field, verdict[1] AS winner, jsonb_build_object('winner', verdict[1],
            'reason', verdict[2], 'core', core, 'source', source, 'edited_at', edited_at, 'edited_by', edited_by,
            'modified_at', modified_at) AS details
        FROM (
            SELECT *, {verdict} AS verdict
            FROM (
                SELECT p.external_id, f.key AS field, f.value -> 0 AS core, f.value -> 1 AS source, r.rule,
                    e.edited_at, e.edited_by, s.modified_at, {read_at}::timestamptz AS read_at, {final} AS final,
                    (SELECT max(d.decided_at) FROM connector.conflicts d
                        WHERE d.entity = {entity} AND d.internal_id = p.internal_id AND d.source = {source}
                            AND d.field = f.key AND d.source_value = f.value -> 1 AND d.decision IN ('core', 'value')
                    ) AS decided_at
                FROM {plan} p
                CROSS JOIN LATERAL jsonb_each(p.changes) f
                JOIN (VALUES {rules}) r (field, rule) ON r.field = f.key
                JOIN {core} c ON c.id = p.internal_id
                LEFT JOIN edited e ON e.internal_id = p.internal_id AND e.field = f.key
                LEFT JOIN {rows} s ON s.external_id = p.external_id AND s.page = p.page AND s.row = p.row
                WHERE p.changes ?| %s OR p.internal_id IN (SELECT internal_id FROM edited)
            ) facts
        ) judged
        WHERE verdict[1] <> 'source'
        """,
        verdict=verdict(),
        read_at=sql.Literal(read.started_at.isoformat()),
        entity=sql.Literal(entity.name),
        source=sql.Literal(read.source),
        plan=plan,
        core=sql.Identifier("core", entity.table),
        final=_final(entity),
        rules=given,
        rows=rows_table(read.id),
    )


def _agreed(entity: Entity, rules: Mapping[str, Rule], plan: sql.Identifier) -> sql.Composed:
    """Add to `contested` what a person set in a final row and the source says, too."""
    return query(
        """
        INSERT INTO contested
        SELECT p.external_id, e.field, 'core', jsonb_build_object('winner', 'core', 'reason', {reason},
            'core', to_jsonb(c) -> e.field, 'source', to_jsonb(c) -> e.field, 'edited_at', e.edited_at,
            'edited_by', e.edited_by, 'modified_at', NULL)
        FROM {plan} p JOIN edited e ON e.internal_id = p.internal_id JOIN {core} c ON c.id = p.internal_id
        WHERE p.core_version IS NOT NULL AND e.field = ANY({fields}) AND p.changes -> e.field IS NULL AND {final}
        """,
        reason=sql.Literal(FINAL),
        plan=plan,
        core=sql.Identifier("core", entity.table),
        fields=sql.Literal([name for name, rule in rules.items() if rule is Rule.CORE_FINAL]),
        final=_final(entity),
    )


def _final(entity: Entity) -> sql.Composed:
    """Whether a row of core is a final one."""
    marks = [query("c.{n} IS NOT DISTINCT FROM {v}", n=name, v=sql.Literal(value)) for name, value in entity.final]
    return query("({marks})", marks=sql.SQL(" OR ").join([*marks, sql.SQL("false")]))


# `link` and `drop` say more about a row than `conflict` would; what waits for a person is kept with them all the same.
# A drop writes the status alone: where core keeps that, the row is absent.
_KEEP = """
    UPDATE {plan} p SET {kept}, contested = k.fields, changes = nullif(p.changes - k.names, '{{}}'),
        action = CASE
            WHEN p.action = 'link' THEN 'link'
            WHEN p.action = 'drop' THEN CASE WHEN p.changes - k.names = '{{}}' THEN 'absent' ELSE 'drop' END
            WHEN k.undecided THEN 'conflict'
            WHEN p.changes - k.names = '{{}}' THEN 'touch'
            ELSE p.action END
    FROM (
        SELECT external_id, array_agg(field) AS names, jsonb_object_agg(field, details) AS fields,
            bool_or(winner = 'person') AS undecided
        FROM contested GROUP BY external_id
    ) k, {core} c
    WHERE k.external_id = p.external_id AND c.id = p.internal_id
"""


def _fields(entity: Entity) -> list[str]:
    return [column.name for column in entity.columns] + [reference.column for reference in entity.references]
