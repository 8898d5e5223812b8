"""The jobs with which a person runs, repairs and switches a source: one job for all sources, the source in its config.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Iterable, Mapping

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import NeedsPerson
from connector_pipelines.model import PlanState, Source
from connector_pipelines.orchestration import checks, launches, look, metadata, names
from connector_pipelines.orchestration.assets import HowMuch
from connector_pipelines.orchestration.decisions import known
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.health import evaluations
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync import letters, planning, records, switches, whole
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.reconnecting import reconnect as try_again

_SOURCE = "The source."
_WHO = "Who does it, for the audit log."
_ENTITIES = "Only these; none named is all the source provides."


class Now(dg.Config):
    """What to sync, and how."""

    source: str = Field(description=_SOURCE)
    mode: HowMuch = Field(
        default=HowMuch.incremental, description="incremental: what changed. full: everything, what is gone included."
    )
    entities: list[str] = Field(default=[], description=_ENTITIES)


class Anew(dg.Config):
    """What to read anew, and whether to do it."""

    source: str = Field(description=_SOURCE)
    entities: list[str] = Field(default=[], description=_ENTITIES)
    apply: bool = Field(default=False, description="Do it. Without, everything is read and planned, and core stays.")
    who: str = Field(default_factory=getpass.getuser, description=_WHO)


class Forgiven(dg.Config):
    """Which errors to clear, and whether to do it."""

    source: str = Field(description=_SOURCE)
    entity: str = Field(default="", description="Only of this entity.")
    external_ids: list[str] = Field(default=[], description="Only these records.")
    apply: bool = Field(default=False, description="Do it. Without, it is only counted.")
    who: str = Field(default_factory=getpass.getuser, description=_WHO)
    why: str = Field(default="", description="The reason, for the audit log; needed to do it.")


class Switch(dg.Config):
    """Which source, who switches it, and why."""

    source: str = Field(description=_SOURCE)
    who: str = Field(default_factory=getpass.getuser, description=_WHO)
    why: str = Field(default="", description="The reason, for the audit log and for whoever meets the source off.")


def by_hand_jobs(sources: Mapping[str, Source]) -> list[dg.JobDefinition]:
    """All of them, for the declared sources."""
    return [
        _sync_now(sources),
        _full_resync(sources),
        _clear_errors(sources),
        _reconnect(sources),
        _activate(sources),
        _deactivate(sources),
    ]


def _sync_now(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def sync_it(context: dg.OpExecutionContext, config: Now, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            launches.count(context, source.name)
            done = whole.sync(surroundings, source, mode=config.mode.value, entities=config.entities or None)
            _show(context, surroundings, source, done)

    @dg.job(description="Syncs any source, or some of its entities, at once.")
    def sync_now() -> None:
        sync_it()

    return sync_now


def _full_resync(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def read_anew(context: dg.OpExecutionContext, config: Anew, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            launches.count(context, source.name)
            done = whole.resync(
                surroundings, source, who=config.who, apply=config.apply, entities=config.entities or None
            )
            _show(context, surroundings, source, done, dry_run=not config.apply)

    @dg.job(
        description="Reads all of a source and compares every record with core, also those that look unchanged. Without"
        " apply it is a dry run, shown with the mapping assets; with it, what is accepted is written.",
    )
    def full_resync() -> None:
        read_anew()

    return full_resync


def _show(
    context: dg.OpExecutionContext,
    surroundings: Context,
    source: Source,
    done: Iterable[whole.Outcome],
    *,
    dry_run: bool = False,
) -> None:
    """Let entity after entity be synced and show each as its assets' own steps would.

    Raises:
        NeedsPerson: a plan is held; the others are applied.
    """
    held = []
    for outcome in done:
        plan, connection = outcome.plan, surroundings.connection
        changes = planning.sample_changes(surroundings, plan)
        mapping = names.mapping(source.name, outcome.entity)
        shown = metadata.of_plans([plan]) | metadata.of_changes(changes)
        if dry_run:
            context.log_event(dg.AssetObservation(mapping, metadata=shown, description="a dry run"))
            continue
        read = records.load_read(connection, plan.read_id)
        external = names.external(source.name, outcome.entity)
        of_read = metadata.of_read(read, look.skipped(connection, read.id))
        context.log_event(dg.AssetMaterialization(external, metadata=of_read))
        context.log_event(dg.AssetMaterialization(mapping, metadata=shown))
        verdict = checks.mass_change([plan], [])
        context.log_event(verdict.evaluation(mapping))  # type: ignore[arg-type]  # its signature forgot what it takes
        if outcome.receipt:
            of_core = metadata.of_receipts([outcome.receipt], look.core_rows(connection, outcome.entity))
            context.log_event(dg.AssetMaterialization(names.core(outcome.entity), metadata=of_core))
        held += [plan] if plan.state is PlanState.HELD else []
    if held:
        waiting = ", ".join(f"{plan.entity} {plan.hash[: metadata.HASH_SHOWN]}" for plan in held)
        raise NeedsPerson(f"plans of {source.name} are held: {waiting}.", remedy="Approve or reject them.")


def _clear_errors(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def forgive(context: dg.OpExecutionContext, config: Forgiven, engine: Engine) -> None:
        which = letters.Errors(config.entity or None, tuple(config.external_ids))
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            found = letters.clear_errors(
                surroundings.connection, source.name, which, who=config.who, why=config.why, apply=config.apply
            )
        did = "cleared" if config.apply else "would be cleared; to do it, launch again with apply: true and why"
        context.log.info("%d errors of %s %s", sum(found.values()), source.name, did)
        context.add_output_metadata({"errors": sum(found.values()), **found})

    @dg.job(
        description="Takes the mark `error` from records and settles their dead letters, so that they are looked at"
        " anew when they come again. Without apply it counts them."
    )
    def clear_errors() -> None:
        forgive()

    return clear_errors


def _reconnect(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def ask_again(context: dg.OpExecutionContext, config: Switch, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            health = try_again(surroundings, source, who=config.who)
        for one in evaluations(source, health):
            context.instance.report_runless_asset_event(one)
        if not health.ok:
            raise dg.Failure(description=health.detail, allow_retries=False)
        context.log.info("%s is connected: %s", source.name, health.detail)

    @dg.job(
        tags={launches.LANE: "urgent"},
        description="Tries a source at once that failed too often and is left alone, and tests its connection.",
    )
    def reconnect() -> None:
        ask_again()

    return reconnect


def _activate(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def switch_on(context: dg.OpExecutionContext, config: Switch, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            switches.activate(surroundings.connection, source, who=config.who, why=config.why)
        context.log.info("%s may be read", source.name)

    @dg.job(description="Lets a source be read again that was deactivated.")
    def activate_source() -> None:
        switch_on()

    return activate_source


def _deactivate(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def switch_off(context: dg.OpExecutionContext, config: Switch, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            switches.deactivate(surroundings.connection, source, who=config.who, why=config.why)
        context.log.info("%s is read no more until activate_source; its core rows stay as they are", source.name)

    @dg.job(
        description="Lets nobody read a source, by hand or by itself, until activate_source. Nothing of it is removed,"
        " and a read that runs goes on."
    )
    def deactivate_source() -> None:
        switch_off()

    return deactivate_source
