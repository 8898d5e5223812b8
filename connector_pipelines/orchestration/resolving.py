"""The job with which a person decides conflicts, and how the UI shows those that wait.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Sequence
from enum import Enum

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import NeedsPerson
from connector_pipelines.orchestration import look, metadata, names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.policy import Take
from connector_pipelines.sync import conflicts


class Whose(Enum):
    """Whose value core shall hold: Dagster takes an enum's names."""

    core = Take.CORE
    source = Take.SOURCE
    value = Take.VALUE


class Choice(dg.Config):
    """A decision on one conflict."""

    conflict: str = Field(description="The conflict as the table of open conflicts names it, e.g. 17-1.")
    take: Whose = Field(description="core: its value stays. source: its value is written. value: the one given here.")
    value: str | None = Field(
        default=None, description="With value: as text in PostgreSQL's form; without one, the field becomes empty."
    )
    why: str = Field(min_length=1, description="The reason, for the audit log.")


class Choices(dg.Config):
    """Decisions on conflicts, and who decides."""

    decisions: list[Choice] = Field(min_length=1, description="At most one for each conflict.")
    who: str = Field(default_factory=getpass.getuser, description="Who decides, for the audit log.")


def refuse_partly(refused: Sequence[tuple[str, str]]) -> None:
    """Decisions that were not carried out make the run fail, after the others were.

    Raises:
        NeedsPerson: there are some; each is named with its reason.
    """
    if refused:
        raise NeedsPerson(
            f"not carried out: {'; '.join(f'{label}: {reason}' for label, reason in refused)}.",
            remedy="Look at the open conflicts and decide again.",
        )


def resolve_job() -> dg.JobDefinition:
    """Decide conflicts that wait for a person."""

    @dg.op(name="resolve")
    def resolve(context: dg.OpExecutionContext, config: Choices, engine: Engine) -> None:
        decisions = [conflicts.Decision(one.conflict, one.take.value, one.why, one.value) for one in config.decisions]
        with opened(context, engine) as surroundings:
            outcome = conflicts.resolve(surroundings, decisions, who=config.who)
            for receipt in outcome.receipts:
                shown = metadata.of_receipts([receipt], look.core_rows(surroundings.connection, receipt.entity))
                context.log_event(dg.AssetMaterialization(names.core(receipt.entity), metadata=shown))
            context.log.info("%d of %d decisions are carried out", outcome.resolved, len(decisions))
            refuse_partly(outcome.refused)

    @dg.job(
        name="resolve_conflicts",
        description="Carries out decisions on fields that core and a source changed both; refused where either changed"
        " since.",
    )
    def job() -> None:
        resolve()

    return job
