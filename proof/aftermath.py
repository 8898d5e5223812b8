"""What must be true of a project after a storm: what has not arrived yet, and what is wrong for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from psycopg import sql

from connector_pipelines.database import embedded
from connector_pipelines.database.connection import connect, query
from connector_pipelines.external.landing import Landing
from connector_pipelines.orchestration.sources import declared_sources
from connector_pipelines.sync import whole
from connector_pipelines.sync.context import open_context
from proof import held
from proof.project import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from proof.project import Project
    from proof.soak import Told
    from proof.systems import System


def behind(place: Project, systems: Mapping[str, System], told: Mapping[str, Told], killed: Sequence[str]) -> list[str]:
    """What has not arrived yet, in words; empty when all is there."""
    found = [
        f"{len(missing)} names of {name} are not in core, such as {missing[0]}"
        for name, system in systems.items()
        if (missing := _missing(place, system, told[name]))
    ]
    found += [f"{len(one.unanswered)} deliveries to {name} wait" for name, one in told.items() if one.unanswered]
    waiting = place.rows(
        "SELECT status, count(*) FROM connector.integration_webhook_events WHERE status <> 'processed' GROUP BY 1"
    )
    found += [f"{count} events are {status}" for status, count in waiting]
    [(dead,)] = place.rows(
        "SELECT count(*) FROM public.runs WHERE run_id = ANY(%s) AND status = ANY(%s)", list(killed), list(ACTIVE)
    )
    found += [f"{dead} runs count as under way whose processes were killed"] if dead else []
    # Only the daemon gives them back: a run that waits for one when the daemon is ended would wait for ever.
    [(held_back,)] = place.rows(
        "SELECT count(*) FROM (SELECT run_id FROM public.concurrency_slots UNION ALL SELECT run_id FROM"
        " public.pending_steps) s JOIN public.runs r USING (run_id) WHERE r.status <> ALL(%s)",
        list(ACTIVE),
    )
    return found + ([f"{held_back} places in pools are held by runs that have ended"] if held_back else [])


def _missing(place: Project, system: System, told: Told) -> list[str]:
    statement = query(
        "SELECT m.external_id, c.{column} FROM core.{core} c JOIN connector.external_system_mappings m"
        " ON m.internal_id = c.id AND m.entity_type = {entity}"
        " WHERE m.connector_id = {source} AND m.external_id = ANY(%s)",
        column=system.column,
        core=system.entity,
        entity=sql.Literal(system.entity),
        source=sql.Literal(system.name),
    )
    core = dict(place.rows(statement, list(told.names)))
    return [names[-1] for key, names in told.names.items() if core.get(key) != names[-1]]


def findings(place: Project, systems: Mapping[str, System], told: Mapping[str, Told]) -> list[str]:
    """What is wrong once nothing moves any more: lost, doubled, out of order, not what the sources hold."""
    found: list[str] = []
    with connect(place.url) as connection:
        found += held.breaches(connection)
        waits = connection.execute(
            "SELECT source, entity, hash FROM connector.sync_plans WHERE state = 'held'"
        ).fetchall()
        found += [f"a plan is held: {plan}" for plan in waits]
        unknown = "SELECT source, entity, error FROM connector.sync_runs WHERE error_category = 'unknown'"
        found += [f"an error without a category: {row}" for row in connection.execute(unknown).fetchall()]
    for name, system in systems.items():
        found += _out_of_order(place, system, told[name])
        found += _events(place, name, told[name].events if system.notice else 0)
    return found + list(_unlike_the_sources(place))


def _out_of_order(place: Project, system: System, told: Told) -> Iterator[str]:
    """Records whose history in core is not their names in order, each at most once."""
    history: dict[str, list[str]] = {}
    for key, name in place.rows(
        "SELECT c.external_id, c.changes -> %s ->> 1 FROM connector.sync_changes c"
        " JOIN connector.sync_plans p ON p.id = c.plan_id"
        " WHERE p.source = %s AND p.entity = %s AND c.changes ? %s ORDER BY c.plan_id",
        *(system.column, system.name, system.entity, system.column),
    ):
        history.setdefault(key, []).append(name)
    for key, names in history.items():
        if not is_in_order(names, told.names.get(key, [])):
            yield f"{system.name} {key} was written as {names}, and was {told.names.get(key)}"


def is_in_order(written: Sequence[str], told: Sequence[str]) -> bool:
    """Whether what was written is some of what was told, in that order, each at most once. Pure."""
    left = iter(told)
    return all(name in left for name in written)  # `in` moves on behind what it found


def _events(place: Project, name: str, told: int) -> Iterator[str]:
    """Events that were lost, came twice, or count as answered by a run that did not come to its end."""
    [(stored, well)] = place.rows(
        "SELECT count(*), count(*) FILTER (WHERE r.status = 'SUCCESS') FROM connector.integration_webhook_events e"
        " JOIN connector.integrations i ON i.id = e.integration_id"
        " LEFT JOIN public.runs r ON r.run_id = e.run_id WHERE i.name = %s",
        name,
    )
    if (stored, well) != (told, told):
        yield f"{name} told of {told} changes: {stored} events are stored, {well} are answered by a run that ended well"


def _unlike_the_sources(place: Project) -> Iterator[str]:
    """Where core differs from what one undisturbed read of everything leaves in an empty database."""
    truth = embedded.start(place.folder / "postgres", database="truth")
    sync_all(place, truth, "landing_of_truth")
    with connect(place.url) as connection, connect(truth) as undisturbed:
        for source in declared_sources(place.declared).values():
            rows = {entity: held.core(undisturbed, entity, source.name) for entity in whole.in_order(source)}
            wrong = held.differences(connection, rows, source.name)
            if wrong:
                yield f"core is not what {source.name} holds: {len(wrong)} records, {wrong[:2]}"


def sync_all(place: Project, url: str, landing: str) -> None:
    """Read all of every source, in this process."""
    with open_context(url) as context:
        here = replace(context, landing=Landing(str(place.folder / landing)), url=None)
        for source in declared_sources(place.declared).values():
            for outcome in whole.sync(here, source):
                if not outcome.verified:
                    raise RuntimeError(f"{source.name} {outcome.entity} is not verified")
