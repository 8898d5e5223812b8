"""Tests the connections again and again, and says when one that was down is back (requirements F13, F59, F62).

Each answer is kept in `integration_status_logs`, and shown as the check `connection` of the source's first asset.
Dagster reads the annotations of sensors as objects, so they are not postponed here.
"""

import dagster as dg

from connector_pipelines.model import Health, Source
from connector_pipelines.orchestration import checks, look, names
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.settings import settings
from connector_pipelines.sync.context import silent
from connector_pipelines.sync.sources import test_connection
from connector_pipelines.sync.switches import why_off


def source_sensors(declaration: Declaration) -> list[dg.SensorDefinition]:
    """One for each source; stopped until the declaration enables its schedules or a person starts it."""
    source = declaration.source

    @dg.sensor(
        name=f"health_{source.name}",
        description=f"Tests the connection to {source.name} and keeps the answer.",
        minimum_interval_seconds=settings().health_check_interval_ms // 1000,
        default_status=dg.DefaultSensorStatus.RUNNING if declaration.by_itself else dg.DefaultSensorStatus.STOPPED,
    )
    def health(context: dg.SensorEvaluationContext, engine: Engine) -> dg.SensorResult:  # noqa: ARG001 -- Dagster's signature
        found, said = ask(source, engine)
        return dg.SensorResult(skip_reason=said, asset_events=evaluations(source, found) if found else [])

    return [health]


def ask(source: Source, engine: Engine) -> tuple[Health | None, str]:
    """Test the connection unless it is down and only a person may try again; what was found and what to say of it."""
    with engine.open(launched_by="health sensor", report=silent, lane="urgent") as surroundings:
        off = why_off(surroundings.connection, source)
        if off:
            return None, f"not asked, it is off: {off}"
        before = look.status(surroundings.connection, source.name)
        if before == "error" and not settings().auto_reconnect:
            return None, f"down since its last test; launch {names.test_job(source.name)} when it is mended"
        health = test_connection(surroundings, source)
    if health.ok:
        back = "is back: " if before == "error" else ""
        return health, f"{back}{health.detail} ({_milliseconds(health):.0f} ms)"
    return health, health.detail


def evaluations(source: Source, found: Health) -> list[dg.AssetCheckEvaluation]:
    """What a connection test says, as the check it shows as; nothing for a source that feeds nothing."""
    return [
        dg.AssetCheckEvaluation(
            asset_key=names.external(source.name, stream.entity),
            check_name=checks.CONNECTION,
            passed=found.ok,
            description=found.detail,
            metadata={"milliseconds": dg.MetadataValue.float(_milliseconds(found))},
        )
        for stream in source.streams[:1]
    ]


def _milliseconds(found: Health) -> float:
    return found.latency_seconds * 1000
