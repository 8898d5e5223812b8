"""How the syncs do: the digest of a day, the sources in numbers, what people decided, what a backfill would take."""

from __future__ import annotations

from typing import Annotated

import typer

from connector_pipelines.commands.shared import SourceName, declared
from connector_pipelines.terminal import console

app = typer.Typer()


@app.command("digest")
def show_digest(*, send: Annotated[bool, typer.Option("--send", help="Send it, too, once a day.")] = False) -> None:
    """Show what changed in the last 24 hours, what failed, and what waits for a person."""
    from datetime import datetime

    from connector_pipelines.external.notify import places
    from connector_pipelines.settings import settings
    from connector_pipelines.sync import alerting, digest
    from connector_pipelines.sync.alarms import Level
    from connector_pipelines.sync.context import open_context

    now = datetime.now(settings().digest_zone)
    with open_context() as context:
        message = digest.message(digest.digest(context.connection, now))
        if send:
            alerting.tell(context.connection, message)
            alerting.deliver(context.connection, places(), now, at_least=Level.WARNING)
    console.print(message.title, soft_wrap=True, markup=False)
    console.print(message.body, soft_wrap=True, markup=False)


@app.command("overview")
def show_overview() -> None:
    """Show how each source did this week: runs, records, what is on its way, and why it is off."""
    from datetime import UTC, datetime, timedelta

    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.sync import overview
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.switches import why_off

    with open_context() as context:
        totals = overview.totals(context.connection, datetime.now(UTC) - timedelta(days=7))
        queues = overview.queues(context.connection)
        for name, source in declared_sources().items():
            total, queue = totals.get(name, overview.Totals()), queues.get(name, overview.Queue())
            runs = f"{total.succeeded:,} runs succeeded, {total.failed:,} failed ({total.run_rate:.1%})"
            records = f"{total.records:,} records, {total.refused:,} refused ({total.record_rate:.2%})"
            off = why_off(context.connection, source)
            said = f"{name}: {runs}; {records}; {queue.depth:,} on the way{f'; off: {off}' if off else ''}"
            console.print(said, soft_wrap=True, markup=False)


@app.command("decisions")
def show_decisions(
    source: Annotated[str | None, typer.Argument(help="Only of this source; without, of all.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
) -> None:
    """Show what people decided, newest first: when, who, what, where, and why."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.sync.decided import decisions

    with open_context() as context:
        for one in decisions(context.connection, source, limit=rows):
            where = "/".join(filter(None, (one.source, one.entity)))
            console.out(f"{one.at:%Y-%m-%d %H:%M} UTC  {one.who}  {one.what}  {where or '-'}  {one.why or '-'}")


@app.command("estimate")
def estimate(
    source: SourceName,
    first: Annotated[str, typer.Option(help="The first day, as 2026-11-01. Without days: everything.")] = "",
    last: Annotated[str, typer.Option(help="The last day; the first one where none is named.")] = "",
) -> None:
    """Say how many calls and how long a backfill would take; the source is not asked."""
    from connector_pipelines.sync import quota, whole
    from connector_pipelines.sync.context import open_context

    known = declared(source)
    with open_context() as context:
        expected = quota.predict(context.connection, source, whole.in_order(known), quota.days_between(first, last))
    console.print(f"{source} takes {expected}", soft_wrap=True)
