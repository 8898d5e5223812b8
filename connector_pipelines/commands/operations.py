"""How the syncs do: the digest of a day."""

from __future__ import annotations

from typing import Annotated

import typer

from connector_pipelines.terminal import console

app = typer.Typer()


@app.command("digest")
def show_digest(*, send: Annotated[bool, typer.Option("--send", help="Send it, too, once a day.")] = False) -> None:
    """Show what changed in the last 24 hours, what failed, and what waits for a person."""
    from datetime import UTC, datetime

    from connector_pipelines.external.notify import places
    from connector_pipelines.sync import alerting, digest
    from connector_pipelines.sync.alarms import Level
    from connector_pipelines.sync.context import open_context

    now = datetime.now(UTC)
    with open_context() as context:
        message = digest.message(digest.digest(context.connection, now))
        if send:
            alerting.tell(context.connection, message)
            alerting.deliver(context.connection, places(), now, at_least=Level.WARNING)
    console.print(message.title, soft_wrap=True, markup=False)
    console.print(message.body, soft_wrap=True, markup=False)
