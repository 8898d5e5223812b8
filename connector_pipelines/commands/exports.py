"""What core writes to other systems."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import SourceName, declared
from connector_pipelines.terminal import console, progress, show, show_changes

app = typer.Typer(help="What core writes to other systems.")

Exports = Annotated[list[str] | None, typer.Option("--entity", help="Only these exports; repeat the option.")]


@app.command("export")
def export_now(
    source: SourceName,
    entity: Exports = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Ask the source first what stands there.")] = False,
) -> None:
    """Bring a source up to what core says: plan, send what is accepted, read back; without Dagster."""
    from connector_pipelines.sync import planning
    from connector_pipelines.sync import summary as summaries
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.push import push

    known = declared(source)
    with progress() as report, open_context(report=report) as context:
        before = summaries.newest_run(context.connection)
        done = list(push(context, known, entities=entity, dry_run=dry_run, compare=compare))
        lines = summaries.since(context.connection, source, before)
        changes = {one.plan: planning.sample_changes(context, one.plan) for one in done if dry_run}
    show(lines)
    for plan, fields in changes.items():
        show_changes(plan, fields)
    if not known.exports:
        console.print(f"nothing is exported to {source}; policy.exports in its defs.yaml names what is", soft_wrap=True)
    raise typer.Exit(0 if dry_run or all(line.verified for line in lines) else 1)


@app.command("exported")
def show_exported(source: SourceName) -> None:
    """Count the records that are kept up in a source, by export and state, and the changes that wait."""
    from connector_pipelines.database import ledger
    from connector_pipelines.sync import outbox
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        found = ledger.by_state(context.connection, source)
        waiting = outbox.pending(context.connection, source)
    for entity, state, count in found:
        console.print(f"{count:>9,}  {entity}  {state}")
    console.print(f"{waiting.rows if waiting else 0:>9,}  changes of core wait")


@app.command("link-export")
def link_export(
    source: SourceName,
    entity: Annotated[str, typer.Argument(help="The export, e.g. users.")],
    key: Annotated[str, typer.Argument(help="The row of core as the dead letter names it, e.g. students/17.")],
    external_id: Annotated[str, typer.Argument(help="The record there; leave it out to have one created.")] = "",
    *,
    why: Annotated[str, typer.Option(help="What makes you sure, for the audit log.")],
) -> None:
    """Say which record there belongs to a row of core, or that it shall have a new one; the next export acts on it."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.linking import link

    with open_context() as context:
        link(context, declared(source), entity, key, external_id or None, who=getpass.getuser(), why=why)
    console.print(f"{key}: {external_id or 'a new record'}; the next export acts on it", markup=False)
