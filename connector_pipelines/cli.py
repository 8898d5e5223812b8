"""The command line: the same functions as the Dagster jobs, for people and scripts without the UI.

Anything heavy is imported in the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import atexit
import gc
import logging
from typing import Annotated

import typer
from rich.markup import escape

from connector_pipelines.commands import (
    adding,
    afterwards,
    by_hand,
    conflicts,
    exports,
    identity,
    letters,
    operations,
    personal,
    plans,
    simulate,
    upkeep,
    webhooks,
)
from connector_pipelines.commands.shared import SourceName, declared
from connector_pipelines.errors import SyncError
from connector_pipelines.external import redact
from connector_pipelines.model import Mode
from connector_pipelines.sync.summary import total
from connector_pipelines.terminal import console, progress, show, show_changes, show_preview, show_pushed

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Keeps core in step with the systems that own the data."
)
app.add_typer(plans.app, name="plan")
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(identity.app, name="identity")
app.add_typer(letters.app, name="dead-letters")
app.add_typer(simulate.app, name="simulate")
app.add_typer(afterwards.app)
app.add_typer(upkeep.app)
app.add_typer(adding.app)
app.add_typer(personal.app)
app.add_typer(by_hand.app)
app.add_typer(operations.app)
app.add_typer(exports.app)
app.add_typer(webhooks.app)
app.add_typer(webhooks.events, name="webhooks")


def main() -> None:
    """Run the command line; an error we know ends it with its sentence instead of a traceback."""
    heard = logging.StreamHandler()
    heard.addFilter(redact.LogFilter())
    logging.getLogger("connector_pipelines").addHandler(heard)
    atexit.register(gc.freeze)  # the last collection looked through all that was imported: a fifth of a small sync
    try:
        app()
    except SyncError as error:
        console.print(f"[red]{error.category}[/] {escape(redact.text(str(error)))}", soft_wrap=True)
        raise SystemExit(1) from None


@app.command()
def demo(
    scenario: Annotated[str, typer.Option(help="tiny, small, school or district.")] = "school",
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 7,
) -> None:
    """Serve a generated school and sync it through Dagster into core; ends with one table and one line."""
    from connector_pipelines.demo import run

    with progress() as report:
        lines = run(scenario=scenario, seed=seed, report=report, say=console.print)
    show(lines)
    counts = total(lines)
    proven = bool(lines) and all(line.verified for line in lines) and counts.accounted_for
    console.print(
        f"demo: fetched={counts.fetched} created={counts.created} updated={counts.updated}"
        f" unchanged={counts.unchanged} dead_lettered={counts.dead_lettered} verified={'yes' if proven else 'no'}",
        soft_wrap=True,
    )
    raise typer.Exit(0 if proven else 1)


@app.command("demo-moodle")
def demo_moodle(
    scenario: Annotated[str, typer.Option(help="tiny, small, school or district.")] = "school",
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 7,
) -> None:
    """Sync a generated school into core, write core to a Moodle site, read grades back; ends with three tables."""
    from connector_pipelines.demo import run_moodle

    with progress() as report:
        done = run_moodle(scenario=scenario, seed=seed, report=report, say=console.print)
    show(done.school)
    show_pushed(done.exports)
    show(done.back)
    for letter in done.letters:
        console.print(
            f"{letter.count:>7,}  {letter.entity}  {letter.state}, such as: {letter.example}",
            soft_wrap=True,
            markup=False,
        )
    names = ("wanted", "created", "updated", "unchanged", "withdrawn", "dead_lettered", "calls")
    sums = " ".join(f"{name}={sum(getattr(line, name) for line in done.exports)}" for name in names)
    back = total(done.back)
    console.print(
        f"demo-moodle: {sums} read_back={back.fetched} new_in_core={back.created} changed_in_core={back.updated}"
        f" verified={'yes' if done.proven else 'no'}",
        soft_wrap=True,
    )
    raise typer.Exit(0 if done.proven else 1)


@app.command()
def dev(port: Annotated[int, typer.Option(help="Where the UI listens.")] = 3000) -> None:
    """Open the Dagster UI and daemon on the project's database, with a generated school and a Moodle site beside it."""
    from connector_pipelines.demo import develop

    raise typer.Exit(develop(port=port, say=console.print))


@app.command()
def check() -> None:
    """Name every declared source that cannot be used; fails when there is one."""
    from connector_pipelines.orchestration.validate import invalid_sources

    wrong = invalid_sources()
    for source in wrong:
        console.print(f"[red]{source.name}[/]: {escape(source.reason)}", soft_wrap=True)
    raise typer.Exit(1 if wrong else 0)


@app.command()
def reference() -> None:
    """Print everything that can be configured as a page of Markdown, made from the code."""
    from connector_pipelines.orchestration.reference import page
    from connector_pipelines.orchestration.sources import by_type
    from connector_pipelines.settings import Settings

    typer.echo(page(Settings, by_type()), nl=False)


@app.command()
def sync(
    source: SourceName,
    entity: Annotated[list[str] | None, typer.Option(help="Only these entities; repeat the option.")] = None,
    mode: Annotated[Mode, typer.Option(help="full reads everything; incremental what changed since.")] = Mode.FULL,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Read, plan and apply a source's entities, without Dagster."""
    from connector_pipelines.sync import planning, whole
    from connector_pipelines.sync import summary as summaries
    from connector_pipelines.sync.context import open_context

    known = declared(source)
    with progress() as report, open_context(report=report) as context:
        before = summaries.newest_run(context.connection)
        done = list(whole.sync(context, known, mode=mode, entities=entity, dry_run=dry_run))
        lines = summaries.since(context.connection, source, before)
        changes = {one.plan: planning.sample_changes(context, one.plan) for one in done if dry_run}
    show(lines)
    for plan, fields in changes.items():
        show_changes(plan, fields)
    raise typer.Exit(0 if dry_run or all(line.verified for line in lines) else 1)


@app.command()
def sources() -> None:
    """List the declared sources and what each provides."""
    from connector_pipelines.capabilities import capabilities
    from connector_pipelines.orchestration.sources import declared_sources

    for source in declared_sources().values():
        entities = ", ".join(stream.entity for stream in source.streams)
        console.print(f"[bold]{source.name}[/] ({source.connector.title}): {entities}")
        console.print(f"  can do: {', '.join(capabilities(source))}")


@app.command()
def test(source: SourceName) -> None:
    """Ask a source for as little as it takes to know that URL and credentials work."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.sources import test_connection

    with open_context(lane="urgent") as context:
        health = test_connection(context, declared(source))
    console.print(health.detail, soft_wrap=True)
    raise typer.Exit(0 if health.ok else 1)


@app.command()
def preview(
    source: SourceName,
    entity: Annotated[str, typer.Argument(help="What to read, e.g. vendors.")],
    rows: Annotated[int, typer.Option(min=1, max=100, help="How many records to show.")] = 5,
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask now, whatever was answered in the last hour.")] = False,
) -> None:
    """Read one page and show its first records, what they would feed, and what validation says; writes nothing."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.preview import preview as look

    with open_context(lane="urgent"):
        shown = look(declared(source), entity, rows=rows, fresh=fresh)
    show_preview(shown)
