"""The command line: the same functions as the Dagster jobs, for people and scripts without the UI.

Anything heavy is imported in the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from connector_pipelines.errors import SyncError
from connector_pipelines.model import Mode
from connector_pipelines.sync.summary import total
from connector_pipelines.terminal import console, progress, show

if TYPE_CHECKING:
    from connector_pipelines.model import Source

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Keeps core in step with the systems that own the data."
)
plan_app = typer.Typer(no_args_is_help=True, help="Plans that wait for a person.")
identity_app = typer.Typer(no_args_is_help=True, help="Records of which a person must say whose they are.")
simulate_app = typer.Typer(no_args_is_help=True, help="Small, faithful servers of the external systems.")
app.add_typer(plan_app, name="plan")
app.add_typer(identity_app, name="identity")
app.add_typer(simulate_app, name="simulate")

SourceName = Annotated[str, typer.Argument(help="A declared source, e.g. demo_school.")]
PlanHash = Annotated[str, typer.Argument(help="The plan's hash, or its first 8 characters.")]


def main() -> None:
    """Run the command line; an error we know ends it with its sentence instead of a traceback."""
    try:
        app()
    except SyncError as error:
        console.print(f"[red]{error.category}[/] {error}", soft_wrap=True)
        raise SystemExit(1) from None


@app.command()
def demo(
    scenario: Annotated[str, typer.Option(help="small, school or district.")] = "school",
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


@app.command()
def dev(port: Annotated[int, typer.Option(help="Where the UI listens.")] = 3000) -> None:
    """Open the Dagster UI and daemon on the project's database, with the generated school beside it."""
    from connector_pipelines.demo import develop

    raise typer.Exit(develop(port=port, say=console.print))


@app.command()
def check() -> None:
    """Name every declared source that cannot be used; fails when there is one."""
    from connector_pipelines.orchestration.validate import invalid_sources

    wrong = invalid_sources()
    for source in wrong:
        console.print(f"[red]{source.name}[/]: {source.reason}", soft_wrap=True)
    raise typer.Exit(1 if wrong else 0)


@simulate_app.command("oneroster")
def simulate_oneroster(
    *,
    port: Annotated[int, typer.Option(help="Where to listen.")] = 8100,
    host: Annotated[str, typer.Option(help="Interface to listen on.")] = "127.0.0.1",
    scenario: Annotated[str, typer.Option(help="small, school or district.")] = "school",
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 7,
    fault: Annotated[list[str] | None, typer.Option(help="What goes wrong, e.g. clamp=500; repeat the option.")] = None,
    flavour: Annotated[str, typer.Option(help="standard or timeback.")] = "standard",
    evolve: Annotated[str, typer.Option(help="How much changes every minute, e.g. 1%.")] = "0",
) -> None:
    """A OneRoster system with generated data, faults and changes over time, until interrupted."""
    from connector_pipelines.connectors.oneroster.simulator.cli import serve

    try:
        share = float(evolve.rstrip("%"))
        serve(
            port=port,
            host=host,
            scenario=scenario,
            seed=seed,
            faults=fault or (),
            flavour="timeback" if flavour == "timeback" else "standard",
            evolve=share,
            say=console.out,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def sync(
    source: SourceName,
    entity: Annotated[list[str] | None, typer.Option(help="Only these entities; repeat the option.")] = None,
    mode: Annotated[Mode, typer.Option(help="full reads everything; incremental what changed since.")] = Mode.FULL,
) -> None:
    """Read, plan and apply a source's entities, without Dagster."""
    from connector_pipelines.sync import summary as summaries
    from connector_pipelines.sync import whole
    from connector_pipelines.sync.context import open_context

    declared = _declared(source)
    with progress() as report, open_context(report=report) as context:
        before = summaries.newest_run(context.connection)
        for _ in whole.sync(context, declared, mode=mode, entities=entity):
            pass
        lines = summaries.since(context.connection, source, before)
    show(lines)
    raise typer.Exit(0 if all(line.verified for line in lines) else 1)


@app.command()
def sources() -> None:
    """List the declared sources and what each provides."""
    from connector_pipelines.orchestration.sources import declared_sources

    for source in declared_sources().values():
        entities = ", ".join(stream.entity for stream in source.streams)
        console.print(f"[bold]{source.name}[/] ({source.connector.title}): {entities}")


@app.command()
def test(source: SourceName) -> None:
    """Ask a source for as little as it takes to know that URL and credentials work."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.sources import test_connection

    with open_context() as context:
        health = test_connection(context, _declared(source))
    console.print(health.detail, soft_wrap=True)
    raise typer.Exit(0 if health.ok else 1)


@plan_app.command("list")
def list_plans(source: SourceName) -> None:
    """List the plans of a source that are held, with the reasons."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.planning import held_plans

    with open_context() as context:
        for held in held_plans(context, source):
            console.print(f"{held.hash[:12]}  {held.entity}  {'; '.join(held.reasons)}", soft_wrap=True)


@plan_app.command()
def approve(source: SourceName, plan_hash: PlanHash) -> None:
    """Release exactly this plan; refused when core or the plan changed since it was held."""
    from connector_pipelines.sync import planning
    from connector_pipelines.sync.applying import apply
    from connector_pipelines.sync.context import open_context

    declared = _declared(source)
    with progress() as report, open_context(report=report) as context:
        plan = planning.approve(context, declared, plan_hash, who=getpass.getuser())
        receipts = apply(context, plan.entity, {source: declared}, only=source)
    proven = any(r.plan_id == plan.id and r.verified for r in receipts)
    console.print(f"{plan.entity}: {'applied and verified' if proven else 'not applied as approved; see plan list'}")
    raise typer.Exit(0 if proven else 1)


@plan_app.command()
def reject(source: SourceName, plan_hash: PlanHash) -> None:
    """Discard this plan; core stays as it is."""
    from connector_pipelines.sync import planning
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        plan = planning.reject(context, _declared(source), plan_hash, who=getpass.getuser())
    console.print(f"{plan.entity}: plan {plan.hash[:12]} is discarded")


@identity_app.command("list")
def list_cases(source: SourceName) -> None:
    """List the records of a source of which a person must say whose they are."""
    from connector_pipelines.sync.accepting import open_cases
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        for case in open_cases(context.connection, source):
            console.print(f"{case.letter:>7}  {case.entity}  {case.external_id}  {case.reason}", soft_wrap=True)


@identity_app.command("accept")
def accept_case(
    letter: Annotated[int, typer.Argument(help="Number of the dead letter, as the list shows it.")],
    why: Annotated[str, typer.Option(help="What makes you sure, for the audit log.")],
    onto: Annotated[int | None, typer.Option(help="For a new record: the id of the core row it belongs to.")] = None,
) -> None:
    """Let a record pass with exactly what it said; the next sync takes it up."""
    from connector_pipelines.sync.accepting import accept_identity
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        case = accept_identity(context, letter, who=getpass.getuser(), why=why, onto=onto)
    console.print(f"{case.entity} {case.external_id}: the next plan lets it pass", soft_wrap=True)


@app.command("dead-letters")
def list_dead_letters(source: SourceName) -> None:
    """List rows that are not in core, by entity and reason."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.letters import by_reason

    with open_context() as context:
        for letter in by_reason(context.connection, source):
            console.print(f"{letter.count:>7,}  {letter.entity}  {letter.state}  {letter.rule}", soft_wrap=True)


def _declared(name: str) -> Source:
    from connector_pipelines.orchestration.sources import declared_source

    return declared_source(name)


if __name__ == "__main__":
    main()
