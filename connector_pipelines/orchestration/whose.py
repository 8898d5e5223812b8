"""The job with which a person says whose a record is.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass

import dagster as dg
from pydantic import Field

from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync import accepting


class Acceptance(dg.Config):
    """Which case of identity a person decides, and how."""

    letter: int = Field(description="Number of the dead letter, as the mapping asset and `identity list` show it.")
    why: str = Field(min_length=1, description="What makes you sure, for the audit log.")
    onto: int | None = Field(
        default=None,
        description="For a new record, the id of the core row it belongs to; without one it gets a row of its own.",
    )
    who: str = Field(default_factory=getpass.getuser, description="Who decides, for the audit log.")


def accept_job() -> dg.JobDefinition:
    """Let a record pass that was refused as somebody else's."""

    @dg.op(name="accept")
    def accept(context: dg.OpExecutionContext, config: Acceptance, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            case = accepting.accept_identity(
                surroundings, config.letter, who=config.who, why=config.why, onto=config.onto
            )
        context.log.info("%s/%s %s: the next plan lets it pass", case.source, case.entity, case.external_id)

    @dg.job(
        name="accept_identity",
        description="Lets a record pass that looked like somebody else's, with exactly what it said; audited.",
    )
    def job() -> None:
        accept()

    return job
