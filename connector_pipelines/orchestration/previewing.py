"""The job that shows what a source would feed, before anything is synced. Dagster reads annotations as objects, so they
are not postponed here.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Source
from connector_pipelines.orchestration import launches
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync.preview import Preview, masked, preview


class What(dg.Config):
    """Which source and entity to look at."""

    source: str = Field(description="The source.")
    entity: str = Field(description="What to read, e.g. vendors.")
    rows: int = Field(default=5, ge=1, le=100, description="How many records to show.")
    fresh: bool = Field(default=False, description="Ask now, whatever was answered in the last hour.")


def preview_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    """Reads one page of a source and shows it; personal values are hidden, since the event log keeps what is shown."""

    @dg.op(description="Reads one page, shows its first records and what would become of them. Writes nothing.")
    def look(context: dg.OpExecutionContext, config: What, engine: Engine) -> None:
        with opened(context, engine):
            if config.source not in sources:
                known = ", ".join(sources) or "none"
                raise ConfigurationError(f"no source {config.source!r} is declared.", remedy=f"There are: {known}.")
            shown = masked(preview(sources[config.source], config.entity, rows=config.rows, fresh=config.fresh))
        context.add_output_metadata(metadata_of(shown))

    @dg.job(
        name="preview_source",
        tags={launches.LANE: "urgent"},
        description="Reads one page of a source and shows its first records, what they would feed and what validation "
        "says. Writes nothing. The command line shows the values, too.",
    )
    def preview_source() -> None:
        look()

    return preview_source


def metadata_of(shown: Preview) -> dict[str, Any]:
    """A preview for the UI."""
    table = [
        dg.TableRecord({"record": row.raw, "feeds": _feeds(row.mapped), "validation": row.verdict})
        for row in shown.rows
    ]
    found: dict[str, Any] = {"source": shown.source, "entity": shown.entity, "records on the page": shown.records}
    found |= {"asked": shown.url} if shown.url else {}
    found |= {"answered minutes ago": round(shown.age_seconds / 60, 1)} if shown.age_seconds else {}
    found |= {f"records {verdict}": count for verdict, count in shown.verdicts.items()}
    return found | ({"first records": dg.MetadataValue.table(table)} if table else {})


def _feeds(mapped: Mapping[str, str] | None) -> str:
    return "\n".join(f"{name}: {value}" for name, value in (mapped or {}).items()) or "nothing"
