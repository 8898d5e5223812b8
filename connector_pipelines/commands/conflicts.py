"""Fields that core and a source changed both."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.policy import Take  # noqa: TC001 -- Typer reads annotations as objects
from connector_pipelines.terminal import console, progress

app = typer.Typer(no_args_is_help=True, help="Fields that core and a source changed both.")


@app.command("list")
def list_conflicts(
    source: Annotated[str | None, typer.Argument(help="A declared source; all of them by default.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only this entity.")] = None,
    limit: Annotated[int, typer.Option(help="List at most so many, oldest first.")] = 100,
    *,
    values: Annotated[bool, typer.Option("--values", help="Show both values, which may be personal.")] = False,
) -> None:
    """List the conflicts that wait for a person."""
    from connector_pipelines.sync.conflicts import open_conflicts
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        for one in open_conflicts(context.connection, source, entity, limit=limit):
            both = f"  core {one.core_value!r}, source {one.source_value!r}" if values else ""
            where = f"{one.source}  {one.entity}  {one.external_id}  {one.field}"
            console.print(f"{one.label}  {where}{both}  {one.reason}", soft_wrap=True, markup=False)


@app.command("resolve")
def resolve_conflicts(
    labels: Annotated[list[str], typer.Argument(help="The conflicts, as they are listed, e.g. 17-1.")],
    take: Annotated[Take, typer.Option(help="Whose value core shall hold.")],
    why: Annotated[str, typer.Option(help="For the audit log.")],
    value: Annotated[str | None, typer.Option(help="With --take value: the value; without it, nothing.")] = None,
) -> None:
    """Decide conflicts; refused where core or the source changed since they were listed."""
    from connector_pipelines.sync.conflicts import Decision, resolve
    from connector_pipelines.sync.context import open_context

    decisions = [Decision(label, take, why, value) for label in labels]
    with progress() as report, open_context(report=report) as context:
        outcome = resolve(context, decisions, who=getpass.getuser())
    console.print(f"{outcome.resolved} of {len(decisions)} decisions are carried out")
    for label, reason in outcome.refused:
        console.print(f"{label}: {reason}", soft_wrap=True, style="red", markup=False)
    raise typer.Exit(1 if outcome.refused else 0)
