"""The jobs with which a person looks after webhooks.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import dagster as dg
from pydantic import Field

from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.orchestration.upkeep import Who
from connector_pipelines.webhooks import inbox


class Switch(Who):
    """Whose webhook, and whether it takes deliveries."""

    source: str = Field(description="The source whose webhook it is.")
    on: bool = Field(description="False: deliveries are refused from now on.")


class Failed(Who):
    """Whose failed events."""

    source: str = Field(description="The source whose failed events shall be answered after all.")


def webhook_jobs() -> list[dg.JobDefinition]:
    """Switch a webhook off or on; have failed events tried again."""
    return [_switch(), _retry()]


def _switch() -> dg.JobDefinition:
    @dg.op
    def switch(context: dg.OpExecutionContext, config: Switch, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            inbox.switch(surroundings.connection, config.source, on=config.on, who=config.who)
        context.log.info("the webhook of %s is %s", config.source, "on" if config.on else "off")

    @dg.job(
        description="Switches a source's webhook off or on, at once and until somebody switches it again.",
    )
    def switch_webhook() -> None:
        switch()

    return switch_webhook


def _retry() -> dg.JobDefinition:
    @dg.op
    def try_again(context: dg.OpExecutionContext, config: Failed, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            count = inbox.try_again(surroundings.connection, config.source, who=config.who)
        context.log.info("%d events of %s wait again", count, config.source)

    @dg.job(
        description="Lets a source's failed webhook events wait again; its sensor takes them with the next tick.",
    )
    def retry_webhook_events() -> None:
        try_again()

    return retry_webhook_events
