"""What several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connector_pipelines.model import Source

SourceName = Annotated[str, typer.Argument(help="A declared source, e.g. demo_school.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit log.")]
Reason = Annotated[str, typer.Option("--why", help="The reason, for the audit log; it is needed.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it. Without, it is only looked at.")]


def declared(name: str) -> Source:
    """The declared source of that name.

    Raises:
        ConfigurationError: there is none, or it is not usable.
    """
    from connector_pipelines.orchestration.sources import declared_source

    return declared_source(name)
