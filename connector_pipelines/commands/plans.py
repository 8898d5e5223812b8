"""Plans that wait for a person."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import Reason, SourceName, declared
from connector_pipelines.terminal import console, progress, show_changes

app = typer.Typer(no_args_is_help=True, help="Plans that wait for a person.")

PlanHash = Annotated[str, typer.Argument(help="The plan's hash, or its first 8 characters.")]


@app.command("list")
def list_plans(source: SourceName) -> None:
    """List the plans of a source that wait: held ones with the reasons, dry runs, previews."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.deciding import undecided_plans

    with open_context() as context:
        for plan in undecided_plans(context, source):
            console.print(
                f"{plan.hash[:12]}  {plan.entity}  {plan.state}  {'; '.join(plan.reasons)}",
                soft_wrap=True,
                markup=False,
            )


@app.command("show")
def show_plan(
    source: SourceName,
    plan_hash: PlanHash,
    rows: Annotated[
        int | None, typer.Option(min=0, help="How many changed fields; 0 shows all. As in the UI without.")
    ] = None,
) -> None:
    """Show what a plan that waits would change, field by field, with the values."""
    from connector_pipelines.sync import deciding, planning
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        plan = deciding.undecided(context, source, plan_hash)
        show_changes(plan, planning.sample_changes(context, plan, limit=rows))


@app.command()
def approve(source: SourceName, plan_hash: PlanHash, why: Reason) -> None:
    """Release exactly this plan and apply it; refused when core or the plan changed since it was made."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.deciding import approve_and_apply

    with progress() as report, open_context(report=report) as context:
        done = approve_and_apply(context, declared(source), plan_hash, who=getpass.getuser(), why=why)
    proof = "applied and verified" if done.verified else "applied, and not verified: see its receipt"
    console.print(f"{done.plan.entity}: {proof}")
    raise typer.Exit(0 if done.verified else 1)


@app.command()
def reject(source: SourceName, plan_hash: PlanHash, why: Reason) -> None:
    """Discard this plan; core stays as it is."""
    from connector_pipelines.sync import deciding
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        plan = deciding.reject(context, declared(source), plan_hash, who=getpass.getuser(), why=why)
    console.print(f"{plan.entity}: plan {plan.hash[:12]} is discarded")
