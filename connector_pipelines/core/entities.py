"""The core entities as the engine sees them, derived from the models, so that nothing is said twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql

from connector_pipelines import model
from connector_pipelines.core.models import Core
from connector_pipelines.model import Entity, Reference

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def _rank(column: Column[Any]) -> int:
    """How well a column tells who or what a row is: 1 is best, 0 not at all."""
    return int(column.info.get("identifies", 0))


def _entity(table: Table) -> Entity:
    fed = [column for column in table.columns if column.info.get("fed")]
    pointers = [(column, next(iter(column.foreign_keys))) for column in fed if column.foreign_keys]
    return Entity(
        name=table.name,
        table=table.name,
        columns=tuple(model.Column(c.name, c.type.compile(_dialect)) for c in fed if not c.foreign_keys),
        references=tuple(
            Reference(c.name.removesuffix("_id"), c.name, key.target_fullname.split(".")[1], required=not c.nullable)
            for c, key in pointers
        ),
        inactive=next((str(c.info["inactive"]) for c in fed if "inactive" in c.info), "inactive"),
        identifiers=tuple(c.name for c in sorted(fed, key=_rank) if _rank(c)),
        names=tuple(c.name for c in fed if c.info.get("name")),
        final=tuple((c.name, c.info["final"]) for c in fed if "final" in c.info),
    )


ENTITIES: dict[str, Entity] = {table.name: _entity(table) for table in Core.metadata.tables.values()}
"""Every core entity by name, as the models declare them: parents before children, and sections before the many people,
so that PostgreSQL has something to plan while those are read.
"""


def entity(name: str) -> Entity:
    """The entity of that name.

    Raises:
        KeyError: core has no such table; the message lists those it has.
    """
    try:
        return ENTITIES[name]
    except KeyError:
        message = f"core has no entity {name!r}; it has {', '.join(ENTITIES)}"
        raise KeyError(message) from None
