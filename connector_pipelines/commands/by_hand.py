"""Repair and switch a source."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import Apply, SourceName, Why, declared
from connector_pipelines.terminal import console, progress, show

app = typer.Typer()

_Entities = Annotated[list[str] | None, typer.Option("--entity", help="Only these entities; repeat the option.")]


@app.command("resync")
def resync(source: SourceName, entity: _Entities = None, *, apply: Apply = False) -> None:
    """Read everything and compare every record with core, also those that look unchanged."""
    from connector_pipelines.sync import summary, whole
    from connector_pipelines.sync.context import open_context

    known = declared(source)
    with progress() as report, open_context(report=report) as context:
        before = summary.newest_run(context.connection)
        list(whole.resync(context, known, who=getpass.getuser(), apply=apply, entities=entity))
        lines = summary.since(context.connection, source, before)
    show(lines)
    raise typer.Exit(0 if not apply or all(line.verified for line in lines) else 1)


@app.command("clear-errors")
def clear_errors(
    source: SourceName,
    record: Annotated[list[str] | None, typer.Option(help="Only these external ids; repeat the option.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only of this entity.")] = None,
    why: Why = "",
    *,
    apply: Apply = False,
) -> None:
    """Take the mark `error` from records, so that they are looked at anew when they come again."""
    from connector_pipelines.sync import letters
    from connector_pipelines.sync.context import open_context

    which = letters.Errors(entity, tuple(record or ()))
    with open_context() as context:
        found = letters.clear_errors(context.connection, source, which, who=getpass.getuser(), why=why, apply=apply)
    for name, count in found.items():
        console.print(f"{count:>7,}  {name}  {'cleared' if apply else 'in error'}")


@app.command("reconnect")
def reconnect(source: SourceName) -> None:
    """Try a source at once that failed too often and is left alone, and test its connection."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.reconnecting import reconnect as try_again

    with open_context() as context:
        health = try_again(context, declared(source), who=getpass.getuser())
    console.print(health.detail, soft_wrap=True, markup=False)
    raise typer.Exit(0 if health.ok else 1)


@app.command("activate")
def activate(source: SourceName, why: Why = "") -> None:
    """Let a source be read again that was deactivated."""
    from connector_pipelines.sync import switches
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        switches.activate(context.connection, declared(source), who=getpass.getuser(), why=why)
    console.print(f"{source} may be read")


@app.command("deactivate")
def deactivate(source: SourceName, why: Why = "") -> None:
    """Let nobody read a source, by hand or by itself, until it is activated."""
    from connector_pipelines.sync import switches
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        switches.deactivate(context.connection, declared(source), who=getpass.getuser(), why=why)
    console.print(f"{source} is read no more until it is activated")
