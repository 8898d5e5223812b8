"""Plans go two ways: into core, or out of it. What a person decides about them is the same for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.outward import is_export
from connector_pipelines.sync import applying, exporting, planning, push

if TYPE_CHECKING:
    from connector_pipelines.model import Plan, Receipt, Source
    from connector_pipelines.sync.context import Context


def replan(context: Context, source: Source, outdated: Plan) -> Plan:
    """Make a plan anew, whichever way it goes; see `planning.replan` and `exporting.replan`."""
    way = exporting.replan if is_export(outdated.entity) else planning.replan
    return way(context, source, outdated)


def carry_out(context: Context, source: Source, entity: str) -> list[Receipt]:
    """Apply to core, or send, every accepted plan of a source's entity."""
    if is_export(entity):
        return push.send_accepted(context, source, entity)
    return applying.apply(context, entity, {source.name: source}, only=source.name)
