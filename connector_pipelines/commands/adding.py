"""Add a source without an editor."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from connector_pipelines.commands.shared import Apply  # noqa: TC001 -- typer reads the annotations of commands
from connector_pipelines.terminal import console

app = typer.Typer()


@app.command("register-source")
def register_source(
    source: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and underscores.")],
    connector: Annotated[str, typer.Argument(help="How it is reached, e.g. oneroster.")],
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A field as its defs.yaml has it, e.g. auth.type=oauth2; repeat the option."),
    ] = None,
    *,
    apply: Apply = False,
) -> None:
    """Judge the settings of a new source and show its defs.yaml; with --apply, write it and version 1 of them."""
    from connector_pipelines.orchestration import registering, sources
    from connector_pipelines.sync.context import open_context

    said = _attributes(setting or [])
    with open_context() as context:
        new = registering.draft(context.connection, source, connector, said, sources.DEFS)
        console.out(new.text, end="")
        for about, what in new.told.items():
            console.print(f"{about}: {what}", soft_wrap=True, markup=False)
        if apply:
            registering.register(context.connection, new, who=getpass.getuser())
    done = f"registered; connector-pipelines test {source} asks it" if apply else "nothing is written; --apply does it"
    console.print(done, soft_wrap=True)


def _attributes(settings: list[str]) -> dict[str, Any]:
    """Fields by their dotted paths, values read as YAML but for `{{ env.NAME }}`, which is text."""
    import yaml

    found: dict[str, Any] = {}
    for setting in settings:
        path, given, value = setting.partition("=")
        *parts, last = path.split(".")
        place = found
        for part in parts:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise typer.BadParameter(f"{part} of {path} is a value already", param_hint="--set")
        try:
            place[last] = value if value.lstrip().startswith("{{") else yaml.safe_load(value)
        except yaml.YAMLError:
            raise typer.BadParameter(f"the value of {path} is no YAML; put it in quotes", param_hint="--set") from None
        if not (given and all([*parts, last])):
            raise typer.BadParameter("write field=value", param_hint="--set")
    return found
