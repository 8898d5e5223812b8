"""The resource that opens what every step needs. Nothing is connected before a step runs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dagster import ConfigurableResource
from pydantic import Field

from connector_pipelines.external.landing import Landing
from connector_pipelines.sync.context import open_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.model import Progress, Report
    from connector_pipelines.sync.context import Context


class Engine(ConfigurableResource):  # type: ignore[type-arg]
    """Opens a step's surroundings: database, landing, progress. Everything unset comes from the process's settings."""

    database_url: str | None = Field(
        default=None,
        description="PostgreSQL of this resource, as EnvVar, because a literal shows in the UI. Unset: the settings'.",
    )
    landing_url: str | None = Field(default=None, description="Where raw pages are landed. Unset: the settings'.")
    chunk_rows: int | None = Field(
        default=None, ge=1, description="Rows per applied transaction. Unset: the settings'."
    )

    @contextmanager
    def open(self, *, launched_by: str, report: Report, lane: str = "sync") -> Iterator[Context]:
        """A step's surroundings.

        Args:
            launched_by: the run, for the records.
            report: told about progress, before `listen`.
            lane: whose share of a source's budget is spent.
        """

        def tell(progress: Progress) -> None:
            report(progress)
            self.listen(progress)

        with open_context(self.database_url, report=tell, launched_by=launched_by, lane=lane) as context:
            own = self.landing_url and Landing(self.landing_url, sealed=context.landing.sealed)
            yield replace(context, landing=own or context.landing, chunk_rows=self.chunk_rows or context.chunk_rows)

    def listen(self, progress: Progress) -> None:
        """Hears of every step forward; a subclass may show it elsewhere than in Dagster's log."""
