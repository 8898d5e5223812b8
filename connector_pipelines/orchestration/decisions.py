"""The jobs with which a person decides about a plan that waits.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Source
from connector_pipelines.orchestration import checks, look, metadata, names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.outward import is_export
from connector_pipelines.sync import deciding, figures, planning
from connector_pipelines.sync.context import Context


class Decision(dg.Config):
    """Which plan, who decides, and why."""

    source: str = Field(description="The source whose plan it is.")
    hash: str = Field(
        min_length=8, description="The plan's hash, or its first 8 characters, as the mass-change check shows."
    )
    who: str = Field(default_factory=getpass.getuser, description="Who decides, for the audit log.")
    why: str = Field(min_length=1, description="The reason, for the audit log.")


class Waiting(dg.Config):
    """Which plan to look at, and how much of it."""

    source: str = Field(description="The source whose plan it is.")
    hash: str = Field(min_length=8, description="The plan's hash, or its first 8 characters.")
    rows: int = Field(default=1000, ge=0, description="How many changed fields to show; 0 shows all.")


def show_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    """Look at a plan that waits, as far as one likes."""

    @dg.op
    def look_closely(context: dg.OpExecutionContext, config: Waiting, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            plan = deciding.undecided(surroundings, known(sources, config.source).name, config.hash)
            shown = metadata.of_plan(plan, planning.sample_changes(surroundings, plan, limit=config.rows))
        key = names.planned(plan.source, plan.entity)
        context.log_event(dg.AssetObservation(key, metadata=shown, description="a plan that waits"))

    @dg.job(
        description="Shows what a plan that waits would change, one row for each field with before, after and reason,"
        " and as many as you like. Values that say something about a person are shown by the command line alone."
    )
    def show_plan() -> None:
        look_closely()

    return show_plan


def decision_jobs(sources: Mapping[str, Source]) -> list[dg.JobDefinition]:
    """Look at, approve or reject a plan that waits: one that the guard held, a dry run, a preview."""

    @dg.op
    def approve(context: dg.OpExecutionContext, config: Decision, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            applied = deciding.approve_and_apply(
                surroundings, known(sources, config.source), config.hash, who=config.who, why=config.why
            )
            show_applied(context, surroundings, applied)

    @dg.op
    def reject(context: dg.OpExecutionContext, config: Decision, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            plan = deciding.reject(surroundings, source, config.hash, who=config.who, why=config.why)
        context.log.info("%s/%s: plan %s is discarded; core stays as it is", plan.source, plan.entity, plan.hash[:12])

    @dg.job(description="Releases exactly this plan and applies it; refused when core changed since it was made.")
    def approve_plan() -> None:
        approve()

    @dg.job(description="Discards this plan; core stays as it is.")
    def reject_plan() -> None:
        reject()

    return [show_job(sources), approve_plan, reject_plan]


def known(sources: Mapping[str, Source], name: str) -> Source:
    """The declared source of that name.

    Raises:
        ConfigurationError: there is none; the message lists those there are.
    """
    if name not in sources:
        raise ConfigurationError(f"no source {name!r} is declared.", remedy=f"Choose one of {', '.join(sources)}.")
    return sources[name]


def show_applied(context: dg.OpExecutionContext, surroundings: Context, applied: deciding.Applied) -> None:
    """What the step of the core asset shows after it applied: the materialization, and its checks as they are now.

    The mapping's check was red because the plan waited; it says now whether another one does.
    """
    plan, connection = applied.plan, surroundings.connection
    if is_export(plan.entity):
        _show_sent(context, surroundings, applied)
        return
    core, mapping = names.core(plan.entity), names.mapping(plan.source, plan.entity)
    shown = metadata.of_receipts(applied.receipts, look.core_rows(connection, plan.entity))
    context.log_event(dg.AssetMaterialization(core, metadata=shown))
    held = [one for one in deciding.held_plans(surroundings, plan.source) if one.entity == plan.entity]
    found = {
        core: [
            checks.receipts(applied.receipts),
            checks.orphans(look.waiting(connection, plan.entity, older_than=checks.PATIENCE)),
        ],
        mapping: [checks.mass_change([plan], held), checks.accounted_for([plan]), checks.dead_letters([plan])],
    }
    for asset, verdicts in found.items():
        for verdict in verdicts:
            context.log_event(verdict.evaluation(asset))  # type: ignore[arg-type]  # its signature forgot what it takes


def _show_sent(context: dg.OpExecutionContext, surroundings: Context, applied: deciding.Applied) -> None:
    """The same at the asset of an export."""
    plan = applied.plan
    key = names.planned(plan.source, plan.entity)
    held = [one for one in deciding.held_plans(surroundings, plan.source) if one.entity == plan.entity]
    there = look.exported_rows(surroundings.connection, plan.source, plan.entity)
    since = datetime.now(UTC) - checks.FIGURES_OF
    how_it_does = figures.of_export(surroundings.connection, plan.source, plan.entity, since)
    shown = metadata.of_receipts(applied.receipts, there) | metadata.of_figures(how_it_does)
    context.log_event(dg.AssetMaterialization(key, metadata=shown))
    for verdict in checks.of_export([plan], applied.receipts, held, how_it_does):
        context.log_event(verdict.evaluation(key))  # type: ignore[arg-type]  # its signature forgot what it takes
