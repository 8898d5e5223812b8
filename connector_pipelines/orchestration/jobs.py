"""The jobs of a source, and those with which a person decides about a held plan.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import ConfigurationError, PlanOutdated
from connector_pipelines.model import Plan, PlanState, Source
from connector_pipelines.orchestration import look, metadata, names
from connector_pipelines.orchestration.assets import HowMuch
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync import accepting, applying, planning
from connector_pipelines.sync.sources import test_connection

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
"""All steps in the run's own process; docs/decisions/0004-one-process.md says why also for full loads."""


def source_jobs(declaration: Declaration) -> list[Any]:
    """Sync what changed, sync everything, test the connection."""
    return [_sync_job(declaration), _full_job(declaration), _test_job(declaration.source)]


def selection(source: Source) -> dg.AssetSelection:
    """The source's two layers and the core tables it feeds."""
    keys = [
        key
        for stream in source.streams
        for key in (
            names.external(source.name, stream.entity),
            names.mapping(source.name, stream.entity),
            names.core(stream.entity),
        )
    ]
    return dg.AssetSelection.assets(*keys)


def _sync_job(declaration: Declaration) -> Any:
    source = declaration.source
    return dg.define_asset_job(
        names.sync_job(source.name),
        selection=selection(source),
        config=IN_PROCESS,
        description=f"Reads what changed in {source.name}, plans it, and applies what is accepted.",
        tags={"source": source.name},
    )


def _full_job(declaration: Declaration) -> Any:
    source = declaration.source
    return dg.define_asset_job(
        names.full_job(source.name),
        selection=selection(source),
        config=full_config(source) | IN_PROCESS,
        description=f"Reads all of {source.name}, what is gone included, plans it, and applies what is accepted.",
        tags={"source": source.name},
    )


def full_config(source: Source) -> dict[str, Any]:
    """Run config that reads everything."""
    full = {"config": {"mode": HowMuch.full.name}}
    return {"ops": {names.external(source.name, s.entity).to_python_identifier(): full for s in source.streams}}


def _test_job(source: Source) -> dg.JobDefinition:
    name = names.test_job(source.name)

    @dg.op(name=f"{name}_now", description="Asks for as little as it takes to know that URL and credentials work.")
    def test_now(context: dg.OpExecutionContext, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            health = test_connection(surroundings, source)
        if not health.ok:
            raise dg.Failure(description=health.detail, allow_retries=False)
        context.log.info("%s (%.0f ms)", health.detail, health.latency_seconds * 1000)

    @dg.job(
        name=name,
        config=IN_PROCESS,
        description=f"Tests the connection to {source.name}.",
        tags={"source": source.name},
    )
    def test() -> None:
        test_now()

    return test


class Decision(dg.Config):
    """Which held plan, and who decides."""

    source: str = Field(description="The source whose plan it is.")
    hash: str = Field(
        min_length=8, description="The plan's hash, or its first 8 characters, as the mass-change check shows."
    )
    who: str = Field(default_factory=getpass.getuser, description="Who decides, for the audit log.")


class Acceptance(dg.Config):
    """Which case of identity a person decides, and how."""

    letter: int = Field(description="Number of the dead letter, as the mapping asset and `identity list` show it.")
    why: str = Field(min_length=1, description="What makes you sure, for the audit log.")
    onto: int | None = Field(
        default=None,
        description="For a new record, the id of the core row it belongs to; without one it gets a row of its own.",
    )
    who: str = Field(default_factory=getpass.getuser, description="Who decides, for the audit log.")


def refuse_held(plan: Plan | None) -> None:
    """An approved plan that was held once more is not applied: an older accepted one of its entity had to go first.

    Raises:
        PlanOutdated: the plan is held; the step's retry approves it again, if it is still the same.
    """
    if plan and plan.state is PlanState.HELD:
        raise PlanOutdated(
            f"an older plan was applied first, and plan {plan.hash[:12]} is held again.",
            remedy=f"Look at plan {plan.hash[:12]} and approve it.",
        )


def decision_jobs(sources: Mapping[str, Source]) -> list[dg.JobDefinition]:
    """Approve or reject a plan that the guard held; say whose a record is."""

    def known(name: str) -> Source:
        if name not in sources:
            raise ConfigurationError(f"no source {name!r} is declared.", remedy=f"Choose one of {', '.join(sources)}.")
        return sources[name]

    @dg.op
    def approve(context: dg.OpExecutionContext, config: Decision, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(config.source)
            plan = planning.approve(surroundings, source, config.hash, who=config.who)
            receipts = applying.apply(surroundings, plan.entity, {source.name: source}, only=source.name)
            shown = metadata.of_receipts(receipts, look.core_rows(surroundings.connection, plan.entity))
            context.log_event(dg.AssetMaterialization(names.core(plan.entity), metadata=shown))
            refuse_held(look.newest_plan(surroundings.connection, source.name, plan.entity))

    @dg.op
    def reject(context: dg.OpExecutionContext, config: Decision, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            plan = planning.reject(surroundings, known(config.source), config.hash, who=config.who)
        context.log.info("%s/%s: plan %s is discarded; core stays as it is", plan.source, plan.entity, plan.hash[:12])

    @dg.op
    def accept(context: dg.OpExecutionContext, config: Acceptance, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            case = accepting.accept_identity(
                surroundings, config.letter, who=config.who, why=config.why, onto=config.onto
            )
        context.log.info("%s/%s %s: the next plan lets it pass", case.source, case.entity, case.external_id)

    @dg.job(description="Lets a record pass that looked like somebody else's, with exactly what it said; audited.")
    def accept_identity() -> None:
        accept()

    @dg.job(description="Releases exactly this plan and applies it; refused when core changed since it was held.")
    def approve_plan() -> None:
        approve()

    @dg.job(description="Discards this plan; core stays as it is.")
    def reject_plan() -> None:
        reject()

    return [approve_plan, reject_plan, accept_identity]
