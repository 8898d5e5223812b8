"""Records that a plan leaves out because the source's policy says so: counted, and the first of them named (G19, G43).

A skipped record is no dead letter and waits for nothing: it is looked at again when its source sends it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from psycopg import sql

from connector_pipelines.database.connection import Connection, comma, query

if TYPE_CHECKING:
    from connector_pipelines.model import Entity
    from connector_pipelines.policy import SyncPolicy

NAMED = 20
"""At most so many are named in the reasons of a plan."""


@dataclass(frozen=True, slots=True)
class Skip:
    """How many records are left out, why, and the first of them; as text it is a reason of the plan."""

    count: int
    why: str
    named: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A sentence; empty where none is."""
        if not self.count:
            return ""
        more = ", …" if self.count > len(self.named) else ""
        return f"skipped: {self.count:,} {self.why}" + (f": {', '.join(self.named)}{more}" if self.named else "")


def skip_new(connection: Connection, entity: Entity, policy: SyncPolicy) -> Skip:
    """Take rows out of `diff` that core has no row for, where the source may create none; a person's word goes first.

    Needs `accepted`.
    """
    if policy.creates(entity.name):
        return Skip(0, "")
    gone = "DELETE FROM diff d WHERE internal_id IS NULL AND NOT EXISTS ("
    gone += "SELECT FROM accepted a WHERE a.external_id = d.external_id) RETURNING external_id AS name"
    return _skip(connection, sql.SQL(gone), f"not in core, and auto_create of {entity.name} is off")


def skip_orphans(connection: Connection, entity: Entity, plan: sql.Identifier, policy: SyncPolicy) -> Skip:
    """Take rows out of the plan that name a parent core does not have, where the source's policy lets none wait."""
    unknown = {
        reference: query("(p.{name} IS NOT NULL AND p.{column} IS NULL)", name=reference.name, column=reference.column)
        for reference in entity.references
        if policy.skips(entity.name, reference.entity)
    }
    if not unknown:
        return Skip(0, "")
    names = [
        query("CASE WHEN {c} THEN {e} || ' ' || p.{n} END", c=condition, e=sql.Literal(r.entity), n=r.name)
        for r, condition in unknown.items()
    ]
    gone = query(
        "DELETE FROM {plan} p WHERE {any} RETURNING external_id || ' (' || concat_ws(', ', {names}) || ')' AS name",
        plan=plan,
        any=sql.SQL(" OR ").join(unknown.values()),
        names=comma(names),
    )
    return _skip(connection, gone, "whose parents core does not have")


def _skip(connection: Connection, gone: sql.Composable, why: str) -> Skip:
    counted = query(
        'WITH gone AS ({gone}) SELECT count(*), (array_agg(name ORDER BY name COLLATE "C"))[:{most}] FROM gone',
        gone=gone,
        most=sql.Literal(NAMED),
    )
    count, named = cast("tuple[int, list[str] | None]", connection.execute(counted).fetchone())
    return Skip(count, why, tuple(named or ()))
