"""The jobs with which a person looks after secrets and configurations.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Mapping

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import configurations, vault
from connector_pipelines.model import Source
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.jobs import IN_PROCESS
from connector_pipelines.orchestration.steps import opened


class Who(dg.Config):
    """Who does it."""

    who: str = Field(default_factory=getpass.getuser, description="Who does it, for the audit log.")


class Back(Who):
    """Which configuration shall be in force."""

    source: str = Field(description="The source whose configuration it is.")
    version: int = Field(
        default=0,
        ge=0,
        description="The version to go back to, as connector-pipelines versions lists them. 0: the declared one.",
    )


def upkeep_jobs(sources: Mapping[str, Source]) -> list[dg.JobDefinition]:
    """Seal secrets with a new key; go back to an earlier configuration, or to the declared one."""
    return [_rotate(), _roll_back(sources)]


def _rotate() -> dg.JobDefinition:
    @dg.op
    def seal_anew(context: dg.OpExecutionContext, config: Who, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            count = vault.rotate(surroundings.connection, who=config.who)
            pages = surroundings.landing.reseal()
        context.log.info("%s secrets and all landed pages have the newest key; the others may be taken away", count)
        context.add_output_metadata({"secrets": count, "pages sealed anew": pages})

    @dg.job(
        config=IN_PROCESS,
        description="Seals all kept secrets with the first key of CONNECTOR_PIPELINES_SECRET_KEYS, all or none; then"
        " the landed pages that are sealed.",
    )
    def rotate_keys() -> None:
        seal_anew()

    return rotate_keys


def _roll_back(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def go_back(context: dg.OpExecutionContext, config: Back, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            if config.source not in sources:
                raise ConfigurationError(
                    f"no source {config.source!r} is declared.", remedy=f"Choose one of {', '.join(sources)}."
                )
            if config.version:
                source = sources[config.source]
                configurations.roll_back(surroundings.connection, source, config.version, who=config.who)
            else:
                configurations.lift(surroundings.connection, config.source, who=config.who)
        which = f"version {config.version} of its configuration" if config.version else "its declared configuration"
        context.log.info("%s is read with %s from now on", config.source, which)

    @dg.job(description="Lets a source be read with an earlier version of its configuration, until that is lifted.")
    def roll_back_configuration() -> None:
        go_back()

    return roll_back_configuration
