"""Rows that are not in core, and why."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from connector_pipelines.commands.shared import Apply, SourceName, Why, declared
from connector_pipelines.terminal import console, progress

if TYPE_CHECKING:
    from connector_pipelines.sync.letters import Page

app = typer.Typer(no_args_is_help=True, help="Rows that are not in core, and why.")

LetterRule = Annotated[str | None, typer.Option(help="Only those refused by this rule.")]
LetterEntity = Annotated[str | None, typer.Option(help="Only of this entity.")]
LetterNumbers = Annotated[list[int] | None, typer.Option(help="Only these, by their numbers; repeat the option.")]


@app.command("list")
def list_letters(
    source: SourceName,
    entity: LetterEntity = None,
    rule: LetterRule = None,
    limit: Annotated[int, typer.Option(min=0, help="With --each: at most so many; 0 lists all.")] = 100,
    after: Annotated[int, typer.Option(min=0, help="With --each: only those with greater numbers.")] = 0,
    *,
    each: Annotated[bool, typer.Option("--each", help="One by one, with their numbers.")] = False,
    values: Annotated[bool, typer.Option("--values", help="With --each: the records, too, as they came.")] = False,
) -> None:
    """List rows that are not in core, by entity and reason, or one by one."""
    from connector_pipelines.sync import letters
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        if each:
            choice = letters.Choice(entity=entity, rule=rule, waiting=True)
            _say(letters.page(context.connection, source, choice, limit=limit, after=after, payloads=values))
            return
        for letter in letters.by_reason(context.connection, source, entity):
            console.print(
                f"{letter.count:>7,}  {letter.entity}  {letter.state}  {letter.rule}", soft_wrap=True, markup=False
            )


def _say(page: Page) -> None:
    for one in page.letters:
        row = "-" if one.row is None else one.row
        place = f"rule {one.rule}, read {one.read} page {one.page or '-'} record {row}, {one.attempts} attempts"
        console.out(f"{one.id:>7}  {one.entity}  {one.external_id or '-'}  {one.state}  {one.reason}  ({place})")
        if one.payload is not None:
            console.out(f"         {one.payload}")
    if page.left:
        console.print(f"{page.left:,} more of {page.count:,}; the next: --after {page.letters[-1].id}")
    elif page.letters:
        console.print(f"{len(page.letters):,} of {page.count:,} dead letters")


@app.command("show")
def show_letter(source: SourceName, number: Annotated[int, typer.Argument(help="Its number in the list.")]) -> None:
    """Show the record of a dead letter as it came."""
    from connector_pipelines.sync import letters
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        console.out(letters.payload(context.connection, source, number))


@app.command("retry")
def retry_letters(
    source: SourceName,
    number: LetterNumbers = None,
    entity: LetterEntity = None,
    rule: LetterRule = None,
    why: Why = "",
) -> None:
    """Accept and plan the records again, under today's code; without a choice, all that are open."""
    from connector_pipelines.sync import letters, retrying
    from connector_pipelines.sync.context import open_context

    choice = letters.Choice(tuple(number or ()), entity, rule)
    with progress() as report, open_context(report=report) as context:
        done = retrying.retry(context, declared(source), choice, who=getpass.getuser(), why=why)
    for one in done:
        accepted = one.letters - one.plan.counts.dead_lettered
        console.print(f"{one.plan.entity}: {accepted:,} of {one.letters:,} accepted; the plan is {one.plan.state}")
    raise typer.Exit(0 if all(one.receipt and one.receipt.verified for one in done) else 1)


@app.command("clear")
def clear_letters(
    source: SourceName,
    number: LetterNumbers = None,
    entity: LetterEntity = None,
    rule: LetterRule = None,
    why: Why = "",
    *,
    apply: Apply = False,
) -> None:
    """Settle dead letters without accepting their records; without a choice, all that are open."""
    from connector_pipelines.sync import letters
    from connector_pipelines.sync.context import open_context

    choice = letters.Choice(tuple(number or ()), entity, rule)
    with open_context() as context:
        count = letters.clear(context.connection, source, choice, who=getpass.getuser(), why=why, apply=apply)
        if apply:
            console.print(f"{count:,} dead letters are cleared")
            return
        _say(letters.page(context.connection, source, choice))
    console.print(f"{count:,} dead letters would be cleared; to do it: --apply --why …")
