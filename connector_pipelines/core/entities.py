"""The core entities as the engine sees them, derived from the models, so that nothing is said twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines import model
from connector_pipelines.core.models import TABLES
from connector_pipelines.model import Entity, Reference

if TYPE_CHECKING:
    from connector_pipelines.core.models import Table


def _entity(table: Table) -> Entity:
    columns = table.columns
    return Entity(
        name=table.name,
        table=table.name,
        columns=tuple(model.Column(c.name, c.kind, required=c.required) for c in columns if not c.points_to),
        references=tuple(
            Reference(c.name.removesuffix("_id"), c.name, c.points_to, required=c.required)
            for c in columns
            if c.points_to
        ),
        inactive=next(c.inactive for c in columns if c.inactive),
        identifiers=tuple(c.name for c in sorted(columns, key=lambda c: c.identifies) if c.identifies),
        names=tuple(c.name for c in columns if c.of_a_name),
        final=tuple((c.name, c.final) for c in columns if c.final is not None),
    )


ENTITIES: dict[str, Entity] = {table.name: _entity(table) for table in TABLES}
"""Every core entity by name, parents before children."""


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
