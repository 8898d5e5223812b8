"""The command line: the same functions as the Dagster jobs, for people and scripts without the UI.

Anything heavy is imported in the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from connector_pipelines.errors import SyncError
from connector_pipelines.model import Mode
from connector_pipelines.policy import Take  # noqa: TC001 -- Typer reads annotations as objects
from connector_pipelines.sync.summary import total
from connector_pipelines.terminal import console, progress, show, show_changes

if TYPE_CHECKING:
    from connector_pipelines.model import Source

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Keeps core in step with the systems that own the data."
)
plan_app = typer.Typer(no_args_is_help=True, help="Plans that wait for a person.")
conflicts_app = typer.Typer(no_args_is_help=True, help="Fields that core and a source changed both.")
simulate_app = typer.Typer(no_args_is_help=True, help="Small, faithful servers of the external systems.")
app.add_typer(plan_app, name="plan")
app.add_typer(conflicts_app, name="conflicts")
app.add_typer(simulate_app, name="simulate")

SourceName = Annotated[str, typer.Argument(help="A declared source, e.g. demo_school.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit log.")]
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
    scenario: Annotated[str, typer.Option(help="tiny, small, school or district.")] = "school",
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
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Read, plan and apply a source's entities, without Dagster."""
    from connector_pipelines.sync import planning, whole
    from connector_pipelines.sync import summary as summaries
    from connector_pipelines.sync.context import open_context

    declared = _declared(source)
    with progress() as report, open_context(report=report) as context:
        before = summaries.newest_run(context.connection)
        done = list(whole.sync(context, declared, mode=mode, entities=entity, dry_run=dry_run))
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

    with open_context() as context:
        health = test_connection(context, _declared(source))
    console.print(health.detail, soft_wrap=True)
    raise typer.Exit(0 if health.ok else 1)


@plan_app.command("list")
def list_plans(source: SourceName) -> None:
    """List the plans of a source that wait: held ones with the reasons, dry runs, previews."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.deciding import undecided_plans

    with open_context() as context:
        for plan in undecided_plans(context, source):
            console.print(f"{plan.hash[:12]}  {plan.entity}  {plan.state}  {'; '.join(plan.reasons)}", soft_wrap=True)


@plan_app.command("show")
def show_plan(
    source: SourceName, plan_hash: PlanHash, rows: Annotated[int, typer.Option(help="How many changes.")] = 20
) -> None:
    """Show what a plan that waits would change, field by field, with the values."""
    from connector_pipelines.sync import deciding, planning
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        plan = deciding.undecided(context, source, plan_hash)
        show_changes(plan, planning.sample_changes(context, plan, limit=rows))


@plan_app.command()
def approve(source: SourceName, plan_hash: PlanHash, why: Why = "") -> None:
    """Release exactly this plan and apply it; refused when core or the plan changed since it was made."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.deciding import approve_and_apply

    with progress() as report, open_context(report=report) as context:
        done = approve_and_apply(context, _declared(source), plan_hash, who=getpass.getuser(), why=why)
    proof = "applied and verified" if done.verified else "applied, and not verified: see its receipt"
    console.print(f"{done.plan.entity}: {proof}")
    raise typer.Exit(0 if done.verified else 1)


@plan_app.command()
def reject(source: SourceName, plan_hash: PlanHash, why: Why = "") -> None:
    """Discard this plan; core stays as it is."""
    from connector_pipelines.sync import deciding
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        plan = deciding.reject(context, _declared(source), plan_hash, who=getpass.getuser(), why=why)
    console.print(f"{plan.entity}: plan {plan.hash[:12]} is discarded")


@conflicts_app.command("list")
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


@conflicts_app.command("resolve")
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
        console.print(f"[red]{label}[/]: {reason}", soft_wrap=True)
    raise typer.Exit(1 if outcome.refused else 0)


@app.command("dead-letters")
def list_dead_letters(source: SourceName) -> None:
    """List rows that are not in core, by entity and reason."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.letters import by_reason

    with open_context() as context:
        for letter in by_reason(context.connection, source):
            console.print(f"{letter.count:>7,}  {letter.entity}  {letter.state}  {letter.rule}", soft_wrap=True)


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
    """Seal all kept secrets with the newest key, so that the older ones can be taken away."""
    from connector_pipelines.external import vault
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        count = vault.rotate(context.connection, who=getpass.getuser())
    console.print(f"{count} secrets are sealed with the newest key")


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

    declared = _declared(source)
    with open_context() as context:
        if version:
            configurations.roll_back(context.connection, declared, version, who=getpass.getuser())
        else:
            configurations.lift(context.connection, source, who=getpass.getuser())
    console.print(f"{source} is read with {f'version {version}' if version else 'its declared configuration'} now")


def _declared(name: str) -> Source:
    from connector_pipelines.orchestration.sources import declared_source

    return declared_source(name)


if __name__ == "__main__":
    main()
