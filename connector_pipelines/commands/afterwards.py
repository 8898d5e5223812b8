"""After a sync: undo, replay, rebuild, reconcile, explain."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import SourceName, Why, declared
from connector_pipelines.terminal import console, progress, show_changes

app = typer.Typer()


@app.command()
def undo(
    source: SourceName,
    what: Annotated[str, typer.Argument(help="The hash of an applied plan, or the id of a run in Dagster.")],
    apply: Annotated[str, typer.Option(help="Do it: the hash that the preview showed.")] = "",
    why: Why = "",
) -> None:
    """Show what undoing a plan, or all of a run, would change; with --apply and the hash it showed, do it."""
    from connector_pipelines.sync import planning, undoing
    from connector_pipelines.sync.context import open_context

    known = declared(source)
    with progress() as report, open_context(report=report) as context:
        if apply:
            done = undoing.undo(context, known, what, apply, who=getpass.getuser(), why=why)
            for one in done:
                console.print(f"{one.plan.entity}: {one.plan.counts.updated:,} rows are back")
            raise typer.Exit(0 if all(one.verified for one in done) else 1)
        preview = undoing.preview(context, known, what)
        for amendment in preview.amendments:
            show_changes(amendment.plan, planning.sample_changes(context, amendment.plan))
            for left in amendment.left:
                console.print(f"  left: {left.external_id}: {left.reason}", soft_wrap=True)
    console.print(f"to do it: --apply {preview.hash[:12]}")


@app.command()
def replay(source: SourceName, read: Annotated[int, typer.Argument(help="The read's number.")]) -> None:
    """Plan a stored read anew from its landed pages, without asking the source; nothing moves."""
    from connector_pipelines.sync import planning, replaying
    from connector_pipelines.sync.context import open_context

    with progress() as report, open_context(report=report) as context:
        plan = replaying.replay(context, declared(source), read)
        show_changes(plan, planning.sample_changes(context, plan))


@app.command()
def rebuild(
    source: SourceName,
    into: Annotated[str, typer.Option(help="URL of an empty database.", envvar="CONNECTOR_PIPELINES_REBUILD_URL")],
) -> None:
    """Take all stored reads again into an empty database, and compare every plan with the one that was applied."""
    from connector_pipelines.sync import replaying
    from connector_pipelines.sync.context import open_context

    known, same = declared(source), True
    with open_context() as old, progress() as report, open_context(into, report=report) as new:
        for one in replaying.rebuild(new, known, replaying.stored_reads(old.connection, source)):
            same = same and one.same
            verdict = "the same plan" if one.same else "[red]another plan[/]"
            console.print(f"read {one.stored.read.id} {one.stored.read.entity}: {verdict} {one.plan.hash[:12]}")
    raise typer.Exit(0 if same else 1)


@app.command()
def reconcile(
    source: SourceName,
    entity: Annotated[list[str] | None, typer.Option(help="Only these entities; repeat the option.")] = None,
    *,
    values: Annotated[bool, typer.Option("--values", help="Show the values, also of personal fields.")] = False,
) -> None:
    """Compare what the source said last, from its landed pages, with core; fails where a difference has no reason."""
    from connector_pipelines.sync import reconciling, whole
    from connector_pipelines.sync.context import open_context

    known, alarms = declared(source), 0
    with progress() as report, open_context(report=report) as context:
        for name in whole.in_order(known, entity):
            found = reconciling.reconcile(context, known, name)
            alarms += found.alarms
            counts = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items()) or "no difference"
            console.print(f"[bold]{name}[/]: {counts}")
            for one in found.named:
                shown = f": {one.core!r}, source says {one.source!r}" if values else ""
                console.out(f"  {one.kind}: {one.external_id} {one.field}{shown}")
    raise typer.Exit(1 if alarms else 0)


@app.command()
def explain(
    entity: Annotated[str, typer.Argument(help="The core table.")],
    row: Annotated[int, typer.Argument(help="The row's id in core.")],
    field: Annotated[str, typer.Argument(help="The column.")],
    *,
    record: Annotated[bool, typer.Option("--record", help="Show the value and the raw record.")] = False,
) -> None:
    """Say which plan, read, page and record gave a value of core, by which rule, or who edited it."""
    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.sync import explaining
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        found = explaining.explain(context, declared_sources(), entity, row, field)
    console.out(found.sentence)
    if record:
        console.out(f"value: {found.value!r}")
    if found.record:
        console.out(f"url: {found.record.url}")
        if record:
            console.out(f"record: {found.record.raw.decode(errors='replace')}")
