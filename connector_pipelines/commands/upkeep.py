"""Secrets that are kept, their keys, and configurations to go back to."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import SourceName, declared
from connector_pipelines.terminal import console

app = typer.Typer()


@app.command("new-key")
def new_key() -> None:
    """Print a new key for kept secrets; put it first into CONNECTOR_PIPELINES_SECRET_KEYS."""
    from connector_pipelines.external import vault

    console.out(vault.new_key())


@app.command("keep-secret")
def keep_secret(name: Annotated[str, typer.Argument(help="What a defs.yaml calls vault:NAME.")]) -> None:
    """Keep a secret in the database, sealed; it is asked for, so that no shell remembers it."""
    from connector_pipelines.external import vault
    from connector_pipelines.sync.context import open_context

    value = typer.prompt(name, hide_input=True)
    with open_context() as context:
        vault.put(context.connection, name, value, who=getpass.getuser())
    console.print(f"kept; write vault:{name} where it is needed", soft_wrap=True)


@app.command("rotate-keys")
def rotate_keys() -> None:
    """Seal all kept secrets and landed pages with the newest key, so that the older ones can be taken away."""
    from connector_pipelines.external import vault
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        count = vault.rotate(context.connection, who=getpass.getuser())
        pages = context.landing.reseal()
    console.print(f"{count} secrets are sealed with the newest key")
    if pages:
        console.print(f"so are {pages:,} landed pages that were not")


@app.command("versions")
def list_versions(source: SourceName) -> None:
    """List the configurations a source ran with, and which one a person went back to."""
    from connector_pipelines.external.configurations import versions
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        for version in versions(context.connection, source):
            pinned = "  in force" if version.pinned else ""
            told = f"{version.number:>4}  {version.since:%Y-%m-%d %H:%M}{pinned}  {version.configuration}"
            console.print(told, soft_wrap=True, markup=False, highlight=False)


@app.command("roll-back")
def roll_back(
    source: SourceName,
    version: Annotated[int, typer.Argument(min=0, help="A version's number; 0 for the declared configuration.")],
) -> None:
    """Let a source be read with an earlier configuration, until that is lifted with 0."""
    from connector_pipelines.external import configurations
    from connector_pipelines.sync.context import open_context

    known = declared(source)
    with open_context() as context:
        if version:
            configurations.roll_back(context.connection, known, version, who=getpass.getuser())
        else:
            configurations.lift(context.connection, source, who=getpass.getuser())
    console.print(f"{source} is read with {f'version {version}' if version else 'its declared configuration'} now")
