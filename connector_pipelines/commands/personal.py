"""What is kept about people, and for how long."""

from __future__ import annotations

import getpass
from pathlib import Path  # noqa: TC003 -- Typer reads annotations as objects
from typing import Annotated

import typer

from connector_pipelines.commands.shared import Apply, Reason, Why  # noqa: TC001 -- Typer reads annotations as objects
from connector_pipelines.terminal import console

app = typer.Typer()


@app.command("retention")
def remove_expired(why: Why = "", *, apply: Apply = False) -> None:
    """Remove landed pages and settled dead letters that are older than CONNECTOR_PIPELINES_RETENTION_DAYS."""
    from connector_pipelines.sync import retention
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        found = retention.retain(context, who=getpass.getuser(), why=why, apply=apply)
    for one in found:
        said = f"{one.source}/{one.entity}: the pages of {len(one.reads):,} reads, {one.letters:,} dead letters"
        console.print(said, soft_wrap=True)
    if not apply:
        console.print("nothing is removed yet; to do it: --apply --why …" if found else "nothing is old enough")


@app.command("anonymised-copy")
def anonymised_copy(folder: Annotated[Path, typer.Argument(help="Where to write; not there yet, or empty.")]) -> None:
    """Write a copy of core for tests, one CSV file a table: its shape is kept, and who people are is lost."""
    from connector_pipelines.sync import anonymising
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        copied = anonymising.copy(context, folder, who=getpass.getuser())
    for table, rows in copied.rows.items():
        if rows:
            console.print(f"{table}: {rows:,}")
    console.print(f"to bring it into an empty database: psql -f load.sql in {copied.folder}", soft_wrap=True)


Kind = Annotated[str, typer.Argument(help="students or instructors.")]
Row = Annotated[int | None, typer.Argument(help="The person's id in core.")]
Knows = Annotated[str, typer.Option(help="Instead of the id: the source that knows the person …")]
There = Annotated[str, typer.Option(help="… and their id there.")]


@app.command("erase-subject")
def erase_subject(
    entity: Kind, row: Row = None, source: Knows = "", external_id: There = "", why: Why = "", *, apply: Apply = False
) -> None:
    """Erase one person: a pseudonym stays in core, the rest goes, also on landed pages; no sync brings it back."""
    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.sync import erasing
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.subjects import Subject

    subject = Subject(entity, row, source, external_id)
    with open_context() as context:
        done = erasing.erase(context, subject, declared_sources(), who=getpass.getuser(), why=why, apply=apply)
    for place, count in done.counts.items():
        if count:
            console.print(f"{place}: {count:,}", soft_wrap=True)
    console.print("erased" if apply else "nobody is erased yet; to do it: --apply --why …")


@app.command("export-subject")
def export_subject(
    entity: Kind,
    row: Row = None,
    source: Knows = "",
    external_id: There = "",
    *,
    to: Annotated[Path | None, typer.Option(help="The file to write; without, it is printed.")] = None,
    why: Reason,
) -> None:
    """Write all that is held about one person as JSON: core, history, dead letters, conflicts, landed records."""
    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.sync import subjects
    from connector_pipelines.sync.context import open_context

    subject = subjects.Subject(entity, row, source, external_id)
    with open_context() as context:
        held = subjects.export(context, subject, declared_sources(), who=getpass.getuser(), why=why)
    if to is None:
        console.out(subjects.as_json(held), highlight=False)
    else:
        subjects.write(held, to)
        console.print(f"{sum(map(len, held.values())):,} records of {len(held)} places are in {to}", soft_wrap=True)
