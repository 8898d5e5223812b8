"""Rows that are not in core, and why."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import SourceName, declared
from connector_pipelines.terminal import console, progress

app = typer.Typer(no_args_is_help=True, help="Rows that are not in core, and why.")

LetterRule = Annotated[str | None, typer.Option(help="Only those refused by this rule.")]
LetterEntity = Annotated[str | None, typer.Option(help="Only of this entity.")]
LetterNumbers = Annotated[list[int] | None, typer.Option(help="Only these, by their numbers; repeat the option.")]


@app.command("list")
def list_letters(
    source: SourceName,
    entity: LetterEntity = None,
    *,
    each: Annotated[bool, typer.Option("--each", help="One by one, with their numbers.")] = False,
) -> None:
    """List rows that are not in core, by entity and reason, or one by one."""
    from connector_pipelines.sync import letters
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        if each:
            for one in letters.listed(context.connection, source, letters.Choice(entity=entity, waiting=True)):
                place = f"read {one.read} page {one.page or '-'}, {one.attempts} attempts"
                console.out(
                    f"{one.id:>7}  {one.entity}  {one.external_id or '-'}  {one.state}  {one.reason}  ({place})"
                )
            return
        for letter in letters.by_reason(context.connection, source, entity):
            console.print(f"{letter.count:>7,}  {letter.entity}  {letter.state}  {letter.rule}", soft_wrap=True)


@app.command("show")
def show_letter(source: SourceName, number: Annotated[int, typer.Argument(help="Its number in the list.")]) -> None:
    """Show the record of a dead letter as it came."""
    from connector_pipelines.sync import letters
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        console.out(letters.payload(context.connection, source, number))


@app.command("retry")
def retry_letters(
    source: SourceName, number: LetterNumbers = None, entity: LetterEntity = None, rule: LetterRule = None
) -> None:
    """Accept and plan the records again, under today's code; without a choice, all that are open."""
    from connector_pipelines.sync import letters, retrying
    from connector_pipelines.sync.context import open_context

    choice = letters.Choice(tuple(number or ()), entity, rule)
    with progress() as report, open_context(report=report) as context:
        done = retrying.retry(context, declared(source), choice)
    for one in done:
        accepted = one.letters - one.plan.counts.dead_lettered
        console.print(f"{one.plan.entity}: {accepted:,} of {one.letters:,} accepted; the plan is {one.plan.state}")
    raise typer.Exit(0 if all(one.receipt and one.receipt.verified for one in done) else 1)


@app.command("clear")
def clear_letters(
    source: SourceName,
    why: Annotated[str, typer.Option(help="The reason, for the audit log.")],
    number: LetterNumbers = None,
    entity: LetterEntity = None,
    rule: LetterRule = None,
) -> None:
    """Settle dead letters without accepting their records; without a choice, all that are open."""
    from connector_pipelines.sync import letters
    from connector_pipelines.sync.context import open_context

    choice = letters.Choice(tuple(number or ()), entity, rule)
    with open_context() as context:
        count = letters.clear(context.connection, source, choice, who=getpass.getuser(), why=why)
    console.print(f"{count:,} dead letters are cleared")
