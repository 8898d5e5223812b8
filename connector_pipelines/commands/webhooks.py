"""Webhooks: receive them, switch them off and on, have failed events tried again."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from connector_pipelines.commands.shared import SourceName  # noqa: TC001 -- typer reads the annotations of commands
from connector_pipelines.garbage import settle
from connector_pipelines.terminal import console

app = typer.Typer()
events = typer.Typer(no_args_is_help=True, help="Webhooks: switch them off and on, have failed events tried again.")


@app.command()
def receive(
    port: Annotated[int | None, typer.Option(help="Where to listen; 8300, if the environment says nothing.")] = None,
    host: Annotated[
        str, typer.Option(help="Interface to listen on; a proxy with TLS belongs before it.")
    ] = "127.0.0.1",
) -> None:
    """Receive webhooks for all sources that have one, and serve /metrics, until interrupted."""
    from connector_pipelines.database.connection import database_url
    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.settings import settings
    from connector_pipelines.webhooks.serving import receive as serve

    sources = declared_sources().values()
    settle()
    serve(database_url(), sources, host=host, port=port or settings().receiver_port, say=console.out)


@events.command("switch")
def switch(
    source: SourceName, state: Annotated[str, typer.Argument(help="on, or off: deliveries are refused then.")]
) -> None:
    """Switch a source's webhook on or off, at once and until somebody switches it again."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.webhooks import inbox

    if state not in {"on", "off"}:
        raise typer.BadParameter("either on or off", param_hint="state")
    with open_context() as context:
        inbox.switch(context.connection, source, on=state == "on", who=getpass.getuser())
    console.print(f"the webhook of {source} is {state}")


@events.command("retry")
def retry(source: SourceName) -> None:
    """Let the failed events of a source wait again; the next tick of its sensor takes them."""
    from connector_pipelines.sync.context import open_context
    from connector_pipelines.webhooks import inbox

    with open_context() as context:
        count = inbox.try_again(context.connection, source, who=getpass.getuser())
    console.print(f"{count} events of {source} wait again")
