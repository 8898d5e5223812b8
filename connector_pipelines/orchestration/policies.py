"""Whether a source's policy speaks of what the source feeds: a wrong name must not wait for the first sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.mapping import conflicts
from connector_pipelines.policy import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector_pipelines.model import Entity, Source
    from connector_pipelines.policy import SyncPolicy

Finding = tuple[tuple[str | int, ...], str]
"""Where in the policy, and what is wrong there."""


def findings(source: Source) -> Iterator[Finding]:
    """What a policy names and the source does not feed."""
    policy, fed = source.policy, {name: entity for name, entity in ENTITIES.items() if source.provides(name)}
    yield from _exports(source)
    yield from _imports(source, fed)
    written = [export.name for export in source.exports]
    read = {name: rules for name, rules in policy.conflicts.items() if name not in written}
    for *place, why in conflicts.unknown(read, fed):
        yield ("conflicts", *place), why
    for path, entity in _named(policy):
        if entity not in fed and entity not in written:
            yield path, f"the source feeds no {entity}; it feeds {', '.join([*fed, *written]) or 'nothing'}"
    for entity, columns in policy.matching.items():
        known = fed[entity].identifiers if entity in fed else columns
        for at, column in enumerate(columns):
            if column not in known:
                told = f"there are {', '.join(known)}" if known else "there are none"
                yield ("matching", entity, at), f"{column} identifies no row of {entity}; {told}"


def _imports(source: Source, fed: Mapping[str, Entity]) -> Iterator[Finding]:
    """Parents that are to be read by their ids from a source that cannot be asked so."""
    single = {stream.entity for stream in source.streams if stream.by_id}
    for entity, missing in source.policy.missing_parents.items():
        parents = fed[entity].parents if entity in fed else ()
        if missing is Missing.IMPORT and parents and not single.intersection(parents):
            why = f"the source cannot be asked for single {' or '.join(parents)}; let the records wait, or skip them"
            yield ("missing_parents", entity), why


def _exports(source: Source) -> Iterator[Finding]:
    """What is to be written and the connector cannot write; what is to be written before what it refers to."""
    known = [export.entity for export in source.connector.exports(source.config)]
    for at, name in enumerate(source.policy.exports):
        if name not in {"*", *known}:
            why = f": {source.connector.no_place[name]}" if name in source.connector.no_place else ""
            yield ("exports", at), f"{source.connector.title} cannot be written {name}{why}; {_choices(known)}"
    written = {export.entity for export in source.exports}
    for export in source.exports:
        for needed in sorted(set(export.refers.values()) - written):
            yield ("exports",), f"{export.entity} refer to {needed}, which must be written, too"


def _choices(known: list[str]) -> str:
    return f"there are {', '.join(known)}" if known else "there is nothing"


def _named(policy: SyncPolicy) -> Iterator[Finding]:
    """Every entity that is named, and where."""
    yield from ((("guard", "entities", entity), entity) for entity in policy.guard.entities)
    for at, season in enumerate(policy.guard.seasons):
        yield from ((("guard", "seasons", at, "entities"), entity) for entity in season.entities)
    yield from ((("drops", at), entity) for at, entity in enumerate(policy.drops))
    yield from ((("matching", entity), entity) for entity in policy.matching)
    yield from ((("auto_create", entity), entity) for entity in policy.auto_create if entity != "*")
    yield from ((("missing_parents", entity), entity) for entity in policy.missing_parents)
