"""After a sync: undo, replay, rebuild, receipts, reconcile, explain."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from connector_pipelines.commands.shared import SourceName, Why, declared
from connector_pipelines.terminal import console, progress, show_changes, show_receipt

if TYPE_CHECKING:
    from connector_pipelines.sync.reconciling import Reconciliation

app = typer.Typer()


@app.command()
def undo(
    source: SourceName,
    what: Annotated[str, typer.Argument(help="The hash of an applied plan, or the id of a run in Dagster.")],
    apply: Annotated[str, typer.Option(help="Do it: the hash that the preview showed.")] = "",
    why: Why = "",
) -> None:
    """Show what undoing a plan, or all of a run, would change; with --apply, the hash it showed, and --why, do it."""
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
                console.print(f"  left: {left.external_id}: {left.reason}", soft_wrap=True, markup=False)
    for plan in preview.held:
        console.print(
            f"the guard holds it: connector-pipelines plan approve {source} {plan.hash[:12]} --why …", soft_wrap=True
        )
    if not preview.held:
        console.print(f"to do it: --why … --apply {preview.hash[:12]}")


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


_Entities = Annotated[list[str] | None, typer.Option(help="Only these entities; repeat the option.")]
_Limit = Annotated[int, typer.Option(min=0, help="Name at most so many differences of an entity; 0 names all.")]


@app.command()
def receipt(
    source: SourceName,
    what: Annotated[
        str,
        typer.Argument(
            help="A plan's hash, a run's id in Dagster, or a read's number; the newest of each entity else."
        ),
    ] = "",
    entity: _Entities = None,
    limit: _Limit = 100,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Compare core with what the source said last, from its landed pages, too.")
    ] = False,
) -> None:
    """Show the receipts of a run: the accounting, what was read back, and whether anybody changed them since."""
    from connector_pipelines.sync import proving
    from connector_pipelines.sync.context import open_context

    known, sound = declared(source), True
    with progress() as report, open_context(report=report) as context:
        for shown in proving.receipts(context, known, what, entities=entity, check=check, limit=limit):
            sound = sound and shown.sound
            show_receipt(shown.kept, limit)
            if shown.now:
                _say(shown.now, values=False)
    raise typer.Exit(0 if sound else 1)


@app.command()
def reconcile(
    source: SourceName,
    entity: _Entities = None,
    limit: _Limit = 100,
    *,
    values: Annotated[bool, typer.Option("--values", help="Show the values, also of personal fields.")] = False,
) -> None:
    """Compare what the source said last, from its landed pages, with core; fails where a difference has no reason."""
    from connector_pipelines.sync import reconciling
    from connector_pipelines.sync.context import open_context

    known, alarms = declared(source), 0
    with progress() as report, open_context(report=report) as context:
        for found in reconciling.reconcile_all(context, known, entity, limit=limit):
            alarms += found.alarms
            _say(found, values=values)
    raise typer.Exit(1 if alarms else 0)


def _say(found: Reconciliation, *, values: bool) -> None:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items()) or "no difference"
    console.print(f"[bold]{found.entity}[/]: {counts}")
    for one in found.named:
        shown = f": {one.core!r}, source says {one.source!r}" if values else ""
        console.out(f"  {one.kind}: {one.external_id} {one.field}{shown}")
    unnamed = sum(found.counts.values()) - len(found.named)
    if unnamed:
        console.print(f"  {unnamed:,} more are not named; --limit 0 names all")


@app.command()
def explain(
    entity: Annotated[str, typer.Argument(help="The core table.")],
    row: Annotated[int, typer.Argument(help="The row's id in core.")],
    field: Annotated[str, typer.Argument(help="The column.")],
    at: Annotated[str, typer.Option(help="As of this time, e.g. 2026-11-05T08:00+01:00; UTC without a zone.")] = "",
    *,
    record: Annotated[bool, typer.Option("--record", help="Show the value and the raw record.")] = False,
) -> None:
    """Say which plan, read, page and record gave a value of core, by which rule, or who edited it; now or then."""
    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.sync import explaining
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        found = explaining.explain(context, declared_sources(), entity, row, field, at=explaining.instant(at))
    console.out(found.sentence)
    if record:
        console.out(f"value: {found.value!r}")
    if found.record:
        console.out(f"url: {found.record.url}")
        console.out(f"first byte: {'-' if found.record.offset is None else found.record.offset}")
        console.out(f"version: {found.record.version}")
        if record:
            console.out(f"record: {found.record.raw.decode(errors='replace')}")
