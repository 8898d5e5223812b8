"""The job with which a person adds a source in the UI (requirement E17).

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from pathlib import Path
from typing import Any

import dagster as dg

from connector_pipelines.connectors import connectors
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.launchpad import attributes
from connector_pipelines.orchestration.registering import draft, register
from connector_pipelines.orchestration.steps import opened


def register_job(folder: Path) -> dg.JobDefinition:
    """Look at a new source, and write it."""

    @dg.op(config_schema=_config(), out=dg.Out(dg.Nothing))
    def add(context: dg.OpExecutionContext, engine: Engine) -> None:
        wanted: dict[str, Any] = context.op_config
        [(connector, said)] = wanted["connector"].items()
        with opened(context, engine) as surroundings:
            connection = surroundings.connection
            new = draft(connection, wanted["source"], connector, said, folder)
            shown: dict[str, Any] = {"defs.yaml": dg.MetadataValue.md(f"```yaml\n{new.text}```"), **new.told}
            if wanted["apply"]:
                shown["version"] = register(connection, new, who=wanted["who"])
        context.add_output_metadata(shown)
        done = "is registered; reload the definitions" if wanted["apply"] else "is only looked at; `apply` writes it"
        context.log.info("%s %s", wanted["source"], done)

    @dg.job(
        description="Adds a source: judges its settings, shows its defs.yaml, and with `apply` writes that and version"
        " 1 of its configuration. Write secrets as {{ env.NAME }}, or vault:NAME for one that is kept: a run's"
        " config is stored by Dagster as it was typed. Reload the definitions afterwards, then test its connection.",
    )
    def register_source() -> None:
        add()

    return register_source


def _config() -> dict[str, dg.Field]:
    kinds = {
        name: dg.Field(attributes(one), description=f"A source that is read through {one.title}.")
        for name, one in connectors().items()
    }
    selector: Any = dg.Selector(kinds)  # type: ignore[no-untyped-call]
    return {
        "source": dg.Field(str, description="Its name: lower-case letters, digits and underscores. It never changes."),
        "connector": dg.Field(selector, description="How it is reached, and all that its defs.yaml says."),
        "apply": dg.Field(bool, default_value=False, description="Write it. Without, it is only looked at."),
        "who": dg.Field(str, default_value=getpass.getuser(), description="Who does it, for the audit log."),
    }
