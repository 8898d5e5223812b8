"""Records of which a person must say whose they are."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import SourceName  # noqa: TC001 -- Typer reads annotations as objects
from connector_pipelines.terminal import console

app = typer.Typer(no_args_is_help=True, help="Records of which a person must say whose they are.")


@app.command("list")
def list_cases(source: SourceName) -> None:
    """List the records of a source of which a person must say whose they are, and the rows of core they may be."""
    from connector_pipelines.sync.accepting import open_cases
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        for case in open_cases(context.connection, source):
            told = f"{case.letter:>7}  {case.entity}  {case.external_id}  {case.reason}"
            for line in (told, *(f"         {candidate}" for candidate in case.candidates)):
                console.print(line, soft_wrap=True, markup=False)


@app.command("accept")
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
    console.print(f"{case.entity} {case.external_id}: the next plan lets it pass", soft_wrap=True, markup=False)
